"""Reading metrics.jsonl while somebody writes it: a torn last line is left for later, a corrupt one is named."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from core.errors import Problem, UserError

BLOCK = 1 << 16  # bytes read at once from the end


def read_records(path: Path) -> list[dict[str, Any]]:
    """All records of a file; none where it is not there; `UserError` at a line that is none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    return [parse_record(line, path, n) for n, line in enumerate(lines, start=1)]


def records_of(path: Path, split: str) -> Iterator[dict[str, Any]]:
    """The records of one split, in order; the lines of others are not parsed, and a corrupt one is passed over."""
    mark = json.dumps(split).encode()
    with suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            if mark in line and line.endswith(b"\n"):
                with suppress(UserError):
                    record = parse_record(line, path, 0)
                    if record.get("split") == split:
                        yield record


def parse_record(line: bytes, path: Path, number: int) -> dict[str, Any]:
    """A whole line as a record; `UserError` naming file and line where it is none."""
    try:
        record = json.loads(line)
    except ValueError as error:
        raise _corrupt(path, f"line {number}", str(error)) from None
    if not isinstance(record, dict):
        raise _corrupt(path, f"line {number}", f"found {record!r:.40}, not an object")
    return record


class _Task(BaseModel):
    task: str
    reward: float | None


class Listed(BaseModel):
    """What a list of runs shows of a record."""

    step: int
    steps: int
    elapsed: float | None = None
    reward: float | None = None
    tasks: Sequence[_Task] = ()


class _Reward(BaseModel):
    reward: str
    errors: int
    reasons: dict[str, int]


class _WatchedTask(_Task):
    count: int
    rewards: list[_Reward]


class Watched(Listed):
    """What those who watch a run go by; a record has more (core.training.recorder)."""

    split: str
    time: float
    seconds: dict[str, float]
    trainer: dict[str, Any]
    tasks: Sequence[_WatchedTask]


def is_record(found: Any, kind: type[Listed] = Watched) -> bool:
    """Whether an object is one that a worker has written, as far as somebody needs it: a run may come from anybody."""
    try:
        kind.model_validate(found)
    except ValidationError:
        return False
    return True


def last_record(path: Path, split: str) -> dict[str, Any] | None:
    """The last whole record of a split, found from the end without reading what is before it; None where there is none.

    A corrupt line is passed over: whoever reads all records names it.
    """
    mark = json.dumps(split).encode()
    for line in _lines_from_the_end(path):
        if mark in line:
            with suppress(UserError):
                record = parse_record(line, path, 0)
                if record.get("split") == split and isinstance(record.get("step"), int):
                    return record
    return None


def _lines_from_the_end(path: Path) -> Iterator[bytes]:
    """Whole lines, the last first."""
    try:
        with path.open("rb") as file:
            place, rest, torn = file.seek(0, os.SEEK_END), b"", True
            while place:
                size = min(BLOCK, place)
                place -= size
                file.seek(place)
                first, *lines = (file.read(size) + rest).split(b"\n")
                rest = first
                for line in reversed(lines):
                    if not torn:
                        yield line
                    torn = False  # what comes after the last newline is not whole yet
            if rest and not torn:
                yield rest
    except FileNotFoundError:
        return


def _corrupt(path: Path, place: str, what: str) -> UserError:
    mend = "Put the line right, or take it out."
    return UserError(Problem(f"{path} {place}", f"this is no record: {what}.", mend))
