"""What every reader gives: rows next to each other in one file, column by column, each with its place.

Readers of text give Python values, readers of Arrow tables give Arrow arrays; nothing larger than a batch is ever in
memory. `Findings` collects what is wrong on the way, so that a user mends twenty rows at a time rather than one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NoReturn, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from core.errors import Problem, UserError

BATCH_ROWS = 10_000
BATCH_BYTES = 16 << 20
MOST_PROBLEMS = 20

Row = dict[str, Any]
Values: TypeAlias = list[Any] | pa.Array


@dataclass(frozen=True)
class Batch:
    """Rows next to each other in one file.

    Attributes:
        file: what to call the file in messages.
        unit: what the file counts its rows in: line, row or item.
        numbers: each row's line, row or item number, from 1 (n).
        columns: column name -> n values, None where a row has none.
        size: about how many bytes of a text file it stands for; 0 where that is not known.
    """

    file: str
    unit: str
    numbers: Sequence[int]
    columns: dict[str, Values]
    size: int = 0

    def place(self, row: int) -> Place:
        return Place(self.file, self.unit, self.numbers[row])


@dataclass(frozen=True)
class Place:
    """One row of one file, as a user would look for it."""

    file: str
    unit: str
    number: int

    def __str__(self) -> str:
        return f"{self.file} {self.unit} {self.number}"


@dataclass
class Findings:
    """Problems met while reading; the last of `most` ends the reading."""

    most: int = MOST_PROBLEMS
    _found: list[tuple[str, int, Problem]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, place: Place | str, what: str, mend: str = "", column: str | None = None) -> None:
        """Note a problem of a row (a place) or of a whole file (its name)."""
        where = str(place) if column is None else f"{place}, column {column!r}"
        file, number = (place.file, place.number) if isinstance(place, Place) else (place, 0)
        self._found.append((file, number, Problem(where, what, mend)))
        if len(self._found) >= self.most:
            more = Problem(file, f"reading stopped after {self.most} problems; there may be more.", "Mend these first.")
            raise UserError([*self._in_order(), more])

    def check(self, since: int = 0) -> None:
        """Raise what was found so far, in the order of the files and their rows, if there is more than `since`."""
        if len(self._found) > since:
            raise UserError(self._in_order())

    def stop(self, place: Place | str, what: str, mend: str = "", column: str | None = None) -> NoReturn:
        """Note a problem that nothing can be read after."""
        self.add(place, what, mend, column)
        raise UserError(self._in_order())

    def _in_order(self) -> list[Problem]:
        """By row within a file; a reader is up to one batch ahead of the checks that follow it."""
        files = {file: position for position, (file, _, _) in reversed(list(enumerate(self._found)))}
        ordered = sorted(self._found, key=lambda found: (files[found[0]], found[1]))
        return [problem for _, _, problem in ordered]


def places(batch: Batch) -> pa.Array:
    """The place of every row as text: `a.jsonl line 17` (n)."""
    start = pa.scalar(f"{batch.file} {batch.unit} ", pa.string())
    return pc.binary_join_element_wise(start, pa.array(batch.numbers, pa.int64()).cast(pa.string()), "")


def as_python(values: Values | None, rows: int) -> list[Any]:
    """Values as Python has them; None for every row where there are none."""
    if values is None:
        return [None] * rows
    found: list[Any] = values.to_pylist() if isinstance(values, pa.Array) else values
    return found


def in_batches(file: str, unit: str, rows: Iterable[tuple[int, int, Row]]) -> Iterator[Batch]:
    """Group (number, size in characters, row) into batches of bounded length and size."""
    numbers: list[int] = []
    held: list[Row] = []
    size = 0
    for number, length, row in rows:
        numbers.append(number)
        held.append(row)
        size += length
        if len(held) == BATCH_ROWS or size >= BATCH_BYTES:
            yield _batch(file, unit, numbers, held, size)
            numbers, held, size = [], [], 0
    if held:
        yield _batch(file, unit, numbers, held, size)


def _batch(file: str, unit: str, numbers: list[int], rows: list[Row], size: int) -> Batch:
    names = dict.fromkeys(chain.from_iterable(rows))
    return Batch(file, unit, numbers, {name: [row.get(name) for row in rows] for name in names}, size)
