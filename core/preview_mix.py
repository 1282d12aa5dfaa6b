"""What a run would make of a preview: each task's part of the batches, and of the training signal in them.

A preview's samples are as many of each task as somebody asked for; a run draws tasks in the shares of its mix, so many
prompts at once. Batches are drawn here as a run draws them (`core.mixing`), each prompt's group one of the samples by
chance, and groups without spread give way to others as in training (`core.training.trainer`). Of each a task's part of
the summed |advantage| is taken, and the mean of those is told: what Monitor shows of the run later. A formula's number
of the whole batch (its spread) cancels in that part, so that advantages are reckoned once, of all samples; where tasks
are brought to one running scale it does not, and is reckoned for each batch.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.advantages import EPSILON, FLAT, Floats, batch_values, unscaled
from core.convergence import KEEP
from core.gates import schedules_of
from core.mixing import Mixer, shares
from core.options import grpo_settings, prompts_at_once
from core.preview import Preview
from core.spec import Draft
from core.task_scale import KEPT
from core.weight_schedules import weight_at

DROWNED = 1 / 3  # of a task's share of the batches: a part of the signal below that is named
GROUPS = 8192  # drawn in all: a part of a half is then known within about 1 %
SEED = 1  # the same prompts by chance each time: figures follow a slider and not chance

Slots = NDArray[np.intp]  # of each batch and place: the number of a task, or of one of its sampled groups


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
        signal: its part of a batch's summed |advantage|, of the tasks with samples; None without samples, or where no
            task has a signal.
        scaled: the same under `task_scale: batch`.
        fair: its share of the batches among the tasks with samples; None without.
    """

    task: str
    rows: int
    share: float
    least: float
    flat_share: float | None = None
    resampled: float | None = None
    signal: float | None = None
    scaled: float | None = None
    fair: float | None = None

    @property
    def is_drowned(self) -> bool:
        """Whether it has rows that teach, and hardly any of the signal that its part of the batches would have."""
        return self.signal is not None and self.fair is not None and 0 < self.signal < DROWNED * self.fair

    @property
    def is_drowned_by_scale(self) -> bool:
        """Whether one scale for all tasks would mend that; else too few of its groups have a spread."""
        return self.is_drowned and (self.scaled or 0.0) >= DROWNED * (self.fair or 0.0)


def tasks_in_run(counts: Mapping[str, int], draft: Draft, preview: Preview) -> list[TaskInRun]:
    """Each task of a run's rows, in their order.

    Args:
        counts: rows to train on of each task.
        draft: whose mix, resampling, normalisation, convergence and batches hold; its options are sound.
        preview: the samples; tasks without rows are left out, and so are groups of one completion, which no run has.
    """
    mix = shares(counts, draft.mixing, draft.tasks)
    least = draft.mixing.floor if draft.mixing.adapt != "none" and len(mix) > 1 else 1.0
    least *= KEEP if draft.convergence.freeze and len(mix) > 1 else 1.0
    sampled = _Sampled.of(preview, draft, mix)
    drawn = _drawn(mix, sampled, draft) if sampled.tasks else {}
    return [TaskInRun(task, rows, mix[task], least * mix[task], **drawn.get(task, {})) for task, rows in counts.items()]


@dataclass(frozen=True)
class _Sampled:
    """The sampled groups, those of a task one after the other.

    Attributes:
        tasks: those that have any.
        counts: how many each has.
        strength: mean |advantage| of each, before tasks are brought to one scale; 0 without spread.
        moments: of what the formula divides by the spread of (`advantages.batch_values`): the part of the group's
            completions that have such a value, and over all of them the sums of value and square, by their number
            (3, groups); None where the formula looks at no more than a group.
    """

    tasks: tuple[str, ...]
    counts: Slots
    strength: Floats
    moments: Floats | None

    @classmethod
    def of(cls, preview: Preview, draft: Draft, wanted: Collection[str]) -> _Sampled:
        size = np.bincount(preview.index, minlength=len(preview.groups))

        def mean(values: Floats) -> Floats:
            found: Floats = np.bincount(preview.index, values, minlength=len(size)) / np.maximum(size, 1)
            return found

        strength = mean(np.abs(unscaled(preview.scores, preview.index, draft.normalisation)))
        values = batch_values(preview.scores, preview.index, draft.normalisation)
        moments = None
        if values is not None:
            some = np.nan_to_num(values)
            moments = np.stack([mean((~np.isnan(values)).astype(float)), mean(some), mean(some**2)])
        groups: dict[str, list[int]] = {}
        rows, first = np.unique(preview.index, return_index=True)
        for group, row in zip(rows.tolist(), first.tolist(), strict=True):
            if size[group] > 1 and (task := preview.scores.tasks[row]) in wanted:
                groups.setdefault(task, []).append(group)
        order = np.array([group for found in groups.values() for group in found], np.intp)
        counts = np.array([len(found) for found in groups.values()], np.intp)
        return cls(
            tuple(groups),
            counts,
            np.where(strength < FLAT, 0.0, strength)[order],
            None if moments is None else moments[:, order],
        )


def _drawn(mix: Mapping[str, float], sampled: _Sampled, draft: Draft) -> dict[str, dict[str, float | None]]:
    """What batches of these groups come to, for each task with samples: fields of `TaskInRun`."""
    settings = grpo_settings(draft.grpo)
    places = max(1, prompts_at_once(settings))
    slots = _mixed(tuple(mix), tuple(mix.values()), sampled.tasks, places)
    groups, more = _resampled(slots, sampled, int(draft.mixing.resample * places))
    strength = np.where(slots >= 0, sampled.strength[groups], 0.0)
    here = [slots == n for n in range(len(sampled.tasks))]
    sums = np.stack([np.where(mask, strength, 0.0).sum(axis=1) for mask in here])
    count = np.stack([mask.sum(axis=1) for mask in here])
    scaled = np.where(sums > 0, count, 0.0)  # each task with a signal has its part of the batch
    found = {"none": sums, "batch": scaled}.get(draft.normalisation.task_scale)
    if found is None:
        size = settings["num_generations"] or 1
        spread = 1.0 if sampled.moments is None else _spread(sampled.moments[:, groups], slots >= 0, size)
        found = _running_scale(sums / spread, count)
    signal, even = _mean_parts(found), _mean_parts(scaled)
    whole = sum(mix[task] for task in sampled.tasks)
    return {
        task: {
            "flat_share": float((strength[here[n]] == 0).mean()) if here[n].any() else None,
            "resampled": float(more[here[n]].sum() / slots.size),
            "signal": signal[n] if signal else None,
            "scaled": even[n] if even else None,
            "fair": mix[task] / whole,
        }
        for n, task in enumerate(sampled.tasks)
    }


@lru_cache(maxsize=32)
def _mixed(tasks: tuple[str, ...], mix: tuple[float, ...], sampled: tuple[str, ...], places: int) -> Slots:
    """The task of each place of some batches (batches, places), by its number among those with samples; else -1."""
    mixer = Mixer(tasks, SEED)
    drawn = np.array(mixer.draw(dict(zip(tasks, mix, strict=True)), max(1, GROUPS // places) * places))
    number = np.array([sampled.index(task) if task in sampled else -1 for task in tasks])
    slots: Slots = number[drawn].reshape(-1, places)
    return slots


def _resampled(slots: Slots, sampled: _Sampled, budget: int) -> tuple[Slots, Slots]:
    """The sampled group that is trained on in each place, and how many others were sampled for it.

    As in training: another group of the task for each silent place, from the first on, as long as the budget of the
    batch lasts.
    """
    random = np.random.default_rng(SEED)
    groups = _another(slots, sampled, random)
    more, left = np.zeros(slots.shape, np.intp), np.full(len(slots), budget)
    teaches = np.add.reduceat(sampled.strength, np.cumsum(sampled.counts) - sampled.counts) > 0
    mendable = np.isin(slots, np.flatnonzero(teaches))
    while True:
        silent = (sampled.strength[groups] == 0) & (slots >= 0)
        asked = silent & (silent.cumsum(axis=1) <= left[:, None])
        if not (asked & mendable).any():
            break
        groups = np.where(asked, _another(slots, sampled, random), groups)
        more += asked
        left -= asked.sum(axis=1)
    # What is left goes to places that stay silent, in turn: more rounds change nothing but their number.
    count = np.maximum(silent.sum(axis=1), 1)
    rest = np.where(silent.any(axis=1), left, 0)[:, None]
    more += np.where(silent, rest // count[:, None] + (silent.cumsum(axis=1) <= rest % count[:, None]), 0)
    return groups, more


def _another(slots: Slots, sampled: _Sampled, random: np.random.Generator) -> Slots:
    """A group by chance of the task of each place; the first of all where that has none."""
    chance, first = random.random(slots.shape), np.cumsum(sampled.counts) - sampled.counts
    found: Slots = np.where(slots >= 0, first[slots] + (chance * sampled.counts[slots]).astype(np.intp), 0)
    return found


def _spread(moments: Floats, there: NDArray[np.bool_], size: int) -> Floats:
    """By what the formula divides in each batch (batches), from the moments of its groups (3, batches, places)."""
    known, total, squares = np.where(there, moments, 0.0).sum(axis=2) * size
    variance = (squares - total**2 / np.maximum(known, 1)) / np.maximum(known - 1, 1)
    found: Floats = np.sqrt(np.maximum(variance, 0.0)) + EPSILON
    return found


def _running_scale(sums: Floats, count: Slots) -> Floats:
    """The sums of tasks in batches (tasks, batches), each divided by the task's size as it runs along."""
    size, found = np.zeros(len(sums)), np.zeros(sums.shape)
    for n, (now, many) in enumerate(zip(sums.T, count.T, strict=True)):
        here = np.divide(now, many, out=np.zeros(len(now)), where=many > 0)
        size = np.where(here > 0, np.where(size > 0, KEPT * size + (1 - KEPT) * here, here), size)
        found[:, n] = np.divide(now, size, out=np.zeros(len(now)), where=size > 0)
    return found


def _mean_parts(found: Floats) -> list[float] | None:
    """The mean over batches of each task's part of the batch; batches without any signal are left out."""
    whole = found.sum(axis=0)
    if not (whole > 0).any():
        return None
    parts: list[float] = (found[:, whole > 0] / whole[whole > 0]).mean(axis=1).tolist()
    return parts


def at_first(preview: Preview) -> Preview:
    """The same scores under the weights of a run's first step, where its own are those at which schedules end; the
    preview itself where no weight moves."""
    scores, first = preview.scores, {}
    for (task, key), schedule in schedules_of(preview.table, preview.tasks).items():
        weight = float(scores.weights[preview.rows_of(task)[0], scores.keys.index(key)])
        first[task, key] = weight_at(weight, schedule, 1, opened=False)
    return preview.reweighted(first) if first else preview
