"""Weights and normalisation to play with: what they would teach is shown at once, and kept only when asked to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

import gradio as gr

from core.errors import Problem, UserError
from core.projects import Project
from core.routing import RoutingTable
from core.spec import Draft, Normalisation, Route
from ui.html import LISTEN, attributes, button, swatch
from ui.preview_state import TRIALS, Choice, Known, Trial, owner
from ui.route_form import task_name
from ui.texts import t

# One event carries all that is set, so that it does not matter if one before it is dropped.
TELL = """
let waiting = null;
const tell = () => {
    waiting = null;
    const weights = [...element.querySelectorAll('[data-route]')].map(
        (row) => [row.dataset.task, row.dataset.key, row.querySelector('input[type=number]').value]);
    const chosen = (name) => (element.querySelector(`[data-normalisation=${name}]`) || {}).value;
    trigger('input', {weights: weights, aggregation: chosen('aggregation'), scale: chosen('scale')});
};
element.addEventListener('input', (event) => {
    const row = event.target.closest('[data-route]');
    for (const box of row ? row.querySelectorAll('input') : [])
        if (box !== event.target) box.value = event.target.value;
    if (waiting === null) waiting = setTimeout(tell, 60);
});
"""


def weights_box(elem_id: str) -> gr.HTML:
    """The component whose sliders trigger `input` with all weights and the normalisation."""
    return gr.HTML("", elem_id=elem_id, js_on_load=TELL, elem_classes="live")


def weights_html(now: Known, choice: Choice) -> str:
    """A slider for each route of the tasks that are shown, and the two choices of the normalisation."""
    table = RoutingTable(now.draft.rewards)
    tasks = now.preview.tasks if now.preview else ()
    shown = dict.fromkeys(owner(table, task) for task in tasks if choice.task in ("", task))
    routes = now.trial.routes(now.draft.rewards)
    blocks = "".join(_task(task, routes[task], now) for task in shown if task in routes)
    return f"{_normalisation(now.normalisation)}{blocks}"


def _task(task: str, routes: tuple[Route, ...], now: Known) -> str:
    kept = {route.key: route.weight for route in now.draft.rewards[task]}
    lines = "".join(_route(task, route, kept[route.key]) for route in routes)
    colour = now.colours.get(task)
    return f'<div class="sb-weights"><h4>{swatch(colour) if colour else ""}{escape(task_name(task))}</h4>{lines}</div>'


def _route(task: str, route: Route, kept: float) -> str:
    low, high = min(0.0, 2 * kept, route.weight), max(2.0, 2 * kept, route.weight)
    label = escape(t("preview.weight_of", reward=route.key, task=task_name(task)), quote=True)
    place = attributes(route="", task=task, key=route.key)
    return (
        f'<div class="route" {place}><code>{escape(route.key)}</code>'
        f'<input type="range" min="{low:g}" max="{high:g}" step="0.05" value="{route.weight:g}" aria-label="{label}">'
        f'<input type="number" step="any" value="{route.weight:g}" aria-label="{label}"></div>'
    )


def _normalisation(chosen: Normalisation) -> str:
    aggregations = {
        "sum_then_normalize": t("preview.sum_then_normalize"),
        "normalize_then_sum": t("preview.normalize_then_sum"),
    }
    scales = {"group": t("preview.scale_group"), "batch": t("preview.scale_batch"), "none": t("preview.scale_none")}
    aggregation = chosen.multi_objective_aggregation
    return _choice("multi_objective_aggregation", "aggregation", aggregations, aggregation) + _choice(
        "scale_rewards", "scale", scales, chosen.scale_rewards
    )


def _choice(label: str, name: str, options: Mapping[str, str], value: str) -> str:
    lines = "".join(
        f'<option value="{key}"{" selected" if key == value else ""}>{escape(text)}</option>'
        for key, text in options.items()
    )
    return (
        f'<label class="sb-select wide"><span><code>{escape(label)}</code></span>'
        f"<select {attributes(normalisation=name)}>{lines}</select></label>"
    )


def note_html(now: Known) -> str:
    """Whether something is tried, and what can be done with it."""
    unused = now.normalisation.multi_objective_aggregation == "normalize_then_sum"
    note = f'<p class="sb-note">{escape(t("preview.scale_unused"))}</p>' if unused else ""
    if not now.trial:
        return f'<p class="sb-note">{escape(t("preview.try_help"))}</p>{note}'
    keep = button(t("preview.keep"), kind="primary", act="keep")
    back = button(t("preview.undo"), act="undo")
    return f'<div class="sb-trial"><span>{escape(t("preview.trying"))}</span>{keep}{back}</div>{note}'


def note_box(elem_id: str) -> gr.HTML:
    """Where `note_html` is shown."""
    return gr.HTML("", elem_id=elem_id, js_on_load=LISTEN, elem_classes="live")


def try_out(project: Project, said: Mapping[str, Any]) -> None:
    """Try the weights and the normalisation that the sliders say; an empty box leaves its weight as it is."""
    before = TRIALS.get(project.name, Trial())
    weights = {(task, key): _number(key, text) for task, key, text in said.get("weights", ()) if text != ""}
    normalisation = before.normalisation
    if said.get("aggregation") and said.get("scale"):
        normalisation = Normalisation(multi_objective_aggregation=said["aggregation"], scale_rewards=said["scale"])
    tried = Trial({**before.weights, **weights}, normalisation)
    TRIALS[project.name] = tried.within(project.draft())


def _number(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(Problem(key, f"the weight is {text!r:.40}.", "Give a number."))
    return value


def keep_trial(project: Project) -> None:
    """Make what is tried the project's own."""
    trial = TRIALS.pop(project.name, Trial())

    def kept(draft: Draft) -> Draft:
        left = trial.within(draft)
        changes: dict[str, Any] = {"rewards": left.routes(draft.rewards)} if left.weights else {}
        return draft.model_copy(update=changes | ({"normalisation": left.normalisation} if left.normalisation else {}))

    project.change(kept)


def drop_trial(project: Project) -> None:
    """Forget what is tried."""
    TRIALS.pop(project.name, None)
