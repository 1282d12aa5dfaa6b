"""The same samples under two routing tables, or two versions of a reward: what would be taught otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.advantages import Floats, Ints
from core.completion_rows import task_of
from core.errors import Problem, UserError
from core.preview import Preview
from core.scores import SAME
from core.spec import Normalisation

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Standing:
    """Where a completion stands.

    Attributes:
        total: weighted sum of its scores.
        advantage: the training signal.
        rank: in its group, of the completions that have a total before and after, 1 is best; equal totals share a
            rank, the next one is as many lower.
    """

    total: float
    advantage: float
    rank: int


@dataclass(frozen=True)
class CompletionChange:
    """A completion that has a total before and after.

    Attributes:
        task: of its group.
        group: number of its group.
        place: its place in the group.
        before: where it stood.
        after: where it stands.
    """

    task: str
    group: int
    place: int
    before: Standing
    after: Standing

    @property
    def change(self) -> float:
        """By how much its advantage changes."""
        return self.after.advantage - self.before.advantage


@dataclass(frozen=True)
class Unranked:
    """A completion without a total before or after: it has no rank.

    Attributes:
        task: of its group.
        group: number of its group.
        place: its place in the group.
        before: why it had no total; empty where it had one.
        after: why it has none now; empty where it has one.
    """

    task: str
    group: int
    place: int
    before: str
    after: str


@dataclass(frozen=True)
class GroupChange:
    """One group, over the completions that have a total before and after.

    Attributes:
        task: its task.
        group: its number.
        pairs: of completions.
        flips: pairs of which the better one became the worse.
        ties: pairs that were equal and are no more, or became so.
    """

    task: str
    group: int
    pairs: int
    flips: int
    ties: int


@dataclass(frozen=True)
class TaskChange:
    """One task.

    Attributes:
        task: its name.
        groups: how many.
        completions: those with a total before and after.
        unranked: the others.
        pairs: as in `GroupChange`, of all its groups.
        flips: likewise.
        ties: likewise.
        moved: summed |change of advantage| as a share of all |advantage| before and after: 0 nothing changes, 1 all
            of it is new or the other way round; None where both teach nothing.
        sign_changes: completions that were pushed up and are pushed down, or the other way round.
    """

    task: str
    groups: int
    completions: int
    unranked: int
    pairs: int
    flips: int
    ties: int
    moved: float | None
    sign_changes: int


@dataclass(frozen=True)
class Comparison:
    """Everything that changes.

    Attributes:
        changes: completions, the largest change of advantage first.
        unranked: completions without a rank, in their order.
        groups: in their order.
        tasks: in order of first appearance.
    """

    changes: tuple[CompletionChange, ...]
    unranked: tuple[Unranked, ...]
    groups: tuple[GroupChange, ...]
    tasks: tuple[TaskChange, ...]


def compare(
    before: Preview, after: Preview, normalisation_before: Normalisation, normalisation_after: Normalisation
) -> Comparison:
    """What changes from one preview of some samples to another of the same.

    Args:
        before: one preview.
        after: the other.
        normalisation_before: how its scores become advantages.
        normalisation_after: how the other's do.

    Raises:
        UserError: the samples are not the same.
    """
    if before.groups != after.groups:
        mend = "Score the same samples with both."
        raise UserError(Problem("comparison", "the two previews are of different samples.", mend))
    sides = (_Side(before, normalisation_before), _Side(after, normalisation_after))
    known = ~np.isnan(sides[0].totals) & ~np.isnan(sides[1].totals)
    groups = tuple(_group_change(before, i, sides, known) for i in range(len(before.groups)))
    changes = _changes(before, sides, known)
    unranked = _unranked(before, sides, known)
    tasks = dict.fromkeys(group.task for group in groups)
    return Comparison(changes, unranked, groups, tuple(_task_change(task, groups, changes, unranked) for task in tasks))


class _Side:
    """One preview, over the m completions of all groups, scored or not.

    Args:
        preview: whose scores.
        normalisation: how they become advantages.
    """

    def __init__(self, preview: Preview, normalisation: Normalisation) -> None:
        self.preview = preview
        self.starts = np.cumsum([0, *(len(group.completions) for group in preview.groups)])
        at = self.starts[preview.index] + preview.places
        whole = int(self.starts[-1])
        self.totals: Floats = np.full(whole, np.nan)
        self.totals[at] = preview.scores.totals
        self.advantages: Floats = np.full(whole, np.nan)
        self.advantages[at] = preview.advantages(normalisation)
        self._scored = {int(place): n for n, place in enumerate(at)}

    def standings(self, known: Bools) -> list[Standing]:
        """Where each of all completions stands among the known ones (m); meaningless for the others."""
        totals = np.where(known, self.totals, np.nan)
        pieces = zip(self.starts, self.starts[1:], strict=False)
        ranks = [1 + (_order(totals[start:end]) > 0).sum(axis=0) for start, end in pieces]
        triples = zip(self.totals, self.advantages, np.concatenate([*ranks, []]), strict=True)
        return [Standing(float(total), float(advantage), int(rank)) for total, advantage, rank in triples]

    def reason(self, i: int, group: int) -> str:
        """Why the i-th of all completions has no total; empty where it has one."""
        if not np.isnan(self.totals[i]):
            return ""
        if group in self.preview.refused:
            return self.preview.refused[group]
        scores, n = self.preview.scores, self._scored[i]
        counting = [k for k in range(len(scores.keys)) if (n, k) in scores.errors and scores.weights[n, k] != 0]
        return f"{scores.keys[counting[0]]}: {scores.errors[n, counting[0]]}" if counting else "no reward applies"


def _order(totals: Floats) -> Ints:
    """Which of every two totals (m, m) is higher: 1 the row's, -1 the column's, 0 equal or not known."""
    ahead = totals[:, None] - totals[None, :]
    return np.where(np.abs(ahead) > SAME, np.sign(np.nan_to_num(ahead)), 0).astype(np.int64)


def _group_change(preview: Preview, i: int, sides: tuple[_Side, _Side], known: Bools) -> GroupChange:
    start, end = sides[0].starts[i : i + 2]
    rows = start + np.flatnonzero(known[start:end])
    one, other = (_order(side.totals[rows])[np.triu_indices(len(rows), 1)] for side in sides)
    flips = int((one * other < 0).sum())
    ties = int(((one == 0) != (other == 0)).sum())
    return GroupChange(task_of(preview.groups[i].fields), i, len(one), flips, ties)


def _places(preview: Preview, starts: Ints, which: Ints) -> list[tuple[int, int, int, str]]:
    """Number among all, group, place in it, and task of some of all completions."""
    groups = np.searchsorted(starts, which, side="right") - 1
    return [
        (int(i), int(group), int(i - starts[group]), task_of(preview.groups[group].fields))
        for i, group in zip(which, groups, strict=True)
    ]


def _changes(preview: Preview, sides: tuple[_Side, _Side], known: Bools) -> tuple[CompletionChange, ...]:
    one, other = sides
    rows = np.flatnonzero(known)
    size = np.abs(other.advantages[rows] - one.advantages[rows])
    order = rows[np.argsort(-size, kind="stable")]
    before, after = one.standings(known), other.standings(known)
    return tuple(
        CompletionChange(task, group, place, before[i], after[i])
        for i, group, place, task in _places(preview, one.starts, order)
    )


def _unranked(preview: Preview, sides: tuple[_Side, _Side], known: Bools) -> tuple[Unranked, ...]:
    one, other = sides
    return tuple(
        Unranked(task, group, place, one.reason(i, group), other.reason(i, group))
        for i, group, place, task in _places(preview, one.starts, np.flatnonzero(~known))
    )


def _task_change(
    task: str, groups: Sequence[GroupChange], changes: Sequence[CompletionChange], unranked: Sequence[Unranked]
) -> TaskChange:
    own = [group for group in groups if group.task == task]
    mine = [change for change in changes if change.task == task]
    pairs = np.array([(change.before.advantage, change.after.advantage) for change in mine]).reshape(-1, 2)
    whole = np.abs(pairs).sum()
    up = np.where(np.abs(pairs) > SAME, np.sign(pairs), 0)
    return TaskChange(
        task=task,
        groups=len(own),
        completions=len(mine),
        unranked=sum(other.task == task for other in unranked),
        pairs=sum(group.pairs for group in own),
        flips=sum(group.flips for group in own),
        ties=sum(group.ties for group in own),
        moved=float(np.abs(pairs[:, 1] - pairs[:, 0]).sum() / whole) if whole > 0 else None,
        sign_changes=int((up[:, 0] * up[:, 1] < 0).sum()),
    )
