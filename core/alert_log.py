"""alerts.jsonl in the run folder: each episode of an alert once, when it begins; the worker is its one writer.

An episode ends when its alert has not held for `QUIET_STEPS` steps, so that what wavers is not written again and again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from core.alerts import Alert, find_alerts
from core.following import follow
from core.runs import RunFolder, write_atomically
from core.series import Series
from core.task_states import Goal

QUIET_STEPS = 10
ALERT = TypeAdapter(Alert)


class AlertLog:
    """Writes down what needs a look, as the run goes on.

    Args:
        run: whose metrics are looked at; what holds already is taken for written.
        goals: what each task is trained for.
    """

    def __init__(self, run: RunFolder, goals: Mapping[str, Goal] | None = None) -> None:
        self._run = run
        self._goals = dict(goals or {})
        series = follow(run)
        self._seen = {alert.place: series.step for alert in find_alerts(series, self._goals)}

    def look(self) -> list[Alert]:
        """The alerts that began with the newest records, which are now in the file."""
        return self._write(follow(self._run))

    def _write(self, series: Series) -> list[Alert]:
        self._seen = {place: step for place, step in self._seen.items() if series.step - step <= QUIET_STEPS}
        holding = find_alerts(series, self._goals)
        begun = [alert for alert in holding if alert.place not in self._seen]
        self._seen |= {alert.place: series.step for alert in holding}
        if begun:
            with alerts_path(self._run).open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(vars(alert), ensure_ascii=False) + "\n" for alert in begun)
        return begun


def alerts_path(run: RunFolder) -> Path:
    """One JSON object for each episode of an alert."""
    return run.path / "alerts.jsonl"


def read_alerts(run: RunFolder) -> list[Alert]:
    """Every episode that was written down, oldest first; a torn last line is left out."""
    found = []
    with suppress(FileNotFoundError):
        for line in alerts_path(run).read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                with suppress(ValueError):  # of another version, or broken
                    found.append(ALERT.validate_json(line))
    return found


def rewind_alerts(run: RunFolder, step: int) -> None:
    """Take out what came after a step, and half a line that a kill has left; those steps are done again."""
    if alerts_path(run).exists():
        kept = [alert for alert in read_alerts(run) if alert.step <= step]
        write_atomically(
            alerts_path(run), "".join(json.dumps(vars(alert), ensure_ascii=False) + "\n" for alert in kept)
        )
