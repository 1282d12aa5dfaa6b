"""From the path, folder or list of these in a spec to the files to read, each with the name that messages call it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.files import READERS
from core.errors import Problem, UserError, did_you_mean


@dataclass(frozen=True)
class DataFile:
    """One file to read: its absolute path, and what to call it (its name, or its path where two share a name)."""

    path: Path
    name: str


def data_files(paths: str | Sequence[str]) -> list[DataFile]:
    """The files that these paths stand for, in the order given; a folder's files by name.

    Folders are not entered further: `train/` beside `test/` must not end up in one training set.
    """
    given = [paths] if isinstance(paths, str) else paths
    if not given:
        raise UserError(Problem("data.path", "the list is empty.", "Name at least one file or folder."))
    found: list[Path] = []
    problems: list[Problem] = []
    for path in given:
        try:
            found += _files_at(Path(path).expanduser())
        except UserError as error:
            problems += error.problems
    resolved = [path.resolve() for path in found]
    problems += [
        Problem(str(path), "this file is named twice.", "Name it once.")
        for path, times in Counter(resolved).items()
        if times > 1
    ]
    if problems:
        raise UserError(problems)
    names = Counter(path.name for path in resolved)
    return [DataFile(path, path.name if names[path.name] == 1 else str(path)) for path in resolved]


def _files_at(path: Path) -> list[Path]:
    if path.is_dir():
        return _files_in(path)
    if not path.exists():
        siblings = [sibling.name for sibling in path.parent.iterdir()] if path.parent.is_dir() else []
        near = did_you_mean(path.name, siblings) if siblings else ""
        hint = near if near.startswith("Did") else "Check the path."
        raise UserError(Problem(str(path), "there is no such file or folder.", hint))
    if path.suffix.lower() not in READERS:
        ending = f"the extension {path.suffix!r} is unknown" if path.suffix else "it has no extension"
        raise UserError(Problem(str(path), f"{ending}.", f"Known: {', '.join(READERS)}."))
    return [path]


def _files_in(folder: Path) -> list[Path]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in entries if entry.suffix.lower() in READERS and entry.is_file()]
    if files:
        return files
    inner = [entry.name for entry in entries if entry.is_dir()]
    mend = f"Name one of its folders: {', '.join(inner[:5])}." if inner else f"Known: {', '.join(READERS)}."
    raise UserError(Problem(str(folder), "this folder holds no data files.", mend))
