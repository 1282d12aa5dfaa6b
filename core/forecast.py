"""Would a run learn? Some groups of each task, sampled from the base model as the run would, scored by its routes.

A group whose totals are all the same gives no gradient. Where all have the most there is to earn the task is too easy
for the model, where all have the least it is too hard; in both cases a run has nothing to go by. A forecast is of its
settings: it is kept with the project, with its time and with what it was of.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from core.advantages import FLAT
from core.data import Data, some_rows
from core.errors import Problem, UserError
from core.estimates import wilson
from core.jobs import Job
from core.metrics import mean
from core.options import grpo_settings, loss_type
from core.preview import Preview
from core.projects import Project
from core.readiness import report, stamps
from core.routing import RoutingTable, check_routes, total_bounds
from core.runs import write_atomically
from core.sampler import SampledGroup
from core.sampling import ModelChoice, SamplingSettings
from core.scores import SAME
from core.services import SERVICES, Services
from core.spec import Draft
from core.task_scale import TOKEN_SUMS

FILE = "forecast.json"
GROUPS = 8  # of each task: few, so that it takes half a minute; the interval says how much that tells
FAVOURED = 2.0  # times as long: completions from which on a loss that adds up tokens is named

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TaskForecast:
    """The groups of one task; the four kinds add up to all that could be scored.

    Attributes:
        task: its name.
        groups: how many were sampled.
        spread: groups whose totals differ: these teach.
        easy, hard: groups in which every total is the highest, or the lowest, that there is.
        flat: other groups whose totals are all the same.
        unknown: groups with fewer than two totals, because rewards failed or none applied.
        reward: the mean total; None where none is known.
        length: mean tokens of a completion.
        clipped: share of completions that the length limit cut off.
    """

    task: str
    groups: int
    spread: int
    easy: int
    hard: int
    flat: int
    unknown: int
    reward: float | None
    length: float
    clipped: float

    @property
    def scored(self) -> int:
        """Groups that could be judged."""
        return self.groups - self.unknown

    @property
    def share(self) -> float | None:
        """Of the groups that could be judged, the share that teaches; None where none could."""
        return self.spread / self.scored if self.scored else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the share of all rows lies, at 95 %."""
        return wilson(self.spread / self.scored, self.scored) if self.scored else None


@dataclass(frozen=True)
class Forecast:
    """A forecast of a draft.

    Attributes:
        token: what it was of; see `forecast_token`.
        time: when, in seconds since the epoch.
        model: that was sampled from.
        completions: of each group.
        tasks: in the order of the data.
    """

    token: str
    time: float
    model: str
    completions: int
    tasks: tuple[TaskForecast, ...]

    @property
    def length(self) -> float | None:
        """Mean tokens of a completion, every task counting the same; None without tasks."""
        return sum(task.length for task in self.tasks) / len(self.tasks) if self.tasks else None


@dataclass(frozen=True)
class Favoured:
    """The task that a loss of summed tokens favours most, and the one that it favours least.

    Attributes:
        loss: its `loss_type`.
        longest: the task with the longest completions.
        shortest: the one with the shortest.
        times: how much longer those are: an advantage counts so much more there.
    """

    loss: str
    longest: str
    shortest: str
    times: float


def favoured(forecast: Forecast, draft: Draft) -> Favoured | None:
    """Whether some task's completions are so much longer that the run's loss counts them more."""
    loss = loss_type(draft.grpo)
    lengths = {task.task: task.length for task in forecast.tasks if task.length > 0}
    if draft.normalisation.task_tokens == "equal" or loss not in TOKEN_SUMS or len(lengths) < 2:
        return None
    longest, shortest = max(lengths, key=lengths.__getitem__), min(lengths, key=lengths.__getitem__)
    times = lengths[longest] / lengths[shortest]
    return Favoured(loss, longest, shortest, times) if times >= FAVOURED else None


def forecast_token(draft: Draft) -> str:
    """What a forecast depends on."""
    sampled = {name: grpo_settings(draft.grpo).get(name) for name in SamplingSettings.model_fields}
    template = draft.grpo.get("chat_template_kwargs")
    return repr((draft.data, draft.rewards, draft.tasks, draft.model, sampled, template, stamps(draft.data)))


def sampling_settings(draft: Draft) -> SamplingSettings:
    """How the run would sample; `UserError` where it could not."""
    found = grpo_settings(draft.grpo)
    named = {name: found[name] for name in SamplingSettings.model_fields if found.get(name) is not None}
    try:
        return SamplingSettings(**named)
    except ValidationError as error:
        raise UserError(
            Problem(f"grpo.{detail['loc'][0]}", f"{detail['msg']} (found {detail['input']!r:.80}).")
            for detail in error.errors()
        ) from None


def start_forecast(project: Project, groups: int = GROUPS) -> Job:
    """Make a forecast in the background and keep it with the project; one that is cancelled keeps nothing."""
    draft = project.draft()
    settings = sampling_settings(draft)
    if wrong := [problem for problem in check_routes(draft.rewards) if problem.severity == "error"]:
        raise UserError(wrong)
    data = _data(draft)

    def work(job: Job) -> Forecast | None:
        found = forecast(draft, data, settings, groups, SERVICES, job)
        if found is not None:
            write_atomically(project.path / FILE, json.dumps(asdict(found), ensure_ascii=False))
        return found

    return SERVICES.jobs.start(job_name(project), work)


def job_name(project: Project) -> str:
    """Under which the job of a project's forecast is found."""
    return f"forecast {project.name}"


def forecast(
    draft: Draft, data: Data, settings: SamplingSettings, groups: int, services: Services, job: Job
) -> Forecast | None:
    """Sample and score some groups of each task; None where the job was cancelled."""
    token, chosen = forecast_token(draft), some_rows(data.train, groups)  # files may change meanwhile
    rows = [_full(row) for numbers in chosen.values() for row in data.train.select(numbers).to_list()]
    model = ModelChoice(draft.model, None, draft.grpo.get("chat_template_kwargs") or {})
    sampled = services.sampler.sample(model, rows, draft.tasks, settings, job.progress, job.cancelled)
    if job.cancelled():
        return None
    scored = services.preview([found.group for found in sampled], draft, None, job.cancelled)
    tasks = tuple(_of_task(task, scored, sampled, RoutingTable(draft.rewards)) for task in chosen)
    return Forecast(token, time.time(), draft.model, settings.num_generations, tasks)


def kept_forecast(project: Project) -> Forecast | None:
    """The project's last forecast; None where there is none that can be read."""
    try:
        found = json.loads((project.path / FILE).read_text(encoding="utf-8"))
        return Forecast(**{**found, "tasks": tuple(TaskForecast(**task) for task in found["tasks"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _data(draft: Draft) -> Data:
    found = report(Draft(data=draft.data))
    if found.data is None:
        raise UserError(found.errors or Problem("data", "no rows are chosen yet.", "Choose some on the page Data."))
    return found.data


def _full(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _of_task(task: str, scored: Preview, sampled: Sequence[SampledGroup], table: RoutingTable) -> TaskForecast:
    own = [n for n, found in enumerate(sampled) if found.row["task"] == task]
    totals = [scored.scores.totals[scored.index == n] for n in own]
    lowest, highest = total_bounds(task, table)
    kinds = [kind_of(values, lowest, highest) for values in totals]
    lengths = [len(ids) for n in own for ids in sampled[n].token_ids]
    clipped = [cut for n in own for cut in sampled[n].clipped]
    return TaskForecast(
        task=task,
        groups=len(own),
        spread=kinds.count("spread"),
        easy=kinds.count("easy"),
        hard=kinds.count("hard"),
        flat=kinds.count("flat"),
        unknown=kinds.count("unknown"),
        reward=mean(np.concatenate(totals)) if totals else None,
        length=sum(lengths) / len(lengths) if lengths else 0.0,
        clipped=sum(clipped) / len(clipped) if clipped else 0.0,
    )


def kind_of(totals: np.ndarray[Any, np.dtype[np.float64]], lowest: float | None, highest: float | None) -> str:
    """What a group teaches: `spread`, or why it teaches nothing: `easy`, `hard`, `flat`, `unknown`."""
    known = totals[~np.isnan(totals)]
    if len(known) < 2:
        return "unknown"
    if known.std() > FLAT:
        return "spread"
    if highest is not None and known[0] > highest - SAME:
        return "easy"
    return "hard" if lowest is not None and known[0] < lowest + SAME else "flat"
