"""Runs untrusted Python: programs that a model wrote, against what they must print or against tests that they never
see.

In: source text, what it reads or the tests it must pass, limits. Out: an `Outcome`; a program that crashes, loops,
floods its output or eats memory has an outcome like any other. Only what could not be run is an error
(`SandboxError`), since that says nothing about the program. `docs/sandbox.md` says what it keeps out, how, and what
is left.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from core.sandbox.client import POOL, WEAK, Pool, SandboxError, Wanted, file_of, tail
from core.sandbox.functions import Answer, call_function, describe_function
from core.sandbox.level import Level, level
from core.sandbox.limits import Limits

__all__ = [
    "WEAK",
    "Answer",
    "Level",
    "Limits",
    "Outcome",
    "Pool",
    "SandboxError",
    "Wanted",
    "call_function",
    "describe_function",
    "level",
    "run_python",
    "run_tests",
]

STDERR_TAIL = 4096  # bytes
VERDICTS = {ord("1"): True, ord("0"): False, ord("-"): None}
USUAL = Limits()


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        stdout: what it wrote, cut at the limit.
        stderr: the end of what it wrote there, such as a traceback.
        exit_code: its exit code, -N where signal N ended it; None where it was killed because its time was up.
    """

    stdout: str
    stderr: str
    exit_code: int | None

    @property
    def timed_out(self) -> bool:
        """Whether it was killed because its time was up."""
        return self.exit_code is None


def run_python(source: str, stdin: str = "", limits: Limits = USUAL, pool: Pool = POOL) -> Outcome:
    """Run a Python program to its end or to its limits.

    Raises:
        SandboxError: it could not be started.
    """
    with contextlib.ExitStack() as stack:
        files = {
            "program": _text(stack, source),
            "stdin": _text(stack, stdin),
            "stdout": _text(stack),
            "stderr": _text(stack),
        }
        with pool.server() as server:
            answer = server.run({"kind": "program", "wall_s": limits.wall_s, "limits": limits.numbers()}, files)
        return Outcome(_head(files["stdout"], limits), tail(files["stderr"], STDERR_TAIL), answer["exit_code"])


def run_tests(
    program: str, tests: Sequence[str], candidate: str = "", limits: Limits = USUAL, pool: Pool = POOL
) -> list[bool | None]:
    """Which of these tests a program passes, in one run of it.

    The tests run in a process of their own; the program never sees them. A test passes if it comes to its end without
    an exception. None stands for one that passed without asking anything of the program, which says nothing about it:
    built-in names are never the program's. Tests that were not reached before the time was up, or the program ended,
    have failed.

    Args:
        program: Python source.
        tests: pieces of Python that use what the program defines, in order.
        candidate: the program's name for what the tests call `candidate`; empty where they call none.
        limits: of both processes, each; the time is that of all tests together.

    Raises:
        SandboxError: it could not be started.
    """
    with contextlib.ExitStack() as stack:
        files = {
            "program": _text(stack, program),
            "tests": _text(stack, json.dumps({"tests": list(tests), "candidate": candidate})),
            **{name: _text(stack) for name in ("verdicts", "stdin", "stdout", "stderr", "scratch")},
        }
        with pool.server() as server:
            server.run({"kind": "tests", "wall_s": limits.wall_s, "limits": limits.numbers()}, files)
        files["verdicts"].seek(0)
        verdicts = files["verdicts"].read(len(tests))
    return [VERDICTS[verdict] for verdict in verdicts.ljust(len(tests), b"0")]


def _text(stack: contextlib.ExitStack, content: str = "") -> IO[bytes]:
    return stack.enter_context(file_of(content.encode("utf-8", "surrogatepass")))


def _head(file: IO[bytes], limits: Limits) -> str:
    file.seek(0)
    return file.read(limits.output_bytes).decode("utf-8", "replace")
