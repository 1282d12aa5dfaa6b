"""The page that answers: is this run worth starting? The whole run spec as text, what is wrong with it, and Start."""

from __future__ import annotations

from typing import Any

import gradio as gr

from core.check import Report, check
from core.data import Data, first_rows, task_counts
from core.errors import Problem, UserError
from core.prompts import as_messages
from core.readiness import report
from core.routing import RoutingTable
from core.runs import PROJECT, create_run, launch_and_leave
from core.spec import Draft, RunSpec, parse_draft, parse_spec, parse_yaml
from ui.frame import View, opened
from ui.messages import told
from ui.texts import t

SPEC = "run spec"
TASK_HEADERS = [t(f"column.{name}") for name in ("task", "rows", "held_out", "rewards", "prompt")]
PROBLEM_HEADERS = [t(f"column.{name}") for name in ("kind", "where", "what", "mend")]


def build(project: gr.Textbox, page: gr.Textbox) -> View:
    """The spec in an editor, tasks and problems, and the button that starts a run."""
    gr.Markdown(f"## {t('train.question')}", elem_classes="question")
    with gr.Row():
        with gr.Column(scale=2):
            button = gr.Button(t("train.button"), variant="primary", interactive=False, elem_id="start-run")
            note = gr.Markdown(elem_classes="status", elem_id="start-note")
        with gr.Column(scale=3):
            spec = gr.Code(label=t("train.spec"), language="yaml", lines=14, max_lines=30, elem_id="spec")
    quiet = {"interactive": False, "visible": False}
    tasks = gr.Dataframe(headers=TASK_HEADERS, label=t("train.tasks"), wrap=False, elem_id="tasks", **quiet)
    problems = gr.Dataframe(headers=PROBLEM_HEADERS, label=t("train.problems"), wrap=True, elem_id="problems", **quiet)
    seen, started = gr.State(), gr.Textbox(visible=False)
    shown = [tasks, problems, button, note]
    spec.input(
        save,
        [project, spec],
        shown,
        api_visibility="private",
        trigger_mode="always_last",
        show_progress="hidden",
    )
    button.click(start, [project, spec], [started, page], api_visibility="private")
    return View(show, seen, [spec, *shown, seen], [spec], {"started": started})


def show(name: str, seen: Any, text: str | None) -> tuple[Any, ...]:
    """The project's spec and what it amounts to; the text in the editor stays where it says the same."""
    project = opened(name)
    token = f"{name} {project.revision}"
    if token == seen:
        return (gr.skip(),) * 6
    draft = project.draft()
    same = _reads_as(text, draft)
    return gr.skip() if same else draft.to_yaml(), *shown(draft, report(draft)), token


def _reads_as(text: str | None, draft: Draft) -> bool:
    try:
        return bool(text) and read(text or "") == draft
    except UserError:
        return False


@told
def save(name: str, text: str) -> tuple[Any, ...]:
    """Keep what is typed as soon as it reads as a spec; until then, say why it does not."""
    try:
        draft = read(text)
    except UserError as error:
        return shown(None, Report(error.problems, None))
    opened(name).change(lambda _: draft)
    return shown(draft, report(draft))


@told
def start(name: str, text: str) -> tuple[str, str]:
    """Create the run's folder and launch its worker."""
    spec = parse_spec(parse_yaml(text, SPEC), SPEC, base=PROJECT)
    if errors := check(spec).errors:
        raise UserError(errors)
    run = create_run(spec)
    launch_and_leave(run)
    gr.Info(t("train.started", run=run.id))
    return run.id, "monitor"


def read(text: str) -> Draft:
    """The spec in the editor, which may be unfinished; relative paths start at the project's folder."""
    document = parse_yaml(text, SPEC)
    if not isinstance(document, dict) or not document.get("data") or not document.get("rewards"):
        return parse_draft(document, SPEC)
    spec = parse_spec(document, SPEC, base=PROJECT)
    return Draft(**{name: getattr(spec, name) for name in spec.model_fields_set})


def shown(draft: Draft | None, found: Report) -> tuple[Any, ...]:
    """Updates of the tasks table, the problems table, the button and the note beside it."""
    ready = draft is not None and bool(draft.rewards) and found.data is not None and not found.errors
    rows = task_rows(draft, found.data) if draft and found.data else []
    return (
        gr.Dataframe(value=rows, visible=bool(rows)),
        gr.Dataframe(value=[problem_row(problem) for problem in found.problems], visible=bool(found.problems)),
        gr.Button(interactive=ready),
        _note(draft, found, ready),
    )


def _note(draft: Draft | None, found: Report, ready: bool) -> str:
    if ready and found.data is not None:
        counts = {"rows": len(found.data.train), "held_out": len(found.data.held_out)}
        note = t("train.ready", tasks=len(task_counts(found.data.train)), **counts)
        return note if found.sandbox is None else f"{note}\n\n{found.sandbox}"
    if draft is not None and draft.data is None:
        return t("train.no_data")
    if draft is not None and not draft.rewards:
        return t("train.no_rewards")
    return t("train.blocked", errors=len(found.errors))


def task_rows(draft: Draft | RunSpec, data: Data) -> list[list[object]]:
    """One line per task: counts, rewards with their weights, its first prompt."""
    table = RoutingTable(draft.rewards)
    held_out = task_counts(data.held_out)
    first = {task: data.train[row] for task, row in first_rows(data.train).items()}
    return [
        [
            task,
            rows,
            held_out.get(task, 0),
            ", ".join(f"{route.key} × {route.weight:g}" for route in table.of(task)),
            as_messages(first[task]["prompt"])[-1]["content"],
        ]
        for task, rows in task_counts(data.train).items()
    ]


def problem_row(problem: Problem) -> list[str]:
    """A problem as a table line."""
    return [problem.severity, problem.where, problem.what, problem.mend]
