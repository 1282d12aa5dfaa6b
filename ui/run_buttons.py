"""What can be done with a run, as buttons, and doing it; which are offered is `core.run_actions`' rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from core.errors import Problem, UserError
from core.extension import extend
from core.projects import project_from_run
from core.queue import cancel, enqueue, move, place
from core.run_actions import Action, actions
from core.run_signals import kill, stop
from core.runs import RunFolder, find_run
from ui.data_parts import field_box
from ui.html import button, said
from ui.messages import inform, told
from ui.texts import t

IN_ORDER: tuple[Action, ...] = ("start", "resume", "stop", "kill", "cancel", "move", "duplicate", "extend")
MOVES = {"sooner": -1, "later": 1}


def buttons_html(run: RunFolder) -> str:
    """The buttons of a run as it stands."""
    offered = actions(run)
    return f'<span class="sb-actions">{"".join(_button(run, name) for name in IN_ORDER if name in offered)}</span>'


def _button(run: RunFolder, name: Action) -> str:
    if name == "move":
        return "".join(button(t(f"run.{way}"), act=way, run=run.id, elem_id=f"{way}-run") for way in MOVES)
    if name == "extend":
        more = field_box("", t("run.more_steps"), placeholder=t("run.more_steps"), size=10, given="steps")
        go = button(t("run.extend"), title=t("run.extend_help"), act="extend", run=run.id, takes="steps")
        return f'<span class="sb-pair">{more}{go}</span>'
    ask = {"ask": t("run.kill_sure", run=run.id)} if name == "kill" else {}
    kind = "danger" if name == "kill" else ""
    return button(
        t(f"run.{name}"), kind=kind, title=t(f"run.{name}_help"), elem_id=f"{name}-run", act=name, run=run.id, **ask
    )


@told
def clicked(event: gr.EventData) -> tuple[Any, Any]:
    """Do what a button says; a copy leads to the page Train of its project."""
    match said(event):
        case {"act": "duplicate", "run": str(name)}:
            return project_from_run(find_run(name)).name, "train"
        case {"act": str(act), "run": str(name)} if act in MOVES:
            run = find_run(name)
            move(run, (place(run) or 1) + MOVES[act])
        case {"act": "extend", "run": str(name), "value": str(text)}:
            run = find_run(name)
            extend(run, _steps(text))
            enqueue(run)
        case {"act": str(act), "run": str(name)} if act in DONE:
            DONE[act](find_run(name))
    return gr.skip(), gr.skip()


def _steps(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(Problem("steps", f"found {text!r:.40}.", "Write how many steps more, such as 20.")) from None


def _stop(run: RunFolder) -> None:
    stop(run)
    inform(t("run.stopping", run=run.id))


DONE: dict[str, Callable[[RunFolder], object]] = {
    "start": enqueue,
    "resume": enqueue,
    "stop": _stop,
    "kill": kill,
    "cancel": cancel,
}
