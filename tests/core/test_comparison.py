"""Two previews of the same samples: flips, signs, ranks; errors apart."""

import math
from dataclasses import replace

import numpy as np
import pytest

from core.comparison import compare
from core.errors import UserError
from core.preview import Group, Preview
from core.routing import RoutingTable
from core.scores import Scores
from core.spec import Normalisation

nan = math.nan
NONE = Normalisation(scale_rewards="none")
GROUP = Normalisation()


def previewed(*groups, task="a", errors=None, refused=None):
    """A preview of groups with these totals; a refused group has none."""
    refused = refused or {}
    cells = [(g, j, value) for g, totals in enumerate(groups) if g not in refused for j, value in enumerate(totals)]
    values = np.array([[value] for *_, value in cells], dtype=float).reshape(-1, 1)
    tasks = tuple((task * len(groups))[g] for g, *_ in cells)
    scores = Scores(tasks, ("r",), values, np.ones(values.shape), errors or {}, np.full(values.shape, nan))
    places = np.array([(g, j) for g, j, _ in cells], dtype=np.int64).reshape(-1, 2)
    made = tuple(
        Group({"task": (task * len(groups))[g], "prompt": str(g)}, tuple(f"{g}.{j}" for j in range(len(totals))))
        for g, totals in enumerate(groups)
    )
    return Preview(made, scores, places[:, 0], places[:, 1], refused, RoutingTable({}))


def test_a_preview_compared_with_itself_changes_nothing():
    same = previewed([1, 2, 3], [0, 5])
    found = compare(same, same, GROUP, GROUP)
    assert {change.change for change in found.changes} == {0.0}
    (task,) = found.tasks
    assert (task.moved, task.flips, task.ties, task.sign_changes, task.pairs) == (0.0, 0, 0, 0, 4)


def test_the_other_way_round_flips_every_pair_and_moves_all_of_the_signal():
    found = compare(previewed([1, 2, 3]), previewed([3, 2, 1]), NONE, NONE)
    (task,) = found.tasks
    assert (task.flips, task.pairs, task.moved, task.sign_changes) == (3, 3, 1.0, 2)
    assert found.groups[0].flips == 3


def test_each_completion_has_its_total_advantage_and_rank_before_and_after():
    found = compare(previewed([0, 4, 2]), previewed([6, 0, 0]), NONE, NONE)
    first = found.changes[0]
    assert (first.group, first.place, first.change) == (0, 0, 6.0)
    assert (first.before.total, first.before.advantage, first.before.rank) == (0.0, -2.0, 3)
    assert (first.after.total, first.after.advantage, first.after.rank) == (6.0, 4.0, 1)


def test_ranks_are_among_the_completions_that_have_a_total_on_both_sides():
    found = compare(previewed([3, 2, 1]), previewed([nan, 2, 1]), NONE, NONE)
    assert [(change.before.rank, change.after.rank) for change in found.changes] == [(1, 1), (2, 2)]
    assert [(change.place) for change in found.unranked] == [0]


def test_equal_totals_share_a_rank_and_losing_a_tie_is_no_flip():
    found = compare(previewed([2, 2, 1]), previewed([3, 2, 2]), NONE, NONE)
    ranks = {change.place: (change.before.rank, change.after.rank) for change in found.changes}
    assert ranks == {0: (1, 1), 1: (1, 2), 2: (3, 2)}
    assert (found.groups[0].flips, found.groups[0].ties) == (0, 2)


def test_the_largest_change_comes_first():
    found = compare(previewed([0, 1], [0, 10]), previewed([1, 0], [10, 0]), NONE, NONE)
    sizes = [abs(change.change) for change in found.changes]
    assert sizes == sorted(sizes, reverse=True)
    assert [change.group for change in found.changes] == [1, 1, 0, 0]


def test_the_normalisation_alone_can_make_the_difference():
    same = previewed([0, 1], [0, 10])
    (task,) = compare(same, same, NONE, GROUP).tasks
    assert (task.flips, task.sign_changes) == (0, 0)
    assert task.moved == pytest.approx(9 / (11 + 8**0.5), abs=1e-3)


def test_a_completion_with_an_error_has_no_rank_and_stays_apart_with_its_reason():
    before = previewed([1, nan, 3], errors={(1, 0): "no gold"})
    found = compare(before, previewed([1, 2, 3]), NONE, NONE)
    assert [(other.place, other.before, other.after) for other in found.unranked] == [(1, "r: no gold", "")]
    assert sorted(change.place for change in found.changes) == [0, 2]
    assert {change.place: change.before.rank for change in found.changes} == {0: 2, 2: 1}
    assert (found.tasks[0].completions, found.tasks[0].unranked, found.groups[0].pairs) == (2, 1, 1)


def test_a_group_that_one_side_refuses_and_what_no_reward_applies_to_stay_apart_too():
    found = compare(previewed([1, 2], [1, nan]), previewed([1, 2], [1, nan], refused={0: "no route"}), NONE, NONE)
    assert [(other.group, other.place, other.before, other.after) for other in found.unranked] == [
        (0, 0, "", "no route"),
        (0, 1, "", "no route"),
        (1, 1, "no reward applies", "no reward applies"),
    ]


def test_tasks_are_summed_up_each_by_itself():
    found = compare(previewed([0, 1], [0, 1], task="ab"), previewed([0, 1], [1, 0], task="ab"), NONE, NONE)
    assert [(task.task, task.flips, task.moved, task.groups) for task in found.tasks] == [
        ("a", 0, 0.0, 1),
        ("b", 1, 1.0, 1),
    ]


def test_where_both_teach_nothing_no_share_moves():
    assert compare(previewed([1, 1]), previewed([2, 2]), NONE, NONE).tasks[0].moved is None


def test_other_samples_are_an_error():
    one = previewed([1, 2])
    other = replace(one, groups=(Group({"task": "a", "prompt": "0"}, ("x", "y")),))
    with pytest.raises(UserError, match="different samples"):
        compare(one, other, NONE, NONE)
