"""What the page Preview knows of a project at one moment: its samples, what its rewards made of them, and the weights
that are tried on it without being kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

from core.check import Report
from core.data import task_counts
from core.options import check_options
from core.preview import Group, Preview, read_groups
from core.preview_mix import TaskInRun, at_first, tasks_in_run
from core.preview_report import TaskReport, task_reports
from core.projects import Project
from core.readiness import report
from core.routing import RoutingTable
from core.services import SERVICES, Scored
from core.spec import DEFAULT_ROUTE, Draft, Normalisation
from ui.preview_trials import TRIALS, Trial
from ui.theme import task_colours


@dataclass(frozen=True)
class Choice:
    """What a tab looks at.

    Attributes:
        project: in which; in another one nothing is chosen (`of`).
        task: of which groups are shown; empty for all.
        order: of the groups: `rows`, `spread`, `errors` or `flat`.
        by: the column that sorts a group's completions; empty for the order in which they were sampled.
        rising: whether the lowest come first.
        page: of groups, from 0.
        against: the routing table to compare with, by name; empty for what was compared last.
    """

    project: str = ""
    task: str = ""
    order: str = "rows"
    by: str = ""
    rising: bool = False
    page: int = 0
    against: str = ""

    def of(self, project: str) -> Choice:
        """What is looked at in a project."""
        return self if self.project == project else Choice(project)


@dataclass(frozen=True)
class Known:
    """A project as the page sees it.

    Attributes:
        project: the project.
        draft: as it is on disk.
        scored: its samples under the kept weights.
        trial: what differs from the draft.
        ended: when the last trial ended (`Trials`).
        drawing: the number of a drawing of its sliders, which is later.
    """

    project: Project
    draft: Draft
    scored: Scored
    trial: Trial
    ended: int = 0
    drawing: int = 0

    @cached_property
    def preview(self) -> Preview | None:
        """The samples under the weights that are tried."""
        found = self.scored.preview
        if found is None or not self.trial.weights:
            return found
        tried = {
            (task, route.key): self.trial.weights[place]
            for task in found.tasks
            for route in found.table.of(task)
            if (place := (owner(found.table, task), route.key)) in self.trial.weights
        }
        return found.reweighted(tried)

    @property
    def normalisation(self) -> Normalisation:
        """The one that is tried, or the project's."""
        return self.trial.normalisation or self.draft.normalisation

    @property
    def has_samples(self) -> bool:
        """Whether there are sample outputs."""
        return self.project.has_samples

    @cached_property
    def colours(self) -> dict[str, str]:
        """The colour of each task: those of the data first."""
        return task_colours(self._counts, self.scored.preview.tasks if self.scored.preview else ())

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Rows to train on of each task; none where they cannot be read."""
        data = rows_report(self.draft).data
        return task_counts(data.train) if data else {}

    @cached_property
    def in_run(self) -> tuple[TaskInRun, ...]:
        """What a run would make of the samples under what is tried; empty where no sampled task has rows, or
        where the options of `grpo:` are not sound."""
        return self._in_run(self.preview)

    @cached_property
    def at_first(self) -> tuple[TaskInRun, ...]:
        """The same with the weights of a run's first step; empty where no weight of a sampled task moves."""
        if self.preview is None:
            return ()
        first = at_first(self.preview)
        return () if first is self.preview else self._in_run(first)

    def _in_run(self, found: Preview | None) -> tuple[TaskInRun, ...]:
        if found is None or not set(found.tasks) & set(self._counts) or check_options("grpo", self.draft.grpo):
            return ()
        tried = self.draft.model_copy(update={"normalisation": self.normalisation})
        return tuple(tasks_in_run(self._counts, tried, found))

    @cached_property
    def reports(self) -> tuple[TaskReport, ...]:
        """What the samples say of each task under what is tried; its share of the signal is that in a run, where there
        are rows to make one of."""
        found = task_reports(self.preview, self.normalisation) if self.preview else ()
        if not self.in_run:
            return tuple(found)
        signal = {task.task: task.signal for task in self.in_run}
        return tuple(replace(report, share=signal.get(report.task)) for report in found)

    def reports_of(self, task: str) -> tuple[TaskReport, ...]:
        """Of one task, or of all where none is named."""
        return tuple(report for report in self.reports if task in ("", report.task))

    @property
    def score_token(self) -> str:
        """Changes whenever the scores or the project do; not while a scoring only goes on."""
        job = self.scored.job
        scoring = "" if job is None else job.state if job.running else job.token
        return f"{self.project.name} {self.project.revision} {self.scored.fresh} {scoring}"

    @property
    def token(self) -> str:
        """Changes also with what is tried."""
        return f"{self.score_token} {self.trial}"


def known(project: Project) -> Known:
    """What is known now; a scoring may start in the background (`SERVICES.scored`)."""
    draft, ended = project.draft(), TRIALS.ended(project)
    trial = TRIALS.of(project, draft)
    return Known(project, draft, SERVICES.scored(project), trial, ended, TRIALS.drawing())


def rows_report(draft: Draft) -> Report:
    """The project's rows and what is wrong with them, without a look at its rewards: those change more often."""
    return report(Draft(data=draft.data))


def owner(table: RoutingTable, task: str) -> str:
    """The name under which the routes of a task stand in the table."""
    return task if task in table.routes else DEFAULT_ROUTE


def samples(project: Project) -> tuple[Group, ...]:
    """The project's sample outputs; none before there are any. `UserError` where the file was edited into something
    else."""
    path = project.samples_path
    if not path.exists() or not path.stat().st_size:
        return ()
    return _samples(path, path.stat().st_mtime_ns, path.stat().st_size)


@lru_cache(maxsize=8)
def _samples(path: Path, _time: int, _size: int) -> tuple[Group, ...]:
    return tuple(read_groups(path))
