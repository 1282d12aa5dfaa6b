"""How the weight of a route comes about in the course of a run, as a part of its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from pydantic import BaseModel

from core.reward_form import Field, fields, read, values
from core.weight_schedules import Gate, Linear, Schedule, Step
from ui.texts import t

KINDS: Mapping[str, type[BaseModel]] = {"linear": Linear, "step": Step, "gate": Gate}
CONSTANT = "constant"
KIND = "schedule"
FIELD = "schedule_"  # before the kind and the name of a field


def draw_schedule(schedule: Schedule | None, others: list[str]) -> dict[str, Any]:
    """The choice of a schedule, and the fields of the one that is chosen; the boxes by name.

    Args:
        schedule: what holds now.
        others: the other rewards of the task, for which a gate can wait.
    """
    now = schedule.kind if schedule else CONSTANT
    chosen = gr.Dropdown(
        kinds(now, others),
        value=now,
        label=t("form.schedule"),
        info=t("form.schedule_help"),
        interactive=True,
        elem_id="schedule",
    )
    boxes: dict[str, Any] = {KIND: chosen}
    groups = {}
    for kind, model in KINDS.items():
        given = schedule.model_dump() if schedule and kind == now else {}
        with gr.Row(visible=kind == now, elem_id=f"schedule-{kind}") as groups[kind]:
            shown = values(model, given)
            boxes |= {f"{FIELD}{kind}_{one.name}": _box(one, shown[one.name], others) for one in _fields(model)}
    chosen.input(
        lambda kind: [gr.Row(visible=kind == name) for name in groups],
        chosen,
        list(groups.values()),
        api_visibility="private",
        queue=False,
    )
    return boxes


def kinds(now: str, others: list[str]) -> list[tuple[str, str]]:
    """What there is to choose: a gate only where it can wait for something, or is what holds now."""
    possible = [kind for kind in (CONSTANT, *KINDS) if kind != "gate" or others or now == "gate"]
    return [(t(f"weight_over.{kind}"), kind) for kind in possible]


def entered_schedule(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schedule that a form describes, as a document has it; None where the weight does not change.

    `UserError` names each field that is wrong.
    """
    kind = given.get(KIND)
    if kind not in KINDS:
        return None
    before = f"{FIELD}{kind}_"
    entered = {name.removeprefix(before): value for name, value in given.items() if name.startswith(before)}
    return read(KINDS[kind], {"kind": kind, **entered}, KIND) | {"kind": kind}


def _fields(model: type[BaseModel]) -> list[Field]:
    return [one for one in fields(model) if one.name != "kind"]


def _box(field: Field, value: Any, others: list[str]) -> Any:
    words: dict[str, Any] = {"label": field.title, "info": field.help, "interactive": True, "min_width": 150}
    if field.name == "reward":
        return gr.Dropdown(others, value=value if value in others else next(iter(others), None), **words)
    return gr.Number(value, precision=0 if field.kind == "integer" else None, **words)
