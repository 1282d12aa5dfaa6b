"""How a reward function is declared: one object from which form, validation, YAML, docs and tests all derive.

Two shapes of function are declared here:

- `@reward` wraps a function of **one completion**: `f(completion, <columns>, *, <parameters>) -> float | None`. Its
  positional parameters are the dataset columns it reads (optional where they have a default), its keyword-only ones are
  the parameters a user may set; `Annotated[float, Field(gt=0, description="...")]` gives their range and help.
- `@trl_reward` wraps a **factory**: `f(*, <parameters>) -> function`, where the function keeps TRL's own contract
  (`prompts`, `completions`, `completion_ids` and every column as keyword lists in, a list of `float | None` out). One
  that is declared here may put a `RewardError` in place of a score, so that an error costs no other completion.

A score is a number, None (not applicable) or a `RewardError` with its reason. An error is never 0.
"""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

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


class RewardError(Exception):
    """A completion that could not be scored, with the reason: raised by a reward, or kept in place of its score."""


Outcome = float | None | RewardError
BatchFunction = Callable[..., Sequence[Outcome]]


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
            return self._score_batch(batch, parameters)
        return [self._score_one(batch, i, dict(parameters)) for i in range(len(batch.completions))]

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
        try:
            function = _build(self.function, self.parameters, parameters.model_dump_json())
            scores = function(
                prompts=[batch.prompts[i] for i in ready],
                completions=[[{"role": "assistant", "content": batch.completions[i]}] for i in ready],
                **{name: [values[i] for i in ready] for name, values in batch.columns.items()},
            )
            if len(scores) != len(ready):
                raise RewardError(f"returned {len(scores)} scores for {len(ready)} completions")
            found: list[Outcome] = [checked(score) for score in scores]
        except Exception as error:  # the boundary where a reward's own failure becomes data
            found = [_failure(error)] * len(ready)
        for i, outcome in zip(ready, found, strict=True):
            outcomes[i] = outcome
        return outcomes

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
    range: tuple[float | None, float | None] = (0.0, 1.0),
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
            range=range,
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
    range: tuple[float | None, float | None] = (0.0, 1.0),
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
            range=range,
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
