"""What a click on the page Preview does: other groups to look at, a job to start or to give up, something to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from core.projects import Project
from core.services import SERVICES
from ui import preview_compare, preview_probes
from ui.frame import opened
from ui.html import said
from ui.messages import inform
from ui.preview_download import write_download
from ui.preview_sampling import ROWS, remove, settings_of, start_sampling
from ui.preview_state import Choice, known
from ui.preview_trials import TRIALS
from ui.texts import t

JOBS = {
    "cancel_sampling": "sample",
    "cancel_scoring": "score",
    "cancel_probing": "probe",
    "cancel_comparing": "compare",
}


def look(name: str, choice: Choice, event: gr.EventData) -> Any:
    """Another task, order, page or column."""
    return _looked(choice.of(name), said(event)) or gr.skip()


def _looked(choice: Choice, said: Mapping[str, Any]) -> Choice | None:
    match said:
        case {"act": "task", "task": str(task)}:
            return replace(choice, task="" if task == choice.task else task, page=0)
        case {"edit": "task", "value": str(task)}:
            return replace(choice, task=task, page=0)
        case {"edit": "order", "value": str(order)}:
            return replace(choice, order=order, page=0)
        case {"act": "turn", "page": str(page)}:
            return replace(choice, page=max(0, int(page)))
        case {"act": "sort", "by": str(by)}:
            return _sorted(choice, by)
    return None


def _sorted(choice: Choice, by: str) -> Choice:
    """A column: highest first, then lowest first, then not at all."""
    if choice.by != by:
        return replace(choice, by=by, rising=False)
    return replace(choice, by="" if choice.rising else by, rising=not choice.rising)


def act(name: str, event: gr.EventData) -> Any:
    """What a button in the page asks for; the page to go to, if any."""
    match said(event):
        case {"act": "page", "page": str(page)}:
            return page
        case {"act": "jump", "where": str(where)}:
            return "rewards" if where.startswith(("rewards", "task")) else "data"
        case {"act": str(what)} if what in JOBS:
            SERVICES.jobs.cancel(f"{JOBS[what]} {name}")
        case {"act": str(what)} if what in ACTS:
            ACTS[what](opened(name))
    return gr.skip()


ACTS: dict[str, Callable[[Project], object]] = {
    "sample": lambda project: start_sampling(project, ROWS, settings_of(project.draft())),
    "remove": remove,
    "score": SERVICES.score,
    "keep": TRIALS.keep,
    "undo": TRIALS.drop,
    "probe": preview_probes.start,
}


def choose_against(name: str, choice: Choice, against: str | None) -> Choice:
    """Compare with something else."""
    return replace(choice.of(name), against=against or preview_compare.KEPT)


def compare(name: str, choice: Choice, against: str | None) -> Choice:
    """Score the samples by what is compared with."""
    chosen = choose_against(name, choice, against)
    preview_compare.start(opened(name), chosen.against)
    return chosen


def save_table(name: str, called: str | None) -> str:
    """Save the routing table that is shown, tried weights and all."""
    now = known(opened(name))
    routes = now.trial.routes(now.draft.rewards)
    preview_compare.save_table(now.project, called or "", routes, now.normalisation)
    inform(t("preview.saved"))
    return ""


def download(name: str, event: gr.EventData) -> str | None:
    """The file that a button asks for."""
    match said(event):
        case {"act": "download", "ending": str(ending)}:
            return write_download(opened(name), ending)
    return None
