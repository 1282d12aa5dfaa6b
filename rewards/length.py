"""A completion's length inside a range: against rambling, and against answers that are cut down to nothing.

A completion inside the range earns 1. Outside, the score falls in a straight line over a margin, so that a group in
which every completion is too long still has better and worse ones to learn from. Length alone teaches nothing about
being right: give it a small weight beside a reward that does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from rewards.declaration import Example, Reward, RewardError, reward
from rewards.text import from_json, shown

Unit = Literal["words", "characters", "tokens"]


def _check_range(minimum: int, maximum: int) -> None:
    if minimum > maximum:
        raise RewardError(f"minimum {minimum} is above maximum {maximum}; no length is inside such a range")


def _shaped(reward: Reward, parameters: BaseModel) -> Reward:
    """As it is: what is wrong with the range is found before a run."""
    settings = dict(parameters)
    _check_range(settings["minimum"], settings["maximum"])
    return reward


@reward(
    title="Length in range",
    family="length",
    examples=[
        Example("one two three", 1.0, params={"maximum": 3}, note="inside the range"),
        Example("one two three four", 0.5, params={"maximum": 3, "margin": 2}, note="one word over, margin 2"),
        Example("one two three four five", 0.0, params={"maximum": 3, "margin": 2}, note="beyond the margin"),
        Example("", 0.0, note="empty earns nothing as soon as the minimum is 1"),
        Example("one", 0.5, params={"minimum": 2, "margin": 50}, note="half of the minimum"),
        Example("one two", 0.0, params={"unit": "tokens"}, error="completion_ids", note="token ids are not known"),
        Example("one two", 1.0, {"completion_ids": [5, 6, 7]}, {"unit": "tokens", "maximum": 3}, note="3 tokens"),
        Example("一二三四", 1.0, params={"unit": "characters", "minimum": 4, "maximum": 4, "margin": 0}),
        Example("a b", 0.0, params={"minimum": 5, "maximum": 2}, error="minimum 5 is above maximum 2"),
    ],
    source="A two-sided form of DAPO's soft overlong punishment, arXiv 2503.14476, eq. 13",
    shaped=_shaped,
)
def length(
    completion: str,
    completion_ids: Any = None,
    *,
    unit: Annotated[Unit, Field(description="What is counted")] = "words",
    minimum: Annotated[int, Field(ge=0, description="Shortest length that earns 1")] = 1,
    maximum: Annotated[int, Field(ge=1, description="Longest length that earns 1")] = 200,
    margin: Annotated[int, Field(ge=0, description="Units outside the range over which the score falls to 0")] = 50,
) -> float:
    """1 inside the range of lengths, falling to 0 in a straight line outside it.

    `length("one two three four", maximum=3, margin=2)` is 0.5. Words are what white space separates: for Chinese and
    other scripts without spaces count characters or tokens. Below the minimum the margin is at most the minimum itself,
    so that an empty completion earns 0 whenever the minimum is at least 1.
    """
    _check_range(minimum, maximum)
    n = count(completion, completion_ids, unit)
    if n < minimum:
        return falling(minimum - n, min(margin, minimum))
    return falling(max(0, n - maximum), margin)


def count(completion: str, completion_ids: Any, unit: Unit) -> int:
    """The length of a completion; `completion_ids` may be a list of token ids or, from a CSV file, JSON text of one."""
    if unit == "characters":
        return len(completion)
    if unit == "words":
        return len(completion.split())
    if completion_ids is None:
        raise RewardError("unit 'tokens' needs the column 'completion_ids', which this row lacks; count words instead")
    ids = from_json(completion_ids, "completion_ids")
    if isinstance(ids, str | Mapping) or not isinstance(ids, Sized):
        raise RewardError(f"column 'completion_ids' holds {shown(completion_ids)}; give a list of token ids")
    return len(ids)


def falling(excess: int, margin: int) -> float:
    """1 at no excess, 0 at `margin` units of it and beyond."""
    if excess == 0:
        return 1.0
    return max(0.0, 1 - excess / margin) if margin else 0.0
