"""Zip files that may come from anybody: what they may hold is known by name, and nothing else is taken out of them."""

from __future__ import annotations

import lzma
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from core.errors import Problem, UserError

UNREADABLE = (  # what zipfile raises where some bytes of a file are wrong
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
)
MOST_FILES = 50_000
MOST_RATIO = 200  # unpacked to packed: JSON of repeated records reaches 30
SMALL = 1 << 20  # a file too small to be a bomb
BLOCK = 1 << 20


def check_entries(archive: zipfile.ZipFile, most_bytes: int, known: Callable[[str], object] | None = None) -> None:
    """Refuse an archive for the first thing that is wrong with it.

    Args:
        archive: opened, of which nothing but its list of contents has been read.
        most_bytes: of everything in it, unpacked.
        known: whether a name is one that it may hold; without it others are for whoever takes out the rest to pass.

    Raises:
        ValueError: what is wrong, in words.
    """
    entries = archive.infolist()
    if len(entries) > MOST_FILES or sum(info.file_size for info in entries) > most_bytes:
        raise ValueError(f"it holds more than {MOST_FILES:,} files or {most_bytes >> 30} GiB")
    if len({info.filename for info in entries}) < len(entries):
        raise ValueError("it holds two files of one name")
    for info in entries:
        if info.is_dir():
            continue
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise ValueError(f"{info.filename!r:.120} is no plain file")
        if known is not None and not known(info.filename):
            raise ValueError(f"{info.filename!r:.120} does not belong into it")
        if info.file_size > max(SMALL, MOST_RATIO * info.compress_size):
            raise ValueError(f"{info.filename!r:.120} would unpack to {info.file_size >> 20:,} MiB")


def take_out(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: Path) -> None:
    """Write one file of an archive to a place; no more than the size that it says: zipfile counts."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as source, place.open("wb") as target:
        shutil.copyfileobj(source, target, BLOCK)


def unreadable(where: str, error: Exception, mend: str) -> UserError:
    """What to say of a file that is no zip, or a broken one, or of a disk that has no room for what is in it."""
    if isinstance(error, OSError) and error.errno is not None:
        return UserError(Problem(where, f"it cannot be unpacked: {error.strerror}.", "Make room, then try again."))
    return UserError(Problem(where, f"not a zip file that can be read: {error}.", mend))
