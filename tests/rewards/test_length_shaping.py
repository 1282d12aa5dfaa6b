"""length_shaping: the papers' curves, in every unit, and what an empty completion earns."""

import numpy as np
import pytest
import trl.rewards

from rewards.formula import formula
from rewards.length_shaping import cosine_length, length_target, soft_overlong


def of_length(n, unit):
    """The arguments of a completion of n units."""
    return ("a" * n if unit == "characters" else "word " * n), list(range(n))


@pytest.mark.parametrize("cache", [0, 1, 7, 20])
def test_in_tokens_the_punishment_is_trls(cache):
    ids = [list(range(n)) for n in range(30)]
    theirs = trl.rewards.get_soft_overlong_punishment(20, cache)(ids)
    ours = [soft_overlong.function("x", i, unit="tokens", maximum=20, cache=cache) for i in ids]
    assert ours == pytest.approx(theirs)
    assert set(ours) >= {0.0, -1.0}


@pytest.mark.parametrize("unit", ["words", "characters", "tokens"])
def test_the_punishment_falls_in_a_line_over_the_cache(unit):
    scores = [soft_overlong.function(*of_length(n, unit), unit=unit, maximum=8, cache=4) for n in (0, 4, 5, 6, 8, 99)]
    assert scores == pytest.approx([0, 0, -0.25, -0.5, -1, -1])


@pytest.mark.parametrize("unit", ["words", "characters", "tokens"])
def test_the_cosine_falls_from_1_to_0_and_stays_there(unit):
    scores = [cosine_length.function(*of_length(n, unit), unit=unit, maximum=12) for n in (0, 4, 6, 8, 12, 24, 30)]
    assert scores == pytest.approx([1, 0.75, 0.5, 0.25, 0, 0, 0])


@pytest.mark.parametrize("n", [1, 5, 10, 40])
@pytest.mark.parametrize("right", [True, False])
def test_in_a_formula_with_a_gate_it_is_the_papers_reward(n, right, score_one):
    params = {
        "expression": "(2 * exact_match - 1) * (0.5 + 0.5 * cosine)",
        "parts": {"cosine": {"reward": "cosine_length", "params": {"maximum": 20, "unit": "tokens"}}},
    }
    answer = r"\boxed{4}" if right else r"\boxed{5}"
    ours = score_one(formula, r"\boxed{4}", params, answer=answer, completion_ids=list(range(n)))
    theirs = trl.rewards.get_cosine_scaled_reward(20)
    assert ours == pytest.approx(theirs([[{"content": r"\boxed{4}"}]], [answer], [list(range(n))])[0])


@pytest.mark.parametrize(
    ("n", "expected", "reason"),
    [
        (0, 0.0, "nothing"),
        (5, 0.5, "half of it"),
        (10, 1.0, "the target"),
        (15, 0.5, "half as much again"),
        (20, 0.0, "twice"),
        (1000, 0.0, "far beyond"),
    ],
)
@pytest.mark.parametrize("unit", ["words", "characters", "tokens"])
def test_the_score_falls_with_the_distance_from_the_target(n, expected, reason, unit):
    completion, ids = of_length(n, unit)
    assert length_target.function(completion, 10, ids, unit=unit) == pytest.approx(expected), reason
    assert length_target.function(completion, None, ids, unit=unit, target=10) == pytest.approx(expected), reason


@pytest.mark.parametrize(
    ("n", "margin", "expected", "reason"),
    [
        (12, 4, 0.5, "half of the margin over"),
        (8, 4, 0.5, "half of the margin under"),
        (6, 4, 0.0, "the margin under"),
        (15, 100, 0.95, "a wide margin over"),
        (5, 100, 0.5, "a wide margin is the target itself, below it"),
        (0, 100, 0.0, "so that nothing earns nothing"),
    ],
)
def test_a_margin_counts_units_whatever_the_target(n, margin, expected, reason):
    assert length_target.function("word " * n, 10, margin=margin) == pytest.approx(expected), reason


def test_a_limit_is_kept_by_anything_shorter_but_nothing():
    scores = [length_target.function("word " * n, 10, at_most=True, margin=4) for n in (0, 1, 10, 11, 12, 14, 99)]
    assert scores == pytest.approx([0, 1, 1, 0.75, 0.5, 0, 0])


@pytest.mark.parametrize("value", [4, 4.0, "4", " 4 ", np.int64(4)])
def test_a_target_may_be_a_number_or_its_text(value, score_one):
    assert score_one(length_target, "a b c d", target_length=value) == 1.0


def test_the_rows_target_comes_before_the_parameter(score_one):
    assert score_one(length_target, "a b", {"target": 9}, target_length=2) == 1.0
    assert score_one(length_target, "a b", {"target": 2}) == 1.0


@pytest.mark.parametrize("value", [0, -4, 4.5, "four", "", "4e3", True, [4], {"n": 4}, 10**12, "²", "٤"])
def test_a_target_that_is_no_whole_number_is_an_error(value, score_one):
    assert "column 'target_length' holds" in str(score_one(length_target, "a", {"target": 4}, target_length=value))


@pytest.mark.parametrize("reward", [soft_overlong, cosine_length, length_target])
def test_tokens_that_are_not_known_are_an_error(reward, score_one):
    columns = {"target_length": 3} if reward is length_target else {}
    assert "'completion_ids'" in str(score_one(reward, "a", {"unit": "tokens"}, **columns))
