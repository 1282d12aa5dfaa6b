"""All runs in one line each, cheap enough to be asked for every two seconds with hundreds of them (bench/runs.md).

Of the metrics only the end is read, and what was read is remembered until the file changes; what a run is doing is
looked up anew each time.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.extension import extended_steps
from core.queue import read_queue
from core.records import Listed, is_record, last_record
from core.runs import RunFolder, State, all_runs, state
from core.spec import Draft

NAME = re.compile(r"^name: ['\"]?([\w.-]+)", re.MULTILINE)  # parsing a whole spec takes longer than all else here


@dataclass(frozen=True)
class TaskReward:
    """A task and its mean total on held-out rows."""

    task: str
    reward: float


@dataclass(frozen=True)
class RunLine:
    """One run in a list.

    Attributes:
        id: its folder's name.
        name: what its spec calls it.
        state: what it is doing.
        step: training steps done.
        steps: in all, those included that it was extended by; None before the first record.
        started: when it was created, seconds since the epoch.
        seconds: how long it has trained and evaluated, pauses left out; None where no record says.
        reward: mean total of the last evaluation; None before the first, or where nothing could be scored.
        worst: the task with the lowest mean total in it.
        place: in the queue, 1 is next; None where it does not wait.
    """

    id: str
    name: str
    state: State
    step: int
    steps: int | None
    started: float
    seconds: float | None
    reward: float | None
    worst: TaskReward | None
    place: int | None


Stamp = tuple[int, int, int]
_read: dict[str, tuple[Stamp, dict[str, Any] | None, dict[str, Any] | None]] = {}
_names: dict[str, str] = {}
_lock = threading.Lock()


def run_lines() -> list[RunLine]:
    """Every run under the root, newest first; one that vanishes meanwhile is left out."""
    try:
        places = {run_id: n for n, run_id in enumerate(read_queue().runs, start=1)}
    except UserError:  # the page Monitor says what is wrong with it
        places = {}
    runs = all_runs()
    with _lock:
        for path in _read.keys() - {str(run.path) for run in runs}:
            del _read[path]
            _names.pop(path, None)
        lines = [_line(run, places.get(run.id)) for run in runs]
    return [line for line in lines if line is not None]


def _line(run: RunFolder, place: int | None) -> RunLine | None:
    try:
        started, name = run.spec_path.stat().st_mtime, _name(run)
    except FileNotFoundError:
        return None
    train, held_out = _last_records(run)
    records = [record for record in (train, held_out) if record is not None]
    known = [record["elapsed"] for record in records if record.get("elapsed") is not None]
    return RunLine(
        id=run.id,
        name=name,
        state=state(run),
        step=train["step"] if train else 0,
        steps=extended_steps(run) or next((record["steps"] for record in records), None),
        started=started,
        seconds=max(known, default=None),
        reward=held_out.get("reward") if held_out else None,
        worst=_worst(held_out),
        place=place,
    )


def _name(run: RunFolder) -> str:
    """A spec never changes: its name is read once."""
    key = str(run.path)
    if key not in _names:
        found = NAME.search(run.spec_path.read_text(encoding="utf-8", errors="replace"))
        _names[key] = found[1] if found else Draft.model_fields["name"].default
    return _names[key]


def _last_records(run: RunFolder) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The last record of training and of evaluation."""
    stamp, key = _stamp(run.metrics_path), str(run.path)
    before = _read.get(key)
    if before is not None and before[0] == stamp:
        return before[1:]
    found = (last_record(run.metrics_path, split) for split in ("train", "held_out"))
    train, held_out = (record if is_record(record, Listed) else None for record in found)
    _read[key] = stamp, train, held_out
    return train, held_out


def _worst(evaluation: dict[str, Any] | None) -> TaskReward | None:
    tasks = evaluation.get("tasks", []) if evaluation else []
    known = [TaskReward(task["task"], task["reward"]) for task in tasks if task["reward"] is not None]
    return min(known, key=lambda task: task.reward, default=None)


def _stamp(path: Path) -> Stamp:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
