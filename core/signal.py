"""What scores would teach: where each task's training signal comes from, and where there is none.

Made of the same scores and the same normalisation that training uses (`core.advantages`), so that it can be seen before
a run whether one reward drowns the others, or a task has nothing to learn from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.advantages import FLAT, Floats, Ints, advantages, contributions, group_spread, without_signal
from core.scores import Scores
from core.spec import Normalisation


@dataclass(frozen=True)
class RewardSignal:
    """One reward in one task.

    Attributes:
        reward: its key.
        share: its part of what all rewards add to the task's advantages, by absolute value; None where all add nothing.
        lowest: of its scores; None where it gave none.
        highest: of its scores; None where it gave none.
        flat_groups: groups in which it scores all completions alike, or fewer than two.
    """

    reward: str
    share: float | None
    lowest: float | None
    highest: float | None
    flat_groups: int


@dataclass(frozen=True)
class TaskSignal:
    """One task.

    Attributes:
        task: its name.
        completions: how many.
        groups: how many.
        flat_groups: groups in which every advantage is 0: nothing is learned from them.
        share: its part of the summed |advantage| of all tasks; None where that is 0.
        rewards: those routed to it, in the order of the scores.
    """

    task: str
    completions: int
    groups: int
    flat_groups: int
    share: float | None
    rewards: tuple[RewardSignal, ...]


def task_signals(scores: Scores, groups: Ints, normalisation: Normalisation) -> list[TaskSignal]:
    """The signal of each task, tasks in order of first appearance; all completions count as one batch.

    Args:
        scores: of n completions.
        groups: the group of each (n): completions of one row share a number.
        normalisation: how scores become advantages.
    """
    strength = np.abs(advantages(scores, groups, normalisation))
    parts = np.abs(contributions(scores, groups, normalisation))
    tasks = np.array(scores.tasks)
    found = []
    for task in dict.fromkeys(scores.tasks):
        rows = np.flatnonzero(tasks == task)
        rewards = [
            RewardSignal(
                scores.keys[k],
                _share(parts[rows, k].sum(), parts[rows].sum()),
                *_ends(scores.values[rows, k]),
                _flat(scores.values[rows, k], groups[rows]),
            )
            for k in range(len(scores.keys))
            if scores.routed[rows, k].any()
        ]
        found.append(
            TaskSignal(
                task,
                len(rows),
                len(np.unique(groups[rows])),
                int(without_signal(strength[rows], groups[rows]).sum()),
                _share(strength[rows].sum(), strength.sum()),
                tuple(rewards),
            )
        )
    return found


def _share(part: np.float64, whole: np.float64) -> float | None:
    return float(part / whole) if whole > 0 else None


def _ends(values: Floats) -> tuple[float | None, float | None]:
    known = values[~np.isnan(values)]
    return (float(known.min()), float(known.max())) if known.size else (None, None)


def _flat(values: Floats, groups: NDArray[np.int64]) -> int:
    """How many groups have no spread."""
    _, first = np.unique(groups, return_index=True)
    return int((group_spread(values, groups)[first] < FLAT).sum())
