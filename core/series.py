"""The metrics of a run as what the page draws: columns of numbers, and the latest records whole.

All numbers are columns (`core.columns`), read many records at once (`core.metrics_reader`). `core.following` keeps a
run's series up to date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from core.columns import Columns, Key
from core.metrics_reader import read_lines, records

LATEST = 10  # training records that are kept whole


@dataclass
class Series:
    """The metrics of a run.

    Attributes:
        train: one row a training step.
        held_out: one row an evaluation.
        latest: the last training records, whole, in order.
        last: the last record of all.
        read: which share of the file is in here; below 1 while a long run is being read for the first time.
        lines: of the file that are in here.
        broken: how many of them are no records, and are missing here.
        first_broken: the number of the first of those, 1 is the first line; 0 where there is none.
    """

    train: Columns = field(default_factory=Columns)
    held_out: Columns = field(default_factory=Columns)
    latest: tuple[Mapping[str, Any], ...] = ()
    last: Mapping[str, Any] | None = None
    read: float = 1.0
    lines: int = 0
    broken: int = 0
    first_broken: int = 0

    @classmethod
    def of(cls, lines: bytes) -> Series:
        """A series of whole lines of metrics.jsonl."""
        series = cls()
        series.add(lines)
        return series

    def snapshot(self) -> Series:
        """The same, of its own: it does not grow while somebody draws it."""
        return replace(self, train=self.train.snapshot(), held_out=self.held_out.snapshot())

    @property
    def tasks(self) -> list[str]:
        """The tasks in their one order: as the first evaluation names them, then as they came."""
        keys = [*self.held_out.keys, *self.train.keys]
        return list(dict.fromkeys(key.task for key in keys if key.task))

    def rewards(self, task: str) -> list[str]:
        """The rewards of a task, in the order of its routes."""
        keys = [*self.held_out.keys, *self.train.keys]
        return list(dict.fromkeys(key.reward for key in keys if key.reward and key.task == task))

    @property
    def step(self) -> int:
        """The last training step; 0 before the first."""
        return int(self.train.steps[-1]) if self.train.length else 0

    @property
    def steps(self) -> int | None:
        """Training steps in all; None before the first record."""
        return int(self.last["steps"]) if self.last else None

    @property
    def sampled(self) -> int | None:
        """The last step that sampled completions of its own; None before the first."""
        return next((int(record["step"]) for record in reversed(self.latest) if record["tasks"]), None)

    @property
    def frozen(self) -> frozenset[str]:
        """The tasks that rested in the last training step, since they had converged."""
        return frozenset(self.latest[-1].get("frozen", ())) if self.latest else frozenset()

    def before_and_after(self, task: str) -> tuple[float | None, float | None]:
        """A task's held-out reward at the first and the last evaluation; the latter is None before there are two."""
        values = self.held_out.values(Key("reward", task))
        first = float(values[0]) if len(values) else None
        last = float(values[-1]) if len(values) > 1 else None
        return _known(first), _known(last)

    def add(self, lines: bytes) -> None:
        """More whole lines of metrics.jsonl."""
        broken = read_lines(lines, self.train, self.held_out)
        if broken:
            self.broken += len(broken)
            self.first_broken = self.first_broken or self.lines + broken[0] + 1
        self.lines += lines.count(b"\n")
        self.keep_latest(lines)

    def keep_latest(self, lines: bytes) -> None:
        """Keep the newest of these records whole."""
        newest: list[Mapping[str, Any]] = []
        for n, record in enumerate(records(lines)):
            if n == 0:
                self.last = record
            if record["split"] == "train":
                newest.append(record)
            if len(newest) == LATEST:
                break
        self.latest = (*self.latest, *reversed(newest))[-LATEST:]


def _known(value: float | None) -> float | None:
    return None if value is None or value != value else value
