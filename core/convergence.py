"""Which evaluation of a run is its best, when more of a run is no use, and which tasks have learnt what they can.

Evaluations are compared by a height of each task, so that a reward to 100 counts no more than one to 1. Where the
rewards of all tasks declare their range, a task's height is where its mean reward lies in it: 0 to 1. Where one does
not, all heights are gains since the first evaluation, in standard deviations of the totals there. An evaluation in
which a task has no reward at all cannot be the best.

The best of many noisy figures is high by chance: its height is an optimist's estimate of what its adapter can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.columns import Columns, Key
from core.spec import Convergence, TaskSpec
from core.task_states import TaskState

KEEP = 0.1  # of its share that a frozen task keeps, so that forgetting is seen
THAWS = ("learning", "regressing")

Floats = NDArray[np.float64]
Bounds = Mapping[str, tuple[float, float] | None]


@dataclass(frozen=True)
class RankedEvaluation:
    """One evaluation, as evaluations are compared.

    Attributes:
        step: the training step after which it was made.
        value: the height that decides, by the spec's `best`; NaN where a task that counts has no reward in it.
        heights: of each task that counts.
        in_range: whether heights are places in a range, 0 to 1, rather than gains.
    """

    step: int
    value: float
    heights: Mapping[str, float]
    in_range: bool

    @property
    def worst(self) -> str:
        """The task that is lowest, of those with a reward."""
        return min(self.heights, key=lambda task: np.nan_to_num(self.heights[task], nan=np.inf))

    @property
    def rank(self) -> tuple[float, float]:
        """What decides, and between equals the mean: the lowest of all is often the same."""
        return self.value, float(np.mean(list(self.heights.values())))


def evaluations(
    held_out: Columns, bounds: Bounds, convergence: Convergence, tasks: Mapping[str, TaskSpec]
) -> list[RankedEvaluation]:
    """The evaluations of a run, oldest first.

    Args:
        held_out: a row an evaluation, with `reward` and `reward_std` of each task.
        bounds: the lowest and the highest total of each task; None where a reward declares no end.
        convergence: what decides.
        tasks: their settings, with what each counts.
    """
    weighted = convergence.best == "weighted"
    counted = {name: tasks[name].evaluation_weight if weighted and name in tasks else 1.0 for name in bounds}
    names = [name for name in bounds if counted[name] > 0 and Key("reward", name) in held_out]
    if not names:
        return []
    in_range = all(bounds[name] is not None for name in names)
    heights = np.stack([_heights(held_out, name, bounds[name] if in_range else None) for name in names])
    weights = np.array([counted[name] for name in names])
    values = heights.min(axis=0) if convergence.best == "worst" else weights @ heights / weights.sum()
    return [
        RankedEvaluation(int(step), float(value), dict(zip(names, column, strict=True)), in_range)
        for step, value, column in zip(held_out.steps, values, heights.T.tolist(), strict=True)
    ]


def best(found: Sequence[RankedEvaluation]) -> RankedEvaluation | None:
    """The best evaluation, of equals the first; None where there is none that has a reward of every task."""
    whole = [one for one in found if not np.isnan(one.value)]
    return max(whole, key=lambda one: one.rank, default=None)


def without_better(found: Sequence[RankedEvaluation]) -> int:
    """How many evaluations have come since the best one; 0 before there is one."""
    top = best(found)
    return 0 if top is None else sum(one.step > top.step for one in found)


def frozen(before: Set[str], states: Mapping[str, TaskState]) -> frozenset[str]:
    """The tasks that are frozen now: those that have converged by the weights they end with, until they move again."""
    converged = {task for task, state in states.items() if state.name == "converged" and state.settled}
    thawed = {task for task, state in states.items() if state.name in THAWS}
    return frozenset((before | converged) - thawed)


def thinned(shares: Mapping[str, float], cold: Set[str]) -> dict[str, float]:
    """Shares in which frozen tasks keep a tenth and the others divide the rest; unchanged where all are frozen.

    >>> thinned({"a": 0.5, "b": 0.25, "c": 0.25}, {"a"})
    {'a': 0.05, 'b': 0.475, 'c': 0.475}
    """
    warm = sum(share for task, share in shares.items() if task not in cold)
    if warm <= 0:
        return dict(shares)
    kept = KEEP * sum(share for task, share in shares.items() if task in cold)
    return {task: KEEP * share if task in cold else share * (1 - kept) / warm for task, share in shares.items()}


def _heights(held_out: Columns, task: str, ends: tuple[float, float] | None) -> Floats:
    rewards = held_out.values(Key("reward", task)).astype(np.float64)
    if ends is not None and ends[1] > ends[0]:
        found: Floats = (rewards - ends[0]) / (ends[1] - ends[0])
        return found
    spreads = held_out.values(Key("reward_std", task)).astype(np.float64)
    known = rewards[~np.isnan(rewards)]
    gains: Floats = rewards - (known[0] if known.size else np.nan)
    return gains / _unit(spreads)


def _unit(spreads: Floats) -> float:
    """The spread at the first evaluation that has one; 1 where none has, so that gains stay what they are."""
    positive = spreads[spreads > 0]  # NaN is not
    return float(positive[0]) if positive.size else 1.0
