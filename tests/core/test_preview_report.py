"""What a preview says of tasks and rewards, and what it warns of."""

import math

import numpy as np
import pytest

from core.preview import Group, Preview
from core.preview_report import cell_reports, task_reports
from core.routing import RoutingTable
from core.scores import Scores
from core.spec import Normalisation, Route

nan = math.nan


def previewed(values, groups, routes=("exact_match", "json_fields"), weights=(1.0, 1.0), errors=None, seconds=None):
    """A preview of one task's scores (n, k), as if made by these rewards."""
    table = np.array(values, dtype=float)
    index = np.array(groups)
    keys = tuple(routes)[: table.shape[1]]
    given = np.tile(np.array(weights)[: table.shape[1]], (len(table), 1))
    took = np.full(table.shape, nan) if seconds is None else np.array(seconds, dtype=float)
    scores = Scores(("t",) * len(table), keys, table, given, errors or {}, took)
    places = np.array([(index[:i] == group).sum() for i, group in enumerate(groups)])
    made = tuple(Group({"task": "t"}, ("x",) * int((index == g).sum())) for g in range(int(index.max()) + 1))
    lines = tuple(Route(name=key, weight=weight) for key, weight in zip(keys, weights, strict=False))
    return Preview(made, scores, index, places, {}, RoutingTable({"t": lines, "empty": lines[:1]}))


def report(*args, **more):
    (found,) = task_reports(previewed(*args, **more), Normalisation())
    return found


def says(found):
    return [f"{problem.where}: {problem.what}" for problem in found.warnings]


def test_a_task_that_can_learn_warns_of_nothing():
    found = report([[0, 0], [1, 0], [0, 1], [1, 1]], [0, 0, 0, 0])
    assert found.warnings == ()
    assert (found.groups, found.completions, found.flat_share, found.share, found.mean) == (1, 4, 0.0, 1.0, 1.0)
    assert [reward.share for reward in found.rewards] == [0.5, 0.5]
    assert [reward.saturated for reward in found.rewards] == [None, None]


def test_groups_without_spread_are_counted_and_most_of_them_are_a_warning():
    found = report([[0], [1], [1], [1], [0], [0]], [0, 0, 1, 1, 2, 2])
    assert found.flat_share == pytest.approx(2 / 3)
    assert "task 't': 2 of 3 groups have no spread" in says(found)[0]


@pytest.mark.parametrize(
    ("values", "saturated"),
    [
        ([1] * 19 + [0], "best"),
        ([1] * 18 + [0] * 2, None),
        ([1] * 20, "best"),
        ([0.5] * 20, "constant"),
        ([1], None),
        ([nan] * 20, None),
    ],
)
def test_a_reward_is_saturated_where_its_scores_leave_nothing_to_gain(values, saturated):
    found = report([[value] for value in values], [n // 4 for n in range(len(values))])
    (reward,) = found.rewards
    assert reward.saturated == saturated
    named = [line for line in says(found) if "are its best" in line or "tells none" in line]
    assert [line.startswith("rewards.t[0]") for line in named] == [True] * (saturated is not None)


def test_a_reward_without_a_highest_score_is_never_saturated_at_it():
    found = report([[5.0]] * 19 + [[4.0]], [0] * 20, routes=("reward_model",))
    assert found.rewards[0].saturated is None


def test_rewards_that_say_the_same_are_redundant():
    found = report([[0, 0], [1, 0.5], [0, 0], [1, 0.5]], [0, 0, 1, 1])
    (pair,) = found.pairs
    assert (pair.correlation.pearson, pair.verdict) == (pytest.approx(1), "redundant")
    assert says(found) == ["rewards.t[1]: 'json_fields' says the same as 'exact_match' (correlation 1.00 inside groups): it counts twice."]  # fmt: skip # noqa: E501


def test_rewards_that_pay_for_the_opposite_are_in_conflict():
    found = report([[0, 1], [1, 0], [0, 0.9], [1, 0.2]], [0, 0, 1, 1])
    assert found.pairs[0].verdict == "conflict"
    assert any("'json_fields' works against 'exact_match'" in line for line in says(found))


@pytest.mark.parametrize(("weights", "verdict"), [((1, -1), "redundant"), ((1, 0), None), ((-1, -1), "conflict")])
def test_the_sign_of_a_weight_decides_and_a_reward_without_one_does_neither(weights, verdict):
    found = report([[0, 1], [1, 0], [0, 1], [1, 0]], [0, 0, 1, 1], weights=weights)
    assert found.pairs[0].verdict == verdict


def test_errors_are_counted_with_the_most_frequent_reason():
    errors = {(0, 0): "no gold", (1, 0): "late", (2, 0): "no gold"}
    found = report([[nan, 1], [nan, 0], [nan, 1], [1, 0]], [0, 0, 1, 1], errors=errors)
    reward = found.rewards[0]
    assert (reward.errors, reward.reason, found.unscored) == (3, "no gold", 3)
    assert (reward.cell.error_share, reward.cell.coverage) == (0.75, 0.25)
    assert "rewards.t[0]: 'exact_match' could not score 3 of 4 completions: no gold." in says(found)


def test_a_reward_that_applies_to_nothing_is_a_warning_and_no_error():
    found = report([[nan, 1], [nan, 0]], [0, 0])
    assert found.rewards[0].errors == 0
    assert "rewards.t[0]: 'exact_match' applies to none of 2 completions." in says(found)


def test_the_distribution_is_of_numbers_alone():
    found = report([[0.5], [nan], [1]], [0, 0, 0])
    assert found.rewards[0].values.tolist() == [0.5, 1.0]


def test_milliseconds_leave_out_what_was_remembered():
    cell = report([[1], [0]], [0, 0], seconds=[[0.5], [nan]]).rewards[0].cell
    assert cell.ms == 500
    assert report([[1], [0]], [0, 0]).rewards[0].cell.ms is None


def test_the_grid_has_a_cell_for_every_route_and_knows_nothing_of_tasks_without_samples():
    cells = {(cell.task, cell.key): cell for cell in cell_reports(previewed([[1, 0], [0, nan]], [0, 0]))}
    assert list(cells) == [("t", "exact_match"), ("t", "json_fields"), ("empty", "exact_match")]
    assert (cells["t", "json_fields"].coverage, cells["t", "json_fields"].mean) == (0.5, 0.0)
    assert cells["empty", "exact_match"].coverage is None


def test_a_task_on_the_default_route_is_sent_there():
    found = previewed([[0.5], [0.5]], [0, 0])
    by_default = Preview(
        found.groups, found.scores, found.index, found.places, {}, RoutingTable({"default": found.table.of("t")})
    )
    places = [problem.where for problem in task_reports(by_default, Normalisation())[0].warnings]
    assert places == ["task 't'", "rewards.default[0]"]
