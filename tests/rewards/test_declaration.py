"""Declaring a reward: what is read off a signature, and how scores, None and errors stay apart."""

import math
from typing import Annotated

import numpy as np
import pytest
from pydantic import Field, ValidationError

from rewards import registry
from rewards.declaration import Batch, Example, RewardError, checked, reward, trl_reward


def batch(*completions, **columns):
    return Batch([[{"role": "user", "content": "?"}]] * len(completions), completions, columns)


@reward(title="Ends with", examples=[Example("abc", 1.0, {"ending": "c"})])
def ends_with(
    completion: str, ending: str, other: str = "", *, weight: Annotated[float, Field(gt=0, description="Score")] = 1.0
) -> float | None:
    """Whether the completion ends so.

    More text.
    """
    if ending == "skip":
        return None
    return weight * completion.endswith((ending, other or ending))


@trl_reward(title="Lengths", columns=["completion_ids"], examples=[])
def lengths(*, factor: float = 1.0):
    """Counts tokens."""
    return lambda completion_ids, **kwargs: [factor * len(ids) for ids in completion_ids]


class TestSignature:
    def test_columns_are_the_positional_parameters_after_the_completion(self):
        assert (ends_with.columns, ends_with.optional_columns) == (("ending",), ("other",))

    def test_keyword_only_parameters_become_a_model_with_ranges(self):
        assert ends_with.parameters().model_dump() == {"weight": 1.0}
        with pytest.raises(ValidationError, match="greater than 0"):
            ends_with.parameters(weight=0)
        with pytest.raises(ValidationError, match="wieght"):
            ends_with.parameters(wieght=1)

    def test_the_help_is_the_first_line_of_the_docstring(self):
        assert ends_with.help == "Whether the completion ends so."

    def test_a_reward_without_a_docstring_is_refused(self):
        with pytest.raises(TypeError, match="bare has no docstring"):

            @reward(title="Bare", examples=[])
            def bare(completion: str) -> float:
                return 0.0


class TestScoring:
    def test_every_completion_has_its_outcome_in_order(self):
        assert ends_with.score(batch("ab", "ac", "x", ending=["b", "b", "skip"]), {}) == [1.0, 0.0, None]

    def test_optional_columns_are_passed_where_they_are(self):
        assert ends_with.score(batch("ab", "ab", ending=["x", "x"], other=["b", None]), {}) == [1.0, 0.0]

    def test_other_columns_of_the_row_are_not_passed(self):
        assert ends_with.score(batch("ab", ending=["b"], task=["t"]), {"weight": 2}) == [2.0]

    def test_an_exception_is_an_error_of_its_own_completion_only(self):
        first, second = ends_with.score(batch("ab", "ab", ending=[3, "b"]), {})
        assert isinstance(first, RewardError)
        assert "TypeError" in str(first)
        assert second == 1.0

    def test_a_missing_column_is_an_error(self):
        (outcome,) = ends_with.score(batch("ab"), {})
        assert str(outcome) == "the row has no 'ending'"


class TestTrlContract:
    def test_the_factory_gets_the_parameters_and_the_function_the_columns(self):
        assert lengths.score(batch("a", "b", completion_ids=[[1], [1, 2]]), {"factor": 2}) == [2.0, 4.0]

    def test_rows_without_the_column_are_errors_and_the_others_are_scored(self):
        first, second = lengths.score(batch("a", "b", completion_ids=[None, [1, 2]]), {})
        assert isinstance(first, RewardError)
        assert second == 2.0

    def test_the_function_sees_chat_messages_and_is_built_once(self):
        built = []

        @trl_reward(title="Echo", examples=[])
        def echo(*, times: int = 1):
            """Looks at its input."""
            built.append(times)
            return lambda prompts, completions, **kwargs: [float(len(c[0]["content"])) for c in completions]

        assert [echo.score(batch("abc"), {}), echo.score(batch("ab"), {"times": 1})] == [[3.0], [2.0]]
        assert built == [1]

    def test_a_wrong_number_of_scores_is_an_error_of_all(self):
        @trl_reward(title="Short", examples=[])
        def short():
            """Forgets one."""
            return lambda completions, **kwargs: [1.0] * (len(completions) - 1)

        assert {str(o) for o in short.score(batch("a", "b"), {})} == {"returned 1 scores for 2 completions"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (True, "True (bool)"),
        ("1", "'1' (str)"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        ([1.0], "(list)"),
    ],
)
def test_what_is_no_finite_number_is_an_error_that_shows_it(value, reason):
    outcome = checked(value)
    assert isinstance(outcome, RewardError)
    assert reason in str(outcome)


@pytest.mark.parametrize("value", [1, 1.0, np.float32(1), np.int64(1)])
def test_any_kind_of_real_number_is_a_score(value):
    assert checked(value) == 1.0


def test_none_stays_not_applicable():
    assert checked(None) is None


def test_rewards_are_found_under_the_name_of_their_function():
    assert registry()["math_answer"].title == "Math answer"
    assert list(registry()) == sorted(registry())


def outcomes_of(function, texts):
    @trl_reward(title="made", examples=[])
    def make():
        """A toy."""
        return function

    return make.score(Batch([[]] * len(texts), texts, {}), {})


def test_a_function_of_lists_may_be_async_and_return_truth_values():
    async def scores(prompts, completions, **kwargs):
        return [completion[0]["content"] == "a" for completion in completions]

    assert outcomes_of(scores, ["a", "b"]) == [1.0, 0.0]


def test_a_completion_at_which_a_function_of_lists_raises_carries_the_error_alone():
    def scores(prompts, completions, **kwargs):
        return [1 / len(completion[0]["content"]) + len(completions) for completion in completions]

    first, empty, last = outcomes_of(scores, ["a", "", "ab"])
    assert (first, last) == (3.0, 2.5), "the others are scored as one batch"
    assert "ZeroDivisionError" in str(empty)


def test_what_fails_with_any_completion_is_called_a_few_times_at_most():
    calls = []

    def scores(prompts, completions, **kwargs):
        calls.append(len(completions))
        raise ValueError("no luck")

    assert {str(outcome) for outcome in outcomes_of(scores, ["a"] * 50)} == {"ValueError: no luck"}
    assert calls == [50, 1, 1, 1]


def test_a_score_outside_of_a_declared_range_is_an_error(score_one):
    @reward(title="toy", range=(0, 1), examples=[])
    def toy(completion: str, *, factor: Annotated[float, Field(gt=0)] = 1.0) -> float:
        """A toy."""
        return float(completion) * factor

    assert score_one(toy, "1.0") == 1.0
    assert "returned 2, outside of its declared range 0..1" in str(score_one(toy, "2"))
    assert score_one(toy, "2", {"factor": 2.0}) == 4.0, "other parameters may have another range"


def test_a_range_that_nobody_declared_binds_nobody(score_one):
    @reward(title="toy", examples=[])
    def toy(completion: str) -> float:
        """A toy."""
        return 2.0

    assert score_one(toy, "x") == 2.0
