"""Which evaluation is the best, when a run has had enough, and which tasks rest."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_runs import lines, record, task_entry

from core.convergence import best, evaluations, frozen, thinned, without_better
from core.series import Series
from core.spec import Convergence, TaskSpec
from core.task_states import TaskState

UNIT = {"a": (0.0, 1.0), "b": (0.0, 100.0)}
OPEN = {"a": (0.0, 1.0), "b": None}


def held_out(*rewards, stds=None):
    """One evaluation every 10 steps: each task's reward, and the spread of its totals."""
    records = []
    for n, one in enumerate(rewards):
        spread = {task: {} if stds is None else {"reward_std": stds[n][task]} for task in one}
        records.append(record(10 * n, [task_entry(t, r, **spread[t]) for t, r in one.items()], split="held_out"))
    return Series.of(lines(records)).held_out


def judged(*rewards, bounds=UNIT, stds=None, best="mean", weights=None):
    tasks = {task: TaskSpec(evaluation_weight=weight) for task, weight in (weights or {}).items()}
    return evaluations(held_out(*rewards, stds=stds), bounds, Convergence(best=best), tasks)


class TestEvaluations:
    def test_heights_lie_between_0_and_1_where_all_rewards_declare_their_range(self):
        (one,) = judged({"a": 0.5, "b": 25.0})
        assert one.heights == pytest.approx({"a": 0.5, "b": 0.25})
        assert one.value == pytest.approx(0.375)
        assert one.worst == "b"
        assert one.in_range
        assert not judged({"a": 0.5, "b": 25.0}, bounds=OPEN)[0].in_range
        assert judged({"a": 0.5}, bounds=OPEN)[0].in_range, "b is not evaluated"

    def test_a_range_that_begins_below_0_counts_from_there(self):
        (one,) = judged({"a": 0.0}, bounds={"a": (-1.0, 1.0)})
        assert one.heights == {"a": 0.5}

    def test_without_a_range_all_heights_are_gains_in_the_spreads_of_the_first_evaluation(self):
        stds = [{"a": 0.1, "b": 20.0}, {"a": 0.3, "b": 90.0}]
        first, second = judged({"a": 0.5, "b": 10.0}, {"a": 0.7, "b": 30.0}, bounds=OPEN, stds=stds)
        assert first.heights == {"a": 0.0, "b": 0.0}
        assert second.heights == pytest.approx({"a": 2.0, "b": 1.0})

    def test_a_task_without_spread_at_first_is_measured_by_the_first_spread_that_it_has(self):
        stds = [{"a": 0.0, "b": 1.0}, {"a": 0.5, "b": 1.0}]
        _, second = judged({"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 0.0}, bounds=OPEN, stds=stds)
        assert second.heights["a"] == pytest.approx(2.0)

    def test_each_way_to_choose_names_another_best(self):
        rewards = [{"a": 0.4, "b": 40.0}, {"a": 0.2, "b": 90.0}, {"a": 0.9, "b": 10.0}]
        assert best(judged(*rewards)).step == 10
        assert best(judged(*rewards, best="worst")).step == 0
        assert best(judged(*rewards, best="weighted", weights={"a": 5})).step == 20

    def test_a_task_of_weight_0_does_not_count_even_where_it_has_no_reward(self):
        found = judged({"a": 0.1, "b": None}, {"a": 0.2, "b": None}, best="weighted", weights={"b": 0})
        assert best(found).step == 10
        assert best(found).worst == "a"

    def test_between_equals_by_the_lowest_task_the_mean_decides(self):
        """A task at its top has no more to gain: without a range it is the lowest from the first evaluation on."""
        stds = [{"a": 0.1, "b": 1.0}] * 3
        found = judged(*[{"a": 1.0, "b": b} for b in (1.0, 5.0, 3.0)], bounds=OPEN, stds=stds, best="worst")
        assert [one.value for one in found] == [0, 0, 0]
        assert best(found).step == 10

    def test_an_evaluation_without_a_reward_of_each_task_cannot_be_the_best(self):
        found = judged({"a": 0.1, "b": 10.0}, {"a": 0.9, "b": None})
        assert math.isnan(found[1].value)
        assert best(found).step == 0
        assert best(judged({"a": None, "b": 1.0})) is None

    def test_a_task_that_is_not_evaluated_does_not_count(self):
        (one,) = judged({"a": 0.5})
        assert one.heights == {"a": 0.5}
        assert judged() == []

    def test_of_equals_the_first_is_the_best(self):
        assert best(judged({"a": 0.5}, {"a": 0.5}, {"a": 0.4})).step == 0

    @given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8), st.floats(1e-3, 1e3))
    def test_the_best_does_not_depend_on_the_scale_of_a_tasks_rewards(self, pairs, scale):
        ends = {"a": (0.0, 1.0), "b": (0.0, scale)}
        scaled = judged(*[{"a": a, "b": b * scale} for a, b in pairs], bounds=ends)
        plain = judged(*[{"a": a, "b": b} for a, b in pairs], bounds={"a": (0.0, 1.0), "b": (0.0, 1.0)})
        values = [one.value for one in plain]
        assert [one.value for one in scaled] == pytest.approx(values, abs=1e-5)
        assert values[[one.step for one in plain].index(best(scaled).step)] == pytest.approx(max(values), abs=1e-5)


class TestPatience:
    def test_evaluations_are_counted_since_the_best(self):
        found = judged(*[{"a": value} for value in (0.1, 0.4, 0.3, 0.4, 0.2)])
        assert without_better(found) == 3
        assert without_better(found[:2]) == 0

    def test_before_there_is_a_best_nothing_is_waited_for(self):
        assert without_better(judged({"a": None}, {"a": None})) == 0


class TestFrozen:
    def test_a_task_is_frozen_when_it_has_converged_until_it_moves(self):
        def now(**names):
            return {task: TaskState(name) for task, name in names.items()}

        assert frozen(set(), {"a": TaskState("converged", settled=False)}) == set()
        cold = frozen(set(), now(a="converged", b="learning"))
        assert cold == {"a"}
        assert frozen(cold, now(a="stalled", b="early")) == {"a"}, "noise does not wake it"
        assert frozen(cold, now(a="regressing", b="converged")) == {"b"}
        assert frozen(cold, now(a="learning", b="learning")) == set()

    def test_where_all_are_frozen_shares_stay(self):
        shares = {"a": 0.5, "b": 0.5}
        assert thinned(shares, {"a", "b"}) == shares

    @given(
        st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 1), min_size=1),
        st.sets(st.sampled_from("abcdef")),
    )
    def test_shares_still_add_up_to_1_and_no_task_is_left_without(self, worths, cold):
        whole = sum(worths.values())
        shares = {task: worth / whole for task, worth in worths.items()}
        found = thinned(shares, cold)
        assert sum(found.values()) == pytest.approx(1)
        assert all(found[task] >= 0.1 * share - 1e-12 for task, share in shares.items())
        warm = [task for task in shares if task not in cold]
        for one, other in itertools.pairwise(warm):
            assert found[one] / found[other] == pytest.approx(shares[one] / shares[other])
