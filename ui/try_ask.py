"""The form that asks: a held-out row or a typed question, how answers are sampled, who answers."""

from __future__ import annotations

from typing import Any

import gradio as gr
from pydantic import ValidationError

from core.errors import Problem, UserError
from core.evaluation import evaluation_settings, held_out_rows
from core.prompts import as_messages, as_text
from core.run_adapters import SIDES, Side, find_adapter
from core.runs import RunFolder
from core.sampling import SamplingSettings
from core.spec_errors import form_faults
from ui.frame import QUIET
from ui.html import said
from ui.messages import told
from ui.texts import t
from ui.try_state import TRIES, Known, run_of

LABEL = 100  # characters of a prompt in the list of rows
MOST_ROWS = 300
LONGEST = 32_768
ALONE: dict[str, tuple[Side, ...]] = {"both": SIDES, "base": ("base",), "adapter": ("adapter",)}
HELD_OUT, OWN = "row", "own"


class Ask:
    """The components of the form; `fill` gives each of `outputs` its value for a run."""

    def __init__(self) -> None:
        kinds = [(t("try.held_out"), HELD_OUT), (t("try.own"), OWN)]
        with gr.Row():
            self.what = gr.Radio(
                kinds, value=HELD_OUT, label=t("try.ask_what"), elem_id="ask-what", scale=2, min_width=260
            )
            self.task = gr.Dropdown([], label=t("try.task"), elem_id="ask-task", scale=1, min_width=130)
            self.row = gr.Dropdown([], label=t("try.row"), elem_id="ask-row", scale=3, min_width=220)
        with gr.Column(visible=False) as self.own:
            self.text = gr.Textbox(
                label=t("try.own_text"), info=t("try.own_help"), lines=3, max_lines=12, elem_id="ask-text"
            )
            self.reference = gr.Textbox(
                label=t("try.reference"), info=t("try.reference_help"), lines=1, elem_id="ask-reference"
            )
        with gr.Accordion(t("try.settings"), open=False, elem_id="ask-settings"):
            self._settings()
        with gr.Row(elem_classes="sb-form-row"):
            self.ask = gr.Button(t("try.ask"), variant="primary", elem_id="ask", min_width=160)
        self.outputs = [self.what, self.own, self.task, self.row, self.temperature, self.tokens, self.seed]

    def _settings(self) -> None:
        narrow: dict[str, Any] = {"min_width": 150, "minimum": 0}
        with gr.Row():
            self.temperature = gr.Number(
                1.0, label=t("try.temperature"), info=t("try.temperature_help"), step=0.1, elem_id="ask-heat", **narrow
            )
            self.tokens = gr.Number(
                128, label=t("try.tokens"), precision=0, maximum=LONGEST, elem_id="ask-tokens", **narrow
            )
            self.seed = gr.Number(
                0, label=t("try.seed"), info=t("try.seed_help"), precision=0, elem_id="ask-seed", **narrow
            )
        who = [(t("try.both"), "both"), (t("try.base_alone"), "base"), (t("try.adapter_alone"), "adapter")]
        self.who = gr.Radio(who, value="both", label=t("try.who"), elem_id="ask-who")

    def connect(self, run: gr.Textbox, adapter: gr.Textbox, refresh: dict[str, Any]) -> None:
        """Let the form ask; `refresh` shows what comes of it."""
        self.what.input(kind_chosen, self.what, [self.row, self.own], **QUIET)
        chosen = {"run_id": run, "task": self.task}
        self.task.input(told(rows_of_task), outputs=self.row, inputs_kwargs=chosen, **QUIET)
        given: dict[str, Any] = {"run": run, "adapter": adapter, "what": self.what, "task": self.task, "row": self.row}
        given |= {"text": self.text, "reference": self.reference, "who": self.who}
        given |= {"temperature": self.temperature, "max_completion_length": self.tokens, "seed": self.seed}
        gr.on([self.ask.click, self.reference.submit], told(ask), None, None, inputs_kwargs=given, **QUIET).then(
            **refresh
        )


def ask_token(now: Known) -> str:
    """Changes when the form should be filled anew: what somebody has entered stays otherwise."""
    return f"{now.id} {now.adapter is not None}"


def fill(now: Known) -> list[Any]:
    """The form's values for a run."""
    if now.run is None or now.spec is None:
        return [gr.skip()] * 7
    settings = evaluation_settings(now.spec)
    tasks, rows = _tasks(now.run), []
    if tasks:
        rows = _choices(now.run, tasks[0])
    named = tasks or [task for task in now.spec.rewards if task != "default"]
    return [
        gr.Radio(value=HELD_OUT if tasks else OWN),
        gr.Column(visible=not tasks),
        gr.Dropdown(choices=named, value=next(iter(named), None)),
        gr.Dropdown(choices=rows, value=rows[0][1] if rows else None, visible=bool(tasks)),
        settings.temperature,
        min(settings.max_completion_length, LONGEST),
        settings.seed,
    ]


def _tasks(run: RunFolder) -> list[str]:
    """Tasks with held-out rows; none where the data cannot be read any more."""
    try:
        return list(dict.fromkeys(str(row["task"]) for row in held_out_rows(run)))
    except UserError:
        return []


def _choices(run: RunFolder, task: str) -> list[tuple[str, str]]:
    rows = [row for row in held_out_rows(run) if row["task"] == task][:MOST_ROWS]
    texts = (" ".join(as_text(as_messages(row["prompt"])).split()) for row in rows)
    return [(f"{n + 1}. {text[:LABEL]}", str(n)) for n, text in enumerate(texts)]


def kind_chosen(what: str) -> tuple[gr.Dropdown, gr.Column]:
    """A row or a text."""
    return gr.Dropdown(visible=what == HELD_OUT), gr.Column(visible=what == OWN)


def rows_of_task(run_id: str, task: str | None) -> gr.Dropdown:
    """The held-out rows of another task."""
    rows = _choices(run_of(run_id), task) if task and task in _tasks(run_of(run_id)) else []
    return gr.Dropdown(choices=rows, value=rows[0][1] if rows else None)


def ask(
    run: str,
    adapter: str,
    what: str,
    task: str | None,
    row: str | None,
    text: str | None,
    reference: str | None,
    who: str,
    temperature: float | None,
    max_completion_length: int | None,
    seed: int | None,
) -> None:
    """Begin a new conversation."""
    folder = run_of(run)
    settings = sampling(folder, temperature=temperature, max_completion_length=max_completion_length, seed=seed)
    asked = chosen_row(folder, task, row) if what == HELD_OUT else typed_row(task, text, reference)
    TRIES.ask(find_adapter(folder, adapter), asked, settings, ALONE[who])


def sampling(run: RunFolder, **given: float | None) -> SamplingSettings:
    """The run's own settings with those from fields of a form; what is empty is the run's."""
    try:
        return evaluation_settings(run.spec(), **given).plain
    except ValidationError as error:
        raise form_faults(error) from None


def chosen_row(run: RunFolder, task: str | None, number: str | None) -> dict[str, Any]:
    """A held-out row by its task and its place among that task's."""
    rows = [row for row in held_out_rows(run) if row["task"] == task]
    if number is None or int(number) >= len(rows):
        raise UserError(Problem(t("try.row"), t("preview.no_row"), ""))
    return rows[int(number)]


def typed_row(task: str | None, text: str | None, reference: str | None) -> dict[str, Any]:
    """A question as a row of its task."""
    answer = {"answer": reference.strip()} if reference and reference.strip() else {}
    return {"task": task or "default", "prompt": text or "", **answer}


def talk(run: str, event: gr.EventData) -> None:
    """What a button in the conversation asks for."""
    match said(event):
        case {"act": "cancel"}:
            TRIES.cancel(run_of(run).id)
        case {"act": "clear"}:
            TRIES.forget(run_of(run).id)


def follow(run: str, text: str | None) -> str:
    """Another turn; the box is empty afterwards."""
    TRIES.go_on(run_of(run).id, text or "")
    return ""
