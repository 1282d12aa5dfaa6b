"""Which groups of a batch are trained on where others were sampled for those without signal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.advantages import without_signal
from core.metrics import ScoredBatch, join_batches


class Choice:
    """The groups of a batch, each of which a later group of its task may take the place of.

    Args:
        batch: as it was sampled first; groups of `size`, numbered in their order.
        size: completions of a group.
    """

    def __init__(self, batch: ScoredBatch, size: int) -> None:
        self._size = size
        self._tasks = _tasks(batch, size)
        self._chosen = [(0, n) for n in range(len(self._tasks))]  # of each place: which batch, which of its groups
        self._silent = without_signal(batch.advantages, batch.groups).tolist()
        self._batches = 1

    @property
    def without_signal(self) -> list[str]:
        """The task of each place that still has a group without signal."""
        return [task for task, silent in zip(self._tasks, self._silent, strict=True) if silent]

    def offer(self, batch: ScoredBatch) -> None:
        """Groups of another batch, to take places of their tasks where they have signal."""
        silent = without_signal(batch.advantages, batch.groups)
        for n, task in enumerate(_tasks(batch, self._size)):
            places = [p for p, other in enumerate(self._tasks) if other == task and self._silent[p]]
            if places and not silent[n]:
                self._chosen[places[0]] = (self._batches, n)
                self._silent[places[0]] = False
        self._batches += 1

    def joined(self, batches: Sequence[ScoredBatch]) -> ScoredBatch:
        """All that was sampled as one batch that says which of it is trained on, place by place."""
        starts = np.cumsum([0, *(len(batch.prompts) for batch in batches)])
        firsts = [int(starts[of]) + n * self._size for of, n in self._chosen]
        trained = np.array([first + i for first in firsts for i in range(self._size)], dtype=np.int64)
        return replace(join_batches(batches), trained=trained)


def _tasks(batch: ScoredBatch, size: int) -> list[str]:
    return list(batch.scores.tasks[::size])
