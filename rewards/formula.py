"""One score from several rewards: a weighted sum, a minimum, a gate.

`0.8 * math_answer + 0.2 * length` uses two rewards with their usual parameters; `parts` names them and gives them
others. A part that fails makes the whole an error, one that does not apply makes it not applicable, but only where the
value depends on it: behind a shut gate an outcome does not count (the part is scored all the same). In a sum of
routes each reward is normalised by itself where the run says so; a formula is one reward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rewards.declaration import Batch, BatchFunction, Example, Outcome, Reward, RewardError, trl_reward
from rewards.expression import FUNCTIONS, Expression, parse


class Part(BaseModel):
    """A reward in a formula, with its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reward: str
    params: dict[str, Any] = {}


class _NotApplicable(Exception):
    """A part on which the value depends does not apply."""


class _Scores(Mapping[str, float]):
    """The parts' scores of one completion; an outcome that is no number is raised where it is asked for."""

    def __init__(self, outcomes: Mapping[str, Outcome]) -> None:
        self._outcomes = outcomes

    def __getitem__(self, name: str) -> float:
        outcome = self._outcomes[name]
        if outcome is None:
            raise _NotApplicable
        if isinstance(outcome, RewardError):
            raise RewardError(f"{name}: {outcome}")
        return outcome

    def __iter__(self) -> Any:
        return iter(self._outcomes)

    def __len__(self) -> int:
        return len(self._outcomes)


def _resolved(
    expression: str, parts: Mapping[str, Part | Mapping[str, Any]]
) -> tuple[Expression, dict[str, tuple[Reward, dict[str, Any]]]]:
    """The parsed expression, and for each of its names a reward and its parameters; RewardError where one is wrong."""
    from rewards import declared, registry

    try:
        parsed = parse(expression)
    except ValueError as error:
        raise RewardError(str(error)) from None
    unused = [name for name in parts if name not in parsed.names]
    if unused:
        raise RewardError(f"the formula does not use {', '.join(map(repr, unused))}, which `parts` names")
    found = {}
    for name in parsed.names:
        part = Part.model_validate(parts.get(name, {"reward": name}))
        if part.reward not in registry():
            known = f"Known rewards: {', '.join(registry())}" if name not in parts else "See the list of rewards"
            raise RewardError(f"{name!r} is no reward and no part of the formula. {known}")
        try:
            found[name] = declared(part.reward, part.params), part.params
        except ValidationError as error:
            detail = error.errors()[0]
            raise RewardError(f"{name}: {'.'.join(map(str, detail['loc']))}: {detail['msg']}") from None
    if not found:
        raise RewardError(f"{expression!r} names no reward")
    return parsed, found


def _shaped(reward: Reward, parameters: BaseModel) -> Reward:
    """What the parts need, all of it."""
    settings = parameters.model_dump()
    _, found = _resolved(settings["expression"], settings["parts"] or {})
    parts = [part for part, _ in found.values()]
    columns = tuple(dict.fromkeys(name for part in parts for name in part.columns))
    optional = dict.fromkeys(name for part in parts for name in part.optional_columns if name not in columns)
    return replace(
        reward,
        columns=columns,
        optional_columns=tuple(optional),
        timeout_s=sum(part.timeout_s for part in parts),
        timed=any(part.timed for part in parts),
        sandboxed=any(part.sandboxed for part in parts),
        deterministic=all(part.deterministic for part in parts),
        per_completion=all(part.per_completion for part in parts),
        sees_missing=True,  # a part behind a shut gate does not need its column
    )


HALF = {
    "expression": "0.8 * exact_match + 0.2 * brief",
    "parts": {"brief": {"reward": "length", "params": {"maximum": 1, "margin": 1}}},
}
GATE = {"expression": "exact_match if think >= 1 else 0", "parts": {"think": {"reward": "think_format_reward"}}}


@trl_reward(
    title="Formula of other rewards",
    family="combined",
    range=(None, None),
    examples=[
        Example("4", 1.0, {"answer": "4"}, HALF, "right and brief"),
        Example("5", 0.2, {"answer": "4"}, HALF, "wrong, but brief"),
        Example("the answer is four", 0.0, {"answer": "4"}, HALF, "neither"),
        Example("", 0.0, {"answer": "4"}, {"expression": "exact_match"}, "empty"),
        Example("4", None, {}, HALF, "the row has no answer", error="no 'answer'"),
        Example("4", 0.5, {"answer": "4"}, {"expression": "min(exact_match, 0.5)"}, "a cap"),
        Example("4", None, {"answer": "4"}, {"expression": "1 / (exact_match - 1)"}, error="division by zero"),
    ],
    source="Weighted sums as in TRL; gates as in Open R1's recipes",
    shaped=_shaped,
)
def formula(
    *,
    expression: Annotated[
        str, Field(min_length=1, description=f"Rewards or parts with + - * /, comparisons, if, {', '.join(FUNCTIONS)}")
    ],
    parts: Annotated[
        dict[str, Part] | None, Field(description="Names in the expression: {reward: its name, params: its parameters}")
    ] = None,
) -> BatchFunction:
    """One score computed from other rewards, such as `0.8 * math_answer + 0.2 * brief`."""
    parsed, found = _resolved(expression, parts or {})

    def scores(prompts: Sequence[Any], completions: Sequence[Any], **columns: Sequence[Any]) -> list[Outcome]:
        batch = Batch(prompts, [completion[0]["content"] for completion in completions], columns)
        outcomes = {name: part.score(batch, params) for name, (part, params) in found.items()}
        return [_combined(parsed, {name: outcomes[name][i] for name in outcomes}) for i in range(len(completions))]

    return scores


def _combined(parsed: Expression, outcomes: Mapping[str, Outcome]) -> Outcome:
    try:
        return parsed.value(_Scores(outcomes))
    except _NotApplicable:
        return None
    except RewardError as error:
        return error
    except (ArithmeticError, ValueError) as error:
        return RewardError(f"{parsed.text!r:.80} has no value here: {error}")
