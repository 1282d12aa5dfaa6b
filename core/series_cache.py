"""What has been read of long runs, kept in the cache folder: numbers as one array, to be found again in milliseconds.

A file is found by the path of the run. It counts only for the very metrics.jsonl that it was read from, as far as it
was read then: same inode, and the same text before the offset. Whatever goes wrong with it, the metrics are read anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from core.cache import cache_dir
from core.columns import Columns, Key
from core.runs import RunFolder
from core.series import Series

MARK_BYTES = 4096  # compared before the offset; a record has its time in it, so no two are the same
LATEST_BYTES = 1 << 20  # read again for the latest records
FILES = 32  # runs that are kept; the oldest go
VERSION = 2  # of this format and of what is read from a record


class Place(NamedTuple):
    """How far a file was read: its inode, bytes, and what stood before them."""

    inode: int
    offset: int
    mark: int


def mark(file: BinaryIO, offset: int) -> int:
    """A number for the text before an offset; 0 at the beginning, and where the file is shorter than that."""
    start = max(0, offset - MARK_BYTES)
    file.seek(start)
    text = file.read(offset - start)
    return zlib.crc32(text) if len(text) == offset - start else 0


def keep(run: RunFolder, series: Series, place: Place) -> None:
    """Write down what was read; a cache that cannot be written is none."""
    path = _path(run)
    scratch = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = {**_packed("train", series.train), **_packed("held_out", series.held_out)}
        with scratch.open("wb") as file:
            counts = (series.lines, series.broken, series.first_broken)
            np.savez(file, place=np.array([VERSION, *counts, *place], np.int64), **parts)
        scratch.replace(path)
        for old in _newest_first(path.parent)[FILES:]:
            old.unlink(missing_ok=True)


def find(run: RunFolder, inode: int, file: BinaryIO) -> tuple[Series, Place] | None:
    """What is kept of this very file; None where there is nothing that holds."""
    try:
        with np.load(_path(run)) as kept:
            version, lines, broken, first, *numbers = kept["place"].tolist()
            place = Place(*numbers)
            if version != VERSION or place.inode != inode or mark(file, place.offset) != place.mark:
                return None
            counts = {"lines": lines, "broken": broken, "first_broken": first}
            series = Series(_unpacked("train", kept), _unpacked("held_out", kept), **counts)
    except Exception:  # the boundary: numpy raises whatever wrong bytes lead it to; the metrics themselves are there
        return None
    file.seek(max(0, place.offset - LATEST_BYTES))
    series.keep_latest(file.read(min(LATEST_BYTES, place.offset)))
    return series, place


def _path(run: RunFolder) -> Path:
    name = hashlib.sha256(str(run.path.absolute()).encode()).hexdigest()[:24]
    return cache_dir() / "series" / f"{name}.npz"


def _packed(name: str, columns: Columns) -> dict[str, Any]:
    keys = columns.keys
    text = np.frombuffer(json.dumps(keys).encode(), np.uint8)
    values = np.stack([columns.values(key) for key in keys]) if keys else np.zeros((0, columns.length), np.float32)
    return {f"{name}/keys": text, f"{name}/steps": columns.steps, f"{name}/values": values}


def _unpacked(name: str, kept: np.lib.npyio.NpzFile) -> Columns:
    keys: Sequence[Sequence[str]] = json.loads(kept[f"{name}/keys"].tobytes())
    columns = Columns()
    rows = columns.add_rows(kept[f"{name}/steps"]) + np.arange(len(kept[f"{name}/steps"]))
    for key, values in zip(keys, kept[f"{name}/values"], strict=True):
        columns.put(Key(*key), rows, values)
    return columns


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
