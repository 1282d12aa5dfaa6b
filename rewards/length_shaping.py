r"""Lengths that pull on another reward: a penalty for overlong completions, a curve for a formula, a target per row.

None of these says whether an answer is right, and each is easy to satisfy without being right: give it a small weight
beside a reward that does, or put it into a formula behind one. Words are what white space separates, so a model can get
below any number of words by leaving the spaces out; tokens cannot be cheated so.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import Field

from rewards.declaration import Example, RewardError, reward
from rewards.length import Unit, count, falling
from rewards.text import as_text, shown

TEN = "one two three four five six seven eight nine ten"
SHORT = {"maximum": 10, "cache": 4}
UNIT = Field(description="What is counted")


@reward(
    title="Soft overlong punishment",
    family="length",
    range=(-1.0, 0.0),
    examples=[
        Example("one two three four five six", 0.0, params=SHORT, note="6 of 10 words: before the last 4"),
        Example("one two three four five six seven eight", -0.5, params=SHORT, note="half of the last 4"),
        Example(f"{TEN} eleven", -1.0, params=SHORT, note="too long"),
        Example("", 0.0, params=SHORT, note="empty: costs nothing here, and must earn nothing elsewhere"),
        Example("short", -0.5, {"completion_ids": [5] * 8}, {**SHORT, "unit": "tokens"}, "8 tokens"),
        Example("short", None, params={"unit": "tokens"}, error="completion_ids", note="token ids are not known"),
        Example(TEN.replace(" ", "-"), 0.0, params=SHORT, note="cheated: one word; count tokens where that matters"),
        Example("a", None, params={"maximum": 10, "cache": 11}, error="cache 11 is above maximum 10"),
    ],
    source="DAPO, arXiv 2503.14476, eq. 13",
)
def soft_overlong(
    completion: str,
    completion_ids: Any = None,
    *,
    unit: Annotated[Unit, UNIT] = "words",
    maximum: Annotated[int, Field(ge=1, description="Longest length; beyond it the score is -1")] = 250,
    cache: Annotated[int, Field(ge=0, description="Units before that over which it falls from 0 to -1")] = 50,
) -> float:
    """0 up to a good length, falling in a straight line to -1 at the longest length.

    `soft_overlong("a b c", maximum=4, cache=2)` is -0.5. TRL's own function, here `get_soft_overlong_punishment`,
    counts tokens only; in tokens both score the same. Like that one it never rewards being shorter than needed.
    """
    if cache > maximum:
        raise RewardError(
            f"cache {cache} is above maximum {maximum}; the fall would start before the first {unit[:-1]}"
        )
    return falling(max(0, count(completion, completion_ids, unit) - (maximum - cache)), cache) - 1.0


@reward(
    title="Cosine of length",
    family="length",
    examples=[
        Example("one two three", 0.75, params={"maximum": 9}, note="a third of the way"),
        Example(TEN, 0.5, params={"maximum": 20}, note="half-way"),
        Example(TEN, 0.0, params={"maximum": 9}, note="beyond the end it stays 0"),
        Example("", 1.0, note="empty is shortest: use it in a formula, behind a reward for the answer"),
        Example("x", 0.75, {"completion_ids": [5] * 3}, {"maximum": 9, "unit": "tokens"}, "3 tokens"),
        Example("x", None, params={"unit": "tokens"}, error="completion_ids", note="token ids are not known"),
        Example("no", 0.75, params={"maximum": 3}, note="short and wrong: this reward alone cannot tell"),
    ],
    source="Yeo et al. 2025, arXiv 2502.03373, appendix C.1: the curve alone",
)
def cosine_length(
    completion: str,
    completion_ids: Any = None,
    *,
    unit: Annotated[Unit, UNIT] = "words",
    maximum: Annotated[int, Field(ge=1, description="Length from which the score is 0")] = 400,
) -> float:
    r"""1 at length 0, falling along half a cosine to 0 at the longest length: a part for formulas, no reward by itself.

    `cosine_length("one two three", maximum=9)` is 0.75. In the paper a right answer earns more the shorter it is, and a
    wrong one loses less the longer it is, so that the model may go on looking. What is right is for another reward to
    say, so the `formula` `(2 * math_answer - 1) * (0.5 + 0.5 * cosine_length)` is the paper's: 1 to 0.5 for right
    answers, -1 to -0.5 for wrong ones. Any reward of 0 or 1 can take the place of `math_answer`. TRL's own function,
    here `get_cosine_scaled_reward`, is this with its own check of \boxed answers.
    """
    progress = min(1.0, count(completion, completion_ids, unit) / maximum)
    return 0.5 + 0.5 * math.cos(math.pi * progress)


@reward(
    title="Length near a target",
    family="length",
    examples=[
        Example("one two three four", 1.0, {"target_length": 4}, note="as asked"),
        Example("one two three", 0.75, {"target_length": 4}, note="a quarter too short"),
        Example("one two three four five six", 0.5, {"target_length": 4}, note="a half too long"),
        Example("", 0.0, {"target_length": 4}, note="empty"),
        Example("one", None, note="no target", error="give the row a column 'target_length'"),
        Example(TEN, 0.0, {"target_length": "4"}, note="more than twice the target; a number as text"),
        Example("one two", 1.0, {"target_length": 4}, {"at_most": True}, "a limit instead of a target"),
        Example("", 0.0, {"target_length": 4}, {"at_most": True}, "saying nothing does not keep to a limit"),
        Example(
            "x", 0.9, {"target_length": 4, "completion_ids": [5] * 6}, {"unit": "tokens", "margin": 20}, "absolute"
        ),
        Example("one", None, {"target_length": 0}, note="no length", error="'target_length' holds 0"),
    ],
    source="LCPO of L1, arXiv 2503.04697, eq. 1, within 0 and 1; `at_most` is in the place of eq. 2",
)
def length_target(
    completion: str,
    target_length: Any = None,
    completion_ids: Any = None,
    *,
    unit: Annotated[Unit, UNIT] = "words",
    target: Annotated[int, Field(ge=0, description="Length asked for in rows without a column 'target_length'")] = 0,
    margin: Annotated[
        int, Field(ge=0, description="Units from the target at which the score is 0; 0: as many as the target itself")
    ] = 0,
    at_most: Annotated[bool, Field(description="Shorter than the target is as good as the target")] = False,
) -> float:
    """1 at the length asked for, falling in a straight line to 0 with the distance from it.

    `length_target("one two three", target_length=4)` is 0.75. The prompt has to say the target, such as "Think for 500
    words". L1 takes 0.0003 from a reward of 0 or 1 for each token of distance: a margin of 3333 tokens, in a sum with
    equal weights. Below the target the margin is at most the target, so that an empty completion always earns 0.
    """
    goal = _target(target_length, target)
    n = count(completion, completion_ids, unit)
    if n >= goal:
        return falling(n - goal, margin or goal)
    return float(n > 0) if at_most else falling(goal - n, min(margin or goal, goal))


def _target(value: Any, default: int) -> int:
    """The length asked for, a positive whole number."""
    if value is None:
        if default:
            return default
        raise RewardError("no length is asked for; give the row a column 'target_length', or the reward a target")
    text = as_text(value, "target_length").strip()
    if not re.fullmatch("[0-9]{1,9}", text) or not int(text):
        raise RewardError(f"column 'target_length' holds {shown(value)}; give a whole number from 1 up")
    return int(text)
