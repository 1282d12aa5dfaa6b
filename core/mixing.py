"""Which rows a run trains on, in which order: every batch holds each task in its share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.spec import Mixing, TaskSpec


def shares(counts: Mapping[str, int], mixing: Mixing, tasks: Mapping[str, TaskSpec]) -> dict[str, float]:
    """Each task's part of the batches, adding up to 1.

    Explicit shares are taken as they are; what they leave is split between the other tasks, equally or by their rows.

    >>> shares({"a": 30, "b": 10, "c": 10}, Mixing(strategy="natural"), {"a": TaskSpec(share=0.5)})
    {'a': 0.5, 'b': 0.25, 'c': 0.25}
    """
    fixed = {name: spec.share for name, spec in tasks.items() if spec.share is not None and name in counts}
    free = {name: (n if mixing.strategy == "natural" else 1) for name, n in counts.items() if name not in fixed}
    left = 1.0 - sum(fixed.values()) if free else 0.0
    whole = sum(free.values())
    found = {name: fixed[name] if name in fixed else left * free[name] / whole for name in counts}
    total = sum(found.values())
    return {name: share / total for name, share in found.items()}


def row_order(tags: ArrayLike, share: Mapping[str, float], length: int, seed: int) -> NDArray[np.int64]:
    """Indices of the rows of a whole run, one a prompt, the same for the same arguments.

    Each place goes to the task furthest behind its share, so any stretch of the order is balanced. A task's rows
    come in a shuffled order, anew each time they are used up, so none is starved and none comes back early.
    """
    rng = np.random.default_rng(seed)
    names = [name for name in share if share[name] > 0]
    array = np.asarray(tags)
    pools = [np.flatnonzero(array == name) for name in names]
    goal = np.array([share[name] for name in names])
    taken = np.zeros(len(names))
    decks: list[list[int]] = [[] for _ in names]
    order = np.empty(length, dtype=np.int64)
    for place in range(length):
        behind = int(np.argmax(goal * (place + 1) - taken))
        if not decks[behind]:
            decks[behind] = rng.permutation(pools[behind]).tolist()
        order[place] = decks[behind].pop()
        taken[behind] += 1
    return order
