"""The page that answers: what earns points in each task? A grid of tasks and rewards, and below it whatever is open."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from core.data import task_counts
from core.errors import Problem
from core.preview_report import cell_reports
from core.projects import Project
from core.readiness import page_of, report
from core.route_edits import add_route
from core.routing import RoutingTable
from core.services import SERVICES, Scored
from core.spec import Draft, Route
from ui.frame import SHOWING, View, opened
from ui.html import button, empty, live_html, said
from ui.messages import problem_list, told
from ui.reward_grid import Chosen, grid_html
from ui.route_form import draw_form
from ui.task_panel import draw_panel
from ui.texts import t


def build(project: gr.Textbox, page: gr.Textbox) -> View:
    """The grid, what is wrong with it, and the form of what was clicked."""
    gr.Markdown(f"## {t('rewards.question')}", elem_classes="question")
    grid = live_html("grid")
    note = live_html("grid-note")
    chosen, seen = gr.State(), gr.State()
    outputs = [grid, note, seen]
    looking = {"name": project, "chosen": chosen}
    refresh = {"fn": show, "inputs_kwargs": {**looking, "seen": seen}, "outputs": outputs, **SHOWING}
    grid.click(clicked, outputs=[chosen, page], inputs_kwargs=looking, api_visibility="private").then(**refresh)
    note.click(note_clicked, [project], [page], api_visibility="private").then(**refresh)

    # One at a time: two renders of one tab at once change what gradio goes through ("dictionary changed size").
    @gr.render([project, chosen], triggers=[chosen.change, project.change], show_progress="hidden", concurrency_limit=1)
    def below(name: str, what: Chosen | None) -> None:
        if what is None or what.project != name:
            gr.HTML(f'<p class="sb-note">{t("rewards.choose")}</p>')
        elif what.key:
            draw_form(opened(name), what, chosen)
        else:
            draw_panel(opened(name), what, chosen)

    chosen.change(**refresh)
    return View(show, seen, outputs, {"chosen": chosen})


def show(name: str, seen: Any, chosen: Chosen | None) -> tuple[Any, ...]:
    """The grid with what the samples say by now."""
    project = opened(name)
    scored = SERVICES.scored(project)
    token = f"{name} {project.revision} {scored.token} {chosen}"
    return (gr.skip(), gr.skip(), gr.skip()) if token == seen else (*_drawn(project, scored, chosen), token)


def _drawn(project: Project, scored: Scored, chosen: Chosen | None) -> tuple[str, str]:
    """The grid and the note below it."""
    draft = project.draft()
    found = report(draft)
    if found.data is None and not draft.rewards:
        return empty(t("rewards.no_data"), button(t("rewards.to_data"), act="page", page="data")), ""
    counts = task_counts(found.data.train) if found.data else {}
    problems = [problem for problem in found.problems if page_of(problem, found) == "rewards"]
    cells = {(cell.task, cell.key): cell for cell in cell_reports(scored.preview)} if scored.preview else {}
    note = _note(scored, project.has_samples and bool(draft.rewards), problems)
    grid = _answer(draft, counts, problems) + grid_html(counts, draft.rewards, cells, problems, chosen)
    return grid, note + problem_list(problems)


def _answer(draft: Draft, tasks: Collection[str], problems: Sequence[Problem]) -> str:
    """How many tasks are scored, and the way on once all are."""
    table = RoutingTable(draft.rewards)
    covered = sum(bool(table.of(task)) for task in tasks)
    if not tasks:
        return ""
    words = escape(t("rewards.answer", covered=covered, tasks=len(tasks)))
    ready = covered == len(tasks) and not any(problem.severity == "error" for problem in problems)
    onward = button(t("rewards.onward"), kind="primary", act="page", page="preview") if ready else ""
    return f'<div class="sb-answer"><p><strong>{words}</strong></p>{onward}</div>'


def _note(scored: Scored, samples: bool, problems: Sequence[Problem]) -> str:
    """Where the numbers come from, and what is being done about them; problems that are told anyway are left out."""
    job = scored.job
    if job is not None and job.running:
        cancel = button(t("rewards.cancel"), kind="link", act="cancel")
        whole = f"{job.whole:,}" if job.whole else "…"
        return f'<p class="sb-note">{t("rewards.scoring", done=f"{job.done:,}", whole=whole)} {cancel}</p>'
    words = [t("rewards.samples", count=len(scored.preview.scores.tasks))] if scored.preview is not None else []
    if not samples:
        words += [t("rewards.no_samples"), button(t("rewards.to_preview"), kind="link", act="page", page="preview")]
        return f'<p class="sb-note">{" ".join(words[-2:])}</p>'
    if scored.fresh:
        return f'<p class="sb-note">{" ".join(words)}</p>'
    failed = problem_list(one for one in job.problems if one not in problems) if job is not None else ""
    words += [t("rewards.old") if words else t("rewards.unscored")]
    words += [button(t("rewards.score"), kind="link", act="score")]
    return f'<p class="sb-note">{" ".join(words)}</p>{failed}'


@told
def clicked(name: str, chosen: Chosen | None, event: gr.EventData) -> tuple[Any, Any]:
    """Open a task or a cell, give a task a reward that another has, or go to another page."""
    data = said(event)
    match data:
        case {"act": "page", "page": str(page)}:
            return gr.skip(), page
        case {"act": "same", "task": str(task), "key": str(key)}:
            opened(name).change(lambda draft: same_route(draft, task, key))
            return again(Chosen(task, key, name), chosen), gr.skip()
        case {"task": str(task)}:
            return again(Chosen(task, data.get("key", ""), name), chosen), gr.skip()
    return gr.skip(), gr.skip()


@told
def note_clicked(name: str, event: gr.EventData) -> Any:
    """Score the samples, give up scoring them, or go where samples come from."""
    match said(event):
        case {"act": "score"}:
            SERVICES.score(opened(name))
        case {"act": "cancel"}:
            SERVICES.jobs.cancel(f"score {name}")
        case {"act": "page", "page": str(page)}:
            return page
    return gr.skip()


def again(what: Chosen, before: Chosen | None) -> Chosen:
    """The same thing to open, in a way that counts as a change, so that it is drawn anew."""
    return replace(what, drawn=before.drawn + 1 if before else 0)


def same_route(draft: Draft, task: str, key: str) -> Draft:
    """Give a task a reward as another task has it: the first that does."""
    route = next(route for routes in draft.rewards.values() for route in routes if route.key == key)
    return add_route(draft, task, Route(**route.model_dump()))
