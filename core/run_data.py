"""The rows of a run: those it was started with, or a refusal: a split drawn anew would mix up what was held out."""

from __future__ import annotations

import json
from typing import Any

from core.check import Report
from core.data import Data, digest, task_counts
from core.errors import Problem, UserError
from core.readiness import report
from core.runs import RunFolder, write_atomically
from core.spec import Draft

REMEMBERED = 4  # runs whose rows were compared lately: going through a million of them takes seconds
_compared: dict[str, tuple[Data, str, list[Problem]]] = {}


def run_rows(run: RunFolder) -> Data:
    """The rows of a run that has been started, remembered until its files change.

    Raises:
        UserError: they cannot be read, or are others than the run was started with.
    """
    found: Report = report(Draft(data=run.spec().data))
    if found.data is None:
        raise UserError(found.errors or Problem("data", "there are no rows."))
    if changed := _changed(run, found.data):
        raise UserError(changed)
    return found.data


def note_rows(run: RunFolder, data: Data) -> None:
    """Write down which rows a run is started with; `UserError` where it was started with others.

    It would go on learning from others than it says.
    """
    if not run.data_path.exists():
        write_atomically(run.data_path, json.dumps(_told(data), ensure_ascii=False, indent=2))
    elif problem := _difference(run, _told(data)):
        raise UserError(problem)


def _changed(run: RunFolder, data: Data) -> list[Problem]:
    """What is wrong with the rows as they are now; nothing of a run that was never started."""
    if not run.data_path.exists():
        return []
    key, stamp = str(run.path), str(run.data_path.stat().st_mtime_ns)
    before = _compared.pop(key, None)
    if before is None or before[0] is not data or before[1] != stamp:
        problem = _difference(run, _told(data))
        before = (data, stamp, [problem] if problem else [])
    _compared[key] = before
    while len(_compared) > REMEMBERED:
        _compared.pop(next(iter(_compared)), None)
    return before[2]


def _told(data: Data) -> dict[str, Any]:
    counts: dict[str, Any] = {"train": task_counts(data.train), "held_out": task_counts(data.held_out)}
    return {**counts, "digest": digest(data.train, data.held_out)}


def _difference(run: RunFolder, now: dict[str, Any]) -> Problem | None:
    try:
        before = dict(json.loads(run.data_path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        what = "this file does not say which rows the run was started with."
        return Problem(str(run.data_path), what, "Start a new run.")
    parts = ("train", "held_out")
    counts, rows = {part: before.get(part) for part in parts}, {part: now[part] for part in parts}
    if counts == rows and before.get("digest", now["digest"]) == now["digest"]:  # older versions kept counts alone
        return None
    told = f"{counts} then, {rows} now." if counts != rows else "as many rows of each task, but not the same."
    what = f"the data has changed since the run was started: {told}"
    return Problem(run.id, what, "Put the old rows back, or start a new run.")
