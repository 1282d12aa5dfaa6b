"""Each task's advantages brought to one scale, so that its part of the training signal is its part of the mix.

A formula that compares completions inside their group (core.advantages) still lets a task drown the others: by rewards
of a larger scale where nothing divides by the group's spread, by more groups with spread where something does. Here the
advantages of a whole task are multiplied by one number, so that their mean size is the same for every task: what PopArt
(arXiv 1809.04474) does for values, and what GDPO's last step (arXiv 2601.05242) does for all tasks as one. Signs, order
and the sum of 0 inside each group stay. The mean size over all tasks stays too (with running sizes about so, over
several batches), so that a learning rate keeps its meaning, and a batch of one task stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

# TRL's losses that are linear in the advantage and add up tokens; grpo and sapo take the mean of each completion first.
TOKEN_SUMS = ("bnpo", "dr_grpo", "dapo", "cispo")
KEPT = 0.9  # of a task's running size at each batch: a memory of about ten batches

Floats = NDArray[np.float64]


def sizes(advantages: Floats, tasks: Sequence[str]) -> dict[str, float]:
    """Mean |advantage| of each task that has a signal, over all its completions.

    >>> sizes(np.array([3.0, -3.0, 0.0, 0.0, 0.0]), ["a", "a", "a", "b", "b"])
    {'a': 2.0}
    """
    names = np.array(tasks)
    found = {task: float(np.abs(advantages[names == task]).mean()) for task in dict.fromkeys(tasks)}
    return {task: size for task, size in found.items() if size > 0}


def running(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """Running sizes after another batch: of a task's first batch its size there, and unchanged where it has no signal.

    >>> running({"a": 1.0, "b": 4.0}, {"a": 2.0, "c": 5.0})
    {'a': 1.1, 'b': 4.0, 'c': 5.0}
    """
    moved = {task: KEPT * before[task] + (1 - KEPT) * size if task in before else size for task, size in now.items()}
    return {**before, **moved}


def token_factors(lengths: NDArray[np.int64], tasks: Sequence[str]) -> Floats:
    """By what each advantage is multiplied in a loss that adds up tokens, so that each task has its part of it (n).

    It is the mean length of all answers over that of the task's: how tokens count inside a task stays.

    >>> token_factors(np.array([10, 30, 5, 15]), ["long", "long", "short", "short"]).tolist()
    [0.75, 0.75, 1.5, 1.5]
    """
    names = np.array(tasks)
    mean = {task: float(lengths[names == task].mean()) for task in dict.fromkeys(tasks)}
    return np.array([float(lengths.mean()) / mean[task] if mean[task] else 1.0 for task in tasks])


def factors(advantages: Floats, tasks: Sequence[str], known: Mapping[str, float] | None = None) -> Floats:
    """By what each advantage is multiplied (n); 1 for a task without a signal.

    Args:
        advantages: of n completions.
        tasks: the task of each.
        known: the size of each task's advantages, where it is not to be taken from these; tasks that it does not name
            have their size here.
    """
    here = sizes(advantages, tasks)
    size = {task: (known or {}).get(task, here[task]) for task in here}
    if not size:
        return np.ones(len(tasks))
    counts = Counter(task for task in tasks if task in size)
    mean = sum(count * size[task] for task, count in counts.items()) / counts.total()
    return np.array([mean / size[task] if task in size else 1.0 for task in tasks])
