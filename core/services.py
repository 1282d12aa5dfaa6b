"""What one running app holds for all its pages: warm scoring processes, the sampler, jobs, and the last preview of each
project, so that a second tab or a refresh finds what the first has computed.

Samples are scored again when they or the routes change, but not for another weight or normalisation: `core.preview`
reckons those without scoring. Rewards that ask a service outside (a judge may cost money) are scored when told to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.completion_rows import Tokenize
from core.errors import Problem, UserError
from core.jobs import Job, Jobs
from core.preview import Group, Preview, preview, read_groups
from core.projects import Project
from core.routing import RoutingTable, sound
from core.sampler import Sampler
from core.sampling import ModelChoice
from core.scored_file import needs_tokens
from core.scoring import Scorer
from core.spec import Draft, Routes


@dataclass(frozen=True)
class Scored:
    """The sample outputs of a project and what its rewards made of them.

    Attributes:
        preview: under the draft's weights of now; None before the first scoring, or where there are no samples.
        fresh: whether the preview belongs to the samples and routes of now.
        job: the scoring that runs or ran last; None before the first.
    """

    preview: Preview | None
    fresh: bool
    job: Job | None

    @property
    def token(self) -> str:
        """Changes whenever there is something new to show."""
        scores = id(self.preview.scores.values) if self.preview else ""  # the same under other weights
        return f"{scores} {self.fresh} {self.job.token if self.job else ''}"


class Services:
    """Everything that is started once; nothing is started before it is needed."""

    def __init__(self) -> None:
        self.jobs = Jobs()
        self.sampler = Sampler()
        self._scorer: Scorer | None = None
        self._lock = threading.Lock()
        self._previews: dict[str, tuple[str, Preview]] = {}
        self._scoring = threading.Lock()
        self._tried: dict[str, str] = {}  # project -> token of the last scoring that was begun
        self._wanted: dict[str, str] = {}  # project -> token of the last scoring that somebody asked for

    @property
    def scorer(self) -> Scorer:
        """Scoring processes, for any routing table (`Scorer.with_table`)."""
        with self._lock:
            if self._scorer is None:
                self._scorer = Scorer(RoutingTable({}))
            return self._scorer

    def scored(self, project: Project) -> Scored:
        """What is known now; a scoring starts in the background where something changed and nobody outside is asked."""
        draft = project.draft()
        token = _token(project, draft)
        if self._tried.get(project.name) != token and draft.rewards:
            wanted = self._wanted.get(project.name) == token
            if wanted or not asks_outside(draft.rewards):
                self._start_scoring(project, draft, token)
        key, found = self._previews.get(project.name, ("", None))
        fresh = key == token
        if found is not None and fresh:
            found = reweighted(found, draft.rewards)
        return Scored(found, fresh, self.jobs.get(_name(project)))

    def score(self, project: Project) -> None:
        """Score the samples in the background; one that still runs by older routes is given up."""
        draft = project.draft()
        self._wanted[project.name] = token = _token(project, draft)
        self._start_scoring(project, draft, token)

    def _start_scoring(self, project: Project, draft: Draft, token: str) -> None:
        """Begin, unless an older scoring must end first: whoever looks next begins then, and nobody waits."""
        if not project.samples_path.exists() or not draft.rewards:
            return
        name = _name(project)
        with self._scoring:
            before = self.jobs.get(name)
            if before is not None and before.running:
                if self._tried.get(project.name) != token:
                    before.cancel()
                return
            self.jobs.start(name, lambda job: self._score(project, draft, token, job))
            self._tried[project.name] = token

    def _score(self, project: Project, draft: Draft, token: str, job: Job) -> None:
        groups = read_groups(project.samples_path)
        found = self.preview(groups, draft, job.progress, job.cancelled)
        if self.jobs.get(job.name) is job:  # not of a project that was left meanwhile
            self._previews[project.name] = token, found

    def preview(
        self,
        groups: Sequence[Group],
        draft: Draft,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Preview:
        """Score groups by a draft's routes, in this thread."""
        tokenize = self._tokenize(draft) if draft.rewards and needs_tokens(draft) else None
        return preview(groups, draft, self.scorer, tokenize, progress, cancelled)

    def _tokenize(self, draft: Draft) -> Tokenize:
        model = ModelChoice(draft.model)
        return lambda texts: self.sampler.token_ids(model, texts)

    def leave(self, project: Project) -> None:
        """Forget a project that is about to have another name, or none; its scoring is given up.

        Raises:
            UserError: something else is being done for it whose result would be lost.
        """
        running = self.jobs.running(project.name)
        if others := [job.name for job in running if job.name != _name(project)]:
            mend = "Wait until it is done, or cancel it."
            raise UserError(Problem("project", f"work for {project.name!r} goes on: {', '.join(others)}.", mend))
        self.jobs.forget(project.name)
        for kept in (self._previews, self._tried, self._wanted):
            kept.pop(project.name, None)

    def close(self) -> None:
        """End what was started."""
        self.sampler.close()
        if self._scorer is not None:
            self._scorer.close()


def reweighted(found: Preview, routes: Routes) -> Preview:
    """A preview under the weights of a routing table whose routes scored it."""
    table = RoutingTable(routes)
    return found.reweighted({(task, route.key): route.weight for task in found.tasks for route in table.of(task)})


def asks_outside(routes: Routes) -> bool:
    """Whether a reward asks a judge, which never says the same twice, or loads a model by its name."""
    rewards = [sound(route) for given in routes.values() for route in given]
    return any(not reward.deterministic or "model" in reward.parameters.model_fields for reward in rewards if reward)


def _token(project: Project, draft: Draft) -> str:
    """What a preview depends on: samples, routes without their weights, and the model that counts tokens."""
    stat = project.samples_path.stat() if project.samples_path.exists() else None
    samples = (stat.st_mtime_ns, stat.st_size) if stat else None
    routes = {task: [route.model_dump(exclude={"weight"}) for route in given] for task, given in draft.rewards.items()}
    return repr((samples, routes, draft.model))


def _name(project: Project) -> str:
    return f"score {project.name}"


SERVICES = Services()
