import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.advantages import advantages, contributions, unscaled, without_signal
from core.scores import Scores
from core.spec import Normalisation
from core.task_scale import factors, running, sizes, token_factors

nan = math.nan
GDPO = {"multi_objective_aggregation": "normalize_then_sum"}
FORMULAS = {
    "group": {"scale_rewards": "group"},
    "batch": {"scale_rewards": "batch"},
    "none": {"scale_rewards": "none"},
    "gdpo": GDPO,
    "spread": {**GDPO, "objective_weights": "spread"},
    "conflict": {**GDPO, "conflict": 1.0},
}


def normalisation(formula, task_scale):
    return Normalisation(**FORMULAS[formula], task_scale=task_scale)


@st.composite
def mixtures(draw):
    """Scores and groups of two to five tasks: rewards of any scale, some dead tasks, errors, gaps, odd group sizes."""
    tasks, values, weights, groups, errors = [], [], [], [], {}
    keys = [f"r{k}" for k in range(draw(st.integers(1, 4)))]
    group = 0
    for task in range(draw(st.integers(2, 5))):
        dead = draw(st.booleans()) and task > 0
        scale = [10 ** draw(st.floats(-3, 3)) for _ in keys]
        routed = [draw(st.booleans()) or k == task % len(keys) for k in range(len(keys))]
        weight = [draw(st.floats(0.1, 3)) for _ in keys]
        for _ in range(draw(st.integers(1, 4))):
            for _ in range(draw(st.integers(2, 5))):
                row = []
                for k in range(len(keys)):
                    kind = draw(st.sampled_from(["score"] * 8 + ["gap", "error"])) if routed[k] else "gap"
                    if kind == "error":
                        errors[len(tasks), k] = "broken"
                    row.append(scale[k] * (1 if dead else draw(st.integers(0, 4))) if kind == "score" else nan)
                values.append(row)
                weights.append([w if there else nan for w, there in zip(weight, routed, strict=True)])
                tasks.append(f"t{task}")
                groups.append(group)
            group += 1
    table = np.array(values)
    scores = Scores(tuple(tasks), tuple(keys), table, np.array(weights), errors, np.full(table.shape, nan))
    return scores, np.array(groups)


@pytest.mark.parametrize("formula", FORMULAS)
class TestAMixture:
    @given(mixture=mixtures())
    @settings(max_examples=120, deadline=None)
    def test_a_tasks_part_of_the_signal_is_its_part_of_the_mix(self, formula, mixture):
        scores, groups = mixture
        found = np.abs(advantages(scores, groups, normalisation(formula, "batch")))
        tasks = np.array(scores.tasks)
        alive = [task for task in dict.fromkeys(scores.tasks) if found[tasks == task].any()]
        there = np.isin(tasks, alive)
        for task in alive:
            part = found[tasks == task].sum() / found.sum()
            assert part == pytest.approx((tasks == task).sum() / there.sum(), rel=0.01)

    @given(mixture=mixtures())
    @settings(max_examples=60, deadline=None)
    def test_a_group_adds_up_to_0_and_what_has_no_total_gets_nothing(self, formula, mixture):
        scores, groups = mixture
        found = advantages(scores, groups, normalisation(formula, "batch"))
        assert np.isfinite(found).all()
        assert not found[np.isnan(scores.totals)].any()
        if formula == "conflict":  # what is left of a group need not
            return
        for group in np.unique(groups):
            assert found[groups == group].sum() == pytest.approx(0, abs=1e-6 * max(1, np.abs(found).max()))

    @given(mixture=mixtures())
    @settings(max_examples=60, deadline=None)
    def test_only_a_number_for_each_task_lies_between_it_and_trls_formula(self, formula, mixture):
        """So signs, order and which groups teach nothing stay, and the size of the whole batch."""
        scores, groups = mixture
        plain = unscaled(scores, groups, normalisation(formula, "none"))
        found = advantages(scores, groups, normalisation(formula, "batch"))
        tasks = np.array(scores.tasks)
        for task in set(scores.tasks):
            here = tasks == task
            by = np.abs(found[here]).sum() / np.abs(plain[here]).sum() if plain[here].any() else 1.0
            assert found[here] == pytest.approx(plain[here] * by, rel=1e-9, abs=1e-12)
        assert np.abs(found).sum() == pytest.approx(np.abs(plain).sum(), rel=1e-9)

    @given(mixture=mixtures(), seed=st.integers(0, 1000))
    @settings(max_examples=60, deadline=None)
    def test_the_order_of_completions_and_groups_does_not_matter(self, formula, mixture, seed):
        scores, groups = mixture
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(groups))
        names = rng.permutation(groups.max() + 1)
        found = advantages(scores, groups, normalisation(formula, "batch"))
        moved = advantages(scores.of(order.tolist()), names[groups[order]], normalisation(formula, "batch"))
        assert moved == pytest.approx(found[order], rel=1e-6, abs=1e-9)

    @given(mixture=mixtures())
    @settings(max_examples=60, deadline=None)
    def test_the_parts_of_the_rewards_add_up_to_it(self, formula, mixture):
        scores, groups = mixture
        found = advantages(scores, groups, normalisation(formula, "batch"))
        parts = contributions(scores, groups, normalisation(formula, "batch"))
        assert parts.sum(axis=1) == pytest.approx(found, rel=1e-6, abs=1e-6 * max(1, np.abs(found).max()))

    @given(mixture=mixtures())
    @settings(max_examples=30, deadline=None)
    def test_a_batch_of_one_task_is_as_trl_has_it(self, formula, mixture):
        scores, groups = mixture
        alone = np.flatnonzero(np.array(scores.tasks) == "t0").tolist()
        scores, groups = scores.of(alone), groups[alone]
        for scale in ("batch", "running"):
            found = advantages(scores, groups, normalisation(formula, scale))
            assert found == pytest.approx(unscaled(scores, groups, normalisation(formula, "none")), rel=1e-12)


def two_tasks(small=1.0, large=100.0):
    values = np.array([[0], [small], [0], [large]])
    return Scores(("a", "a", "b", "b"), ("r",), values, np.ones((4, 1)), {}, np.full((4, 1), nan)), np.array(
        [0, 0, 1, 1]
    )


NONE = Normalisation(scale_rewards="none", task_scale="running")


def test_a_running_size_is_used_where_it_is_known():
    """Task b was usually ten times weaker than here: it keeps ten times as much of the signal as by its own size."""
    scores, groups = two_tasks()
    found = advantages(scores, groups, NONE, {"a": 0.5, "b": 5.0})
    assert np.abs(found[2:]).sum() / np.abs(found[:2]).sum() == pytest.approx(10)


def test_a_task_whose_size_is_not_known_yet_has_its_own():
    scores, groups = two_tasks()
    found = advantages(scores, groups, NONE, {"a": 0.5})
    assert np.abs(found[2:]).sum() == pytest.approx(np.abs(found[:2]).sum())


def test_known_sizes_change_nothing_where_the_scale_is_no_running_one():
    scores, groups = two_tasks()
    batch = Normalisation(scale_rewards="none", task_scale="batch")
    known = {"a": 7.0, "b": 0.1}
    assert advantages(scores, groups, batch, known).tolist() == advantages(scores, groups, batch).tolist()


def test_a_task_without_signal_keeps_its_size_and_gets_no_factor():
    assert sizes(np.array([1.0, -1.0, 0.0, 0.0]), ["a", "a", "b", "b"]) == {"a": 1.0}
    assert running({"a": 2.0, "b": 3.0}, {"a": 1.0}) == pytest.approx({"a": 1.9, "b": 3.0})
    assert factors(np.array([1.0, -1.0, 0.0, 0.0]), ["a", "a", "b", "b"]).tolist() == [1, 1, 1, 1]


def test_running_sizes_follow_a_change_within_a_few_dozen_batches():
    size = {"a": 100.0}
    for _ in range(60):
        size = running(size, {"a": 1.0})
    assert size["a"] == pytest.approx(1.0, abs=0.2)


def test_a_group_that_teaches_nothing_still_teaches_nothing():
    scores, groups = two_tasks(small=0.0)
    found = advantages(scores, groups, Normalisation(task_scale="batch"))
    assert without_signal(found, groups).tolist() == [True, False]


def test_nothing_at_all_is_nothing():
    assert factors(np.zeros(0), ()).tolist() == []


@given(lengths=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 500)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_in_a_sum_over_tokens_each_task_counts_by_its_completions(lengths):
    """Of advantages of one size, the tokens of a task weigh together as much as its completions are of the batch."""
    tasks, tokens = [task for task, _ in lengths], np.array([length for _, length in lengths])
    weight = token_factors(tokens, tasks) * tokens
    for task in set(tasks):
        here = np.array(tasks) == task
        assert weight[here].sum() / weight.sum() == pytest.approx(here.mean())
