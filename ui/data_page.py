"""The page that answers: what will the model train on?"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from core.data import task_counts
from core.readiness import report
from core.runs import PROJECT
from core.spec import Draft, RunSpec, read_spec
from core.suggest import suggest_spec, suggested_name
from core.uploads import keep_upload
from ui.frame import View, opened
from ui.html import button, empty, live_html, said
from ui.messages import problem_list, told
from ui.texts import t

EXAMPLES = PROJECT / "examples"


def build(project: gr.Textbox, page: gr.Textbox) -> View:
    """Choose rows, see what is wrong with them."""
    gr.Markdown(f"## {t('data.question')}", elem_classes="question")
    rows = live_html("data-rows")
    upload = gr.File(label=t("data.upload"), file_count="multiple", height=140, elem_id="upload")
    seen = gr.State()
    outputs = [rows, seen]
    upload.upload(use_upload, [project, upload], None, api_visibility="private").then(
        show, [project, seen], outputs, api_visibility="private"
    )
    rows.click(clicked, [project], None, api_visibility="private").then(
        show, [project, seen], outputs, api_visibility="private"
    )
    return View(show, seen, outputs)


def example_names() -> list[str]:
    """The run specs that come with the project."""
    return sorted(path.stem for path in EXAMPLES.glob("*.yaml"))


def show(name: str, seen: Any) -> tuple[Any, ...]:
    """The tasks of the project's data and what is wrong with it."""
    project = opened(name)
    token = f"{name} {project.revision}"
    if token == seen:
        return gr.skip(), gr.skip()
    return summary(project.draft()), token


def summary(draft: Draft) -> str:
    """What there is, or how to begin."""
    if draft.data is None:
        names = example_names()
        return empty(
            t("data.empty"), *(button(t("data.example", name=name), act="example", name=name) for name in names)
        )
    found = report(draft)
    counts = task_counts(found.data.train) if found.data else {}
    lines = "".join(f"<tr><td>{escape(task)}</td><td>{count}</td></tr>" for task, count in counts.items())
    return f"<table>{lines}</table>{problem_list(found.problems)}"


@told
def clicked(name: str, event: gr.EventData) -> None:
    """What was clicked: an example."""
    match said(event):
        case {"act": "example", "name": str(example)} if example in example_names():
            adopt(name, read_spec(EXAMPLES / f"{example}.yaml"))


@told
def use_upload(name: str, files: list[str] | None) -> None:
    """Keep the uploaded files and take what can be guessed from them."""
    if files:
        paths = [keep_upload(Path(file)) for file in files]
        adopt(name, suggest_spec([str(path) for path in paths], suggested_name(paths[0])))


def adopt(name: str, spec: RunSpec) -> None:
    """Make a spec the project's own."""
    opened(name).change(lambda _: Draft(**{field: getattr(spec, field) for field in spec.model_fields_set}))
