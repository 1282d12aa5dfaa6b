"""Is a task learning? One documented rule over its mean reward, step by step (docs/monitor.md).

Means of stretches of steps are compared, and a difference counts only where it is several times its standard error.
The noise is measured from the differences between neighbouring steps, which a trend hardly touches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.columns import Columns, Key
from core.routing import RoutingTable, total_bounds
from core.spec import Draft

Name = Literal["early", "learning", "converged", "stalled", "regressing"]
Floats = NDArray[np.float64]

FEWEST = 20  # steps with a reward before anything is said
ENOUGH = 100  # from which on a task that has not gained anything is said to be stalled, however large its noise is
WORTH = 0.25  # of what there is to gain: where a gain of so much would have been seen, it is said before that
SHORT = (10, 50)  # steps of the stretches that are compared: a quarter of the run, within these
LONG = (10, 400)  # and of a second pair, a third of the run, for what changes slowly
RISE = 4.0  # standard errors from which on two neighbouring stretches differ
FALL = 5.0  # from the best stretch to the last: the best of many is high by chance, so more is asked for
LOST = 0.15  # and this share of what was gained, or of the noise where nothing was
ROUNDING = 1e-6  # of sums, as a share of the values
NEAR_TOP = 0.03  # of the highest total possible


@dataclass(frozen=True)
class TaskState:
    """How a task is doing.

    Attributes:
        name: early (too few steps to tell, for so much noise), learning, converged, stalled or regressing.
        now: mean reward of the last stretch; None where there are too few steps for one.
        start: of the first stretch.
        best: of the best stretch.
        window: steps in a stretch.
        steps: with a reward, that it is judged by.
        settled: whether its rewards have the weights that they end with.
    """

    name: Name
    now: float | None = None
    start: float | None = None
    best: float | None = None
    window: int = 0
    steps: int = 0
    settled: bool = True


def task_state(rewards: NDArray[np.floating], top: float | None = None) -> TaskState:
    """The state of a task from its mean rewards, one a step that has one, oldest first (n).

    Args:
        rewards: without NaN.
        top: the highest total possible, where there is such; a task that is there has converged.
    """
    count = len(rewards)
    if count < FEWEST:
        return TaskState("early", steps=count)
    values = rewards.astype(np.float64)
    window = int(np.clip(count // 4, *SHORT))
    now, start, best = float(values[-window:].mean()), float(values[:window].mean()), _best(values, window)
    error = noise(values[-4 * window :]) * np.sqrt(2 / window)
    return TaskState(_name(values, window, error, top), now, start, best, window, count)


@dataclass(frozen=True)
class Goal:
    """What a task is trained for.

    Attributes:
        top: its highest total; None where a reward has no upper end.
        weights: of each of its rewards, as they are in the end where they have schedules.
    """

    top: float | None
    weights: Mapping[str, float]


def goals(spec: Draft, tasks: Iterable[str]) -> dict[str, Goal]:
    """What each task is trained for."""
    table = RoutingTable(spec.rewards)
    return {
        task: Goal(total_bounds(task, table)[1], {route.key: route.weight for route in table.of(task)})
        for task in tasks
    }


def states(train: Columns, tasks: Iterable[str], goals: Mapping[str, Goal]) -> dict[str, TaskState]:
    """The state of each task of a run, since the weights of its rewards last changed."""
    return {task: _state(train, task, goals.get(task)) for task in tasks}


def _state(train: Columns, task: str, goal: Goal | None) -> TaskState:
    rewards = train.values(Key("reward", task))
    there = ~np.isnan(rewards)
    weights = {key.reward: train.values(key)[there] for key in train.keys if key[:2] == ("weight", task)}
    changed = max((_last_change(column) for column in weights.values()), default=0)
    wanted = goal.weights if goal else {}
    settled = all(
        np.isclose(column[-1], wanted[name]) for name, column in weights.items() if name in wanted and column.size
    )
    top = goal.top if goal and settled else None
    return replace(task_state(rewards[there][changed:], top), settled=settled)


def _last_change(weights: NDArray[np.floating]) -> int:
    """The place from which on a weight has stayed what it is; 0 where it never changed."""
    found = np.flatnonzero(np.diff(weights) != 0) if not np.isnan(weights).any() else np.zeros(0, np.intp)
    return int(found[-1]) + 1 if found.size else 0


def noise(values: NDArray[np.floating]) -> float:
    """Standard deviation of a curve around its trend, from the differences between neighbours (von Neumann 1941)."""
    steps = np.diff(values.astype(np.float64))
    return float(np.sqrt((steps**2).mean() / 2)) if len(steps) else 0.0


def task_bounds(spec: Draft, tasks: Iterable[str]) -> dict[str, tuple[float, float] | None]:
    """The lowest and the highest total of each task that has totals; None where a reward leaves one of them open."""
    table = RoutingTable(spec.rewards)
    ends = {task: total_bounds(task, table) for task in tasks if any(route.weight for route in table.of(task))}
    return {task: None if low is None or high is None else (low, high) for task, (low, high) in ends.items()}


def _name(values: Floats, window: int, error: float, top: float | None) -> Name:
    now, start, best = float(values[-window:].mean()), float(values[:window].mean()), _best(values, window)
    long = int(np.clip(len(values) // 3, *LONG))
    changes = [_change(values, width) for width in {window, long}]
    lost = LOST * max(best - start, noise(values)) + ROUNDING * float(np.abs(values).max())
    if best - now > max(FALL * error, lost) or min(changes) < -RISE:
        return "regressing"
    if top is not None and now >= top - NEAR_TOP * max(abs(top), abs(top - start)):
        return "converged"
    if max(changes) > RISE:
        return "learning"
    least = RISE * max(error, noise(values) * float(np.sqrt(2 / window)))  # what a gain is told from
    if now - start > least + ROUNDING * abs(now):
        return "converged"
    told = len(values) >= ENOUGH or (top is not None and least <= WORTH * (top - start))
    return "stalled" if told else "early"


def _change(values: Floats, width: int) -> float:
    """How much the last stretch lies above the one before, in standard errors."""
    width = min(width, len(values) // 2)
    last, before = values[-width:], values[-2 * width : -width]
    error = noise(values[-2 * width :]) * np.sqrt(2 / width)
    difference = float(last.mean() - before.mean())
    return difference / error if error > 0 else 0.0


def _best(values: Floats, window: int) -> float:
    """The highest mean of a stretch."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    return float(((sums[window:] - sums[:-window]) / window).max())
