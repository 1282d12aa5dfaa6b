"""Two or more runs beside one another: which settings differ, and where each task ended."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.columns import Key
from core.options import grpo_settings, lora_settings
from core.routing import RoutingTable, sound
from core.series import Series
from core.spec import Route, RunSpec

LAST_STEPS = 20  # whose mean is a run's reward at its end


@dataclass(frozen=True)
class Setting:
    """A setting that is not the same in all runs.

    Attributes:
        name: its place in the spec, such as `grpo.learning_rate`.
        values: of each run; None where it has none.
    """

    name: str
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Final:
    """Where a task ended in one run; None for what does not exist.

    Attributes:
        train: mean reward of the last steps.
        before: held-out reward at the first evaluation.
        after: at the last.
        step: of the last training step.
    """

    train: float | None
    before: float | None
    after: float | None
    step: int


def differing(specs: Sequence[RunSpec]) -> list[Setting]:
    """The settings that differ, defaults filled in where the runs' libraries name them; the name of a run is none."""
    flat = [_flat(_filled(spec)) for spec in specs]
    names = dict.fromkeys(name for settings in flat for name in settings)
    found = [Setting(name, tuple(settings.get(name) for settings in flat)) for name in names if name != "name"]
    return [setting for setting in found if len(set(setting.values)) > 1]


def scored_unlike(runs: Sequence[tuple[RunSpec, Collection[str]]]) -> list[str]:
    """The tasks that not all runs which have them score alike: by the same rewards, parameters and weights.

    Args:
        runs: the spec of each, and the tasks that it has.
    """
    found = []
    for task in dict.fromkeys(task for _, tasks in runs for task in tasks):
        ways = [_way(spec, task) for spec, tasks in runs if task in tasks]
        if any(way != ways[0] for way in ways[1:]):
            found.append(task)
    return found


def _way(spec: RunSpec, task: str) -> list[str]:
    """How a task is scored, whatever its routes are called and in which order they stand; what is only watched is not
    of it."""
    ways = []
    for route in RoutingTable(spec.rewards).of(task):
        if route.weight or route.schedule:
            ways.append(repr((route.name, _parameters(route), route.weight, route.schedule)))
    return sorted(ways)


def _parameters(route: Route) -> Mapping[str, Any]:
    """A route's parameters with defaults filled in; as they were given where they are none of the reward's."""
    reward = sound(route)
    return route.params if reward is None else reward.parameters.model_validate(route.params).model_dump(mode="json")


def _filled(spec: RunSpec) -> dict[str, Any]:
    document = spec.model_dump(mode="json", exclude_none=True)
    return {**document, "grpo": grpo_settings(spec.grpo), "lora": lora_settings(spec.lora)}


def _flat(value: Any, place: str = "") -> dict[str, str]:
    """Every setting under its place, as YAML would write it; what holds none is none."""
    if isinstance(value, Mapping):
        return {name: text for key, part in value.items() for name, text in _flat(part, f"{place}.{key}").items()}
    if isinstance(value, list | tuple) and any(isinstance(part, Mapping) for part in value):
        parts = [_flat(part, f"{place}.{called}") for part, called in zip(value, _called(value), strict=True)]
        return {name: text for part in parts for name, text in part.items()}
    return {place.lstrip("."): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}


def _called(parts: Sequence[Any]) -> list[str]:
    """A route is known by its label or name, not by its place in the list; what has none, or one twice, by both."""
    named = [str(part.get("label") or part.get("name") or "") if isinstance(part, Mapping) else "" for part in parts]
    return [name if name and named.count(name) == 1 else f"{name}{n}" for n, name in enumerate(named, start=1)]


def finals(series: Sequence[Series]) -> dict[str, tuple[Final | None, ...]]:
    """For each task of any of the runs, where it ended in each; None where a run has no such task."""
    tasks = dict.fromkeys(task for one in series for task in one.tasks)
    return {task: tuple(_final(one, task) if task in one.tasks else None for one in series) for task in tasks}


def _final(series: Series, task: str) -> Final:
    rewards = series.train.known(Key("reward", task))[1][-LAST_STEPS:]
    before, after = series.before_and_after(task)
    return Final(float(rewards.mean()) if len(rewards) else None, before, after, series.step)
