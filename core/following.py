"""A run's series, kept up to date by reading only what its metrics have grown by.

Several viewers of a run share one series, and hardly one waits for another: what was read last is there to be shown.
A resume puts another file in the place of metrics.jsonl; then everything is read again. What was read of a long file is
also kept in the cache folder, so that neither a restart of the app nor the first look at a run whose worker ran here
has to read it all (`core.series_cache`).
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import BinaryIO

from core import series_cache
from core.runs import RunFolder
from core.series import Series

RUNS_FOLLOWED = 8
WAIT_S = 0.05  # for another viewer who reads, where something is there to be shown: a step is read in less
PIECE_BYTES = 1 << 23  # read at once: a few ten milliseconds of work
KEEP_BYTES = 1 << 25  # read since the cache was last written, from which on it is written again


@dataclass
class _Followed:
    """A series and how far its file has been read.

    Attributes:
        series: grows while it is read; for the holder of the lock.
        shown: the last whole state of it; for everybody.
        inode: of the file.
        offset: bytes of it that are in the series.
        mark: what stood before the offset: another file may get the inode of one that is gone.
        kept: the offset that the cache has.
    """

    series: Series = field(default_factory=Series)
    shown: Series = field(default_factory=Series)
    inode: int = 0
    offset: int = 0
    mark: int = 0
    kept: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


_followed: OrderedDict[str, _Followed] = OrderedDict()
_lock = threading.Lock()


def follow(run: RunFolder, budget_s: float | None = None) -> Series:
    """The run's series as of now; a torn last line is left for the next read.

    Args:
        run: which.
        budget_s: seconds after which reading a long file stops until the next call (`Series.read` is then below 1);
            None reads to the end.
    """
    with _lock:
        followed = _followed.setdefault(str(run.path), _Followed())
        _followed.move_to_end(str(run.path))
        while len(_followed) > RUNS_FOLLOWED:
            _followed.popitem(last=False)
    if followed.lock.acquire(timeout=-1 if budget_s is None else _patience(followed, budget_s)):
        try:
            _read_on(run, followed, None if budget_s is None else time.monotonic() + budget_s)
        finally:
            followed.lock.release()
    return followed.shown


def _patience(followed: _Followed, budget_s: float) -> float:
    return budget_s if followed.shown.last is None else min(budget_s, WAIT_S)


def _read_on(run: RunFolder, followed: _Followed, deadline: float | None) -> None:
    try:
        with run.metrics_path.open("rb") as file:
            size = _find_place(run, followed, file)
            while piece := file.read(PIECE_BYTES):
                if not _take(followed, piece, file):
                    break
                if deadline is not None and time.monotonic() > deadline:
                    break
            _publish(followed, size)
            if followed.offset - followed.kept >= KEEP_BYTES:
                series_cache.keep(
                    run, followed.series, series_cache.Place(followed.inode, followed.offset, followed.mark)
                )
                followed.kept = followed.offset
    except FileNotFoundError:
        followed.series = followed.shown = Series()
        followed.inode = followed.offset = followed.mark = followed.kept = 0


def _find_place(run: RunFolder, followed: _Followed, file: BinaryIO) -> int:
    """Go to what has not been read yet; begin anew, or with what the cache has, where this is another file."""
    stat = os.fstat(file.fileno())
    same = stat.st_ino == followed.inode and series_cache.mark(file, followed.offset) == followed.mark
    if not same:
        found = series_cache.find(run, stat.st_ino, file)
        followed.series, place = found or (Series(), series_cache.Place(stat.st_ino, 0, 0))
        followed.inode, followed.offset, followed.mark = place
        followed.kept = followed.offset
    file.seek(followed.offset)
    return stat.st_size


def _take(followed: _Followed, piece: bytes, file: BinaryIO) -> bool:
    """Add the whole lines of a piece; False where it has none."""
    whole = piece.rfind(b"\n") + 1
    while not whole and (more := file.read(PIECE_BYTES)):
        piece += more
        whole = piece.rfind(b"\n") + 1
    if not whole:
        return False
    followed.series.add(piece[:whole])
    followed.offset += whole
    followed.mark = series_cache.mark(file, followed.offset)
    file.seek(followed.offset)
    return True


def _publish(followed: _Followed, size: int) -> None:
    followed.series.read = min(1.0, followed.offset / size) if size - followed.offset > PIECE_BYTES else 1.0
    followed.shown = followed.series.snapshot()
