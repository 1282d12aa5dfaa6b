"""How far the weights with a schedule have come in a run, as its metrics say it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.columns import Key
from core.gates import BATCHES, schedules_of
from core.options import grpo_settings
from core.routing import RoutingTable
from core.series import Series
from core.spec import RunSpec
from core.step_time import generations_a_step
from core.weight_schedules import Gate, Schedule

CLOSE = 1e-6  # of a weight: columns hold single precision


@dataclass(frozen=True)
class MovingWeight:
    """A route whose weight comes about in the course of a run.

    Attributes:
        task: its name.
        reward: key of the reward.
        schedule: how its weight comes about.
        own: the weight at which it ends, which held-out rows are scored with.
        now: of the last batch; None before there is one.
        since: the step at which `own` was reached, to stay; None while it is not.
        seen: of a gate, the mean score over the last five batches of the reward that it waits for; None before there
            are five, without a gate, and where a step has several batches, whose means are not known one by one.
    """

    task: str
    reward: str
    schedule: Schedule
    own: float
    now: float | None
    since: int | None
    seen: float | None


def moving_weights(spec: RunSpec, series: Series) -> list[MovingWeight]:
    """One for each route of the run's tasks that has a schedule, in the order of tasks and routes."""
    table = RoutingTable(spec.rewards)
    schedules = schedules_of(table, series.tasks)
    if not schedules:
        return []
    one_batch = generations_a_step(grpo_settings(spec.grpo)) <= 1
    return [
        MovingWeight(
            task,
            route.key,
            schedules[task, route.key],
            route.weight,
            series.train.last(Key("weight", task, route.key)),
            _since(series, Key("weight", task, route.key), route.weight),
            _seen(series, task, schedules[task, route.key]) if one_batch else None,
        )
        for task in series.tasks
        for route in table.of(task)
        if (task, route.key) in schedules
    ]


def _since(series: Series, key: Key, own: float) -> int | None:
    steps, weights = series.train.known(key)
    there = np.isclose(weights, own, rtol=CLOSE, atol=CLOSE)
    if not len(there) or not there[-1]:
        return None
    before = np.flatnonzero(~there)
    return int(steps[before[-1] + 1 if len(before) else 0])


def _seen(series: Series, task: str, schedule: Schedule) -> float | None:
    if not isinstance(schedule, Gate):
        return None
    means = series.train.recent(Key("mean", task, schedule.reward), BATCHES)
    return float(means.mean()) if len(means) == BATCHES else None
