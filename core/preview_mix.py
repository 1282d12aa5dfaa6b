"""What a run would make of a preview: each task's part of the batches, and of the training signal in them.

A preview's samples are as many of each task as somebody asked for; a run draws tasks in the shares of its mix. Every
normalisation divides by something inside a group or by one number of the batch, so a task's mean |advantage| does not
depend on how much of it there is: its part of a run's signal is its share of the mix times that, over the sum of all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from core.completion_rows import task_of
from core.convergence import KEEP
from core.gates import schedules_of
from core.mixing import shares
from core.options import loss_type
from core.preview import Preview
from core.signal import TaskSignal
from core.spec import Draft
from core.task_scale import TOKEN_SUMS
from core.weight_schedules import weight_at

DROWNED = 1 / 3  # of a task's share of the batches: a part of the signal below that is named
FAVOURED = 2.0  # times as long: answers from which on a loss that adds up tokens is named
LITTLE = 1e-6  # of a batch: a round of resampling that mends no more is the last


@dataclass(frozen=True)
class TaskInRun:
    """One task of the rows to train on.

    Attributes:
        task: its name.
        rows: how many there are.
        share: its part of the batches, as a run begins.
        least: the part below which nothing takes it: `share` where shares do not move.
        flat_share: share of its groups without spread that are trained on, once others were sampled in the place of
            those that can be; None without samples.
        resampled: groups sampled in the place of others, as a part of the batch's groups; None without samples.
        signal: its part of the summed |advantage| of a batch; None without samples, or where no task has a signal.
    """

    task: str
    rows: int
    share: float
    least: float
    flat_share: float | None
    resampled: float | None
    signal: float | None

    @property
    def is_drowned(self) -> bool:
        """Whether it has rows that teach, and hardly any of the signal that its part of the batches would have."""
        return self.signal is not None and 0 < self.signal < DROWNED * self.share


def tasks_in_run(counts: Mapping[str, int], draft: Draft, signals: Iterable[TaskSignal]) -> list[TaskInRun]:
    """Each task of a run's rows, in their order.

    Args:
        counts: rows to train on of each task.
        draft: whose mix, resampling, normalisation and convergence hold.
        signals: of the samples under the draft's rewards and normalisation (`Preview.signals`); tasks without rows are
            left out, and parts of the signal are those of the tasks that are there.
    """
    mix = shares(counts, draft.mixing, draft.tasks)
    known = {signal.task: signal for signal in signals if signal.task in mix}
    flat = {task: signal.flat_groups / signal.groups for task, signal in known.items()}
    left, sampled = _resampled({task: mix[task] for task in known}, flat, draft.mixing.resample)
    strength = {
        task: mix[task] * (signal.share or 0.0) / signal.completions * _gain(flat[task], left[task], draft)
        for task, signal in known.items()
    }
    whole = sum(strength.values())
    least = draft.mixing.floor if draft.mixing.adapt != "none" and len(mix) > 1 else 1.0
    least *= KEEP if draft.convergence.freeze and len(mix) > 1 else 1.0
    return [
        TaskInRun(
            task,
            rows,
            mix[task],
            least * mix[task],
            left.get(task),
            sampled.get(task),
            strength[task] / whole if task in known and whole > 0 else None,
        )
        for task, rows in counts.items()
    ]


def _gain(before: float, after: float, draft: Draft) -> float:
    """By what resampling multiplies a task's mean |advantage|; one scale for all tasks takes that off again."""
    if before == 1 or draft.normalisation.task_scale != "none":
        return 1.0
    return (1 - after) / (1 - before)


def _resampled(
    mix: Mapping[str, float], flat: Mapping[str, float], budget: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Of each task the share of its groups that stay flat, and the groups sampled for it as a part of the batch.

    What the trainer does, in expectation: round by round, another group of the same task for every one that is flat,
    until the budget (in batches) is used up; another is as likely to be flat as the first.
    """
    silent = {task: mix[task] * flat[task] for task in mix}
    sampled = dict.fromkeys(mix, 0.0)
    while budget > 0 and sum(silent[task] * (1 - flat[task]) for task in mix) > LITTLE:
        cost = sum(silent.values())
        part = min(1.0, budget / cost)
        for task in mix:
            sampled[task] += part * silent[task]
            silent[task] *= 1 - part * (1 - flat[task])
        budget -= part * cost
    return {task: silent[task] / mix[task] if mix[task] else flat[task] for task in mix}, sampled


@dataclass(frozen=True)
class Favoured:
    """The task that a loss of summed tokens favours most, and the one it favours least, by the samples.

    Attributes:
        loss: its `loss_type`.
        long: the task with the longest answers.
        short: the one with the shortest.
        times: how much longer those are: so much more of the gradient has an advantage there.
    """

    loss: str
    long: str
    short: str
    times: float


def favoured(preview: Preview, draft: Draft, tasks: Collection[str]) -> Favoured | None:
    """Whether answers of some of these tasks are so much longer that the loss counts them more; by characters, since
    samples that were typed have no tokens."""
    loss = loss_type(draft.grpo)
    if draft.normalisation.task_tokens == "equal" or loss not in TOKEN_SUMS:
        return None
    lengths: dict[str, list[int]] = {}
    for group in preview.groups:
        if (task := task_of(group.fields)) in tasks:
            lengths.setdefault(task, []).extend(map(len, group.completions))
    means = {task: sum(found) / len(found) for task, found in lengths.items() if any(found)}
    if len(means) < 2:
        return None
    long, short = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
    times = means[long] / means[short]
    return Favoured(loss, long, short, times) if times >= FAVOURED else None


def at_first(preview: Preview) -> Preview:
    """The same scores under the weights of a run's first step, where its own are those at which schedules end; the
    preview itself where no weight moves."""
    scores, first = preview.scores, {}
    for (task, key), schedule in schedules_of(preview.table, preview.tasks).items():
        weight = float(scores.weights[preview.rows_of(task)[0], scores.keys.index(key)])
        first[task, key] = weight_at(weight, schedule, 1, opened=False)
    return preview.reweighted(first) if first else preview
