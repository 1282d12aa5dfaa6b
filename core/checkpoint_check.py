"""Whether a checkpoint can be gone on from: each of its files is there and whole, as far as that is seen without torch.

A checkpoint is marked whole once everything is written (`complete.json`); what a disk, a copy or somebody's hand does
to it afterwards is found here, before a run goes on from half of it or without what decides its rows.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

from safetensors import SafetensorError, safe_open

from core.mixture import FILE as MIXTURE
from core.mixture import is_state

WEIGHTS, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
ARCHIVES = ("optimizer.pt", "scheduler.pt", "rng_state.pth")  # torch saves zip files, whose end says what is in
DOCUMENTS = (ADAPTER_CONFIG, "trainer_state.json", MIXTURE)


def damage(checkpoint: Path) -> str:
    """What is wrong with a checkpoint, with the file's name; empty where nothing is seen to be."""
    return _first_fault(checkpoint, (WEIGHTS, *ARCHIVES, *DOCUMENTS))


def adapter_damage(folder: Path) -> str:
    """The same of an adapter, in whatever folder: its weights and its configuration."""
    return _first_fault(folder, (WEIGHTS, ADAPTER_CONFIG))


def _first_fault(folder: Path, names: Iterable[str]) -> str:
    return next((f"{name} {fault}" for name in names if (fault := _fault(folder / name))), "")


def _fault(path: Path) -> str:
    if not path.exists():
        return "is missing"
    if path.name in ARCHIVES:
        return "" if zipfile.is_zipfile(path) else "is cut off, or no file of torch"
    try:
        if path.name == WEIGHTS:
            with safe_open(path, "np"):
                return ""
        found = json.loads(path.read_text(encoding="utf-8"))
    except (SafetensorError, ValueError, OSError) as error:
        return f"cannot be read ({error})"
    if path.name == MIXTURE and not is_state(found):
        return "does not say which rows come next"
    return "" if isinstance(found, dict) else "holds no object"
