"""The page part that answers: what will the model train on, and what earns points in each task?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from core.check import Report, check
from core.data import Data, first_rows, task_counts
from core.errors import Problem, UserError
from core.prompts import as_messages
from core.routing import RoutingTable
from core.runs import PROJECT, create_run, launch_and_leave
from core.spec import RunSpec, parse_spec, parse_yaml
from core.suggest import suggest_spec, suggested_name
from core.uploads import keep_upload
from ui.texts import t

EXAMPLES = PROJECT / "examples"
SPEC = "run spec"
TASK_HEADERS = [t(f"column.{name}") for name in ("task", "rows", "held_out", "rewards", "prompt")]
PROBLEM_HEADERS = [t(f"column.{name}") for name in ("kind", "where", "what", "mend")]


@dataclass(frozen=True)
class StartPart:
    """What other parts of the page connect to.

    Attributes:
        example: the chosen example.
        spec: the run spec in the editor.
        started: holds the id of the run just started.
    """

    example: gr.Dropdown
    spec: gr.Code
    started: gr.State


def build() -> StartPart:
    """Choose an example or upload files, edit the spec, see tasks and problems, start."""
    gr.Markdown(f"## {t('start.question')}", elem_classes="question")
    with gr.Row():
        with gr.Column(scale=2):
            example = gr.Dropdown(example_names(), label=t("start.example"), info=t("start.example_help"))
            upload = gr.File(label=t("start.upload"), file_count="multiple", height=160)
            button = gr.Button(t("start.button"), variant="primary", interactive=False, elem_id="start-run")
            note = gr.Markdown(elem_classes="status", elem_id="start-note")
        with gr.Column(scale=3):
            spec = gr.Code(label=t("start.spec"), language="yaml", lines=14, max_lines=22, elem_id="spec")
    tasks = gr.Dataframe(
        headers=TASK_HEADERS, label=t("start.tasks"), interactive=False, wrap=False, elem_id="tasks", visible=False
    )
    problems = gr.Dataframe(
        headers=PROBLEM_HEADERS,
        label=t("start.problems"),
        interactive=False,
        wrap=True,
        visible=False,
        elem_id="problems",
    )
    started = gr.State()
    shown = [tasks, problems, button, note]
    example.input(show_example, example, spec, api_visibility="private")
    upload.upload(show_upload, upload, [spec, *shown], api_visibility="private")
    spec.change(show_check, spec, shown, api_visibility="private", trigger_mode="always_last", show_progress="hidden")
    button.click(start, spec, started, api_visibility="private")
    return StartPart(example, spec, started)


def example_names() -> list[str]:
    """The run specs that come with the project."""
    return sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


def show_example(name: str | None) -> str:
    """The text of an example's spec."""
    return (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8") if name else ""


def show_upload(files: list[str] | None) -> tuple[object, ...]:
    """Keep the uploaded files and suggest a spec for them; where they cannot be read, it is there to mend."""
    if not files:
        return (gr.skip(),) * 5
    paths = [keep_upload(Path(file)) for file in files]
    spec = suggest_spec([str(path) for path in paths], suggested_name(paths[0]))
    return spec.to_yaml(), *shown(spec, check(spec))


def show_check(text: str) -> tuple[object, ...]:
    """Tasks, problems and whether a run can start, for the spec as it stands in the editor."""
    if not text.strip():
        return gr.Dataframe(visible=False), gr.Dataframe(visible=False), gr.Button(interactive=False), t("start.empty")
    try:
        spec = read(text)
    except UserError as error:
        return shown(None, Report(error.problems, None))
    return shown(spec, check(spec))


def start(text: str) -> str:
    """Create the run's folder and launch its worker."""
    try:
        spec = read(text)
        if errors := check(spec).errors:
            raise UserError(errors)
        run = create_run(spec)
        launch_and_leave(run)
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error
    gr.Info(t("start.started", run=run.id))
    return run.id


def read(text: str) -> RunSpec:
    """The spec in the editor; relative paths start at the project."""
    return parse_spec(parse_yaml(text, SPEC), SPEC, base=PROJECT)


def shown(spec: RunSpec | None, report: Report) -> tuple[object, ...]:
    """Updates of the tasks table, the problems table, the button and the note beside it."""
    ready = spec is not None and report.data is not None and not report.errors
    rows = task_rows(spec, report.data) if spec and report.data else []
    count = len(report.errors)
    note = t("start.blocked", errors=count)
    if ready and report.data:
        note = t("start.ready", tasks=len(rows), rows=len(report.data.train), held_out=len(report.data.held_out))
        if report.sandbox is not None:
            note += f"\n\n{report.sandbox}"
    return (
        gr.Dataframe(value=rows, visible=bool(rows)),
        gr.Dataframe(value=[problem_row(problem) for problem in report.problems], visible=bool(report.problems)),
        gr.Button(interactive=ready),
        note,
    )


def task_rows(spec: RunSpec, data: Data) -> list[list[object]]:
    """One line per task: counts, rewards with their weights, its first prompt."""
    table = RoutingTable(spec.rewards)
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
