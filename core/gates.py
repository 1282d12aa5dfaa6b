"""The weights of a run's rewards at each step, where they have schedules (core.weight_schedules)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from core.metrics import mean
from core.routing import RoutingTable
from core.scores import Scores
from core.weight_schedules import Gate, Schedule, weight_at

BATCHES = 5  # whose mean opens a gate
ROUNDING = 1e-9

Place = tuple[str, str]  # a task, and the key of one of its rewards


def schedules_of(table: RoutingTable, tasks: Iterable[str]) -> dict[Place, Schedule]:
    """The schedules of some tasks' routes."""
    return {
        (task, route.key): route.schedule for task in tasks for route in table.of(task) if route.schedule is not None
    }


class Gates:
    """What opens a gate: the mean of the reward that it waits for, over five batches. One that has opened stays open.

    Args:
        schedules: those of a routing table, by task and reward.
    """

    def __init__(self, schedules: Mapping[Place, Schedule]) -> None:
        self._schedules = schedules
        self._means: dict[Place, list[float]] = {}  # of the last batches
        self._opened: set[Place] = set()
        self._own: dict[Place, float] = {}  # the routes' own weights

    def weighted(self, scores: Scores, step: int) -> Scores:
        """The scores with the weights of a step."""
        if not self._schedules:
            return scores
        weights, tasks = scores.weights.copy(), np.array(scores.tasks)
        for (task, key), schedule in self._schedules.items():
            if key in scores.keys and (rows := np.flatnonzero(tasks == task)).size:
                k, opened = scores.keys.index(key), (task, key) in self._opened
                self._own[task, key] = float(weights[rows[0], k])
                weights[rows, k] = weight_at(self._own[task, key], schedule, step, opened)
        return replace(scores, weights=weights)

    def whole(self, scores: Scores) -> Scores:
        """Scores with the weights of a step, as if every reward had its own weight."""
        if not self._own:
            return scores
        weights, tasks = scores.weights.copy(), np.array(scores.tasks)
        for (task, key), own in self._own.items():
            if key in scores.keys:
                weights[tasks == task, scores.keys.index(key)] = own
        return replace(scores, weights=weights)

    def see(self, scores: Scores) -> None:
        """Open the gates whose reward is good enough after another batch."""
        tasks = np.array(scores.tasks)
        for (task, key), gate in self._schedules.items():
            if not isinstance(gate, Gate) or gate.reward not in scores.keys:
                continue
            found = mean(scores.values[tasks == task, scores.keys.index(gate.reward)])
            if found is not None:
                last = self._means[task, key] = [*self._means.get((task, key), []), found][-BATCHES:]
                if len(last) == BATCHES and sum(last) / BATCHES >= gate.above - ROUNDING:
                    self._opened.add((task, key))

    @property
    def state(self) -> list[Any]:
        """Task, reward, the last means of what its gate waits for, whether it has opened."""
        return [[*place, means, place in self._opened] for place, means in self._means.items()]

    def restore(self, state: list[Any]) -> None:
        """Go on from a state."""
        self._means = {(task, key): means for task, key, means, _ in state}
        self._opened = {(task, key) for task, key, _, opened in state if opened}
