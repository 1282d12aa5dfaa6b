"""What a task can be given: presets of its kind, and the library, searched by words and by what its rows carry."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from core.check import task_columns
from core.data import Data
from core.library import Entry, Need, notices, search
from core.presets import PRESETS, fill, find_preset, fits, samples_of, suggested
from core.projects import Project
from core.readiness import report
from core.reward_templates import templates
from core.route_edits import add_route, set_routes
from core.routing import TaskColumns
from core.spec import Draft, Route
from rewards import registry
from ui.html import button, live_html, said
from ui.messages import problem_list, told
from ui.reward_grid import Chosen
from ui.route_form import task_name
from ui.texts import t


def draw_panel(project: Project, what: Chosen, chosen: gr.State) -> None:
    """Draw presets and library for a task, inside `gr.render`."""
    data = report(project.draft()).data
    columns = task_columns(data.train).get(what.task) if data else None
    gr.HTML(f'<h3 class="sb-heading">{escape(t("panel.title", task=task_name(what.task)))}</h3>')
    presets = live_html("presets", presets_html(what.task, data, columns, what.task in project.draft().rewards))
    words = gr.Textbox(label=t("panel.search"), placeholder=t("panel.search_help"), elem_id="search-rewards")
    library = live_html("library", library_html("", columns))

    def pick(event: gr.EventData) -> Chosen:
        return picked(project, what, data, columns, said(event))

    presets.click(told(pick), None, chosen, api_visibility="private")
    library.click(told(pick), None, chosen, api_visibility="private")
    words.change(
        lambda text: library_html(text, columns),
        words,
        library,
        api_visibility="private",
        show_progress="hidden",
        trigger_mode="always_last",
    )


def picked(
    project: Project, what: Chosen, data: Data | None, columns: TaskColumns | None, clicked: dict[str, Any]
) -> Chosen:
    """Give the task what was clicked: a preset's routes in place of its own, one more reward, or the default route."""
    match clicked:
        case {"act": "preset", "name": str(name)}:
            preset = find_preset(name)
            if columns is not None and data is not None:
                preset = fill(preset, columns, samples_of(data.train).get(what.task, {}))
            project.change(lambda draft: set_routes(draft, what.task, preset.routes))
            return replace(what, drawn=what.drawn + 1)
        case {"act": "clear"}:
            project.change(lambda draft: set_routes(draft, what.task, ()))
            return replace(what, drawn=what.drawn + 1)
        case {"act": "add", "name": str(name)} if name in registry():
            route = new_route(name, columns)
            draft = project.change(lambda draft: add_route(draft, what.task, route))
            return replace(what, key=_last_key(draft, what.task), drawn=what.drawn + 1)
    return what


def new_route(name: str, columns: TaskColumns | None) -> Route:
    """A route to a reward; one that is code of the user's own begins with code that works."""
    if "code" not in registry()[name].parameters.model_fields:
        return Route(name=name)
    there = [column for column, empty in columns.empty.items() if empty < columns.rows] if columns else []
    return Route(name=name, params={"code": templates(there)[0].code})


def _last_key(draft: Draft, task: str) -> str:
    return draft.rewards[task][-1].key


def presets_html(task: str, data: Data | None, columns: TaskColumns | None, has_own: bool) -> str:
    """A button for each preset: the one that suits the task first, last those whose columns are not there."""
    best = suggested(columns, samples_of(data.train).get(task, {})) if data and columns else None
    missing = {preset.name: fits(preset, columns) if columns else () for preset in PRESETS}
    order = sorted(PRESETS, key=lambda preset: (best is None or preset.name != best.name, bool(missing[preset.name])))
    chips = []
    for preset in order:
        lacks = ", ".join(missing[preset.name])
        title = preset.help + (f" {t('panel.lacks', columns=lacks)}" if lacks else "")
        kind = "primary" if best is not None and preset.name == best.name else "faint" if lacks else ""
        ask = {"ask": t("panel.ask_preset", task=task_name(task), preset=preset.title)} if has_own else {}
        chips.append(button(preset.title, kind=kind, title=title, act="preset", name=preset.name, **ask))
    asked = t("panel.ask_clear", task=task_name(task))
    clear = button(t("panel.clear"), kind="danger", act="clear", ask=asked) if has_own else ""
    return (
        f'<p class="sb-note">{escape(t("panel.presets"))}</p>'
        f'<div class="sb-actions start">{"".join(chips)}{clear}</div>'
    )


def library_html(text: str, columns: TaskColumns | None) -> str:
    """The rewards that have the words, usable ones first, each with what it needs."""
    entries = search(text, columns)
    if not entries:
        return f'<p class="sb-note">{escape(t("panel.nothing", words=text))}</p>'
    lines = "".join(_entry(entry, columns) for entry in entries)
    return f'{problem_list(notices())}<div class="sb-scroll"><table class="sb-table library">{lines}</table></div>'


def _entry(entry: Entry, columns: TaskColumns | None) -> str:
    reward = entry.reward
    chips = "".join(_need(need, columns) for need in entry.needs)
    code = f'<span class="sb-chip">{escape(t("panel.runs_code"))}</span>' if reward.sandboxed else ""
    return (
        f"<tr><td>{button(t('panel.add'), act='add', name=reward.name)}</td>"
        f"<td><strong>{escape(reward.title)}</strong> <code>{escape(reward.name)}</code><br>{escape(reward.help)}</td>"
        f'<td><span class="sb-chip">{escape(reward.family)}</span>{code}{chips}</td></tr>'
    )


def _need(need: Need, columns: TaskColumns | None) -> str:
    if columns is None:
        return f'<span class="sb-chip">{escape(t("panel.needs", column=need))}</span>'
    if need.column is None:
        return f'<span class="sb-chip missing">{escape(t("panel.absent", column=need))}</span>'
    if need.empty:
        text = t("panel.partly", column=need.column, empty=need.empty, rows=columns.rows)
        return f'<span class="sb-chip missing">{escape(text)}</span>'
    return f'<span class="sb-chip">{escape(t("panel.present", column=need.column))}</span>'
