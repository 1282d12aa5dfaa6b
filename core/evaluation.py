"""Is the adapter better than its base? Both answer the held-out rows, and the task's own rewards score the answers.

What was sampled and scored is kept in `runs/<id>/evaluations/<time>-<adapter>.json`, so that a refresh or another
threshold costs nothing: the figures are reckoned from it (`task_results`, with core.estimates).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter

from core.data import some_rows
from core.errors import Cancelled, Problem, UserError
from core.estimates import Estimate, difference, mean, pass_at_k, rate
from core.options import grpo_settings
from core.preview import Group, Preview
from core.prompts import as_messages, as_text
from core.routing import RoutingTable, check_routes, total_bounds
from core.run_adapters import SIDES, RunAdapter, Side, model_choice
from core.run_data import run_rows
from core.runs import RunFolder, write_atomically
from core.sampler import Sampler
from core.sampling import SamplingSettings
from core.spec import RunSpec

SAMPLES = 4
SAME = 1e-9  # a total this near its threshold reaches it
FEWEST_ALIKE = 6  # prompts that all changed by the same before a change is believed
Progress = Callable[[int, int], None]
Score = Callable[..., Preview]


class EvaluationCancelled(Cancelled):
    """Whoever asked does not want it any more; nothing is kept."""


class EvaluationSettings(SamplingSettings):
    """How held-out rows are answered: the run's own sampling, unless something else is said."""

    num_generations: int = Field(SAMPLES, ge=1, le=256, description="completions of each row by each model")
    rows_per_task: int | None = Field(None, ge=1, description="at most so many held-out rows of each task; none: all")

    @property
    def plain(self) -> SamplingSettings:
        """What a sampler takes of them: how, not what."""
        return SamplingSettings(**self.model_dump(exclude={"rows_per_task"}))


@dataclass(frozen=True)
class SideAnswers:
    """What one model answered to a row: n completions.

    Attributes:
        completions: texts (n).
        totals: weighted sums (n); None where one is not known.
        errors: why a completion could not be scored (n); None where it could, or where no reward applies.
    """

    completions: tuple[str, ...]
    totals: tuple[float | None, ...]
    errors: tuple[str | None, ...]

    @property
    def scored(self) -> tuple[float, ...]:
        """The totals that are known."""
        return tuple(total for total in self.totals if total is not None)


@dataclass(frozen=True)
class Row:
    """A held-out row and its answers."""

    task: str
    prompt: str
    base: SideAnswers
    adapter: SideAnswers

    def side(self, side: Side) -> SideAnswers:
        """The answers of one model."""
        return self.base if side == "base" else self.adapter


@dataclass(frozen=True)
class Evaluation:
    """One evaluation, as its file has it.

    Attributes:
        adapter: which was evaluated: `adapter`, `best` or `checkpoint-N`.
        step: after how many training steps.
        model: the base.
        time: seconds since the epoch.
        seconds: how long it took.
        settings: how the answers were sampled.
        highest: task -> the highest total that its rewards allow; None where there is no bound.
        rows: held-out rows in the data's order.
        lowest: task -> the lowest total that its rewards allow; older files have none.
    """

    adapter: str
    step: int | None
    model: str
    time: float
    seconds: float
    settings: EvaluationSettings
    highest: Mapping[str, float | None]
    rows: tuple[Row, ...]
    lowest: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[str, ...]:
        """In the order of the rows."""
        return tuple(dict.fromkeys(row.task for row in self.rows))

    @property
    def ks(self) -> tuple[int, ...]:
        """The k for which pass@k is told: 1, 2, 4 ... and the number of samples."""
        most = self.settings.num_generations
        return tuple(dict.fromkeys([*(1 << n for n in range(most.bit_length()) if 1 << n < most), most]))


EVALUATION = TypeAdapter(Evaluation)


@dataclass(frozen=True)
class Figures:
    """What is estimated of one model, or of the difference between two.

    Attributes:
        reward: mean total.
        passes: k -> pass@k; None for all where there is no threshold.
    """

    reward: Estimate
    passes: Mapping[int, Estimate]


@dataclass(frozen=True)
class Counts:
    """Completions of one model: scored, failed, and those to which no reward applies. The last two are no zeros."""

    scored: int
    errors: int
    not_applicable: int
    reason: str | None


@dataclass(frozen=True)
class TaskResult:
    """One task, base against adapter.

    Attributes:
        task: its name.
        threshold: a completion passes whose total is at least this; None where none is known.
        chosen: whether somebody chose it; else it is the highest total there is.
        prompts: held-out rows.
        base: figures of the base.
        adapter: of the adapter.
        change: of adapter - base, prompt by prompt.
        counts: completions of each.
    """

    task: str
    threshold: float | None
    chosen: bool
    prompts: int
    base: Figures
    adapter: Figures
    change: Figures
    counts: Mapping[Side, Counts]

    @property
    def verdict(self) -> Literal["better", "worse", "unclear"]:
        """Whether the interval of the mean reward's change lies above 0, below it, or around it.

        An interval of no width says nothing on few prompts: six that all go one way are the fewest that chance makes
        in less than one case of twenty.
        """
        low, high = self.change.reward.low, self.change.reward.high
        if low is None or high is None or low <= 0 <= high:
            return "unclear"
        if low == high and self.change.reward.prompts < FEWEST_ALIKE:
            return "unclear"
        return "better" if low > 0 else "worse"


def evaluation_settings(spec: RunSpec, **changes: Any) -> EvaluationSettings:
    """How the run's training samples, as far as it says, with what is to be otherwise."""
    settings = grpo_settings(spec.grpo)
    own = {name: settings[name] for name in SamplingSettings.model_fields if settings.get(name) is not None}
    own["num_generations"] = SAMPLES
    return EvaluationSettings(**{**own, **{name: value for name, value in changes.items() if value is not None}})


def evaluate(
    adapter: RunAdapter,
    settings: EvaluationSettings,
    sampler: Sampler,
    score: Score,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Evaluation:
    """Let base and adapter answer held-out rows, score the answers, and keep all of it in the run's folder.

    Args:
        adapter: which, of which run.
        settings: how.
        sampler: samples the answers.
        score: `core.services.Services.preview`, or something like it.
        progress: told how much of a thousand is done.
        cancelled: asked now and then whether to give up.

    Raises:
        UserError: there are no held-out rows, or one of the models or rewards cannot be had.
        EvaluationCancelled: `cancelled` said so.
    """
    started, spec = time.monotonic(), adapter.run.spec()
    if wrong := [problem for problem in check_routes(spec.rewards) if problem.severity == "error"]:
        raise UserError(wrong)  # before the answers are sampled that it could not score
    rows = held_out_rows(adapter.run, settings.rows_per_task)
    part = _Part(progress or (lambda done, whole: None), cancelled or (lambda: False))
    plain = settings.plain
    groups: list[Group] = []
    for side in SIDES:
        model = model_choice(adapter.run) if side == "base" else adapter.model
        found = sampler.sample(model, rows, spec.tasks, plain, part.told(45), part.cancelled)
        if len(found) < len(rows):
            raise EvaluationCancelled
        groups += [sampled.group for sampled in found]
    scored = score(groups, spec, part.told(10), part.cancelled)
    bounds = {task: total_bounds(task, RoutingTable(spec.rewards)) for task in {str(row["task"]) for row in rows}}
    lowest, highest = ({task: ends[end] for task, ends in bounds.items()} for end in (0, 1))
    answers = _answers(scored)
    kept = tuple(
        Row(str(row["task"]), as_text(as_messages(row["prompt"])), base, adapted)
        for row, base, adapted in zip(rows, answers[: len(rows)], answers[len(rows) :], strict=True)
    )
    made = Evaluation(
        adapter.name, adapter.step, spec.model, time.time(), time.monotonic() - started, settings, highest, kept, lowest
    )
    write_evaluation(adapter.run, made)
    return made


class _Part:
    """Progress of several parts, in thousandths of all."""

    def __init__(self, progress: Progress, cancelled: Callable[[], bool]) -> None:
        self._progress, self.cancelled = progress, cancelled
        self._before = 0

    def told(self, percent: int) -> Progress:
        before, self._before = self._before, self._before + 10 * percent
        return lambda done, whole: self._progress(
            before + round(10 * percent * done / whole) if whole else before, 1000
        )


def held_out_rows(run: RunFolder, per_task: int | None = None) -> list[dict[str, Any]]:
    """Held-out rows of a run, so many of each task spread over all of its, without empty columns.

    Raises:
        UserError: there are none, or the run's rows are no longer those it was started with.
    """
    held_out = run_rows(run).held_out
    if not len(held_out):
        mend = "Set data.held_out in the next run; this one can be tried on typed questions."
        raise UserError(Problem(run.id, "no rows are held out in this run.", mend))
    chosen = some_rows(held_out, per_task or len(held_out))
    numbers = [number for of_task in chosen.values() for number in of_task]
    return [{k: v for k, v in row.items() if v is not None} for row in held_out.select(numbers).to_list()]


def _answers(found: Preview) -> list[SideAnswers]:
    """What each group got, in their order."""
    totals: list[list[float | None]] = [[None] * len(group.completions) for group in found.groups]
    errors: list[list[str | None]] = [
        [found.refused.get(number)] * len(group.completions) for number, group in enumerate(found.groups)
    ]
    scores = found.scores
    reasons: dict[int, str] = {}
    for (n, reward), reason in scores.errors.items():  # of rewards that are only watched none keeps a total back
        if scores.weights[n, reward]:
            reasons.setdefault(n, reason)
    for n, (group, place) in enumerate(zip(found.index, found.places, strict=True)):
        total = float(scores.totals[n])
        totals[group][place] = None if total != total else total
        if scores.failed[n]:
            errors[group][place] = reasons[n]
    return [
        SideAnswers(group.completions, tuple(totals[number]), tuple(errors[number]))
        for number, group in enumerate(found.groups)
    ]


def task_results(found: Evaluation, thresholds: Mapping[str, float] | None = None) -> list[TaskResult]:
    """The figures of each task.

    Args:
        found: what was sampled and scored.
        thresholds: task -> the total from which a completion passes; else the highest total of its rewards.
    """
    return [_task_result(found, task, (thresholds or {}).get(task)) for task in found.tasks]


def _task_result(found: Evaluation, task: str, chosen: float | None) -> TaskResult:
    rows = [row for row in found.rows if row.task == task]
    threshold = found.highest.get(task) if chosen is None else chosen
    rewards = {side: [_mean(row.side(side).scored) for row in rows] for side in SIDES}
    passes = {k: {side: [_pass(row.side(side), threshold, k) for row in rows] for side in SIDES} for k in found.ks}

    low, high = found.lowest.get(task), found.highest.get(task)

    def figures(side: Side) -> Figures:
        reward = mean(_known(rewards[side]), low, high)
        return Figures(reward, {k: rate(_known(by_side[side])) for k, by_side in passes.items()})

    apart = None if low is None or high is None else high - low
    change = Figures(
        difference(rewards["base"], rewards["adapter"], apart),
        {k: difference(by_side["base"], by_side["adapter"], 1.0) for k, by_side in passes.items()},
    )
    counts: dict[Side, Counts] = {side: _counts([row.side(side) for row in rows]) for side in SIDES}
    return TaskResult(
        task, threshold, chosen is not None, len(rows), figures("base"), figures("adapter"), change, counts
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _pass(answers: SideAnswers, threshold: float | None, k: int) -> float | None:
    """pass@k of one prompt, from the completions that have a total."""
    if threshold is None or not answers.scored:
        return None
    passed = sum(total >= threshold - SAME for total in answers.scored)
    return pass_at_k(len(answers.scored), passed, k)


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _counts(rows: Sequence[SideAnswers]) -> Counts:
    scored = sum(len(row.scored) for row in rows)
    reasons = [reason for row in rows for reason in row.errors if reason is not None]
    whole = sum(len(row.completions) for row in rows)
    first = max(set(reasons), key=reasons.count) if reasons else None
    return Counts(scored, len(reasons), whole - scored - len(reasons), first)


def evaluations_path(run: RunFolder) -> Path:
    """Where a run's evaluations are kept."""
    return run.path / "evaluations"


def write_evaluation(run: RunFolder, found: Evaluation) -> Path:
    """Keep an evaluation in the run's folder; never over another one."""
    folder = evaluations_path(run)
    folder.mkdir(exist_ok=True)
    path = folder / f"{datetime.fromtimestamp(found.time):%Y%m%d-%H%M%S-%f}-{found.adapter}.json"
    document = {**asdict(found), "settings": found.settings.model_dump()}
    write_atomically(path, json.dumps(document, indent=1))
    return path


def evaluation_files(run: RunFolder) -> list[Path]:
    """A run's evaluations, newest first."""
    return sorted(evaluations_path(run).glob("*.json"), reverse=True)


def read_evaluation(path: Path) -> Evaluation:
    """An evaluation as it was kept; `UserError` where the file is none."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        what = f"this file is no evaluation: {type(error).__name__}."
        raise UserError(Problem(str(path), what, "Remove it, or evaluate again.")) from None


@lru_cache(maxsize=32)
def _read(path: Path, _time: int) -> Evaluation:
    return EVALUATION.validate_json(path.read_bytes())
