"""Which rows a run trains on, in which order: every batch holds each task in its share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.spec import Mixing, TaskSpec


def shares(counts: Mapping[str, int], mixing: Mixing, tasks: Mapping[str, TaskSpec]) -> dict[str, float]:
    """Each task's part of the batches, adding up to 1.

    Explicit shares are taken as they are; what they leave is split between the other tasks: equally, by their rows, or
    by a root of their rows (temperature sampling, arXiv 1907.05019, section 4).

    >>> shares({"a": 30, "b": 10, "c": 10}, Mixing(strategy="natural"), {"a": TaskSpec(share=0.5)})
    {'a': 0.5, 'b': 0.25, 'c': 0.25}
    """
    fixed = {name: spec.share for name, spec in tasks.items() if spec.share is not None and name in counts}
    power = {"natural": 1.0, "equal": 0.0, "temperature": 1 / mixing.temperature}[mixing.strategy]
    free = {name: n**power for name, n in counts.items() if name not in fixed}
    left = max(0.0, 1.0 - sum(fixed.values())) if free else 0.0  # shares above 1 are an error, told elsewhere
    whole = sum(free.values())
    found = {name: fixed[name] if name in fixed else left * free[name] / whole for name in counts}
    total = sum(found.values())
    return {name: share / total for name, share in found.items()}


class Mixer:
    """Draws the rows of a run, the same for the same tags, seed and shares.

    Each place goes to the task furthest behind its share, so any stretch of what is drawn is balanced. A task's rows
    come in a shuffled order, anew each time they are used up, so none is starved and none comes back early.

    Args:
        tags: the task of each row of the data.
        seed: of the shuffles.
        state: of a mixer that has drawn before, to go on where it was.
    """

    def __init__(self, tags: ArrayLike, seed: int, state: MixerState | None = None) -> None:
        array = np.asarray(tags)
        self._seed = seed
        self._rows = {str(name): np.flatnonzero(array == name) for name in dict.fromkeys(array.tolist())}
        self._decks: dict[str, tuple[int, NDArray[np.intp]]] = {}
        self._drawn = dict.fromkeys(self._rows, 0) | dict(state.drawn if state else {})
        self._behind = dict.fromkeys(self._rows, 0.0) | dict(state.behind if state else {})

    @property
    def state(self) -> MixerState:
        """What another mixer needs to go on from here."""
        return MixerState(dict(self._drawn), dict(self._behind))

    def draw(self, share: Mapping[str, float], count: int) -> list[int]:
        """Indices of the next rows.

        Args:
            share: each task's part, adding up to 1; a task that it does not name gets nothing.
            count: how many rows.
        """
        names = [name for name in share if share[name] > 0]
        found = []
        for _ in range(count):
            for name in names:
                self._behind[name] += share[name]
            furthest = max(names, key=lambda name: round(self._behind[name], 9))  # a tie but for rounding is a tie
            self._behind[furthest] -= 1
            found.append(self.another(furthest))
        return found

    def another(self, task: str) -> int:
        """Index of the task's next row, outside of its share."""
        rows, number = self._rows[task], self._drawn[task]
        self._drawn[task] = number + 1
        turn, place = divmod(number, len(rows))
        if self._decks.get(task, (-1,))[0] != turn:
            which = list(self._rows).index(task)
            self._decks[task] = (turn, np.random.default_rng([self._seed, which, turn]).permutation(rows))
        return int(self._decks[task][1][place])


@dataclass(frozen=True)
class MixerState:
    """How far a mixer is.

    Attributes:
        drawn: rows drawn of each task.
        behind: places by which each task is behind its share; below 0 where it is ahead.
    """

    drawn: Mapping[str, int]
    behind: Mapping[str, float]
