"""What scores would teach: by task and by reward, alive and dead groups."""

import math

import numpy as np
import pytest

from core.scores import Scores
from core.signal import task_signals
from core.spec import Normalisation

nan = math.nan


def signals(tasks, values, weights=None, groups=None, normalisation=None):
    table = np.array(values, dtype=float)
    given = np.ones(table.shape) if weights is None else np.array(weights, dtype=float)
    keys = tuple(f"r{k}" for k in range(table.shape[1]))
    scores = Scores(tuple(tasks), keys, table, given, {}, np.full(table.shape, nan))
    return task_signals(scores, np.array(groups), normalisation or Normalisation())


def test_a_task_whose_groups_have_no_spread_takes_nothing_of_the_signal():
    alive, dead = signals("aabb", [[0], [1], [1], [1]], groups=[0, 0, 1, 1])
    assert (alive.task, alive.share, alive.flat_groups) == ("a", 1.0, 0)
    assert (dead.task, dead.share, dead.flat_groups, dead.groups) == ("b", 0.0, 1, 1)
    assert dead.rewards[0].share is None
    assert (dead.rewards[0].lowest, dead.rewards[0].highest) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("values", "flat"),
    [
        pytest.param([[0, 10], [1, 0]], 0, id="the same total of standardised rewards that differ"),
        pytest.param([[1, 0.5], [1, nan]], 1, id="another total, but no reward has any spread"),
    ],
)
def test_a_group_is_flat_where_no_completion_has_an_advantage_whatever_the_totals_say(values, flat):
    gdpo = Normalisation(multi_objective_aggregation="normalize_then_sum")
    (task,) = signals("aa", values, weights=[[1, 0.1]] * 2, groups=[0, 0], normalisation=gdpo)
    assert task.flat_groups == flat


def test_where_nothing_has_spread_no_task_has_a_share():
    assert [task.share for task in signals("ab", [[0], [1]], groups=[0, 1])] == [None, None]


def test_without_scaling_the_task_with_large_rewards_drowns_the_other_and_with_group_scaling_not():
    values = [[0], [1], [0], [100]]
    small, large = signals("aabb", values, groups=[0, 0, 1, 1], normalisation=Normalisation(scale_rewards="none"))
    assert small.share == pytest.approx(1 / 101)
    small, large = signals("aabb", values, groups=[0, 0, 1, 1])
    assert (small.share, large.share) == (pytest.approx(0.5, abs=1e-3), pytest.approx(0.5, abs=1e-3))


def test_a_reward_of_large_scale_takes_most_of_its_task():
    (task,) = signals("aaaa", [[0, 0], [1, 10], [1, 0], [0, 10]], groups=[0, 0, 0, 0])
    assert [reward.share for reward in task.rewards] == [pytest.approx(1 / 11), pytest.approx(10 / 11)]


def test_rewards_that_are_not_routed_to_a_task_are_not_its_own():
    first, second = signals("ab", [[1, nan], [nan, 2]], weights=[[1, nan], [nan, 1]], groups=[0, 1])
    assert [reward.reward for reward in first.rewards] == ["r0"]
    assert [reward.reward for reward in second.rewards] == ["r1"]


def test_a_reward_without_a_single_score_has_no_ends_and_no_spread():
    (task,) = signals("aa", [[0, nan], [1, nan]], groups=[0, 0])
    silent = task.rewards[1]
    assert (silent.lowest, silent.highest, silent.flat_groups) == (None, None, 1)
    assert silent.share == 0.0


def test_one_reward_may_have_spread_where_another_has_none():
    (task,) = signals("aaaa", [[0, 5], [1, 5], [2, 5], [2, 6]], groups=[0, 0, 1, 1])
    assert [reward.flat_groups for reward in task.rewards] == [1, 1]
    assert task.flat_groups == 0
