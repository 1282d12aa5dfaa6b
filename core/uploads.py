"""Uploaded files, kept beside the runs that refer to them: a temporary upload does not outlive its session."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from core.runs import runs_root

BLOCK = 1 << 20


def keep_upload(source: Path) -> Path:
    """Copy a file to `runs/uploads/<hash of its content>/<name>`; the same file twice is one copy."""
    folder = runs_root() / "uploads" / _digest(source)
    target = folder / source.name
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        scratch = target.with_name(f".{target.name}.part")
        shutil.copyfile(source, scratch)
        scratch.replace(target)
    return target


def _digest(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            state.update(block)
    return state.hexdigest()[:16]
