"""Experiment trackers beside the run folder: which are there, and what of each task they get.

`grpo.report_to` is TRL's own field, and transformers' own callbacks do the reporting; they get each task's metrics in
addition to TRL's (`core.training.trainer`). Everything a tracker gets is in metrics.jsonl, too.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.errors import Problem, did_you_mean

# Tracker -> modules of which one has to be there, as transformers looks for them.
TRACKERS: Mapping[str, tuple[str, ...]] = {
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "swanlab": ("swanlab",),
    "mlflow": ("mlflow",),
    "comet_ml": ("comet_ml",),
    "clearml": ("clearml",),
    "dvclive": ("dvclive",),
}
NO_TRACKERS = ("none", "all")  # none of them, or whichever are there
TASK = ("reward", "reward_std", "zero_std", "signal", "share", "length", "clipped", "errors")


def check_reporting(report_to: str | Sequence[str] | None) -> list[Problem]:
    """Trackers that are not there, or are none."""
    names = [report_to] if isinstance(report_to, str) else list(report_to or ())
    return [problem for name in names if name not in NO_TRACKERS for problem in _check(name)]


def _check(name: str) -> list[Problem]:
    if name not in TRACKERS:
        known = [*NO_TRACKERS, *TRACKERS]
        return [Problem("grpo.report_to", f"there is no tracker {name!r}.", did_you_mean(name, known))]
    if any(map(importlib.util.find_spec, TRACKERS[name])):
        return []
    mend = f"pip install {TRACKERS[name][0]}, or use none."
    return [Problem("grpo.report_to", f"{name} is not installed.", mend, outside=True)]


def task_metrics(records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """What a tracker gets of the tasks of a step: `tasks/<task>/<field>` and `tasks/<task>/rewards/<reward>`.

    A value that does not exist is left out.
    """
    found: dict[str, Any] = {}
    for task in records:
        place = f"tasks/{task['task']}"
        found |= {f"{place}/{name}": task[name] for name in TASK}
        found |= {f"{place}/rewards/{reward['reward']}": reward["mean"] for reward in task["rewards"]}
    return {name: float(value) for name, value in found.items() if value is not None}
