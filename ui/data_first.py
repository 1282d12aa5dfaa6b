"""The first row of each task as the model will read it: at once as chat messages, on request with the chat template of
the model and its length in tokens, for which the process that holds the model has to be started.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from core.data import Data, some_rows, task_counts
from core.errors import UserError
from core.jobs import Job
from core.projects import Project
from core.prompts import render
from core.readiness import report
from core.sampler import Rendered
from core.sampling import ModelChoice
from core.services import SERVICES
from core.spec import Draft
from ui.data_parts import readable
from ui.data_reading import Look, fingerprint
from ui.frame import opened
from ui.html import button, said, swatch
from ui.messages import problem_list, told
from ui.texts import t
from ui.theme import task_colours

SHOWN_TASKS = 12  # at once; the others are folded
MOST_TASKS = 60
PATIENCE_S = 0.5


def first_rows_html(look: Look) -> str:
    """The first row of each task as chat messages, or as the text that the model reads where that is known."""
    data = look.found.data
    if data is None:
        return ""
    rows = _first_rows(data)
    known = _rendered(look)
    colours = task_colours(task_counts(data.train))
    items = [
        _first_row(colours[row["task"]], row, look.draft, known[n] if known else None) for n, row in enumerate(rows)
    ]
    return (
        f'<h3 class="sb-heading">{escape(t("first.title"))}</h3><p class="sb-note">{_first_note(look, bool(known))}</p>'
        f"{cards_html(items, len(task_counts(data.train)))}"
    )


def cards_html(items: Sequence[str], tasks: int) -> str:
    """The first tasks at once, more in a fold that says how many they are, and how to see what even that leaves out."""
    shown, more = "".join(items[:SHOWN_TASKS]), "".join(items[SHOWN_TASKS:])
    html = f'<div class="sb-first">{shown}</div>'
    if more:
        title = escape(t("first.more", shown=SHOWN_TASKS, tasks=tasks, more=len(items) - SHOWN_TASKS))
        html += f'<details class="sb-help"><summary>{title}</summary><div class="sb-first">{more}</div></details>'
    if tasks > len(items):
        html += f'<p class="sb-note">{escape(t("first.most", shown=len(items), tasks=tasks))}</p>'
    return html


def _first_rows(data: Data) -> list[dict[str, Any]]:
    return [data.train[rows[0]] for rows in list(some_rows(data.train, 1).values())[:MOST_TASKS]]


def _first_row(colour: str, row: dict[str, Any], draft: Draft, seen: Rendered | None) -> str:
    tokens = f'<span class="sb-chip">{escape(t("first.tokens", count=seen.tokens))}</span>' if seen else ""
    title = f'<p class="sb-name">{swatch(colour)}<strong>{escape(row["task"])}</strong>{tokens}</p>'
    if seen:
        return f'<div class="sb-card">{title}{readable(seen.text)}</div>'
    said_so = [
        f'<span class="sb-chip">{escape(str(message["role"]))}</span>{readable(message["content"])}'
        for message in render(row, draft.tasks.get(row["task"]))
    ]
    return f'<div class="sb-card">{title}{"".join(said_so)}</div>'


def _first_note(look: Look, known: bool) -> str:
    """How the rows are shown, and what it takes to see more."""
    job = SERVICES.jobs.get(_job_name(look.project))
    model = look.draft.model
    if job is not None and job.running:
        return escape(t("first.loading", model=model))
    if known:
        return escape(t("first.known", model=model))
    failed = problem_list(job.problems) if job is not None and job.state == "failed" else ""
    return escape(t("first.plain")) + " " + button(t("first.apply"), kind="link", act="render") + failed


def first_token(project: Project) -> str:
    """Changes whenever there is something else to show."""
    job = SERVICES.jobs.get(_job_name(project))
    return job.token if job is not None else ""


def _rendered(look: Look) -> list[Rendered] | None:
    """What the model reads for the first rows, where that was asked for these very rows."""
    job = SERVICES.jobs.get(_job_name(look.project))
    if job is None or job.state != "finished":
        return None
    key, found = job.result
    return list(found) if key == _key(look.draft, look.found.data) else None


def _key(draft: Draft, data: Data | None) -> str:
    return f"{draft.model} {draft.tasks} {fingerprint(data)}"


def _job_name(project: Project) -> str:
    return f"render {project.name}"


@told
def apply_template(name: str, event: gr.EventData) -> None:
    """Ask the process that holds the model for what it reads; the first time it has to load."""
    project = opened(name)
    draft = project.draft()
    if said(event).get("act") == "render" and draft.data is not None:
        try:
            SERVICES.jobs.start(_job_name(project), lambda job: _render(project, draft, job)).wait(PATIENCE_S)
        except UserError:  # it is being done
            return


def _render(project: Project, draft: Draft, job: Job) -> tuple[str, list[Rendered]]:
    data = report(draft).data
    if data is None:
        return "", []
    return _key(draft, data), SERVICES.sampler.render(ModelChoice(draft.model), _first_rows(data), draft.tasks)
