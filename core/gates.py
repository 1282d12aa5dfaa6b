"""The weights of a run's rewards at each step, where they have schedules (core.weight_schedules)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from core.metrics import mean
from core.routing import RoutingTable
from core.scores import Scores
from core.weight_schedules import Gate, Schedule, weight_at

KEPT = 0.8  # of a gate's running mean at each batch: a memory of about five batches

Place = tuple[str, str]  # a task, and the key of one of its rewards


def schedules_of(table: RoutingTable, tasks: Iterable[str]) -> dict[Place, Schedule]:
    """The schedules of some tasks' routes."""
    return {
        (task, route.key): route.schedule for task in tasks for route in table.of(task) if route.schedule is not None
    }


class Gates:
    """What opens gates: a running mean of each reward that one waits for. A gate that has opened stays open.

    Args:
        schedules: those of a routing table, by task and reward.
    """

    def __init__(self, schedules: Mapping[Place, Schedule]) -> None:
        self._schedules = schedules
        self._means: dict[Place, float] = {}
        self._opened: set[Place] = set()

    def weighted(self, scores: Scores, step: int) -> Scores:
        """The scores with the weights of a step."""
        if not self._schedules:
            return scores
        weights, tasks = scores.weights.copy(), np.array(scores.tasks)
        for (task, key), schedule in self._schedules.items():
            if key in scores.keys and (rows := np.flatnonzero(tasks == task)).size:
                k, opened = scores.keys.index(key), (task, key) in self._opened
                weights[rows, k] = weight_at(float(weights[rows[0], k]), schedule, step, opened)
        return replace(scores, weights=weights)

    def see(self, scores: Scores) -> None:
        """Open the gates whose reward is good enough after another batch."""
        tasks = np.array(scores.tasks)
        for (task, key), gate in self._schedules.items():
            if not isinstance(gate, Gate) or gate.reward not in scores.keys:
                continue
            found = mean(scores.values[tasks == task, scores.keys.index(gate.reward)])
            if found is not None:
                before = self._means.get((task, key), found)
                self._means[task, key] = KEPT * before + (1 - KEPT) * found
                if self._means[task, key] >= gate.above:
                    self._opened.add((task, key))

    @property
    def state(self) -> list[tuple[str, str, float, bool]]:
        """Task, reward, mean of what its gate waits for, whether it has opened."""
        return [(*place, mean, place in self._opened) for place, mean in self._means.items()]

    def restore(self, state: list[tuple[str, str, float, bool]]) -> None:
        """Go on from a state."""
        self._means = {(task, key): mean for task, key, mean, _ in state}
        self._opened = {(task, key) for task, key, _, opened in state if opened}
