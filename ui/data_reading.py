"""Rows read in the background, and what is known of them by now.

Whatever makes other rows (files, mapping, tags) is read and checked in a job before the project changes, so that a
large file shows its progress, can be given up, and never makes a page wait. A small one is there when the click ends.
What is changed while rows are read waits for its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from core.check import Report
from core.data import Data, Reading, ReadingCancelled, load_data
from core.data.raw import RawColumn, RawRow, Untagged, raw_columns, raw_rows, untagged
from core.data.statistics import TaskStatistics, data_problems, task_statistics
from core.errors import Problem, UserError
from core.jobs import Job
from core.projects import Project
from core.readiness import report, stamps
from core.services import SERVICES
from core.spec import DataSpec, Draft, Routes
from core.suggest import SMALL, suggested_rewards
from ui.data_edits import Change

PATIENCE_S = 2.0  # that a click waits for its rows
FEW_ROWS = 50_000  # of which statistics are worth waiting for
COUNT_PATIENCE_S = 1.0
MOST_UNTAGGED = 200
FIRST_ROWS = 5

REMEMBERED = 32

V = TypeVar("V")

_SUGGESTED: dict[str, Routes] = {}  # by the rows
_STATISTICS: dict[str, tuple[TaskStatistics, ...]] = {}  # by the rows
_WARNINGS: dict[str, tuple[Problem, ...]] = {}  # by the rows and how they are mixed
_COUNTS: dict[str, Job] = {}  # that fill the two, by the rows and how they are mixed
_RAW: dict[str, Raw] = {}  # by the data part and the state of its files


@dataclass(frozen=True)
class Raw:
    """The files as they are."""

    columns: tuple[RawColumn, ...] = ()
    first: tuple[RawRow, ...] = ()
    untagged: tuple[Untagged, ...] = ()


@dataclass(frozen=True)
class Look:
    """What the page shows.

    Attributes:
        project: whose data it is.
        draft: as it stands.
        found: problems and rows.
        statistics: of the rows; None while they are being counted, or where there are none.
        warnings: what about the rows deserves a second look.
        uncounted: why statistics or warnings will not come.
        raw: the files as they are.
    """

    project: Project
    draft: Draft
    found: Report
    statistics: tuple[TaskStatistics, ...] | None
    warnings: tuple[Problem, ...]
    uncounted: tuple[Problem, ...]
    raw: Raw

    @property
    def token(self) -> str:
        """Changes whenever there is something else to show."""
        rows = f"{fingerprint(self.found.data)} {self.statistics is None}"
        return (
            f"{self.project.name} {self.draft.to_yaml()} {self.found.problems} {self.warnings} {self.uncounted} {rows}"
        )


def job_name(project: Project) -> str:
    """What the reading of a project's rows is called."""
    return f"read {project.name}"


def reading(project: Project) -> Job | None:
    """The reading that runs or ran last."""
    return SERVICES.jobs.get(job_name(project))


def take(project: Project, prepare: Callable[[], Change], *, strict: bool = True) -> None:
    """Change the project's data once its rows are read; returns when they are, or when that takes longer.

    Args:
        project: whose data changes.
        prepare: makes the change; may copy and look at files.
        strict: whether rows that cannot be read leave a project whose rows could be as it was.
    """
    job = SERVICES.jobs.line_up(job_name(project), lambda job: _read(project, prepare, strict, job))
    job.wait(PATIENCE_S)
    if job.state == "failed":
        raise UserError(job.problems)


def edit(project: Project, change: Change, *, strict: bool = True) -> None:
    """Change how the rows are read, or which are left out."""
    take(project, lambda: change, strict=strict)


def dismiss(project: Project) -> None:
    """Forget how the last reading ended."""
    SERVICES.jobs.dismiss(job_name(project))


def _read(project: Project, prepare: Callable[[], Change], strict: bool, job: Job) -> None:
    change = prepare()
    before = project.draft()
    known = report(before).data if before.data is not None else None
    after = change(before)
    data = None
    if after.data is not None:
        try:
            data = load_data(after.data, lambda seen: _tell(job, seen), job.cancelled)
        except UserError:
            if strict and known is not None:
                raise
    suggested = _suggested(known) if before.rewards else {}
    # Rows that cannot be read for now: what was suggested for others of their tasks is suggested anew when they can.
    fill = _filling(data, suggested) if data is not None else _without(suggested)
    found = report(fill(after))  # remembered: no page has to wait for it
    if found.data is None and after.data is not None:
        raw_of(after.data, _lacks_tags(found), job)
    if job.cancelled():
        raise ReadingCancelled
    project.change(lambda draft: fill(change(draft)))


def _tell(job: Job, seen: Reading) -> None:
    job.progress(seen.rows, round(seen.rows / seen.part) if seen.part else 0)


def _filling(data: Data | None, before: Routes) -> Change:
    """Suggests rewards where a project with rows has none, or just those suggested `before`, and a small first run."""
    rewards = _suggested(data)

    def fill(draft: Draft) -> Draft:
        if not rewards or draft.rewards not in ({}, before):
            return draft
        return draft.model_copy(update={"rewards": rewards, "grpo": draft.grpo or dict(SMALL)})

    return fill


def _without(suggested: Routes) -> Change:
    """Takes rewards away that nobody but the app has chosen."""
    return lambda draft: draft.model_copy(update={"rewards": {}}) if suggested and draft.rewards == suggested else draft


def _suggested(data: Data | None) -> Routes:
    """Rewards for these rows; looking through a million takes a while, so it is done once."""
    if data is None:
        return {}
    rows = fingerprint(data)
    if rows not in _SUGGESTED:
        _remember(_SUGGESTED, rows, suggested_rewards(data))
    return _SUGGESTED[rows]


def look(project: Project) -> Look:
    """What is known of a project's rows; counting starts in the background where that was not done."""
    draft = project.draft()
    found = report(draft)
    raw = Raw() if draft.data is None else raw_of(draft.data, _lacks_tags(found))
    return Look(project, draft, found, *_count(project, draft, found), raw)


def _lacks_tags(found: Report) -> bool:
    return found.data is None and any("task tag" in problem.what for problem in found.problems)


def raw_of(data: DataSpec, lacks_tags: bool, job: Job | None = None) -> Raw:
    """Columns, first rows and rows without a tag, remembered until the files change; nothing of what has no file.

    To find the rows without a tag takes seconds for a million: a job is told how far that is and can end it.
    """
    if data.reasoning_gym is not None:
        return Raw()
    key = f"{data.model_dump_json()} {stamps(data)} {lacks_tags}"
    if (known := _RAW.get(key)) is None:
        _remember(_RAW, key, known := _raw(data, lacks_tags, job))
    return known


def _raw(spec: DataSpec, lacks_tags: bool, job: Job | None) -> Raw:
    def watch(rows: int) -> None:
        if job is not None and job.cancelled():
            raise ReadingCancelled
        if job is not None:
            job.progress(rows, job.whole)

    try:
        rows = tuple(untagged(spec, MOST_UNTAGGED, watch=watch)) if lacks_tags else ()
        return Raw(tuple(raw_columns(spec)), tuple(raw_rows(spec, FIRST_ROWS)), rows)
    except UserError:  # the report says what is wrong
        return Raw()


def fingerprint(data: Data | None) -> str:
    """Which rows these are."""
    return f"{data.traced_train._fingerprint} {data.traced_held_out._fingerprint}" if data else ""


def _count(
    project: Project, draft: Draft, found: Report
) -> tuple[tuple[TaskStatistics, ...] | None, tuple[Problem, ...], tuple[Problem, ...]]:
    """Statistics and warnings as far as they are there by now, and why there will be none."""
    if found.data is None:
        return None, (), ()
    rows = fingerprint(found.data)
    key = f"{rows} {draft.mixing} {draft.tasks}"
    if key not in _WARNINGS and not _counted_in_vain(key):
        _start_counting(project, draft, found.data, rows, key)
    job = _COUNTS.get(key)
    return _STATISTICS.get(rows), _WARNINGS.get(key, ()), job.problems if job is not None else ()


def _counted_in_vain(key: str) -> bool:
    """Whether counting has failed: it would fail again."""
    return (job := _COUNTS.get(key)) is not None and job.state == "failed"


def _start_counting(project: Project, draft: Draft, data: Data, rows: str, key: str) -> None:
    def count(job: Job) -> None:
        if rows not in _STATISTICS:
            _remember(_STATISTICS, rows, tuple(task_statistics(data, draft)))
        _remember(_WARNINGS, key, tuple(data_problems(data, draft)))

    try:
        job = SERVICES.jobs.start(f"count {project.name}", count)
    except UserError:  # it is being done
        return
    _remember(_COUNTS, key, job)
    job.wait(COUNT_PATIENCE_S if len(data.train) <= FEW_ROWS else 0)


def _remember(known: dict[str, V], key: str, value: V) -> None:
    known[key] = value
    while len(known) > REMEMBERED:
        known.pop(next(iter(known)), None)
