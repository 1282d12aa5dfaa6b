"""What clicks and entries on the page Train do to the project, and to what a tab is in the middle of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from core.errors import UserError
from core.forecast import job_name, start_forecast
from core.model_facts import ask_hub
from core.projects import Project
from core.run_fields import SIMPLE
from core.run_form import edit
from core.run_presets import apply, find_preset
from core.services import SERVICES
from ui import preview_probes
from ui.frame import opened
from ui.html import said
from ui.train_state import Look, Refused, lookup_name


def edited(name: str, look: Look, event: gr.EventData) -> Look:
    """Keep one field's new value; one that cannot be taken stays in the form with the reason."""
    look, given = look.of(name), said(event)
    if given.get("act") != "reset" and given.get("edit") != "option":
        return look
    place, entered = (given.get("place", ""), given.get("task", "")), given.get("value", "")  # a reset has none
    try:
        opened(name).change(lambda draft: edit(draft, place[0], entered, place[1]))
    except UserError as error:
        return look.refusing(place, Refused(str(entered), error.problems))
    return replace(look.refusing(place, None), broken=())


def act(name: str, look: Look, event: gr.EventData) -> Look:
    """What the buttons of the page do."""
    look = look.of(name)
    match said(event):
        case {"act": "preset", "name": str(preset)}:
            return replace(look, preset="" if preset == look.preset else preset)
        case {"act": "apply_preset", "name": str(preset)}:
            opened(name).change(lambda draft: apply(draft, find_preset(preset)))
            return replace(look, preset="", refused={}, broken=())
        case {"act": str(what)} if what in ACTS:
            ACTS[what](opened(name))
    return look


def look_up(project: Project) -> None:
    """Ask the Hub about the model."""
    model = project.draft().model
    SERVICES.jobs.start(lookup_name(project, model), lambda _: ask_hub(model))


ACTS: dict[str, Callable[[Project], object]] = {
    "probe": preview_probes.start,
    "forecast": start_forecast,
    "cancel_forecast": lambda project: SERVICES.jobs.cancel(job_name(project)),
    "lookup": look_up,
}


def mend(event: gr.EventData) -> tuple[Any, ...]:
    """Go to where a problem is mended: its page, or its field in the form."""
    match said(event):
        case {"act": "mend", "page": "train", "where": str(where)}:
            return gr.skip(), gr.Tabs(selected=view_of(where)), "", False, where
        case {"act": "mend", "page": str(page)}:
            return page, *(gr.skip(),) * 4
    return (gr.skip(),) * 5


def view_of(where: str) -> str:
    """The view that has a field; the text, for what no field has."""
    if where in SIMPLE:
        return "simple"
    if where.startswith("tasks."):
        return "tasks"
    return (
        "advanced"
        if where.startswith(("grpo.", "lora.", "engine.", "mixing", "normalisation", "convergence", "on_reward"))
        else "yaml"
    )
