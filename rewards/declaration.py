"""How a reward function is declared: one object from which form, validation, YAML, docs and tests all derive.

Two shapes of function are declared here:

- `@reward` wraps a function of **one completion**: `f(completion, <columns>, *, <parameters>) -> float | None`. Its
  positional parameters are the dataset columns it reads (optional where they have a default), its keyword-only ones are
  the parameters a user may set; `Annotated[float, Field(gt=0, description="...")]` gives their range and help.
- `@trl_reward` wraps a **factory**: `f(*, <parameters>) -> function`, where the function keeps TRL's own contract
  (`prompts`, `completions`, `completion_ids` and every column as keyword lists in, a list of `float | None` out; true
  and false are 1 and 0, and it may be async). One that is declared here may put a `RewardError` in place of a score, so
  that an error costs no other completion. Where it raises anything else, it is called with each completion alone, and
  again with those it can score (`rewards/blame.py`); one at which its process hangs or dies costs all of its batch.

A score is a number, None (not applicable) or a `RewardError` with its reason. An error is never 0.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import numbers
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from rewards.blame import without_guilty
from rewards.outcome import Outcome as Outcome  # noqa: PLC0414  # rewards import both from here
from rewards.outcome import RewardError as RewardError  # noqa: PLC0414

Message = Mapping[str, Any]
# What a reward looks at, for people who search; "own" is a file that names none.
Family = Literal[
    "mathematics",
    "text",
    "similarity",
    "JSON",
    "code",
    "tools",
    "procedural",
    "format",
    "length",
    "judge",
    "combined",
    "own",
]


USUAL_RANGE = (0.0, 1.0)  # of a reward that declares none
ROUNDING = 1e-9  # by which a score may leave its range

BatchFunction = Callable[..., Sequence[Outcome] | Awaitable[Sequence[Outcome]]]


@dataclass(frozen=True)
class Example:
    """A worked example: documentation, test and preview sample in one.

    Attributes:
        completion: the model's output.
        score: the expected score; None means not applicable.
        columns: the row's columns that the reward reads.
        params: parameters that differ from the defaults.
        note: what the example shows, in a few words.
        error: a part of the expected error message; the score then counts for nothing.
    """

    completion: str
    score: float | None
    columns: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    error: str = ""


@dataclass(frozen=True)
class Batch:
    """Completions to score, as parallel lists of length n.

    Attributes:
        prompts: each the row's prompt as chat messages.
        completions: each the completion's text.
        columns: column name -> n values; `completion_ids` (token ids) is among them where it is known.
    """

    prompts: Sequence[Sequence[Message]]
    completions: Sequence[str]
    columns: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Reward:
    """A declared reward function.

    Attributes:
        name: what routing tables call it.
        title: the name shown to people.
        help: one line, from the docstring's first.
        details: the rest of the docstring.
        columns: dataset columns that must be there.
        optional_columns: dataset columns used where they are there.
        parameters: pydantic model of the parameters, with defaults, ranges and help.
        range: lowest and highest score possible with default parameters; None is unbounded.
        examples: worked examples with their expected scores.
        source: paper, library or reference.
        timeout_s: wall time allowed for one completion (`@reward`) or one batch (`@trl_reward`), seconds.
        per_completion: whether the score of a completion depends on itself alone, so that completions can be scored in
            chunks, and an error touches only its own.
        by_batch: whether the function takes lists, as TRL's do; else one completion.
        timed: whether a program gets only so much time, so that a busy processor changes the score.
        sandboxed: whether it runs what a model or a user wrote, in `core.sandbox`.
        deterministic: whether the same completion and columns always get the same score.
        sees_missing: whether rows that lack a needed column are handed to the function, which may do without.
        family: what it looks at, by which the library is sorted.
        bounded: whether the range was declared, so that a score outside of it is an error.
        shaped: for a reward whose other attributes depend on its parameters: makes it what they say; see `of`.
    """

    name: str
    title: str
    help: str
    details: str
    columns: tuple[str, ...]
    optional_columns: tuple[str, ...]
    parameters: type[BaseModel]
    range: tuple[float | None, float | None]
    examples: tuple[Example, ...]
    source: str
    timeout_s: float
    per_completion: bool
    by_batch: bool
    timed: bool
    sandboxed: bool
    function: Callable[..., Any] = field(repr=False)
    deterministic: bool = True
    sees_missing: bool = False
    family: Family = "own"
    bounded: bool = False
    shaped: Callable[[Reward, Any], Reward] | None = field(default=None, repr=False)

    def of(self, params: Mapping[str, Any]) -> Reward:
        """This reward as its parameters make it: a formula needs the columns that its parts need.

        Raises:
            RewardError: parameters that are well typed make no sense together, such as code that does not compile.
            pydantic.ValidationError: they are not even well typed.
        """
        parameters = self.parameters(**params)
        return self if self.shaped is None else self.shaped(self, parameters)

    def score(self, batch: Batch, params: Mapping[str, Any]) -> list[Outcome]:
        """One outcome per completion, in order. A function's exceptions become `RewardError`s.

        Invalid parameters raise pydantic's ValidationError; `core.routing.check_routes` finds them before a run.
        """
        parameters = self.parameters(**params)
        if self.by_batch:
            outcomes = self._score_batch(batch, parameters)
        else:
            outcomes = [self._score_one(batch, i, dict(parameters)) for i in range(len(batch.completions))]
        # Other parameters may have another range.
        usual = all(getattr(parameters, name) == known.default for name, known in self.parameters.model_fields.items())
        return list(map(self._within, outcomes)) if self.bounded and usual else outcomes

    def _within(self, outcome: Outcome) -> Outcome:
        low, high = self.range
        if not isinstance(outcome, float) or (
            (low is None or outcome >= low - ROUNDING) and (high is None or outcome <= high + ROUNDING)
        ):
            return outcome
        ends = "..".join("unbounded" if end is None else f"{end:g}" for end in self.range)
        return RewardError(f"returned {outcome:g}, outside of its declared range {ends}; mend the reward or its range")

    def _score_one(self, batch: Batch, i: int, settings: dict[str, Any]) -> Outcome:
        if missing := self._missing(batch, i):
            return missing
        wanted = [name for name in (*self.columns, *self.optional_columns) if name in batch.columns]
        row = {name: batch.columns[name][i] for name in wanted if batch.columns[name][i] is not None}
        try:
            return checked(self.function(batch.completions[i], **row, **settings))
        except Exception as error:  # the boundary where a reward's own failure becomes data
            return _failure(error)

    def _score_batch(self, batch: Batch, parameters: BaseModel) -> list[Outcome]:
        outcomes: list[Outcome] = [self._missing(batch, i) for i in range(len(batch.completions))]
        ready = [i for i, outcome in enumerate(outcomes) if outcome is None]
        started = time.monotonic()
        try:
            function = _build(self.function, self.parameters, parameters.model_dump_json())
            found = _called(function, batch, ready)
        except RewardError as error:
            found = [error] * len(ready)
        except Exception as error:  # the boundary where a reward's own failure becomes data
            found = self._without_guilty(parameters, batch, ready, _failure(error), started)
        for i, outcome in zip(ready, found, strict=True):
            outcomes[i] = outcome
        return outcomes

    def _without_guilty(
        self, parameters: BaseModel, batch: Batch, ready: Sequence[int], reason: RewardError, started: float
    ) -> list[Outcome]:
        """The completions that a function fails on carry the error alone, as far as its time allows to find them."""

        def some(numbers: Sequence[int]) -> list[Outcome] | RewardError:
            try:
                function = _build(self.function, self.parameters, parameters.model_dump_json())
                return _called(function, batch, [ready[n] for n in numbers])
            except Exception as error:  # the same boundary
                return _failure(error)

        until = started + self.timeout_s / 2
        return without_guilty(some, len(ready), reason, until, until)

    def _missing(self, batch: Batch, i: int) -> RewardError | None:
        """Why the i-th row cannot be scored at all: a column that the reward needs is absent or empty."""
        needed = () if self.sees_missing else self.columns
        missing = [name for name in needed if name not in batch.columns or batch.columns[name][i] is None]
        return RewardError(f"the row has no {' and no '.join(map(repr, missing))}") if missing else None


def checked(score: Any) -> Outcome:
    """A score as it may be used: a finite float, None, or the reason why it is neither."""
    if score is None or isinstance(score, RewardError):
        return score
    if isinstance(score, bool) or not isinstance(score, numbers.Real):
        return RewardError(f"returned {score!r:.80} ({type(score).__name__}); a score is a number or None")
    try:
        number = float(score)
    except OverflowError:
        return RewardError("returned a number too large for a float; a score must be finite")
    return number if math.isfinite(number) else RewardError(f"returned {number}; a score must be finite")


def _called(function: BatchFunction, batch: Batch, numbers: Sequence[int]) -> list[Outcome]:
    """What a function in TRL's contract says about some completions; it may be async, and may return truth values."""
    scores = function(
        prompts=[batch.prompts[i] for i in numbers],
        completions=[[{"role": "assistant", "content": batch.completions[i]}] for i in numbers],
        **{name: [values[i] for i in numbers] for name, values in batch.columns.items()},
    )
    scores = asyncio.run(_awaited(scores)) if inspect.isawaitable(scores) else scores
    scores = scores.tolist() if hasattr(scores, "tolist") else scores  # an array or a tensor
    if len(scores) != len(numbers):
        raise RewardError(f"returned {len(scores)} scores for {len(numbers)} completions")
    return [checked(float(score) if isinstance(score, bool) else score) for score in scores]


async def _awaited(scores: Awaitable[Sequence[Outcome]]) -> Sequence[Outcome]:
    return await scores


def _failure(error: Exception) -> RewardError:
    return error if isinstance(error, RewardError) else RewardError(f"{type(error).__name__}: {error!s:.300}")


@cache
def _build(factory: Callable[..., BatchFunction], parameters: type[BaseModel], settings: str) -> BatchFunction:
    """The TRL function for these parameters (JSON: any type is a key), built once a process: it may hold a model."""
    return factory(**dict(parameters.model_validate_json(settings)))


def reward(
    *,
    title: str,
    family: Family = "own",
    range: tuple[float | None, float | None] | None = None,
    examples: Sequence[Example],
    source: str = "",
    timeout_s: float = 10.0,
    timed: bool = False,
    sandboxed: bool = False,
    deterministic: bool = True,
    shaped: Callable[[Reward, Any], Reward] | None = None,
) -> Callable[[Callable[..., float | None]], Reward]:
    """Declare a reward of one completion; its columns and parameters are read off the signature."""

    def declare(function: Callable[..., float | None]) -> Reward:
        positional = [p for p in _parameters(function) if p.kind is not inspect.Parameter.KEYWORD_ONLY][1:]
        return Reward(
            name=function.__name__,
            title=title,
            help=_first_line(function),
            details=_further_lines(function),
            columns=tuple(p.name for p in positional if p.default is inspect.Parameter.empty),
            optional_columns=tuple(p.name for p in positional if p.default is not inspect.Parameter.empty),
            parameters=_parameter_model(function),
            range=range or USUAL_RANGE,
            bounded=range is not None,
            examples=tuple(examples),
            source=source,
            timeout_s=timeout_s,
            per_completion=True,
            by_batch=False,
            timed=timed,
            sandboxed=sandboxed,
            deterministic=deterministic,
            family=family,
            shaped=shaped,
            function=function,
        )

    return declare


def trl_reward(
    *,
    title: str,
    family: Family = "own",
    columns: Sequence[str] = (),
    range: tuple[float | None, float | None] | None = None,
    examples: Sequence[Example],
    source: str = "",
    timeout_s: float = 60.0,
    timed: bool = False,
    sandboxed: bool = False,
    deterministic: bool = True,
    shaped: Callable[[Reward, Any], Reward] | None = None,
) -> Callable[[Callable[..., BatchFunction]], Reward]:
    """Declare a factory of a function in TRL's contract; its parameters are read off the signature.

    Columns cannot be read off a `**kwargs` signature, so they are named here; `completion_ids` is one of them where the
    function counts tokens.
    """

    def declare(factory: Callable[..., BatchFunction]) -> Reward:
        return Reward(
            name=factory.__name__,
            title=title,
            help=_first_line(factory),
            details=_further_lines(factory),
            columns=tuple(columns),
            optional_columns=(),
            parameters=_parameter_model(factory),
            range=range or USUAL_RANGE,
            bounded=range is not None,
            examples=tuple(examples),
            source=source,
            timeout_s=timeout_s,
            per_completion=False,
            by_batch=True,
            timed=timed,
            sandboxed=sandboxed,
            deterministic=deterministic,
            family=family,
            shaped=shaped,
            function=factory,
        )

    return declare


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _parameter_model(function: Callable[..., Any]) -> type[BaseModel]:
    """The keyword-only parameters of a function as a strict pydantic model."""
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        p.name: (hints[p.name], ... if p.default is inspect.Parameter.empty else p.default)
        for p in _parameters(function)
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }
    config = ConfigDict(extra="forbid", frozen=True)
    return create_model(f"{function.__name__}_parameters", __config__=config, **fields)


def _first_line(function: Callable[..., Any]) -> str:
    text = inspect.getdoc(function)
    if not text:
        raise TypeError(f"reward {function.__name__} has no docstring: its first line is the help shown to users")
    return text.splitlines()[0]


def _further_lines(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[2].strip()
