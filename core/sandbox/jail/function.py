"""The process of a reward function that a user typed: finds it, calls it, writes one line for each completion.

Contracts that work unchanged, told by the names of parameters:
- TRL's: `f(prompts, completions, <columns>, **kwargs) -> list`, a function, an async function, a callable class or a
  `functools.partial`;
- of one completion: `score(completion, row) -> float`, or with the columns it reads by name;
- OpenAI's Python grader: `grade(sample, item) -> float`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import linecache
import numbers
import os
import sys
import traceback
import types
from collections.abc import Callable
from typing import Any

FILE = "reward.py"
USUAL = ("reward", "score", "grade", "reward_function", "reward_func", "reward_fn")
NOTHING = ("trainer_state", "environments")  # what TRL hands over beside columns, and is not there
SINKS = ("log_extra", "log_metric")  # functions of TRL's that take notes
GIVEN = {"prompts", "completions", "completion", "prompt", "row", "sample", "item", *NOTHING, *SINKS}  # no columns


class Refused(Exception):
    """No score can come of this source, with the reason."""


def main(source: str, request: dict[str, Any], result: int) -> None:
    """Score completions.

    Args:
        source: what the user typed.
        request: `function` (its name, or empty), `chat` (completions as messages, or as text), `prompts`, `completions`
            and `columns`, lists of the same length. With `describe` true nothing is called.
        result: file descriptor to write to: a line `["contract", name, columns that it must have]`, then lines
            `[n, score]` or `[n, null, reason]`; `["error", reason, line]` where it ends early.
    """
    with os.fdopen(result, "w", encoding="utf-8") as file:

        def write(*line: Any) -> None:
            file.write(json.dumps(line) + "\n")
            file.flush()

        try:
            function = found(loaded(source), request["function"])
            write("contract", contract(function), needed(function))
            if not request["describe"]:
                _run(function, request, write)
        except Refused as error:
            write("error", str(error), None)
        except BaseException as error:  # whatever it is, it is the user's to see
            show(error)
            write("error", reason(error), line_of(error))


def loaded(source: str) -> types.ModuleType:
    """The user's source as a module, whose tracebacks show its lines."""
    module = sys.modules["reward"] = types.ModuleType("reward")
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    exec(compile(source, FILE, "exec", dont_inherit=True), module.__dict__)
    return module


def found(module: types.ModuleType, name: str) -> Callable[..., Any]:
    """The function to call: the one named, else the only one there is, else the one with a usual name."""
    own = {key: value for key, value in vars(module).items() if not key.startswith("_") and _scores(value)}
    parts = [type(value) for value in own.values()] + [_whole(value) for value in own.values() if _is_partial(value)]
    own = {key: value for key, value in own.items() if not any(value is part for part in parts)}  # not beside its own
    if name and name not in vars(module):
        raise Refused(f"the code defines no {name!r}; it defines {', '.join(own) or 'no function'}")
    usual = next((key for key in USUAL if key in own), "")
    if name:
        chosen = vars(module)[name]
    elif len(own) == 1:
        (chosen,) = own.values()
    else:
        chosen = own.get(usual)
    if chosen is None:
        raise Refused(
            f"the code defines {', '.join(own)}; name the one to call" if own else "the code defines no function"
        )
    made: Callable[..., Any] = chosen() if isinstance(chosen, type) else chosen
    if not callable(made):
        raise Refused(f"{name or type(made).__name__!r} cannot be called")
    return made


def _scores(value: Any) -> bool:
    """Whether this code made it and it can score: a function, or a class whose instances can be called, or one."""
    value = _whole(value)
    if isinstance(value, types.FunctionType):
        return value.__module__ == "reward"
    kind = value if isinstance(value, type) else type(value)
    return kind.__module__ == "reward" and any("__call__" in vars(base) for base in kind.__mro__)


def _is_partial(value: Any) -> bool:
    return isinstance(value, functools.partial)


def _whole(value: Any) -> Any:
    """The function that a `functools.partial` calls; anything else is itself."""
    while isinstance(value, functools.partial):
        value = value.func
    return value


def contract(function: Callable[..., Any]) -> str:
    """Which contract a function keeps: "grade", "each" or "batch"."""
    names = list(inspect.signature(function).parameters)
    return "grade" if names[:2] == ["sample", "item"] else "each" if names[:1] == ["completion"] else "batch"


def needed(function: Callable[..., Any]) -> list[str]:
    """Columns that a function cannot be called without."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.default is p.empty and p.kind in kinds]
    return [name for name in names if name not in GIVEN]


def _run(function: Callable[..., Any], request: dict[str, Any], write: Callable[..., None]) -> None:
    texts = request["completions"]
    # A row without a value has no such column, whatever the rows beside it have.
    columns = request["columns"].items()
    rows = [{name: values[n] for name, values in columns if values[n] is not None} for n in range(len(texts))]
    match contract(function):
        case "grade":
            _each(lambda n: function(_sample(texts[n]), rows[n]), len(texts), write)
        case "each":
            _each(lambda n: function(texts[n], **_row(function, request, rows[n], n)), len(texts), write)
        case _:
            scores = _finished(function(**_batch(function, request)))
            scores = scores.tolist() if hasattr(scores, "tolist") else scores
            if not isinstance(scores, list | tuple) or len(scores) != len(texts):
                what = f"{len(scores)} scores" if isinstance(scores, list | tuple) else f"{scores!r:.80}"
                raise Refused(f"it returned {what}; a list of {len(texts)} is needed, one for each completion")
            for n, score in enumerate(scores):
                write(n, *_plain(float(score) if isinstance(score, bool) else score))  # as TRL takes them


def _sample(text: str) -> dict[str, Any]:
    """What OpenAI's graders see of a completion."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    message = {"role": "assistant", "content": text, "refusal": None, "tool_calls": None}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return {"output_text": text, "output_json": value, "choices": choices, "output_tools": []}


def _each(call: Callable[[int], Any], count: int, write: Callable[..., None]) -> None:
    """One call for each completion; an exception costs its own."""
    for n in range(count):
        try:
            write(n, *_plain(_finished(call(n))))
        except Exception as error:
            show(error)
            write(n, None, f"{reason(error)} (line {line_of(error)})")


def _finished(result: Any) -> Any:
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def _plain(score: Any) -> tuple[Any, ...]:
    """A score as JSON holds it, or why it is none. NaN and infinity go through: the caller names them."""
    if score is None or (isinstance(score, numbers.Real) and not isinstance(score, bool)):
        try:
            return (score if score is None else float(score),)
        except OverflowError:
            return (None, "returned a number too large for a float; a score must be finite")
    hint = ": write float(...)" if isinstance(score, bool) else ""
    return (None, f"returned {score!r:.80} ({type(score).__name__}); a score is a number or None{hint}")


def _row(function: Callable[..., Any], request: dict[str, Any], row: dict[str, Any], n: int) -> dict[str, Any]:
    prompt = request["prompts"][n]
    return _accepted(function, {**row, "row": {"prompt": prompt, **row}, "prompt": prompt})


def _batch(function: Callable[..., Any], request: dict[str, Any]) -> dict[str, Any]:
    texts = request["completions"]
    given = {
        **request["columns"],
        **dict.fromkeys(NOTHING),
        **dict.fromkeys(SINKS, lambda *_, **__: None),
        "prompts": request["prompts"],
        "completions": [[{"role": "assistant", "content": text}] for text in texts] if request["chat"] else texts,
    }
    return _accepted(function, given)


def _accepted(function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """Of what there is, what a signature takes; Refused where it needs something else."""
    missing = [name for name in needed(function) if name not in given]
    if missing:
        raise Refused(f"it needs {', '.join(map(repr, missing))}, which the rows do not have")
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return given
    return {name: value for name, value in given.items() if name in parameters}


def reason(error: BaseException) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {error!s:.300}"


def show(error: BaseException) -> None:
    """Print a traceback of the user's own lines alone."""
    trace = traceback.TracebackException.from_exception(error)
    trace.stack = traceback.StackSummary.from_list([frame for frame in trace.stack if frame.filename == FILE])
    print("".join(trace.format()), file=sys.stderr, end="")


def line_of(error: BaseException) -> int | None:
    """The line of the user's source in which it was raised."""
    if isinstance(error, SyntaxError) and error.filename == FILE:
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    return lines[-1] if lines else None
