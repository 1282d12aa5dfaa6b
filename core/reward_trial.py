"""A trial of a reward function that is being written: what it says about some completions, and where it fails.

In: source text, rows with a completion each. Out: a `Trial`. The function runs in the sandbox and nowhere else, exactly
as the reward `custom` runs it; what Python cannot even compile is found here, before anything is started.
"""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.reward_calls import batch_of
from core.reward_form import read
from core.sandbox import Answer, Level, Limits, SandboxError, describe_function, level
from rewards import registry
from rewards.custom import call_all, wants_messages
from rewards.declaration import Outcome, RewardError

BUDGET_S = 30.0  # for all calls of a trial: somebody is waiting
LINES_AROUND = 2
MOST_PRINTED = 20_000  # characters shown of what a function prints
LINE_END = re.compile(r"\r\n|\r|\n")
AT_LINE = re.compile(r" \(line (\d+|None)\)\Z")


@dataclass(frozen=True)
class Spot:
    """A place in the source.

    Attributes:
        line: from 1.
        column: from 1, where it is known.
        text: the line itself.
        around: (number, text) of some lines, this one among them.
    """

    line: int
    column: int | None
    text: str
    around: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Fault:
    """Why there is no score, and the place in the source where that showed, if it is one."""

    what: str
    spot: Spot | None = None


@dataclass(frozen=True)
class Trial:
    """What a function said about n completions.

    Attributes:
        scores: each a number, or None where the reward does not apply or failed.
        faults: number of a completion -> why it has no score.
        failed: why the code as a whole came to nothing, such as a syntax error.
        contract: "batch" (TRL's), "each" (of one completion) or "grade" (OpenAI's); empty where none was found.
        needs: columns that the function reads and cannot do without.
        missing: those of them that rows lack -> how many rows.
        printed: the start of what it wrote to standard output and error, tracebacks included.
        seconds: wall time of all calls.
        sandbox: how well the function was kept in; None where nothing was started.
    """

    scores: tuple[float | None, ...] = ()
    faults: Mapping[int, Fault] = field(default_factory=dict)
    failed: Fault | None = None
    contract: str = ""
    needs: tuple[str, ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)
    printed: str = ""
    seconds: float = 0.0
    sandbox: Level | None = None


def try_code(
    code: str,
    function: str,
    rows: Sequence[Mapping[str, Any]],
    completions: Sequence[str],
    settings: Mapping[str, Any] | None = None,
) -> Trial:
    """Score completions by a function of the user's, in the sandbox.

    Args:
        code: its source.
        function: its name, where the code defines several.
        rows: the row of each completion (n), with its prompt.
        completions: texts (n). Without any, the code is loaded and described.
        settings: the other parameters of the reward `custom`, such as `timeout_s`.

    Raises:
        UserError: a setting that cannot be, or no code at all.
    """
    custom = registry()["custom"]
    params = read(custom.parameters, {**(settings or {}), "code": code, "function": function}, "custom")
    if fault := syntax_fault(code):
        return Trial(failed=fault)
    given = custom.parameters(**params).model_dump()
    limits = Limits(wall_s=given["timeout_s"], memory_mb=given["memory_mb"])
    batch = batch_of(custom, rows, completions)
    sandbox = level()  # before the clock starts: the first time, it tries things out
    start = time.monotonic()
    if completions:
        chat = wants_messages(code, given["completions"])
        outcomes, answers = call_all(
            code, function, batch.prompts, batch.completions, batch.columns, chat, limits, BUDGET_S
        )
    else:
        outcomes, answers = _described(code, function, limits)
    return _trial(code, rows, outcomes, answers, time.monotonic() - start, sandbox)


def syntax_fault(code: str) -> Fault | None:
    """What Python's compiler says about a source, at its line and column; None where it compiles. Nothing is run."""
    try:
        compile(code, "reward.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        return Fault(f"{type(error).__name__}: {error.msg}", spot_at(code, error.lineno, error.offset or None))
    except (ValueError, MemoryError, RecursionError) as error:  # a NUL, a lone surrogate, brackets without end
        return Fault(f"it cannot be compiled: {error or type(error).__name__}")
    return None


def spot_at(code: str, line: int | None, column: int | None = None) -> Spot | None:
    """A line of a source with those around it; None where the source has no such line."""
    lines = LINE_END.split(code)
    if line is None or not 1 <= line <= len(lines):
        return None
    first, last = max(1, line - LINES_AROUND), min(len(lines), line + LINES_AROUND)
    around = tuple((number, lines[number - 1]) for number in range(first, last + 1))
    return Spot(line, column, lines[line - 1], around)


def columns_read(code: str) -> tuple[str, ...]:
    """Columns that a source takes out of `row[...]` or `item[...]` without asking whether they are there."""
    taken: dict[str, None] = {}
    asked: set[str] = set()
    try:
        tree = ast.parse(code)
    except RecursionError:  # what the compiler takes may still be too deep for a tree
        return ()
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Name(id="row" | "item"), slice=ast.Constant(value=str(name)), ctx=ast.Load()):
                taken[name] = None
            case ast.Compare(left=ast.Constant(value=str(name)), comparators=[ast.Name(id="row" | "item")]):
                asked.add(name)
    return tuple(name for name in taken if name not in asked and name != "prompt")


def _described(code: str, function: str, limits: Limits) -> tuple[list[Outcome], list[Answer]]:
    try:
        return [], [describe_function(code, function, limits)]
    except SandboxError as error:
        return [RewardError(str(error))], []


def _trial(
    code: str,
    rows: Sequence[Mapping[str, Any]],
    outcomes: Sequence[Outcome],
    answers: Sequence[Answer],
    seconds: float,
    sandbox: Level,
) -> Trial:
    contract = answers[0].contract if answers else ""
    needs = tuple(dict.fromkeys((*(answers[0].needs if answers else ()), *_row_columns(code, contract))))
    lacking = {name: sum(row.get(name) is None for row in rows) for name in needs}
    of_rows = outcomes[: len(rows)]
    return Trial(
        scores=tuple(None if isinstance(outcome, RewardError) else outcome for outcome in of_rows),
        faults={n: _fault(code, str(found)) for n, found in enumerate(of_rows) if isinstance(found, RewardError)},
        failed=_failed(code, outcomes, answers),
        contract=contract,
        needs=needs,
        missing={name: count for name, count in lacking.items() if count},
        printed="".join(answer.printed for answer in answers)[:MOST_PRINTED],
        seconds=seconds,
        sandbox=sandbox,
    )


def _row_columns(code: str, contract: str) -> tuple[str, ...]:
    return columns_read(code) if contract in ("each", "grade") else ()


def _failed(code: str, outcomes: Sequence[Outcome], answers: Sequence[Answer]) -> Fault | None:
    """What no single completion is to blame for."""
    if not answers:
        return Fault(str(outcomes[0])) if outcomes else None
    last = answers[-1]
    if not last.failed or (outcomes and last.contract in ("each", "grade")):
        return None
    return Fault(last.failed, spot_at(code, last.line))


def _fault(code: str, text: str) -> Fault:
    """An error of one completion, whose text ends with its line where that is known."""
    found = AT_LINE.search(text)
    if found is None:
        return Fault(text)
    line = None if found[1] == "None" else int(found[1])
    return Fault(text[: found.start()], spot_at(code, line))
