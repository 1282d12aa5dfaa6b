"""What the page Monitor knows of a run at one moment, and what a tab looks at.

Everything comes from the run's folder; what several viewers would compute again is remembered by the last record.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from core.alert_log import alerts_path, read_alerts
from core.alerts import Alert, find_alerts, silence
from core.completions import Wanted
from core.errors import Problem, UserError
from core.extension import extended_steps
from core.following import follow
from core.queue import Queue, read_queue
from core.runs import RunFolder, State, find_run, state, stop_requested
from core.series import Series
from core.spec import RunSpec
from core.task_states import Goal, TaskState, goals, states
from ui.plots import Frame
from ui.theme import task_colours

BUDGET_S = 0.4  # for reading a long run at one refresh; it goes on at the next
SPANS = ("all", "half", "1000", "200")
PANEL_PX = 290  # that a small plot needs
SIDE_PX, MARGIN_PX, NARROW_PX, WIDEST_PX = 196, 40, 760, 1600


@dataclass(frozen=True)
class Look:
    """What a tab looks at.

    Attributes:
        span: which steps: `all`, the second `half`, or the last so many.
        overlay: whether all tasks are drawn in one plot, too.
        wanted: which completions.
        others: runs to compare with.
    """

    span: str = "all"
    overlay: bool = False
    wanted: Wanted = field(default_factory=Wanted)
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """A run as the page sees it.

    Attributes:
        run: its folder.
        state: what it is doing.
        series: its metrics.
        stopping: whether it was asked to stop and has not yet.
        now: seconds since the epoch.
    """

    run: RunFolder
    state: State
    series: Series
    stopping: bool
    now: float

    @property
    def token(self) -> str:
        """Changes with every record, and with the run's state."""
        last = self.series.last
        rows = f"{self.series.train.length} {self.series.held_out.length} {self.series.read:.3f}"
        made = f"{self.run.engine_path.exists()} {self.run.adapter.exists()} {extended_steps(self.run)}"
        broken = isinstance(self.queue, UserError)
        now = f"{self.run.id} {self.state} {self.place} {broken} {self.stopping} {made} {len(self.alerts)}"
        end = self.run.exit()
        return f"{now} {rows} {last['time'] if last else ''} {end and (end.attempt, end.time)}"

    @cached_property
    def queue(self) -> Queue | UserError:
        """Who waits, or why nobody can say it."""
        try:
            return read_queue()
        except UserError as error:
            return error

    @property
    def place(self) -> str:
        """In the queue, 1 is next; empty where the run does not wait in it."""
        waiting = () if isinstance(self.queue, UserError) else self.queue.runs
        return str(waiting.index(self.run.id) + 1) if self.run.id in waiting else ""

    @property
    def figures_token(self) -> str:
        """Changes with every record."""
        last = self.series.last
        rows = f"{self.series.train.length} {self.series.held_out.length}"
        return f"{self.run.path} {rows} {last['time'] if last else ''}"

    @cached_property
    def colours(self) -> dict[str, str]:
        """The colour of each task."""
        return task_colours(self.series.tasks)

    @cached_property
    def alerts(self) -> tuple[Alert, ...]:
        """What needs a look now."""
        found = judged(self)[0]
        worker = self.run.worker() if self.state == "running" else None
        silent = silence(self.series, self.now, worker.started) if worker else None
        return (silent, *found) if silent else found

    @cached_property
    def past_alerts(self) -> tuple[Alert, ...]:
        """What the worker wrote down and does not hold any more, the newest first."""
        path = alerts_path(self.run)
        size = path.stat().st_size if path.exists() else 0
        holding = {alert.place for alert in self.alerts}
        return tuple(alert for alert in reversed(_written(self.run.path, size)) if alert.place not in holding)

    @property
    def states(self) -> Mapping[str, TaskState]:
        """How each task is doing."""
        return judged(self)[1]

    def frame(self, look: Look, width: int) -> Frame:
        """What all figures of the page share: the steps that are shown, and how many plots fit beside one another."""
        last = max(self.series.step, 1)
        whole = self.series.steps or last
        first = {"all": 0, "half": last // 2}.get(look.span)
        if first is None:
            first = max(0, last - int(look.span))
        return Frame(first, whole if look.span == "all" else last, columns(width), f"{self.run.id} {look.span}")


def columns(width: int) -> int:
    """How many small plots fit beside one another in a window so wide; a window of unknown width is a desk's."""
    room = min(width or 1280, WIDEST_PX) - MARGIN_PX - (SIDE_PX if (width or 1280) > NARROW_PX else 0)
    return max(1, min(4, room // PANEL_PX))


def known(run_id: str) -> Known:
    """What is known now."""
    run = find_run(run_id)
    now = state(run)
    return Known(run, now, follow(run, BUDGET_S), now == "running" and stop_requested(run), time.time())


def judged(found: Known) -> tuple[tuple[Alert, ...], Mapping[str, TaskState]]:
    """Alerts and states of tasks, worked out once for each record."""
    return _judged(found.figures_token, _Judged(found))


@dataclass(frozen=True)
class _Judged:
    """Carries a run past the memory of `_judged`: any two are equal, since the token says which it is."""

    found: Known = field(compare=False)


@lru_cache(maxsize=16)
def _judged(token: str, carried: _Judged) -> tuple[tuple[Alert, ...], Mapping[str, TaskState]]:
    series = carried.found.series
    wanted = wanted_of(carried.found.run.path, tuple(series.tasks))
    return tuple(find_alerts(series, wanted)), states(series.train, series.tasks, wanted)


@lru_cache(maxsize=64)
def wanted_of(path: Path, tasks: tuple[str, ...]) -> dict[str, Goal]:
    """What each task is trained for; a run's spec never changes."""
    spec = spec_of(RunFolder(path))
    return goals(spec, tasks) if spec else {}


def spec_of(run: RunFolder) -> RunSpec | None:
    """The run's own settings; None where this version cannot read them."""
    found = _read_spec(run)
    return None if isinstance(found, UserError) else found


def spec_problems(run: RunFolder) -> tuple[Problem, ...]:
    """Why its settings cannot be read; nothing where they can, or where the run is gone."""
    found = _read_spec(run)
    return found.problems if isinstance(found, UserError) else ()


def _read_spec(run: RunFolder) -> RunSpec | UserError | None:
    """Its settings, or why they cannot be read; None where the run is gone."""
    try:
        stat = run.spec_path.stat()
    except FileNotFoundError:
        return None
    return _spec_at(run.path, stat.st_ino, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _spec_at(path: Path, _inode: int, _time: int) -> RunSpec | UserError:
    try:
        return RunFolder(path).spec()
    except UserError as error:
        return error


@lru_cache(maxsize=16)
def _written(path: Path, _size: int) -> tuple[Alert, ...]:
    return tuple(read_alerts(RunFolder(path)))
