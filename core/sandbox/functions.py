"""Calls a reward function that a user typed, in the sandbox."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.sandbox.client import POOL, Pool, file_of, tail
from core.sandbox.limits import Limits

RESULT_BYTES, LINE_BYTES = 1 << 16, 1 << 10  # what is read of what it says: for all, and for each completion


MOST_NEEDS = 100


@dataclass(frozen=True)
class Answer:
    """What a function said about n completions.

    Attributes:
        scores: number -> its score, a float (perhaps not finite) or None, for those that have one.
        errors: number -> why it has none. A completion in neither was not reached before the end.
        failed: why the call as a whole ended early; empty where it did not.
        line: the line of the source in which it did, where that is known.
        contract: "batch" (TRL's), "each" (of one completion) or "grade" (OpenAI's); empty where none was found.
        needs: columns that the function cannot be called without.
        printed: what the function wrote to standard output and error, cut at the limit.
    """

    scores: Mapping[int, float | None] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)
    failed: str = ""
    line: int | None = None
    contract: str = ""
    needs: tuple[str, ...] = ()
    printed: str = ""


def call_function(
    source: str,
    function: str,
    prompts: Sequence[Any],
    completions: Sequence[str],
    columns: Mapping[str, Sequence[Any]],
    chat: bool,
    limits: Limits,
    pool: Pool = POOL,
) -> Answer:
    """Score n completions by a function of the user's.

    Args:
        source: the code that defines it.
        function: its name; empty where the code leaves no doubt.
        prompts: each text or messages.
        completions: their texts.
        columns: name -> n values; what JSON does not hold crosses as text.
        chat: whether a function in TRL's contract gets completions as messages; else as text.
        limits: for all of them together.
        pool: whose servers to use.

    Raises:
        SandboxError: it could not be started.
    """
    request = {
        "describe": False,
        "function": function,
        "chat": chat,
        "prompts": list(prompts),
        "completions": list(completions),
        "columns": {name: list(values) for name, values in columns.items()},
    }
    return _run(source, request, limits, pool)


def describe_function(source: str, function: str, limits: Limits, pool: Pool = POOL) -> Answer:
    """What contract a function keeps and what it needs, without calling it; see `call_function`."""
    request = {"describe": True, "function": function, "chat": False, "prompts": [], "completions": [], "columns": {}}
    return _run(source, request, limits, pool)


def _run(source: str, request: Mapping[str, Any], limits: Limits, pool: Pool) -> Answer:
    with contextlib.ExitStack() as stack:
        contents = {"program": source, "request": json.dumps(request, default=str)}
        names = ("program", "request", "result", "stdin", "output")
        files = {
            name: stack.enter_context(file_of(contents.get(name, "").encode("utf-8", "surrogatepass")))
            for name in names
        }
        output = files.pop("output")
        files |= {"stdout": output, "stderr": output}
        numbers = {
            **limits.numbers(),
            "output": limits.output_bytes + RESULT_BYTES + LINE_BYTES * len(request["completions"]),
        }
        with pool.server() as server:
            ended = server.run({"kind": "function", "wall_s": limits.wall_s, "limits": numbers}, files)
        files["result"].seek(0)
        room = RESULT_BYTES + len(request["completions"]) * LINE_BYTES
        lines = files["result"].read(room).decode("utf-8", "replace").split("\n", 2 * len(request["completions"]) + 3)
        printed = tail(output, limits.output_bytes)
    return _answer(lines, len(request["completions"]), ended["exit_code"], limits, printed)


def _answer(lines: Sequence[str], count: int, exit_code: int | None, limits: Limits, printed: str) -> Answer:
    """Read what the child wrote; it may have written anything."""
    scores: dict[int, float | None] = {}
    errors: dict[int, str] = {}
    failed, line, contract = "", None, ""
    needs: tuple[str, ...] = ()
    for text in lines:
        try:
            match json.loads(text):
                case ["error", str(reason), line_or_none]:
                    failed, line = reason, line_or_none if isinstance(line_or_none, int) else None
                case ["contract", str(name), [*names]]:
                    contract, needs = name, tuple(map(str, names[:MOST_NEEDS]))
                case [int(n), None, str(reason)] if 0 <= n < count:
                    errors[n] = reason
                case [int(n), float() | None as score] if 0 <= n < count:
                    scores[n] = score
        except (ValueError, RecursionError):  # a line cut off by a limit, or made up
            continue
    if not failed and (len(scores) + len(errors) < count or not contract):
        ended = f"it ended early (exit code {exit_code})"
        failed = f"no score within {limits.wall_s:g} s" if exit_code is None else ended
    return Answer(scores, errors, failed, line, contract, needs, printed)
