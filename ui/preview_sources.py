"""The form that brings sample outputs: from a model, typed, from a file, of a run, worked examples."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import ValidationError

from core.errors import Problem, UserError
from core.projects import Project
from core.runs import RunFolder, all_runs, runs_root
from core.sampling import ModelChoice
from core.spec import Draft
from core.spec_errors import field_path
from ui.frame import QUIET, opened
from ui.messages import told
from ui.preview_sampling import (
    ROWS,
    TYPED_ROWS,
    from_examples,
    from_file,
    from_run,
    from_typing,
    rows_of,
    settings_of,
    start_sampling,
)
from ui.preview_state import Known, rows_report
from ui.texts import t

MOST_RUNS = 50
LABEL = 90  # characters of a prompt in a list of rows
SETTINGS = ("model", "completions", "tokens", "temperature", "task", "row")  # fields that the project fills in


class Sources:
    """The components of the form; `fill` gives each of `settings` its value for a project, `run_choices` gives `run`
    its own."""

    def __init__(self) -> None:
        kinds = [(t("preview.add"), True), (t("preview.replace"), False)]
        self.add = gr.Radio(kinds, value=True, label=t("preview.new_samples"), elem_id="preview-add")
        with gr.Tabs(elem_id="preview-sources"):
            with gr.Tab(t("preview.from_model")):
                self._model()
            with gr.Tab(t("preview.from_typing")):
                self._typing()
            with gr.Tab(t("preview.from_file")):
                self.file = gr.File(label=t("preview.file"), height=130, elem_id="preview-file")
                gr.HTML(f'<p class="sb-note">{escape(t("preview.file_help"))}</p>')
            with gr.Tab(t("preview.from_run")):
                self._run()
            with gr.Tab(t("preview.examples")):
                gr.HTML(f'<p class="sb-note">{escape(t("preview.examples_help"))}</p>')
                self.take_examples = gr.Button(t("preview.take_examples"), variant="primary", elem_id="take-examples")
        self.settings = [getattr(self, name) for name in SETTINGS]

    def _model(self) -> None:
        with gr.Row():
            self.model = gr.Textbox(label=t("preview.model"), info=t("preview.model_help"), elem_id="sample-model")
            self.adapter = gr.Textbox(
                label=t("preview.adapter"), info=t("preview.adapter_help"), elem_id="sample-adapter"
            )
        with gr.Row():
            narrow: dict[str, Any] = {"precision": 0, "minimum": 1, "min_width": 130}
            self.rows = gr.Number(ROWS, label=t("preview.rows"), elem_id="sample-rows", **narrow)
            self.completions = gr.Number(8, label=t("preview.completions"), elem_id="sample-completions", **narrow)
            self.tokens = gr.Number(64, label=t("preview.tokens"), elem_id="sample-tokens", **narrow)
            self.temperature = gr.Number(1.0, label=t("preview.temperature"), minimum=0, step=0.1, min_width=130)
        self.sample = gr.Button(t("preview.sample"), variant="primary", elem_id="sample")

    def _typing(self) -> None:
        with gr.Row():
            self.task = gr.Dropdown([], label=t("column.task"), min_width=140, elem_id="typed-task")
            self.row = gr.Dropdown([], label=t("preview.row"), min_width=240, scale=3, elem_id="typed-row")
        self.text = gr.Textbox(
            label=t("preview.typed"), info=t("preview.typed_help"), lines=5, max_lines=20, elem_id="typed-text"
        )
        self.add_typed = gr.Button(t("preview.typed_add"), variant="primary", elem_id="typed-add")

    def _run(self) -> None:
        with gr.Row():
            self.run = gr.Dropdown([], label=t("preview.run"), scale=3, min_width=220, elem_id="samples-run")
            self.step = gr.Number(
                None, label=t("preview.step"), info=t("preview.step_help"), precision=0, minimum=1, min_width=140
            )
        self.take_run = gr.Button(t("preview.take_run"), variant="primary", elem_id="take-run")

    def connect(self, project: gr.Textbox, refresh: dict[str, Any]) -> None:
        """Let every source bring its samples; `refresh` shows them."""
        where: dict[str, Any] = {"name": project}
        add: dict[str, Any] = {**where, "add": self.add}
        model: dict[str, Any] = {"model": self.model, "adapter": self.adapter, "rows": self.rows}
        model |= {"num_generations": self.completions, "max_completion_length": self.tokens}
        model |= {"temperature": self.temperature}
        self.sample.click(told(sample), None, None, inputs_kwargs=add | model, **QUIET).then(**refresh)
        typed = where | {"task": self.task, "row": self.row, "text": self.text}
        self.task.input(typed_rows, outputs=self.row, inputs_kwargs={"name": project, "task": self.task}, **QUIET)
        self.add_typed.click(told(bring_typed), None, self.text, inputs_kwargs=typed, **QUIET).then(**refresh)
        file = add | {"file": self.file}
        self.file.upload(told(bring_file), None, self.file, inputs_kwargs=file, **QUIET).then(**refresh)
        run = add | {"run": self.run, "step": self.step}
        self.take_run.click(told(bring_run), None, None, inputs_kwargs=run, **QUIET).then(**refresh)
        self.take_examples.click(told(bring_examples), None, None, inputs_kwargs=add, **QUIET).then(**refresh)


def sources_token(now: Known) -> str:
    """Changes when the settings of the form should be filled in anew: what somebody has entered stays otherwise."""
    shown = settings_of(now.draft).model_dump(include={"num_generations", "max_completion_length", "temperature"})
    return f"{now.project.name} {now.draft.data} {now.draft.model} {shown}"


def fill(now: Known) -> list[Any]:
    """Values for `Sources.settings`."""
    settings = settings_of(now.draft)
    rows = _rows(now.draft)
    tasks = list(rows)
    return [
        gr.Textbox(value=now.draft.model),
        gr.Number(value=settings.num_generations),
        gr.Number(value=settings.max_completion_length),
        gr.Number(value=settings.temperature),
        gr.Dropdown(choices=tasks, value=tasks[0] if tasks else None),
        _row_choices(rows, tasks[0] if tasks else ""),
    ]


def run_choices(runs: list[str], before: list[str]) -> gr.Dropdown:
    """The runs to take completions of; the newest is chosen where there were none before, else what is chosen stays."""
    return gr.Dropdown(choices=runs) if before else gr.Dropdown(choices=runs, value=next(iter(runs), None))


def _rows(draft: Draft) -> dict[str, list[dict[str, Any]]]:
    return rows_of(draft, TYPED_ROWS) if rows_report(draft).data is not None else {}


def _row_choices(rows: dict[str, list[dict[str, Any]]], task: str) -> gr.Dropdown:
    labels = [f"{n}. {' '.join(str(row['prompt']).split())[:LABEL]}" for n, row in enumerate(rows.get(task, []), 1)]
    return gr.Dropdown(choices=labels, value=labels[0] if labels else None)


def sampled_runs() -> list[str]:
    """Runs that have kept completions, the newest first."""
    return list(islice((run.id for run in all_runs() if run.completions.is_dir()), MOST_RUNS))


def typed_rows(name: str, task: str) -> gr.Dropdown:
    """The rows of a task to type completions for."""
    return _row_choices(_rows(opened(name).draft()), task)


def sample(name: str, add: bool, model: str, adapter: str, rows: int | None, **settings: Any) -> None:
    """Start sampling as the form says; the model is the project's own where none is named."""
    project = opened(name)
    draft = project.draft()
    try:
        found = settings_of(draft, **settings, seed=_seed(project, add))
    except ValidationError as error:
        raise UserError(_wrong(detail) for detail in error.errors()) from None
    start_sampling(project, int(rows or ROWS), found, _model(draft, model, adapter), add)


def _model(draft: Draft, model: str, adapter: str) -> ModelChoice:
    keywords = draft.grpo.get("chat_template_kwargs") or {}
    return ModelChoice((model or "").strip() or draft.model, (adapter or "").strip() or None, keywords)


def _seed(project: Project, add: bool) -> int:
    """Another one for every sampling that is added: the same one would say the same again."""
    return project.samples_path.stat().st_size if add and project.samples_path.exists() else 0


def _wrong(detail: Any) -> Problem:
    return Problem(field_path(detail["loc"]), f"{detail['msg']}.", t("preview.wrong_setting", value=detail["input"]))


def bring_typed(name: str, task: str | None, row: str | None, text: str | None) -> str:
    """Keep what was typed, and empty the box."""
    if not task or not row:
        raise UserError(Problem(t("preview.row"), t("preview.no_row"), ""))
    from_typing(opened(name), task, int(row.partition(".")[0]) - 1, text or "")
    return ""


def bring_file(name: str, file: str | None, add: bool) -> None:
    """Keep the completions of an uploaded file, and make room for another."""
    if file:
        _tell(from_file(opened(name), Path(file), add))


def bring_run(name: str, run: str | None, step: int | None, add: bool) -> None:
    """Keep the completions of a run."""
    if not run or run not in sampled_runs():
        raise UserError(Problem(t("preview.run"), t("preview.no_run"), ""))
    _tell(from_run(opened(name), RunFolder(runs_root() / run), int(step) if step else None, add))


def bring_examples(name: str, add: bool) -> None:
    """Keep the worked examples of the rewards."""
    from_examples(opened(name), add)


def _tell(warnings: tuple[Problem, ...], warn: Callable[[str], Any] = gr.Warning) -> None:
    for problem in warnings:
        warn(escape(str(problem)))  # it shows its message as HTML
