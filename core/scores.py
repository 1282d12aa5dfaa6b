"""Scores: what rewards said of completions, as tables of completions x rewards, and the totals made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

SAME = 1e-9  # scores, totals and advantages nearer than this are equal


@dataclass(frozen=True)
class Scores:
    """Scores of n completions by k rewards.

    Attributes:
        tasks: the task of each completion (n).
        keys: names of the rewards (k).
        values: scores (n, k); NaN where there is no number.
        weights: the route's weight (n, k); NaN where no route leads.
        errors: (row, column) -> why this completion could not be scored by this reward.
        seconds: wall time of each score (n, k), a call's shared evenly among its completions; NaN where there was no
            call: what is remembered, asked already or not routed, and where a process died.
    """

    tasks: tuple[str, ...]
    keys: tuple[str, ...]
    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    errors: Mapping[tuple[int, int], str]
    seconds: NDArray[np.float64]

    def of(self, rows: Sequence[int]) -> Scores:
        """The scores of some of the completions, in the order in which they are named, perhaps more than once."""
        failed: dict[int, list[int]] = {}
        for row, k in self.errors:
            failed.setdefault(row, []).append(k)
        return Scores(
            tasks=tuple(self.tasks[row] for row in rows),
            keys=self.keys,
            values=self.values[list(rows)],
            weights=self.weights[list(rows)],
            errors={(n, k): self.errors[row, k] for n, row in enumerate(rows) for k in failed.get(row, ())},
            seconds=self.seconds[list(rows)],
        )

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Completions whose total is unknown because a reward that counts (weight not 0) failed (n)."""
        failed: NDArray[np.bool_] = np.zeros(len(self.tasks), dtype=bool)
        for i, k in self.errors:
            failed[i] |= self.weights[i, k] != 0
        return failed

    @cached_property
    def totals(self) -> NDArray[np.float64]:
        """Weighted sum over the rewards that apply (n); NaN where one failed or none applies."""
        counts = self.counting
        totals = np.where(counts, np.nan_to_num(self.values) * np.nan_to_num(self.weights), 0.0).sum(axis=1)
        return np.where(self.failed | ~counts.any(axis=1), np.nan, totals)

    @cached_property
    def counting(self) -> NDArray[np.bool_]:
        """Cells that hold a number and a weight other than 0 (n, k)."""
        counting: NDArray[np.bool_] = ~np.isnan(self.values) & (np.nan_to_num(self.weights) != 0)
        return counting

    @cached_property
    def routed(self) -> NDArray[np.bool_]:
        """Cells that a route leads to (n, k)."""
        routed: NDArray[np.bool_] = ~np.isnan(self.weights)
        return routed


def join(parts: Sequence[Scores]) -> Scores:
    """Scores of several batches under one routing table, in order."""
    offsets = np.cumsum([0, *(len(part.tasks) for part in parts)])
    return Scores(
        tasks=tuple(task for part in parts for task in part.tasks),
        keys=parts[0].keys,
        values=np.concatenate([part.values for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        errors={
            (int(offset) + i, k): reason
            for part, offset in zip(parts, offsets, strict=False)
            for (i, k), reason in part.errors.items()
        },
        seconds=np.concatenate([part.seconds for part in parts]),
    )
