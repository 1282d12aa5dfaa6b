"""What a preview means: for each task and each reward in it, whether it can teach, what it repeats, what to mend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from core.advantages import Floats, Ints
from core.correlation import Correlation, correlation
from core.errors import Problem
from core.metrics import mean, most_frequent
from core.preview import Preview
from core.routing import sound
from core.scores import SAME
from core.signal import RewardSignal, TaskSignal
from core.spec import DEFAULT_ROUTE, Normalisation, Route
from core.spec_errors import field_path

SATURATED = 0.95  # share of scores at the highest
REDUNDANT, CONFLICT = 0.95, -0.5  # correlations beyond which a pair is named


@dataclass(frozen=True)
class CellReport:
    """One cell of the grid of tasks and rewards.

    Attributes:
        task: its name.
        key: of the reward.
        coverage: share of the completions that got a number; None where the task has no completions.
        mean: of the scores; None where there is none.
        error_share: share of the completions that could not be scored; None as for `coverage`.
        ms: mean wall time of a score in milliseconds; None where none was computed: all remembered.
    """

    task: str
    key: str
    coverage: float | None
    mean: float | None
    error_share: float | None
    ms: float | None


@dataclass(frozen=True)
class RewardReport:
    """One reward in one task.

    Attributes:
        cell: its cell of the grid.
        weight: under which it counts.
        values: its scores, those that are numbers.
        range: the lowest and the highest score that it declares; None is unbounded.
        share: its part of what all rewards add to the task's advantages; None where all add nothing.
        flat_groups: groups in which it scores all completions alike.
        saturated: how: `best`, nearly all its scores are the best there is; `quiet`, the same of a penalty, whose best
            is 0: nothing is punished; `constant`, all are equal; or not.
        errors: completions that it could not score.
        reason: the most frequent one; None where there are no errors.
    """

    cell: CellReport
    weight: float
    values: Floats
    range: tuple[float | None, float | None]
    share: float | None
    flat_groups: int
    saturated: Literal["best", "quiet", "constant"] | None
    errors: int
    reason: str | None


@dataclass(frozen=True)
class PairReport:
    """Two rewards of one task.

    Attributes:
        first: key of one.
        second: key of the other.
        correlation: between their scores.
        verdict: `redundant`: they say the same; `conflict`: what one pays for costs with the other; both under their
            weights' signs, and only where both have a weight.
    """

    first: str
    second: str
    correlation: Correlation
    verdict: Literal["redundant", "conflict"] | None


@dataclass(frozen=True)
class TaskReport:
    """One task.

    Attributes:
        task: its name.
        groups: how many.
        completions: how many.
        flat_share: share of the groups in which every advantage is 0: nothing is learned.
        share: its part of the summed |advantage| of all tasks; None where that is 0.
        mean: of the totals; None where none is known.
        unscored: completions without a total.
        rewards: those routed to it.
        pairs: every two of them.
        warnings: what to mend, each at its route.
    """

    task: str
    groups: int
    completions: int
    flat_share: float
    share: float | None
    mean: float | None
    unscored: int
    rewards: tuple[RewardReport, ...]
    pairs: tuple[PairReport, ...]
    warnings: tuple[Problem, ...]


def cell_reports(preview: Preview) -> list[CellReport]:
    """A cell for every route: the tasks that have samples first, then those, and the default, that have none."""
    found = [
        _cell(preview, task, route.key, preview.rows_of(task))
        for task in preview.tasks
        for route in preview.table.of(task)
    ]
    others = [task for task in preview.table.routes if task not in preview.tasks]
    return found + [
        CellReport(task, route.key, None, None, None, None) for task in others for route in preview.table.of(task)
    ]


def task_reports(preview: Preview, normalisation: Normalisation) -> list[TaskReport]:
    """A report of each task that has samples."""
    return [_task_report(preview, signal) for signal in preview.signals(normalisation)]


def _task_report(preview: Preview, signal: TaskSignal) -> TaskReport:
    rows = preview.rows_of(signal.task)
    signals = {reward.reward: reward for reward in signal.rewards}
    routes = preview.table.of(signal.task)
    rewards = tuple(_reward_report(preview, signal.task, route, signals[route.key]) for route in routes)
    pairs = tuple(_pair(preview, rows, one, other) for one, other in combinations(rewards, 2))
    totals = preview.scores.totals[rows]
    return TaskReport(
        task=signal.task,
        groups=signal.groups,
        completions=signal.completions,
        flat_share=signal.flat_groups / signal.groups,
        share=signal.share,
        mean=mean(totals),
        unscored=int(np.isnan(totals).sum()),
        rewards=rewards,
        pairs=pairs,
        warnings=tuple(_warnings(preview, signal, rewards, pairs)),
    )


def _cell(preview: Preview, task: str, key: str, rows: Ints) -> CellReport:
    scores, k = preview.scores, preview.scores.keys.index(key)
    values = scores.values[rows, k]
    failed = sum((i, k) in scores.errors for i in rows.tolist())
    took = mean(scores.seconds[rows, k])
    coverage = float((~np.isnan(values)).mean())
    return CellReport(task, key, coverage, mean(values), failed / len(rows), None if took is None else took * 1e3)


def _reward_report(preview: Preview, task: str, route: Route, signal: RewardSignal) -> RewardReport:
    scores, k = preview.scores, preview.scores.keys.index(route.key)
    rows = preview.rows_of(task)
    values = scores.values[rows, k]
    values = values[~np.isnan(values)]
    reasons = [scores.errors[i, k] for i in rows.tolist() if (i, k) in scores.errors]
    weight, reward = float(scores.weights[rows[0], k]), sound(route)
    declared = reward.range if reward else (None, None)
    return RewardReport(
        cell=_cell(preview, task, route.key, rows),
        weight=weight,
        values=values,
        range=declared,
        share=signal.share,
        flat_groups=signal.flat_groups,
        saturated=_saturated(values, declared, weight),
        errors=len(reasons),
        reason=next(iter(most_frequent(reasons, 1)), None),
    )


def _saturated(
    values: Floats, declared: tuple[float | None, float | None], weight: float
) -> Literal["best", "quiet", "constant"] | None:
    """Whether scores leave nothing to gain; a single score says nothing, and one of no weight has nothing to say."""
    if len(values) < 2 or weight == 0:
        return None
    low, high = declared
    best = high if weight > 0 else low
    if best is not None and (np.abs(values - best) < SAME).mean() >= SATURATED:
        return "quiet" if best == 0 else "best"
    return "constant" if np.ptp(values) < SAME else None


def _pair(preview: Preview, rows: Ints, one: RewardReport, other: RewardReport) -> PairReport:
    keys = preview.scores.keys
    first, second = (preview.scores.values[rows, keys.index(report.cell.key)] for report in (one, other))
    found = correlation(first, second, preview.index[rows])
    verdict: Literal["redundant", "conflict"] | None = None
    together = 0.0 if found.pearson is None else found.pearson * float(np.sign(one.weight * other.weight))
    if together > REDUNDANT:
        verdict = "redundant"
    elif together < CONFLICT:
        verdict = "conflict"
    return PairReport(one.cell.key, other.cell.key, found, verdict)


def _warnings(
    preview: Preview, signal: TaskSignal, rewards: Sequence[RewardReport], pairs: Sequence[PairReport]
) -> list[Problem]:
    """What keeps a task from learning, the whole task first."""
    place = {route.key: _place(preview, signal.task, i) for i, route in enumerate(preview.table.of(signal.task))}
    found = [*_flat(signal)]
    for reward in rewards:
        found += _of_reward(place[reward.cell.key], reward, signal.completions)
    for pair in pairs:
        if pair.verdict is not None:
            found.append(_of_pair(place[pair.second], pair))
    return found


def _place(preview: Preview, task: str, i: int) -> str:
    return field_path(("rewards", task if task in preview.table.routes else DEFAULT_ROUTE, i))


def _flat(signal: TaskSignal) -> list[Problem]:
    if signal.flat_groups * 2 <= signal.groups:
        return []
    what = f"{signal.flat_groups} of {signal.groups} groups have no spread: nothing is learned from them."
    mend = "Take rows of other difficulty, more completions a row, or a reward with steps between right and wrong."
    return [Problem(f"task {signal.task!r}", what, mend, "warning")]


def _of_reward(place: str, reward: RewardReport, completions: int) -> list[Problem]:
    """What is wrong with one reward alone."""
    key, found = reward.cell.key, []
    if reward.errors:
        what = f"{key!r} could not score {reward.errors} of {completions} completions: {reward.reason}."
        found.append(Problem(place, what, "Mend the rows or the reward's parameters.", "warning"))
    elif not len(reward.values):
        what = f"{key!r} applies to none of {completions} completions."
        found.append(Problem(place, what, "Give it the columns that it reads, or remove it.", "warning"))
    if reward.saturated == "best":
        what = f"{SATURATED:.0%} or more of the scores of {key!r} are its best: there is little left to learn."
        found.append(Problem(place, what, "Make it stricter, take harder rows, or set its weight to 0.", "warning"))
    elif reward.saturated == "constant":
        what = f"{key!r} gives every completion {reward.values[0]:.3g}: it tells none from another."
        found.append(Problem(place, what, "Look whether it fits the answers, or choose another reward.", "warning"))
    return found


def _of_pair(place: str, pair: PairReport) -> Problem:
    """What two rewards do to each other."""
    size = f"(correlation {pair.correlation.pearson:.2f} inside groups)"
    if pair.verdict == "redundant":
        what = f"{pair.second!r} says the same as {pair.first!r} {size}: it counts twice."
        return Problem(place, what, "Remove one of them, or lower its weight.", "warning")
    what = f"{pair.second!r} works against {pair.first!r} {size}: what one pays for costs with the other."
    return Problem(place, what, "Lower the weight of the one that matters less, or gate it by the other.", "warning")
