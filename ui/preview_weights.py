"""Weights and normalisation to play with: what they would teach is shown at once, and kept only when asked to."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import gradio as gr

from core.routing import RoutingTable, has_schedules
from core.spec import Normalisation, Route
from ui.html import LISTEN, attributes, button, swatch
from ui.preview_state import Choice, Known, owner
from ui.route_form import task_name
from ui.texts import t

# What was moved since the boxes were drawn is told, all of it each time, so that it does not matter if an event is
# lost; what nobody has moved is not. New HTML is patched into the old, which leaves boxes as they were moved and typed
# into: at every drawing they are put back to what it says, save the one that somebody is in while the trial goes on.
TELL = """
const tab = Math.random().toString(36).slice(2);
const weights = new Map(), choices = {};
let waiting = null, number = 0, drawn = 0, ended = '0';
const tell = () => {
    clearTimeout(waiting);
    waiting = null;
    const said = [...weights].map(([place, value]) => [...JSON.parse(place), value]);
    trigger('input', {...choices, weights: said, tab: tab, number: ++number, drawn: drawn});
};
element.addEventListener('input', (event) => {
    const row = event.target.closest('[data-route]');
    for (const box of row ? row.querySelectorAll('input') : [])
        if (box !== event.target) box.value = event.target.value;
    if (row) weights.set(JSON.stringify([row.dataset.task, row.dataset.key]), event.target.value);
    else choices[event.target.dataset.normalisation] = event.target.value;
    if (waiting === null) waiting = setTimeout(tell, 60);
});
const isDrawn = () => {
    if (waiting !== null) tell();
    const now = element.querySelector('[data-drawn]')?.dataset ?? {drawn: 0, ended: ended};
    const held = now.ended === ended ? document.activeElement : null;
    drawn = Number(now.drawn);
    ended = now.ended;
    weights.clear();
    for (const name of Object.keys(choices)) delete choices[name];
    for (const box of element.querySelectorAll('input'))
        if (box !== held) box.value = box.defaultValue;
    for (const option of element.querySelectorAll('option')) option.selected = option.defaultSelected;
};
isDrawn();  // what is there already: nothing is observed of it, and a move that names no drawing counts as an old one
const watched = {subtree: true, childList: true, attributes: true, attributeFilter: ['data-drawn']};
new MutationObserver(isDrawn).observe(element, watched);
"""


def weights_box(elem_id: str) -> gr.HTML:
    """The component whose sliders trigger `input` with what was moved (`Trials.move`)."""
    return gr.HTML("", elem_id=elem_id, js_on_load=TELL, elem_classes="live")


def weights_html(now: Known, choice: Choice) -> str:
    """A slider for each route of the tasks that are shown, and the choices of the normalisation."""
    table = RoutingTable(now.draft.rewards)
    tasks = now.preview.tasks if now.preview else ()
    shown = dict.fromkeys(owner(table, task) for task in tasks if choice.task in ("", task))
    routes = now.trial.routes(now.draft.rewards)
    blocks = "".join(_task(task, routes[task], now) for task in shown if task in routes)
    # No two drawings are the same text: one that was the same would not be patched into what is shown.
    return f"<div {attributes(drawn=now.drawing, ended=now.ended)}>{_normalisation(now.normalisation)}{blocks}</div>"


def _task(task: str, routes: tuple[Route, ...], now: Known) -> str:
    kept = {route.key: route.weight for route in now.draft.rewards[task]}
    lines = "".join(_route(task, route, kept[route.key]) for route in routes)
    colour = now.colours.get(task)
    return f'<div class="sb-weights"><h4>{swatch(colour) if colour else ""}{escape(task_name(task))}</h4>{lines}</div>'


def _route(task: str, route: Route, kept: float) -> str:
    low, high = min(0.0, 2 * kept, route.weight), max(2.0, 2 * kept, route.weight)
    exact = repr(route.weight).removesuffix(".0")
    label = escape(t("preview.weight_of", reward=route.key, task=task_name(task)), quote=True)
    place = attributes(route="", task=task, key=route.key)
    return (
        f'<div class="route" {place}><code>{escape(route.key)}</code>'
        f'<input type="range" min="{low:g}" max="{high:g}" step="0.05" value="{exact}" aria-label="{label}">'
        f'<input type="number" step="any" value="{exact}" aria-label="{label}"></div>'
    )


def _normalisation(chosen: Normalisation) -> str:
    aggregations = {
        "sum_then_normalize": t("preview.sum_then_normalize"),
        "normalize_then_sum": t("preview.normalize_then_sum"),
    }
    scales = {"group": t("preview.scale_group"), "batch": t("preview.scale_batch"), "none": t("preview.scale_none")}
    tasks = {"none": t("preview.tasks_none"), "batch": t("preview.tasks_batch"), "running": t("preview.tasks_running")}
    each = chosen.multi_objective_aggregation == "normalize_then_sum"
    switched = chosen.objective_weights != "fixed" or chosen.conflict > 0  # to be turned off, where they do nothing
    return (
        _choice("multi_objective_aggregation", aggregations, chosen.multi_objective_aggregation)
        + ("" if each else _choice("scale_rewards", scales, chosen.scale_rewards))
        + (_switches(chosen) if each or switched else "")
        + _choice("task_scale", tasks, chosen.task_scale)
    )


def _switches(chosen: Normalisation) -> str:
    """What there is to choose where each reward is normalised first."""
    weights = {"fixed": t("preview.weights_fixed"), "spread": t("preview.weights_spread")}
    conflicts = {"0": t("preview.conflict_none"), "0.2": t("preview.conflict_some"), "1": t("preview.conflict_all")}
    now = f"{chosen.conflict:g}"
    conflicts |= {} if now in conflicts else {now: t("preview.conflict_other", part=now)}
    return _choice("objective_weights", weights, chosen.objective_weights) + _choice("conflict", conflicts, now)


def _choice(name: str, options: Mapping[str, str], value: str) -> str:
    lines = "".join(
        f'<option value="{key}"{" selected" if key == value else ""}>{escape(text)}</option>'
        for key, text in options.items()
    )
    return (
        f'<label class="sb-select wide"><span><code>{escape(name)}</code></span>'
        f"<select {attributes(normalisation=name)}>{lines}</select></label>"
    )


def note_html(now: Known) -> str:
    """Whether something is tried, and what can be done with it."""
    if not now.trial:
        whole = f" {t('schedule.whole')}" if has_schedules(now.draft.rewards) else ""
        return f'<p class="sb-note">{escape(t("preview.try_help") + whole)}</p>'
    keep = button(t("preview.keep"), kind="primary", act="keep")
    back = button(t("preview.undo"), act="undo")
    return f'<div class="sb-trial"><span>{escape(t("preview.trying"))}</span>{keep}{back}</div>'


def note_box(elem_id: str) -> gr.HTML:
    """Where `note_html` is shown."""
    return gr.HTML("", elem_id=elem_id, js_on_load=LISTEN, elem_classes="live")
