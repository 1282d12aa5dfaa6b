"""Saved versions of the reward functions that a user writes in a project.

```
<folder>/<name>/0001.py, 0002.py, ...     one file a version, never changed afterwards; its time is the file's
```
`folder` is a project's `rewards/`.
"""

from __future__ import annotations

import difflib
import re
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from core.errors import Problem, UserError, did_you_mean

NAME = re.compile(r"\w[\w-]{0,59}")  # at most 240 bytes in any script: file systems allow 255
FILE = re.compile(r"[0-9]{4,}\.py")


@dataclass(frozen=True)
class Version:
    """One saved version: its number from 1, and when it was saved."""

    number: int
    time: datetime


def saved_rewards(folder: Path) -> list[str]:
    """Names of the functions of which there is a version."""
    files = [path for path in folder.glob("*/*.py") if FILE.fullmatch(path.name)]
    return sorted({path.parent.name for path in files if NAME.fullmatch(path.parent.name)})


def versions(folder: Path, name: str) -> list[Version]:
    """The versions of a function, the newest first; none where nothing is saved under that name."""
    files = _files(folder, name)
    return [Version(n, datetime.fromtimestamp(files[n].stat().st_mtime, UTC)) for n in sorted(files, reverse=True)]


def save_version(folder: Path, name: str, code: str) -> int:
    """Save a version and give its number: the newest one's where its code is the same.

    Raises:
        UserError: the name is no name for a file, or the code is none.
    """
    text = _checked(code)
    files = _files(folder, name)
    newest = max(files, default=0)
    if newest and files[newest].read_text(encoding="utf-8") == text:
        return newest
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", dir=place, suffix=".tmp") as scratch:
        scratch.write(text)
        scratch.flush()
        Path(scratch.name).chmod(0o644)
        number = newest + 1
        while not _linked(Path(scratch.name), place / f"{number:04}.py"):
            number += 1
        return number


def _linked(scratch: Path, place: Path) -> bool:
    """Whether a whole file is at its place; not where somebody saved at the same moment."""
    try:
        place.hardlink_to(scratch)
    except FileExistsError:
        return False
    return True


def read_version(folder: Path, name: str, number: int) -> str:
    """The code of a version; `UserError` where there is none of that number."""
    files = _files(folder, name)
    if number not in files:
        mend = did_you_mean(str(number), map(str, sorted(files)))
        raise UserError(Problem(f"reward {name!r}", f"there is no version {number}.", mend))
    return files[number].read_text(encoding="utf-8")


def diff(folder: Path, name: str, old: int, new: int) -> str:
    """What changed from one version to another, as a unified diff; empty where nothing did."""
    before, after = (list(StringIO(read_version(folder, name, number))) for number in (old, new))
    lines = difflib.unified_diff(before, after, f"{name} {old:04}", f"{name} {new:04}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _files(folder: Path, name: str) -> dict[int, Path]:
    if not NAME.fullmatch(name):
        mend = "Use letters, digits, dashes and underscores, at most 60, no dash in front."
        raise UserError(Problem("reward", f"{name!r:.90} is no name for a reward.", mend))
    return {int(path.stem): path for path in (folder / name).glob("*.py") if FILE.fullmatch(path.name)}


def _checked(code: str) -> str:
    """Code with plain line ends, as reading it gives it back."""
    if not code.strip():
        raise UserError(Problem("reward", "there is no code to save.", "Write a function first."))
    try:
        code.encode("utf-8")
    except UnicodeEncodeError as error:
        what = f"character {error.start + 1} is half of a pair and cannot be saved."
        raise UserError(Problem("reward", what, "Remove it.")) from None
    return code.replace("\r\n", "\n").replace("\r", "\n")
