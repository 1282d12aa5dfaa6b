"""What the page draws of a run, kept up to date by reading only what its metrics have grown by.

A run of 20,000 steps has metrics of a hundred megabytes: they are read once, and no more of a record is kept than is
drawn. A resume puts another file in the place of metrics.jsonl; then everything is read again.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.runs import RunFolder

SMOOTHING = 0.8  # weight of the past in the exponential moving average
LATEST = 10  # training records that are kept whole
RUNS_FOLLOWED = 8


@dataclass
class Curve:
    """The mean total of one task's completions by step; steps in which it has none are left out, never 0.

    Attributes:
        steps: training steps done.
        rewards: mean totals.
        scored: completions that each is the mean of.
        smoothed: exponential moving average of the rewards, unbiased at the start.
    """

    steps: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    scored: list[int] = field(default_factory=list)
    smoothed: list[float] = field(default_factory=list)
    _mean: float = 0.0
    _weight: float = 0.0

    def snapshot(self) -> Curve:
        """The same points in lists of their own."""
        return Curve(self.steps[:], self.rewards[:], self.scored[:], self.smoothed[:], self._mean, self._weight)

    def add(self, step: int, reward: float, scored: int) -> None:
        """One more point."""
        self._mean = SMOOTHING * self._mean + (1 - SMOOTHING) * reward
        self._weight = SMOOTHING * self._weight + (1 - SMOOTHING)
        self.steps.append(step)
        self.rewards.append(reward)
        self.scored.append(scored)
        self.smoothed.append(self._mean / self._weight)


@dataclass
class Series:
    """The records of a run, as far as the page shows them.

    Attributes:
        train: each task's curve, tasks in the order in which they came.
        held_out: each task's evaluations, the same tasks in the same order.
        evaluations: the records of all evaluations, whole.
        latest: the last training records, whole.
        last: the last record of all.
        sampled: the last step that sampled completions of its own; None before the first.
    """

    train: dict[str, Curve] = field(default_factory=dict)
    held_out: dict[str, Curve] = field(default_factory=dict)
    evaluations: list[Mapping[str, Any]] = field(default_factory=list)
    latest: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=LATEST))
    last: Mapping[str, Any] | None = None
    sampled: int | None = None

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> Series:
        """A series of these records."""
        series = cls()
        for record in records:
            series.add(record)
        return series

    def snapshot(self) -> Series:
        """The same, of its own: it does not grow while somebody draws it."""
        return Series(
            {task: curve.snapshot() for task, curve in self.train.items()},
            {task: curve.snapshot() for task, curve in self.held_out.items()},
            list(self.evaluations),
            deque(self.latest, maxlen=LATEST),
            self.last,
            self.sampled,
        )

    @property
    def tasks(self) -> list[str]:
        """The tasks in their one order."""
        return list(self.train)

    def add(self, record: Mapping[str, Any]) -> None:
        """One more record."""
        self.last = record
        held_out = record["split"] == "held_out"
        if held_out:
            self.evaluations.append(record)
        else:
            self.latest.append(record)
            self.sampled = record["step"] if record["tasks"] else self.sampled
        for task in record["tasks"]:
            curves = [split.setdefault(task["task"], Curve()) for split in (self.train, self.held_out)]
            if task["reward"] is not None:
                curves[held_out].add(record["step"], task["reward"], task["scored"])


@dataclass
class _Followed:
    """A series and how far its file has been read."""

    series: Series = field(default_factory=Series)
    inode: int = 0
    offset: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_followed: OrderedDict[str, _Followed] = OrderedDict()
_lock = threading.Lock()


def follow(run: RunFolder) -> Series:
    """The run's series as of now; several viewers of a run share one. A torn last line is left for the next read."""
    with _lock:
        followed = _followed.setdefault(str(run.path), _Followed())
        _followed.move_to_end(str(run.path))
        while len(_followed) > RUNS_FOLLOWED:
            _followed.popitem(last=False)
    with followed.lock:
        _read_on(run, followed)
        return followed.series.snapshot()


def _read_on(run: RunFolder, followed: _Followed) -> None:
    try:
        with run.metrics_path.open("rb") as file:
            stat = os.fstat(file.fileno())
            if stat.st_ino != followed.inode or stat.st_size < followed.offset:
                followed.series, followed.inode, followed.offset = Series(), stat.st_ino, 0
            file.seek(followed.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                followed.series.add(json.loads(line))
                followed.offset += len(line)
    except FileNotFoundError:
        followed.series, followed.inode, followed.offset = Series(), 0, 0
