"""The page that answers: what will the model train on? What the rows are and what is wrong with them; below it how to
choose, tag, mix and look at them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from core.services import SERVICES
from core.suggest import suggested_rewards
from ui import data_browse, data_columns, data_first, data_head, data_source, data_tags, data_tasks
from ui.data_browse import Query, place_of, target
from ui.data_edits import forget, strangers
from ui.data_parts import REMEMBER_FOCUS, RESTORE_FOCUS
from ui.data_reading import Look, dismiss, job_name, look, reading
from ui.data_tasks import tasks_of
from ui.frame import QUIET, View, opened
from ui.html import live_html, said
from ui.messages import told
from ui.texts import t

GO = """(where) => setTimeout(() => {
    const found = document.querySelector(where.split(" ")[0]);
    if (found) found.scrollIntoView({behavior: "smooth", block: "start"});
}, 250)"""


@dataclass(frozen=True)
class Seen:
    """Tokens of what is shown: the head, which changes while rows are read, and all below it."""

    project: str
    head: str
    body: str


def build(project: gr.Dropdown, page: gr.Textbox) -> View:
    """The answer on top, then the sections."""
    gr.Markdown(f"## {t('data.question')}", elem_classes="question")
    head = live_html("data-head")
    source = data_source.build(project)
    lost = live_html("untagged", visible=False)
    tasks = data_tasks.build(project)
    columns = data_columns.build(project)
    tags, fold, within = data_tags.build(project, lost)
    browse, query, filters = data_browse.build(project)
    seen, goto = gr.State(), gr.Textbox(visible=False)
    outputs = [head, *source.outputs, *tags.outputs, *tasks.outputs, *columns.outputs, *browse.outputs, seen]
    jump = [query, *filters, goto]
    table = tasks.outputs[1]
    done = [
        head.click(clicked, [project], [page], api_visibility="private"),
        head.click(jumped, [query], [*jump, fold, page], **QUIET),
        table.click(task_clicked, [query], [*jump, fold, within], **QUIET),
        *(listener for section in (source, tags, tasks, columns) for listener in section.done),
    ]
    for listener in done:
        for ended in (listener.then, listener.failure):  # after an error gradio takes the second way only
            again = ended(redraw, [project, query], outputs, js=REMEMBER_FOCUS, **QUIET)
            again.then(None, None, None, js=RESTORE_FOCUS, api_visibility="private")
    goto.change(None, goto, None, js=GO, api_visibility="private")
    return View(show, seen, outputs, [query])


def redraw(name: str, query: Query) -> tuple[Any, ...]:
    """Everything anew, so that a field whose change was refused says what holds."""
    return show(name, None, query)


def show(name: str, seen: Seen | None, query: Query) -> tuple[Any, ...]:
    """What has changed: while rows are read just how far that is."""
    project = opened(name)
    job = reading(project)
    shown = seen if isinstance(seen, Seen) and seen.project == name else None
    if job is not None and job.running and shown is not None:
        now = Seen(name, job.token, shown.body)
        return (gr.skip() if now == shown else data_head.progress_html(job), *(gr.skip(),) * LENGTH, now)
    found = look(project)
    now = Seen(name, job.token if job is not None else "", f"{found.token} {data_first.first_token(project)}")
    if now == shown:
        return (*(gr.skip(),) * (LENGTH + 1), now)
    return data_head.head_html(found, job), *body(found, query), now


LENGTH = 21  # components below the head


def body(found: Look, query: Query) -> tuple[Any, ...]:
    """Updates of all sections."""
    return (
        *data_source.draw(found),
        *data_tags.draw(found),
        *data_tasks.draw(found),
        *data_columns.draw(found),
        *data_browse.draw(found, query),
    )


@told
def clicked(name: str, event: gr.EventData) -> Any:
    """What the head offers: an example, cancelling, mending the rewards, the next page."""
    project = opened(name)
    match said(event):
        case {"act": "example", "name": str(example)} if example in data_source.example_names():
            data_source.use_example(project, example)
        case {"act": "cancel"}:
            SERVICES.jobs.cancel(job_name(project))
        case {"act": "dismiss"}:
            dismiss(project)
        case {"act": "forget"}:
            project.change(lambda draft: forget(draft, strangers(draft, tasks_of(draft))))
        case {"act": "suggest"}:
            suggest(name)
        case {"act": "page", "page": str(page)}:
            return page
    return gr.skip()


def suggest(name: str) -> None:
    """Suggest rewards for the tasks that nothing scores."""
    project = opened(name)
    found = look(project)
    if found.found.data is not None:
        rewards = suggested_rewards(found.found.data)
        missing = data_head.uncovered(found)
        new = {task: routes for task, routes in rewards.items() if task in missing}
        project.change(lambda draft: draft.model_copy(update={"rewards": {**new, **draft.rewards}}))


def jumped(query: Query, event: gr.EventData) -> tuple[Any, ...]:
    """Go to where a problem is: its row, the section or the page where it is mended."""
    where = said(event).get("where", "") if said(event).get("act") == "jump" else ""
    if not where:
        return (gr.skip(),) * 7
    if place := place_of(where):
        return Query(place=place), *(gr.skip(),) * 3, target("#browse-section"), gr.skip(), gr.skip()
    if where.startswith("task '"):
        return *(gr.skip(),) * 6, "rewards"
    if where.startswith("data.tags"):
        return *(gr.skip(),) * 4, target("#tags-section"), gr.Accordion(open=True), gr.skip()
    section = "#tasks-section" if where.startswith(("data.held_out", "tasks", "mixing")) else "#columns-section"
    return *(gr.skip(),) * 4, target(section), gr.skip(), gr.skip()


def task_clicked(query: Query, event: gr.EventData) -> tuple[Any, ...]:
    """Look at a task's rows, or open the form that splits it."""
    match said(event):
        case {"act": "browse", "task": str(task)}:
            return Query(task=task), task, "", data_browse.TRAIN, target("#browse-section"), gr.skip(), gr.skip()
        case {"act": "split", "task": str(task)}:
            return *(gr.skip(),) * 4, target("#rule-within"), gr.Accordion(open=True), task
    return (gr.skip(),) * 7
