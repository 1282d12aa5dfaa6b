import json
import math

import numpy as np
import pytest

from core.advantages import advantages
from core.metrics import ScoredBatch, join_batches, mean, most_frequent, reward_records, std, task_records
from core.scores import Scores
from core.spec import Normalisation

nan = math.nan


def batch(values, tasks, groups, advantages=None, weights=None, errors=None):
    """A scored batch: `values` has a row for each completion and a column for each reward."""
    table = np.array(values, dtype=float).reshape(len(tasks), -1)
    weights = np.ones_like(table) if weights is None else np.array(weights, dtype=float)
    keys = tuple(f"r{k}" for k in range(table.shape[1]))
    scores = Scores(tuple(tasks), keys, table, weights, errors or {}, np.full(table.shape, np.nan))
    return ScoredBatch(
        prompts=tuple("?" for _ in tasks),
        completions=tuple(str(i) for i in range(len(tasks))),
        scores=scores,
        groups=np.array(groups),
        advantages=np.zeros(len(tasks)) if advantages is None else np.array(advantages, dtype=float),
        lengths=np.arange(len(tasks)) + 1,
        clipped=np.arange(len(tasks)) % 2 == 1,
    )


def by_task(*arguments, **more):
    return {record["task"]: record for record in task_records(batch(*arguments, **more))}


def test_a_task_is_counted_by_completions_groups_and_share():
    found = by_task([0, 1, 2, 3, 4, 5], "aabbbb", [0, 0, 1, 1, 2, 2])
    assert [(r["count"], r["groups"], r["share"]) for r in found.values()] == [(2, 1, 1 / 3), (4, 2, 2 / 3)]


def test_reward_length_and_clipping_are_means_over_the_task():
    found = by_task([0, 1, 5, 5], "aabb", [0, 0, 1, 1])
    assert (found["a"]["reward"], found["a"]["reward_std"]) == (0.5, pytest.approx(0.5**0.5))
    assert (found["b"]["length"], found["b"]["clipped"]) == (3.5, 0.5)


@pytest.mark.parametrize(
    ("values", "groups", "share"),
    [
        pytest.param([1, 1, 0, 1], [0, 0, 1, 1], 0.5, id="one of two groups is flat"),
        pytest.param([0.1] * 3 + [0], [0, 0, 0, 1], 1.0, id="flat up to rounding, and a group of one"),
        pytest.param([1, nan, 0, 2], [0, 0, 1, 1], 0.5, id="fewer than two totals are known"),
        pytest.param([1, 2, 3, 4], [9, 3, 9, 3], 0.0, id="groups need not stand together"),
    ],
)
def test_groups_without_signal_are_a_share_of_the_groups(values, groups, share):
    table, places = np.array(values, dtype=float).reshape(-1, 1), np.array(groups)
    scores = Scores(("a",) * 4, ("r",), table, np.ones_like(table), {}, np.full_like(table, nan))
    signal = advantages(scores, places, Normalisation())
    assert by_task(values, "aaaa", groups, advantages=signal)["a"]["zero_std"] == share


def test_the_signal_of_the_tasks_adds_up_to_1():
    found = by_task([0, 1, 0, 3], "aabb", [0, 0, 1, 1], advantages=[-1, 1, -3, 3])
    assert [record["signal"] for record in found.values()] == [0.25, 0.75]


def test_without_any_advantage_there_is_no_signal_to_share():
    assert by_task([1, 1], "aa", [0, 0])["a"]["signal"] is None


def test_errors_are_counted_with_their_reasons_and_are_never_a_0():
    found = by_task([nan, 1, nan, nan], "aaaa", [0, 0, 0, 0], errors={(0, 0): "slow", (2, 0): "slow", (3, 0): "odd"})
    record = found["a"]
    assert (record["errors"], record["scored"], record["reward"]) == (3, 1, 1.0)
    assert record["rewards"][0]["reasons"] == {"slow": 2, "odd": 1}


def test_a_completion_without_a_total_still_counts_for_the_reward_that_scored_it():
    found = by_task([[1, nan], [0, 0.5]], "aa", [0, 0], errors={(0, 1): "broken"})
    assert (found["a"]["reward"], found["a"]["scored"]) == (0.5, 1)
    assert [(r["mean"], r["count"], r["errors"]) for r in found["a"]["rewards"]] == [(0.5, 2, 0), (0.5, 1, 1)]


def test_not_applicable_is_neither_an_error_nor_a_score():
    (record,) = by_task([nan, 2, nan], "aaa", [0, 0, 0], errors={(2, 0): "x"})["a"]["rewards"]
    assert (record["count"], record["errors"], record["not_applicable"]) == (1, 1, 1)


def test_only_rewards_routed_to_a_task_are_in_its_record():
    found = by_task([[1, nan], [nan, 2]], "ab", [0, 1], weights=[[1, nan], [nan, 0.5]])
    assert [[(r["reward"], r["weight"]) for r in record["rewards"]] for record in found.values()] == [
        [("r0", 1.0)],
        [("r1", 0.5)],
    ]


def test_what_does_not_exist_is_none_and_the_record_is_json():
    record = by_task([nan, nan], "aa", [0, 0], errors={(0, 0): "x", (1, 0): "x"})["a"]
    assert (record["reward"], record["reward_std"], record["rewards"][0]["mean"]) == (None, None, None)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_a_full_record_is_json_too():
    record = by_task([0, 1], "aa", [0, 0], advantages=[-1, 1])["a"]
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_tasks_come_in_the_given_order_the_others_last_and_absent_ones_not_at_all():
    records = task_records(batch([1, 2, 3], "cab", [0, 1, 2]), order=["b", "z", "a"])
    assert [record["task"] for record in records] == ["b", "a", "c"]


def test_joined_batches_keep_their_groups_apart_and_their_errors_in_place():
    first = batch([nan, 1], "ab", [0, 0], errors={(0, 0): "first"})
    second = batch([2, nan], "ba", [0, 1], advantages=[1, -1], errors={(1, 0): "second"})
    joined = join_batches([first, second])
    assert joined.groups.tolist() == [0, 0, 1, 2]
    assert joined.scores.errors == {(0, 0): "first", (3, 0): "second"}
    assert joined.scores.tasks == ("a", "b", "b", "a")
    assert joined.advantages.tolist() == [0, 0, 1, -1]
    assert joined.completions == ("0", "1", "0", "1")


def test_reward_records_of_some_rows_leave_out_the_others():
    scores = batch([1, 2, nan], "aaa", [0, 0, 0], errors={(2, 0): "x"}).scores
    (record,) = reward_records(scores, np.array([0, 1]))
    assert (record["mean"], record["count"], record["errors"]) == (1.5, 2, 0)


def test_the_three_commonest_reasons_are_kept():
    reasons = ["a"] + ["b"] * 3 + ["c"] * 2 + ["d"] * 4
    assert list(most_frequent(reasons).items()) == [("d", 4), ("b", 3), ("c", 2)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], (None, None)), ([nan], (None, None)), ([2, nan], (2.0, None)), ([1, 3], (2.0, 2**0.5))],
)
def test_mean_and_deviation_of_what_is_known(values, expected):
    assert (mean(np.array(values)), std(np.array(values))) == pytest.approx(expected)
