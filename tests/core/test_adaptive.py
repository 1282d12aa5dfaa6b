import math

import numpy as np
import pytest

from core.adaptive import TaskSeen, adapted, seen
from core.metrics import ScoredBatch
from core.scores import Scores

BASE = {"a": 0.5, "b": 0.25, "c": 0.25}


def batch(totals):
    """One group a task: its totals, and advantages that are 0 where all are the same."""
    tasks = [task for task, values in totals.items() for _ in values]
    values = np.array([value for values in totals.values() for value in values], dtype=float)
    groups = np.array([list(totals).index(task) for task in tasks])
    pushes = np.concatenate([np.array(values) - np.mean(values) for values in totals.values()])
    table = values[:, None]
    scores = Scores(tuple(tasks), ("r",), table, np.ones(table.shape), {}, np.full(table.shape, math.nan))
    zeros = np.zeros(len(tasks), dtype=int)
    texts = ("",) * len(tasks)
    return ScoredBatch(texts, texts, scores, groups, np.nan_to_num(pushes), zeros, zeros.astype(bool))


def after(*batches):
    found = {}
    for totals in batches:
        found = seen(found, batch(totals))
    return found


def shares(found, adapt, floor=0.0, base=BASE):
    share = adapted(base, found, adapt, floor)
    assert sum(share.values()) == pytest.approx(1)
    assert list(share) == list(base)
    return share


class TestWhatIsSeen:
    def test_means_start_at_the_first_batch_and_follow_at_two_speeds(self):
        one = after({"a": [0, 2]}, {"a": [2, 2]})["a"]
        assert (one.low, one.high) == (0, 2)
        assert one.fast == pytest.approx(0.9 * 1 + 0.1 * 2)
        assert one.slow == pytest.approx(0.97 * 1 + 0.03 * 2)
        assert one.signal == pytest.approx(0.97 * 1 + 0.03 * 0)
        assert one.noise == pytest.approx((2 - 1) ** 2 / 2)

    def test_a_task_that_is_not_in_a_batch_or_has_no_total_in_it_stays_as_it_was(self):
        before = after({"a": [0, 1], "b": [1, 2]})
        later = seen(before, batch({"a": [math.nan, math.nan]}))
        assert later["a"] == before["a"]
        assert (later["b"].fast, later["b"].signal) == (before["b"].fast, before["b"].signal)

    def test_the_scale_of_a_tasks_rewards_does_not_matter(self):
        small = after({"a": [0, 0.001]}, {"a": [0.001, 0.001]})["a"]
        large = after({"a": [0, 1000]}, {"a": [1000, 1000]})["a"]
        assert small.height == pytest.approx(large.height)
        assert small.progress == pytest.approx(large.progress)

    def test_a_task_whose_totals_never_differ_has_no_height_and_no_progress(self):
        one = after({"a": [5, 5]}, {"a": [5, 5]})["a"]
        assert (one.height, one.progress) == (0, 0)


class TestProgress:
    @pytest.mark.parametrize("moved", [[1, 0.9], [0, 0.1]], ids=["up", "down"])
    def test_a_task_that_moves_gets_more_than_its_share(self, moved):
        still = {"a": [0, 1], "b": [0, 1], "c": [0, 1]}
        share = shares(after(*[still] * 3, *[{**still, "b": moved}] * 5), "progress")
        assert share["b"] > 0.6
        assert share["a"] == pytest.approx(2 * share["c"]), "the others keep their proportion"

    def test_where_nothing_moves_shares_stay(self):
        assert shares(after(*[{"a": [0, 1], "b": [3, 5], "c": [7, 7]}] * 5), "progress") == pytest.approx(BASE)

    def test_a_task_without_spread_moves_nothing_to_itself(self):
        flat = {
            "a": TaskSeen(0, 1, 0.9, 0.1, signal=0.0, noise=0.0),
            "b": TaskSeen(0, 1, 0.3, 0.2, signal=1.0, noise=0.0),
        }
        share = shares(flat, "progress")
        assert share["b"] > share["a"]

    @pytest.mark.parametrize("seed", range(5))
    def test_noise_is_no_progress(self, seed):
        """A fair coin beside a task that goes from one in ten to nine in ten, eight completions a batch."""
        rng = np.random.default_rng(seed)
        found, given = {}, []
        for step in range(200):
            chances = {"coin": 0.5, "learner": 0.1 + 0.8 * step / 200}
            found = seen(found, batch({task: (rng.random(8) < p).astype(float) for task, p in chances.items()}))
            given.append(shares(found, "progress", base={"coin": 0.5, "learner": 0.5})["coin"])
        assert np.mean(given[30:]) < 0.4


class TestWorst:
    def test_one_improvement_counts_once_however_often_the_task_is_not_in_a_batch(self):
        first = {"a": [0, 0.2, 1], "b": [0, 1]}
        found = after(first, {**first, "a": [0.8, 1, 1]})
        gone = seen(found, batch({"b": [0, 1]}))
        by_level = {task: -2.0 * 0.5 * 0.2 * one.height for task, one in found.items()}
        fell = gone["a"].weight - found["a"].weight
        assert fell == pytest.approx((by_level["a"] - by_level["b"]) / 2, abs=0.02)

    def test_an_improvement_is_measured_with_one_ruler(self):
        """The mean rises from 0.5 to 5.1, and the highest total from 1 to 10."""
        found = after({"a": [0, 1]}, {"a": [0.2, 10]})["a"]
        assert found.improvement > 0

    def test_the_task_that_is_worst_off_and_stands_still_gets_most(self):
        """b lies low, a high, c low as b but rising."""
        found = after({"a": [0, 1], "b": [0, 1], "c": [0, 1]})
        for n in range(10):
            found = seen(found, batch({"a": [0.9, 1], "b": [0, 0.1], "c": [0.04 * n, 0.04 * n + 0.1]}))
        share = shares(found, "worst", base=dict.fromkeys("abc", 1 / 3))
        assert share["b"] > share["c"] > share["a"]

    def test_tasks_that_are_alike_keep_their_shares(self):
        alike = {"a": [0, 1], "b": [0, 10], "c": [5, 6]}
        assert shares(after(*[alike] * 8), "worst") == pytest.approx(BASE)


@pytest.mark.parametrize("adapt", ["progress", "worst"])
def test_every_task_keeps_its_floor(adapt):
    far = {"a": TaskSeen(0, 1, 0.9, 0.1, 1.0, noise=0.0, weight=20.0)}
    share = shares(far, adapt, floor=0.4)
    assert all(share[task] >= 0.4 * BASE[task] for task in BASE)
    assert share["a"] > 0.75
    assert shares(far, adapt, floor=1.0) == pytest.approx(BASE)


@pytest.mark.parametrize("adapt", ["none", "progress", "worst"])
def test_before_anything_is_seen_shares_are_their_base(adapt):
    assert shares({}, adapt) == BASE


def test_without_adaption_nothing_that_is_seen_counts():
    assert shares({"a": TaskSeen(0, 1, 0.9, 0.1, 1.0, weight=9.0)}, "none") == BASE
