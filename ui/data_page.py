"""The page that answers: what will the model train on? What the rows are and what is wrong with them; below it how to
choose, tag, mix and look at them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import gradio as gr

from core.jobs import Job
from core.projects import Project
from core.services import SERVICES
from core.suggest import suggested_rewards
from ui import data_browse, data_columns, data_first, data_head, data_source, data_tags, data_tasks
from ui.data_browse import Query, place_of, target
from ui.data_edits import forget, strangers
from ui.data_parts import REMEMBER_FOCUS, RESTORE_FOCUS
from ui.data_reading import Look, dismiss, job_name, look, reading
from ui.data_tasks import tasks_of
from ui.frame import QUIET, SHOWING, View, opened
from ui.html import live_html, said
from ui.messages import told
from ui.texts import t

GO = """(where) => setTimeout(() => {
    const found = document.querySelector(where.split(" ")[0]);
    if (found) found.scrollIntoView({behavior: "smooth", block: "start"});
}, 250)"""


@dataclass(frozen=True)
class Seen:
    """What a tab shows.

    Attributes:
        project: whose.
        head: token of the head, which changes while rows are read.
        body: token of all below it.
        query: of the rows that are browsed.
        empty: whether there were no rows.
    """

    project: str
    head: str
    body: str
    query: Query
    empty: bool


def build(project: gr.Textbox, page: gr.Textbox) -> View:
    """The answer on top, then the sections."""
    gr.Markdown(f"## {t('data.question')}", elem_classes="question")
    head = live_html("data-head")
    source = data_source.build(project)
    lost = live_html("untagged", visible=False)
    tasks = data_tasks.build(project)
    columns = data_columns.build(project)
    tags, fold, within, form = data_tags.build(project, lost)
    browse, query, filters = data_browse.build(project)
    seen, goto = gr.State(), gr.Textbox(visible=False)
    below = [*source.outputs, *tags.outputs, *tasks.outputs, *columns.outputs, *browse.outputs]
    outputs, inputs = [head, *below, seen], {"query": query, **dict(zip(("within", "column"), form, strict=True))}
    draw = {"inputs_kwargs": {"name": project, "seen": seen, **inputs}, "outputs": outputs, **SHOWING}
    jump = [query, *filters, goto, fold, page, within]
    shown = partial(show, len(below))
    for listener in (
        head.click(jumped, [query], jump, **QUIET),
        tasks.outputs[1].click(task_clicked, [query], jump, **QUIET),
    ):
        listener.then(shown, **draw)
    done = [
        head.click(clicked, [project], [page], api_visibility="private"),
        *(listener for section in (source, tags, tasks, columns) for listener in section.done),
    ]
    for listener in done:
        for ended in (listener.then, listener.failure):  # after an error gradio takes the second way only
            again = ended(redraw, js=REMEMBER_FOCUS, **draw)
            again.then(None, None, None, js=RESTORE_FOCUS, api_visibility="private")
    goto.change(None, goto, None, js=GO, api_visibility="private")
    return View(shown, seen, outputs, inputs)


def redraw(name: str, seen: Seen | None, query: Query, within: str | None, column: str | None) -> tuple[Any, ...]:
    """Everything anew, so that a field whose change was refused says what holds."""
    project = opened(name)
    return drawn(look(project), reading(project), _of(seen, name), query, within, column)


def show(
    count: int, name: str, seen: Seen | None, query: Query, within: str | None, column: str | None
) -> tuple[Any, ...]:
    """What has changed, of head, `count` components below it, and what is seen: while rows are read just how far."""
    project, still = opened(name), (gr.skip(),) * count
    job, before = reading(project), _of(seen, name)
    if job is not None and job.running and before is not None:
        now = replace(before, head=job.token)
        return gr.skip() if now == before else data_head.progress_html(job), *still, now
    found = look(project)
    now = _seen(found, job, query)
    if before is None or now != replace(before, query=query):
        return drawn(found, job, before, query, within, column)
    return (gr.skip(), *still, now) if now == before else _other_rows(found, query, now, still)


def _other_rows(found: Look, query: Query, now: Seen, still: tuple[Any, ...]) -> tuple[Any, ...]:
    """Nothing has changed but which rows are looked at."""
    browsed, query = data_browse.draw(found, query, query)
    return gr.skip(), *still[len(browsed) :], *browsed, replace(now, query=query)


def drawn(
    found: Look, job: Job | None, seen: Seen | None, query: Query, within: str | None, column: str | None
) -> tuple[Any, ...]:
    """Head, all sections and what is seen by that; where another project was `seen`, from the beginning.

    How far the job is, is asked before it is drawn: what is drawn may be newer than what is said to be seen, and is
    then drawn again, but never older.
    """
    asked, shown = (query, query) if seen is not None else (Query(), None)
    browsed, query = data_browse.draw(found, asked, shown)
    now = _seen(found, job, query)
    return (
        data_head.head_html(found, job),
        *data_source.draw(found, seen.empty if seen is not None else None),
        *data_tags.draw(found, within, column),
        *data_tasks.draw(found),
        *data_columns.draw(found),
        *browsed,
        now,
    )


def _of(seen: Seen | None, project: str) -> Seen | None:
    return seen if isinstance(seen, Seen) and seen.project == project else None


def _seen(found: Look, job: Job | None, query: Query) -> Seen:
    body = f"{found.token} {data_first.first_token(found.project)}"
    head = job.token if job is not None else ""
    return Seen(found.project.name, head, body, query, found.draft.data is None)


@told
def clicked(name: str, event: gr.EventData) -> Any:
    """What the head offers: an example, cancelling, mending the rewards, the next page."""
    match said(event):
        case {"act": "page", "page": str(page)}:
            return page
        case {"act": "example", "name": str(example)} if example in data_source.example_names():
            data_source.use_example(opened(name), example)
        case {"act": str(act)} if act in ACTS:
            ACTS[act](opened(name))
    return gr.skip()


def forget_strangers(project: Project) -> None:
    """Take out the rewards and settings of tasks that the data has not."""
    project.change(lambda draft: forget(draft, strangers(draft, tasks_of(draft))))


def suggest(project: Project) -> None:
    """Suggest rewards for the tasks that nothing scores."""
    found = look(project)
    if found.found.data is not None:
        rewards = suggested_rewards(found.found.data)
        missing = data_head.uncovered(found)
        new = {task: routes for task, routes in rewards.items() if task in missing}
        project.change(lambda draft: draft.model_copy(update={"rewards": {**new, **draft.rewards}}))


ACTS: dict[str, Callable[[Project], object]] = {
    "cancel": lambda project: SERVICES.jobs.cancel(job_name(project)),
    "dismiss": dismiss,
    "forget": forget_strangers,
    "suggest": suggest,
}


def jumped(query: Query, event: gr.EventData) -> tuple[Any, ...]:
    """Go to where a problem is: its row, the section or the page where it is mended."""
    where = said(event).get("where", "") if said(event).get("act") == "jump" else ""
    if not where:
        return (gr.skip(),) * 8
    if place := place_of(where):
        return replace(query, place=place), *(gr.skip(),) * 3, target("#browse-section"), *(gr.skip(),) * 3
    if where.startswith("task '"):
        return *(gr.skip(),) * 6, "rewards", gr.skip()
    if where.startswith("data.tags"):
        return *(gr.skip(),) * 4, target("#tags-section"), gr.Accordion(open=True), *(gr.skip(),) * 2
    return *(gr.skip(),) * 4, target(_section(where)), *(gr.skip(),) * 3


def _section(where: str) -> str:
    return "#tasks-section" if where.startswith(("data.held_out", "tasks", "mixing")) else "#columns-section"


def task_clicked(query: Query, event: gr.EventData) -> tuple[Any, ...]:
    """Look at a task's rows, or open the form that splits it."""
    match said(event):
        case {"act": "browse", "task": str(task)}:
            return Query(task=task), task, "", data_browse.TRAIN, target("#browse-section"), *(gr.skip(),) * 3
        case {"act": "split", "task": str(task)}:
            return *(gr.skip(),) * 4, target("#rule-within"), gr.Accordion(open=True), gr.skip(), task
    return (gr.skip(),) * 8
