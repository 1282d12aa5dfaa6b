"""What the page Train knows of a project at one moment, and what a tab is in the middle of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from core.check import Report
from core.data import task_counts
from core.errors import Problem
from core.forecast import FILE, Forecast, forecast_token, job_name, kept_forecast
from core.jobs import Job
from core.model_card import is_folder
from core.model_facts import CONFIG, local_file
from core.preflight import Finding, Preflight, preflight
from core.probes import TaskProbes
from core.projects import Project
from core.readiness import report
from core.services import SERVICES
from core.spec import Draft
from ui.preview_probes import Probed, draft_token, probing
from ui.texts import t
from ui.theme import task_colours

Place = tuple[str, str]  # of a field, and whose task it is


@dataclass(frozen=True)
class Refused:
    """What was entered in a field and could not be taken."""

    text: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Look:
    """What a tab is in the middle of.

    Attributes:
        project: in which; in another one it is in the middle of nothing (`of`).
        refused: entries that were not taken, by field.
        broken: why the text in the editor does not read as a spec; empty where it does.
        preset: whose changes are shown.
    """

    project: str = ""
    refused: Mapping[Place, Refused] = field(default_factory=dict)
    broken: tuple[Problem, ...] = ()
    preset: str = ""

    def of(self, project: str) -> Look:
        """What it is in the middle of in a project."""
        return self if self.project == project else Look(project)

    def refusing(self, place: Place, refused: Refused | None) -> Look:
        """With or without a refused entry."""
        others = {at: entry for at, entry in self.refused.items() if at != place}
        return replace(self, refused={**others, place: refused} if refused else others)


@dataclass(frozen=True)
class Known:
    """A project as the page sees it.

    Attributes:
        project: the project.
        draft: as it is on disk.
        look: what the tab is in the middle of.
    """

    project: Project
    draft: Draft
    look: Look

    @cached_property
    def report(self) -> Report:
        """What the check of a run finds; of a text that does not read as a spec, why."""
        return Report(self.look.broken, None) if self.look.broken else report(self.draft)

    @property
    def ready(self) -> bool:
        """Whether a run could start."""
        return bool(self.draft.rewards) and self.report.data is not None and not (self.report.errors or self.errors)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong, errors first; entries that were not taken are errors, since the run would have others."""
        entries = [problem for refused in self.look.refused.values() for problem in refused.problems]
        return (*(Finding(problem, "train") for problem in entries), *self.of_draft)

    @cached_property
    def of_draft(self) -> tuple[Finding, ...]:
        """What is wrong with the draft as it is on disk, errors first."""
        found = (*self.preflight.findings, *self._of_lookup())
        return tuple(sorted(found, key=lambda finding: finding.problem.severity != "error"))

    def _of_lookup(self) -> list[Finding]:
        """Of a model that is not here: what the Hub said of it, or that nobody asked yet."""
        model = self.draft.model
        if "/" not in model or is_folder(model) or local_file(model, CONFIG) is not None:
            return []
        if self.lookup is not None:
            return [Finding(problem, "train") for problem in self.lookup.problems]
        what = t("model.not_here", model=model)
        mend = t("model.not_here.mend", ask=t("model.ask"), place=t("train.estimates"))
        return [Finding(Problem("model", what, mend, "warning"), "train")]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Those of them that keep a run from starting."""
        return tuple(finding for finding in self.findings if finding.problem.severity == "error")

    @cached_property
    def forecast(self) -> Forecast | None:
        """The last one."""
        return kept_forecast(self.project)

    @property
    def forecast_fits(self) -> bool:
        """Whether it is of the settings as they are."""
        return self.forecast is not None and self.forecast.token == forecast_token(self.draft)

    @property
    def forecast_job(self) -> Job | None:
        """The one that runs or ran last."""
        return SERVICES.jobs.get(job_name(self.project))

    @property
    def lookup(self) -> Job | None:
        """The last one that asked the Hub about this very model."""
        return SERVICES.jobs.get(lookup_name(self.project, self.draft.model))

    @property
    def probes(self) -> tuple[TaskProbes, ...]:
        """What probes of the present rewards got, as far as they were tried."""
        job = probing(self.project)
        found = job.result if job is not None else None
        return found.tasks if isinstance(found, Probed) and found.token == draft_token(self.draft) else ()

    @cached_property
    def preflight(self) -> Preflight:
        """Findings and estimates."""
        return preflight(self.draft, self.report, self.probes, self.forecast if self.forecast_fits else None)

    @cached_property
    def tasks(self) -> dict[str, int]:
        """Rows to train on, by task."""
        return task_counts(self.report.data.train) if self.report.data else {}

    @cached_property
    def colours(self) -> dict[str, str]:
        """Of each task, the same as on every page."""
        return task_colours(self.tasks)

    @cached_property
    def token(self) -> str:
        """Changes whenever anything but progress does."""
        jobs = [job for job in (probing(self.project), self.lookup) if job is not None]
        states = [(job.state, job.started) for job in jobs]
        file = self.project.path / FILE
        made = file.stat().st_mtime_ns if file.exists() else 0
        return f"{self.project.name} {self.project.revision} {made} {states} {self.look.broken} {self.look.refused}"


_FOUND: dict[str, tuple[Draft, tuple[Finding, ...]]] = {}


def remember(now: Known) -> None:
    """What was found in a draft, for the steps beside every page: finding it anew at every look would cost too much."""
    _FOUND[now.project.name] = now.draft, now.of_draft


def remembered(project: str, draft: Draft) -> tuple[Finding, ...]:
    """What was found when this very draft was looked at on the page Train; nothing before."""
    of, findings = _FOUND.get(project, (None, ()))
    return findings if of == draft else ()


def known(project: Project, look: Look) -> Known:
    """What is known now."""
    return Known(project, project.draft(), look.of(project.name))


def lookup_name(project: Project, model: str) -> str:
    """The job that asks the Hub about a project's model."""
    return f"look up {model} of {project.name}"
