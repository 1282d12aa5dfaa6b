"""The reward functions that come with TRL, as they are: names, parameters, defaults and scores are TRL's own.

Users who know them from TRL's documentation or from a script find the same here. What each counts as right, and why, is
TRL's to say; this file only declares them. `completion_ids` are the completion's token ids.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from rewards.declaration import BatchFunction, Example, Reward, RewardError, trl_reward

TEN_TOKENS = list(range(10))
TOKENS_MISSING = "no 'completion_ids'"


def _cosine_range(reward: Reward, parameters: Any) -> Reward:
    """It lies between the four scores that are named."""
    ends = [parameters.min_value_wrong, parameters.max_value_wrong]
    ends += [parameters.min_value_correct, parameters.max_value_correct]
    return replace(reward, range=(min(ends), max(ends)))


def _penalty_range(reward: Reward, parameters: Any) -> Reward:
    """The penalty is its lowest score."""
    return replace(reward, range=(parameters.max_penalty, 0.0))


@trl_reward(
    title="Think tags (TRL)",
    family="format",
    examples=[
        Example("<think>\n5 + 37\n</think>\n42", 1.0, note="reasoning, then the answer"),
        Example("<think>\n5 + 37\n42", 0.0, note="the tag is not closed"),
        Example("", 0.0, note="empty"),
        Example("42", 0.0, note="no reasoning"),
        Example("<think>a</think><think>b</think>", 0.0, note="tags twice"),
        Example("<think></think>", 1.0, note="empty tags pass: combine with a reward for the answer"),
    ],
    source="trl.rewards.think_format_reward, TRL 1.16",
)
def think_format_reward() -> BatchFunction:
    """1 if the completion starts with one <think>...</think> block, else 0.

    `<think>5 + 37</think>42` scores 1.0. Only the form is looked at.
    """
    from trl.rewards import think_format_reward as function

    return function  # type: ignore[no-any-return]


@trl_reward(
    title="Soft overlong punishment (TRL)",
    family="length",
    columns=("completion_ids",),
    range=(-1.0, 0.0),
    examples=[
        Example("short", 0.0, {"completion_ids": TEN_TOKENS[:5]}, {"max_completion_len": 8, "soft_punish_cache": 2}),
        Example("longer", -0.5, {"completion_ids": TEN_TOKENS[:7]}, {"max_completion_len": 8, "soft_punish_cache": 2}),
        Example("too long", -1.0, {"completion_ids": TEN_TOKENS}, {"max_completion_len": 8, "soft_punish_cache": 2}),
        Example("", 0.0, {"completion_ids": []}, {"max_completion_len": 8, "soft_punish_cache": 2}, note="empty"),
        Example("x", None, {}, {"max_completion_len": 8, "soft_punish_cache": 2}, error=TOKENS_MISSING),
        Example("hard", 0.0, {"completion_ids": TEN_TOKENS[:8]}, {"max_completion_len": 8, "soft_punish_cache": 0}),
    ],
    source="trl.rewards.get_soft_overlong_punishment, TRL 1.16; DAPO, arXiv 2503.14476, eq. 13",
)
def get_soft_overlong_punishment(
    *,
    max_completion_len: Annotated[
        int, Field(ge=1, description="Longest completion, tokens; beyond it the score is -1")
    ],
    soft_punish_cache: Annotated[int, Field(ge=0, description="Tokens before that over which it falls from 0 to -1")],
) -> BatchFunction:
    """0 for a completion of good length, falling to -1 for one that is too long.

    With max_completion_len=100 and soft_punish_cache=20, 90 tokens score -0.5.
    """
    if soft_punish_cache > max_completion_len:
        raise RewardError(
            f"soft_punish_cache is {soft_punish_cache}; it can be at most max_completion_len, {max_completion_len}"
        )
    from trl.rewards import get_soft_overlong_punishment as factory

    return factory(max_completion_len, soft_punish_cache)  # type: ignore[no-any-return]


@trl_reward(
    title="Correct and short, by cosine (TRL)",
    family="length",
    columns=("solution", "completion_ids"),
    range=(-1.0, 1.0),
    examples=[
        Example(r"\boxed{42}", 0.75, {"solution": "42", "completion_ids": TEN_TOKENS[:5]}, {"max_len": 10}),
        Example(r"\boxed{41}", -0.75, {"solution": "42", "completion_ids": TEN_TOKENS[:5]}, {"max_len": 10}),
        Example(r"\boxed{42}", 0.5, {"solution": "42", "completion_ids": TEN_TOKENS}, {"max_len": 10}, "right, long"),
        Example("", -1.0, {"solution": "42", "completion_ids": []}, {"max_len": 10}, "empty"),
        Example(r"\boxed{42}", None, {"completion_ids": [1]}, {"max_len": 10}, error="no 'solution'"),
        Example("The answer is 42", -0.75, {"solution": "42", "completion_ids": TEN_TOKENS[:5]}, {"max_len": 10}),
        Example("42", None, {"solution": "", "completion_ids": [1]}, {"max_len": 10}, "unreadable solution: no score"),
    ],
    source="trl.rewards.get_cosine_scaled_reward, TRL 1.16; arXiv 2502.03373, appendix C.1",
    shaped=_cosine_range,
)
def get_cosine_scaled_reward(
    *,
    max_len: Annotated[int, Field(ge=1, description="Length in tokens at which the schedule ends")],
    min_value_wrong: Annotated[float, Field(description="Score of a wrong completion at length 0")] = -1.0,
    max_value_wrong: Annotated[float, Field(description="Score of a wrong completion at max_len")] = -0.5,
    min_value_correct: Annotated[float, Field(description="Score of a right completion at max_len")] = 0.5,
    max_value_correct: Annotated[float, Field(description="Score of a right completion at length 0")] = 1.0,
) -> BatchFunction:
    r"""A right answer earns more the shorter it is, a wrong one loses less the longer it is.

    With max_len=100, 50 tokens that end in a right \boxed answer score 0.75. Only a boxed answer or one in LaTeX after
    "final answer" can be right here; see `math_answer` for one that reads plain text.
    """
    from trl.rewards import get_cosine_scaled_reward as factory

    values = (min_value_wrong, max_value_wrong, min_value_correct, max_value_correct)
    return factory(max_len, *values)  # type: ignore[no-any-return]


@trl_reward(
    title="Repetition penalty (TRL)",
    family="length",
    columns=("completion_ids",),
    range=(-1.0, 0.0),
    examples=[
        Example("all different", 0.0, {"completion_ids": [1, 2, 3, 4]}, {"ngram_size": 2}),
        Example("again and again", -0.75, {"completion_ids": [5, 5, 5, 5, 5]}, {"ngram_size": 2}),
        Example("", 0.0, {"completion_ids": []}, note="empty"),
        Example("hm", 0.0, {"completion_ids": [5, 5]}, note="shorter than one n-gram"),
        Example("again", None, error=TOKENS_MISSING),
        Example("again and again", -1.5, {"completion_ids": [5, 5, 5, 5, 5]}, {"ngram_size": 2, "max_penalty": -2.0}),
    ],
    source="trl.rewards.get_repetition_penalty_reward, TRL 1.16; arXiv 2502.03373, appendix C.2",
    shaped=_penalty_range,
)
def get_repetition_penalty_reward(
    *,
    ngram_size: Annotated[int, Field(ge=1, description="Tokens per n-gram")] = 3,
    max_penalty: Annotated[float, Field(le=0, description="Score of nothing but repetition; not above 0")] = -1.0,
) -> BatchFunction:
    """Minus the share of n-grams of tokens that repeat an earlier one.

    With ngram_size=2, the tokens 5 5 5 5 5 score -0.75: three of four pairs repeat.
    """
    from trl.rewards import get_repetition_penalty_reward as factory

    return factory(ngram_size, max_penalty)  # type: ignore[no-any-return]
