"""How shares of tasks follow what a run sees: more where it learns, or more for the task that is worst off.

`progress` is the automatic curriculum of arXiv 1707.00383 and 1704.03003: a task is worth sampling while its reward
moves, up or down, and while its groups have spread to learn from. `worst` is the improvement-aware reweighting of
MT-GRPO (arXiv 2602.05547): weights fall for tasks whose reward is high or rising, so that the task that is worst off
and stands still is sampled most. Either leaves every task a floor of its own share, so that none is forgotten.

Rewards of different scale are compared by where they lie between the lowest and the highest total that the run has
seen of the task.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from core.advantages import without_signal
from core.metrics import ScoredBatch

FAST, SLOW = 0.9, 0.97  # of the running means that is kept at each batch: memories of about 10 and 30 batches
# How far two such means of noise lie apart, in standard deviations of a batch's mean: the square root of
# (1-f)/(1+f) + (1-s)/(1+s) - 2(1-f)(1-s)/(1-fs).
APART = 0.144
SURE = 2.0  # times that, below which nothing has moved
LEAST = 0.01  # progress of a task that stands still
LEVEL_WEIGHT = 0.2  # of a task's reward beside its improvement, as in MT-GRPO's three-task runs
RATE = 2.0  # by which the weights of `worst` move a batch


@dataclass(frozen=True)
class TaskSeen:
    """What a run has seen of a task.

    Attributes:
        low: lowest total of a completion.
        high: highest total.
        fast: running mean of the totals over a few batches.
        slow: the same over more.
        signal: running share of groups with spread.
        last: mean of the totals in the last batch.
        noise: running half of the squared difference from batch to batch: the variance of a batch's mean (von Neumann
            1941); None before the second.
        before: `fast` before the last batch; None at its first.
        weight: the logarithm of what `worst` multiplies its share by.
    """

    low: float
    high: float
    fast: float
    slow: float
    signal: float
    last: float = 0.0
    noise: float | None = None
    before: float | None = None
    weight: float = 0.0

    @property
    def height(self) -> float:
        """Where the reward lies now between the lowest and the highest total: 0 to 1."""
        return self._height(self.fast)

    @property
    def progress(self) -> float:
        """How far the reward has moved lately beyond what noise moves it, as a part of its range, by its signal."""
        if self.noise is None or self.high <= self.low:
            return 0.0
        moved = abs(self.fast - self.slow) - SURE * APART * math.sqrt(self.noise)
        return max(0.0, moved) / (self.high - self.low) * self.signal

    @property
    def improvement(self) -> float:
        """By how much the last batch has raised it, as a part of its range."""
        return 0.0 if self.before is None else self.height - self._height(self.before)

    def _height(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0


def seen(before: Mapping[str, TaskSeen], batch: ScoredBatch) -> dict[str, TaskSeen]:
    """What is known of each task after another batch; a task without a total in it stays as it was."""
    tasks = np.array(batch.scores.tasks)
    found = dict(before)
    moved = []
    for task in dict.fromkeys(batch.scores.tasks):
        here = tasks == task
        totals = batch.scores.totals[here]
        totals = totals[~np.isnan(totals)]
        if totals.size:
            signal = 1.0 - float(without_signal(batch.advantages[here], batch.groups[here]).mean())
            found[task] = _moved(before.get(task), totals, signal)
            moved.append(task)
    return _reweighted(found, before, moved)


def _moved(before: TaskSeen | None, totals: np.ndarray, signal: float) -> TaskSeen:
    low, high, mean = float(totals.min()), float(totals.max()), float(totals.mean())
    if before is None:
        return TaskSeen(low, high, mean, mean, signal, last=mean)
    step = (mean - before.last) ** 2 / 2
    return replace(
        before,
        low=min(low, before.low),
        high=max(high, before.high),
        fast=FAST * before.fast + (1 - FAST) * mean,
        slow=SLOW * before.slow + (1 - SLOW) * mean,
        signal=SLOW * before.signal + (1 - SLOW) * signal,
        last=mean,
        noise=step if before.noise is None else SLOW * before.noise + (1 - SLOW) * step,
        before=before.fast,
    )


def _reweighted(
    found: dict[str, TaskSeen], before: Mapping[str, TaskSeen], moved: Collection[str]
) -> dict[str, TaskSeen]:
    """One step of gradient descent of the weighted improvements and levels, by the weights (MT-GRPO, algorithm 1).

    A task that was not in the batch has improved by nothing in it.
    """
    weights = _softmax({task: one.weight for task, one in found.items()})
    gain = {
        task: (one.improvement if task in moved else 0.0) + LEVEL_WEIGHT * one.height for task, one in found.items()
    }
    mean = sum(weights[task] * gain[task] for task in found)
    lowered = {task: one.weight - RATE * weights[task] * (gain[task] - mean) for task, one in found.items()}
    return {task: replace(one, weight=lowered[task]) if task in before else one for task, one in found.items()}


def adapted(
    base: Mapping[str, float], tasks: Mapping[str, TaskSeen], adapt: Literal["none", "progress", "worst"], floor: float
) -> dict[str, float]:
    """Each task's share after what was seen of them, adding up to 1.

    Args:
        base: shares without it, adding up to 1.
        tasks: what was seen; a task that is not in it is treated like one that stands still.
        adapt: by what.
        floor: the part of its base share that every task keeps.
    """
    if adapt == "none" or not tasks:
        return dict(base)
    if adapt == "progress":
        worth = {task: base[task] * (LEAST + (tasks[task].progress if task in tasks else 0.0)) for task in base}
    else:
        weights = {task: tasks[task].weight if task in tasks else 0.0 for task in base}
        worth = {task: base[task] * weight for task, weight in _softmax(weights).items()}
    whole = sum(worth.values())
    return {task: floor * base[task] + (1 - floor) * worth[task] / whole for task in base}


def _softmax(weights: Mapping[str, float]) -> dict[str, float]:
    highest = max(weights.values(), default=0.0)
    powers = {task: math.exp(weight - highest) for task, weight in weights.items()}
    return {task: power / sum(powers.values()) for task, power in powers.items()}
