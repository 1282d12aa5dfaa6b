"""Columns of numbers that grow at their end: what a run's metrics become in memory.

A row is a record of the run. What a record does not say is NaN, never 0. Rows are never changed once they are there, so
a snapshot shares its numbers with the table that goes on growing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Key(NamedTuple):
    """Which number of a record: of the whole step, of one task, or of one reward of one task."""

    field: str
    task: str = ""
    reward: str = ""


class Columns:
    """Numbers under keys, one row a record.

    Attributes:
        length: rows there are.
    """

    def __init__(self) -> None:
        self.length = 0
        self._steps: Ints = np.zeros(0, np.int64)
        self._columns: dict[Key, Floats] = {}
        self._known: dict[Key, tuple[int, Ints, Floats]] = {}  # of so many rows

    def snapshot(self) -> Columns:
        """The same rows; it does not grow while somebody draws it."""
        same = Columns()
        same.length, same._steps, same._columns = self.length, self._steps, dict(self._columns)
        return same

    def add_rows(self, steps: Ints) -> int:
        """Room for more records at these steps; returns the number of the first of the new rows."""
        first, self.length = self.length, self.length + len(steps)
        if self.length > len(self._steps):
            room = max(64, 2 * self.length)
            grown = np.zeros(room, np.int64)
            grown[:first] = self._steps[:first]
            self._steps = grown
            self._columns = {key: _grown(column, first, room) for key, column in self._columns.items()}
        self._steps[first : self.length] = steps
        return first

    def put(self, key: Key, rows: Ints, values: NDArray[np.floating]) -> None:
        """Values of some of the rows that were added last."""
        column = self._columns.get(key)
        if column is None:
            column = self._columns[key] = np.full(len(self._steps), np.nan, np.float32)
        column[rows] = values

    @property
    def steps(self) -> Ints:
        """The step of each row (rows)."""
        return self._steps[: self.length]

    @property
    def keys(self) -> list[Key]:
        """What there is, in the order in which it came."""
        return list(self._columns)

    def __contains__(self, key: Key) -> bool:
        return key in self._columns

    def values(self, key: Key) -> Floats:
        """One column (rows); NaN throughout where no record has it."""
        column = self._columns.get(key)
        return np.full(self.length, np.nan, np.float32) if column is None else column[: self.length]

    def known(self, key: Key) -> tuple[Ints, Floats]:
        """Steps and values of the rows that have one (n), (n)."""
        length, steps, known = self._known.get(key, (-1, self._steps, self.values(key)))
        if length != self.length:
            there = ~np.isnan(known := self.values(key))
            steps, known = self.steps[there], known[there]
            self._known[key] = self.length, steps, known
        return steps, known

    def recent(self, key: Key, most: int) -> Floats:
        """At most so many of the newest values (n), found without a look at all rows where they are dense."""
        values = self.values(key)
        for rows in (4 * most, self.length):
            part = values[-rows:]
            known = part[~np.isnan(part)]
            if len(known) >= most:
                break
        return known[-most:]

    def last(self, key: Key) -> float | None:
        """The newest value; None where there is none."""
        values = self.recent(key, 1)
        return float(values[-1]) if len(values) else None


def _grown(column: Floats, rows: int, room: int) -> Floats:
    grown = np.full(room, np.nan, np.float32)
    grown[:rows] = column[:rows]
    return grown
