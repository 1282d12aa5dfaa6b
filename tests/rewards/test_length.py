"""length: inside, outside, and the way from one to the other."""

import numpy as np
import pytest

from rewards.declaration import RewardError
from rewards.length import length


@pytest.mark.parametrize(
    ("n", "expected", "reason"),
    [
        (0, 0.0, "nothing"),
        (2, 0.5, "halfway to the minimum"),
        (4, 1.0, "the minimum"),
        (8, 1.0, "the maximum"),
        (10, 0.8, "a fifth of the margin over"),
        (18, 0.0, "the end of the margin"),
        (1000, 0.0, "far beyond it"),
    ],
)
@pytest.mark.parametrize("unit", ["words", "characters", "tokens"])
def test_the_score_falls_in_a_line_outside_the_range(n, expected, reason, unit):
    completion = "a" * n if unit == "characters" else "word " * n
    score = length.function(completion, list(range(n)), unit=unit, minimum=4, maximum=8, margin=10)
    assert score == pytest.approx(expected), reason


def test_without_a_margin_the_range_ends_sharply():
    assert [length.function("a " * n, minimum=2, maximum=3, margin=0) for n in (1, 2, 3, 4)] == [0.0, 1.0, 1.0, 0.0]


def test_with_a_minimum_of_0_the_empty_completion_is_inside():
    assert length.function("", minimum=0) == 1.0


@pytest.mark.parametrize("ids", [[5, 6, 7], (5, 6, 7), "[5, 6, 7]", np.array([5, 6, 7])])
def test_token_ids_may_come_in_any_list_or_as_its_json(ids):
    assert length.function("x", ids, unit="tokens", minimum=3, maximum=3, margin=0) == 1.0


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (None, "needs the column 'completion_ids'"),
        (3, "give a list of token ids"),
        ({"a": 1}, "give a list of token ids"),
        ('"abc"', "give a list of token ids"),
        ("5 6 7", "not valid JSON"),
    ],
)
def test_token_ids_that_are_no_list_are_an_error(ids, message, score_one):
    assert message in str(score_one(length, "x", {"unit": "tokens"}, completion_ids=ids))


def test_token_ids_are_not_looked_at_where_words_are_counted(score_one):
    assert score_one(length, "one", completion_ids="nonsense") == 1.0


def test_a_range_that_holds_no_length_is_found_before_any_completion():
    with pytest.raises(RewardError, match="minimum 5 is above maximum 2"):
        length.of({"minimum": 5, "maximum": 2})
