"""Python programs, scored by running their tests: the share of tests that a program passes.

The program is the last fenced code block tagged python or py, so that a sample of its output may follow it; else the
last fenced block of all; else the whole completion. Tests come in three shapes:

- a list of assert statements, each a test of its own (MBPP): `["assert add(2, 3) == 5", ...]`
- one text, a test program that is run after the program as a single test (HumanEval)
- a list of `{"input": ..., "output": ...}`: what the program reads, and what it must print (white space at line ends
  and blank lines at the end do not count), each a test of its own and a run of its own

A program that crashes, never ends, exits early, floods its output or eats memory has failed the tests that it thereby
misses: a verdict, not an error. Malformed tests are an error, since they say nothing about the program.

Programs run in `core.sandbox`, the tests in a process of their own: the program never sees them, nor what is expected
of it. What a test gets from the program is a plain value, or a handle on an object that stays in the program's
process. So a test that puts an operator between an object of the program's own class and a plain value (`Vector(1, 2)
* 2`, `Money(3) == 3`) is not passed; a method called by its name is (docs/sandbox.md).
"""

from __future__ import annotations

import ast
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from core.sandbox import Limits, SandboxError, run_python, run_tests
from rewards.declaration import Example, RewardError, reward
from rewards.text import as_text, parse_json, program_in, shown

TIMEOUT_S = 60.0
BUDGET_S = (
    25.0  # for all input/output cases; below TIMEOUT_S less one run, so that a slow program is judged, not masked
)

ADD = "def add(a, b):\n    return a + b"
ASSERTS = {"tests": ["assert add(2, 3) == 5", "assert add(-1, 1) == 0"]}
DOUBLE = {"tests": [{"input": "21\n", "output": "42"}, {"input": "0\n", "output": "0"}]}


@reward(
    title="Python tests",
    family="code",
    examples=[
        Example(f"Here it is:\n```python\n{ADD}\n```\nIt adds.", 1.0, ASSERTS, note="all tests pass"),
        Example("def add(a, b):\n    return abs(a) + b", 0.5, ASSERTS, note="one of two tests passes"),
        Example("", 0.0, ASSERTS, note="empty"),
        Example(ADD, None, error="no 'tests'", note="the row has no tests"),
        Example("import os\nprint('PASSED')\nos._exit(0)", 0.0, ASSERTS, note="exiting before the tests"),
        Example("while True:\n    pass", 0.0, ASSERTS, {"timeout_s": 0.5}, note="never ends"),
        Example("print(int(input()) * 2)", 1.0, DOUBLE, note="tests by input and output"),
        Example(ADD, 1.0, {"tests": "def check(f):\n    assert f(2, 3) == 5", "entry_point": "add"}, note="HumanEval"),
        Example(ADD, None, {"tests": ["add(2, 3) == 5"]}, note="not a test", error="tests[0] has no assert"),
    ],
    source="Pass rate as in HumanEval (Chen et al. 2021) and MBPP (Austin et al. 2021)",
    timeout_s=TIMEOUT_S,
    timed=True,
    sandboxed=True,
)
def python_tests(
    completion: str,
    tests: Any,
    entry_point: Any = "",
    *,
    timeout_s: Annotated[float, Field(gt=0, le=30, description="Seconds a run of the program may take")] = 2.0,
    memory_mb: Annotated[int, Field(ge=64, le=8192, description="MiB of memory a program may use")] = 256,
    all_or_nothing: Annotated[bool, Field(description="1 only if every test passes, else 0")] = False,
) -> float:
    """The share of tests that the program passes, 0 to 1.

    `python_tests("def f(): return 1", tests=["assert f() == 1", "assert f() == 2"])` is 0.5. The program is the last
    block tagged python or py, else the last block, else the whole completion. Tests may come as JSON text.
    Where a HumanEval test program only defines `check`, the column `entry_point` names the function to check. Only the
    standard library can be imported. After a run that takes too long, or 25 s of input/output cases in all, the tests
    that are left count as failed.
    """
    suite = _suite(tests, as_text(entry_point, "entry_point"))
    program = program_in(completion)
    limits = Limits(wall_s=timeout_s, memory_mb=memory_mb)
    try:
        passed = _passed_cases(program, suite.cases, limits) + _passed_asserts(program, suite, limits)
    except SandboxError as error:
        raise RewardError(str(error)) from error
    total = len(suite.cases) + len(suite.asserts)
    return float(passed == total) if all_or_nothing else passed / total


@dataclass(frozen=True)
class _Case:
    """What a program reads, and what it must print."""

    input: str
    output: str


@dataclass(frozen=True)
class _Suite:
    """Tests of one shape or the other, and the program's name for what they call `candidate`."""

    asserts: tuple[str, ...] = ()
    candidate: str = ""
    cases: tuple[_Case, ...] = ()


def _passed_cases(program: str, cases: tuple[_Case, ...], limits: Limits) -> int:
    passed = 0
    deadline = time.monotonic() + BUDGET_S
    for case in cases:
        if time.monotonic() > deadline:
            break
        outcome = run_python(program, case.input, limits)
        if outcome.timed_out:
            break
        passed += outcome.exit_code == 0 and _lines(outcome.stdout) == _lines(case.output)
    return passed


def _passed_asserts(program: str, suite: _Suite, limits: Limits) -> int:
    if not suite.asserts:
        return 0
    verdicts = run_tests(program, suite.asserts, suite.candidate, limits)
    if None in verdicts:
        test = shown(suite.asserts[verdicts.index(None)])
        raise RewardError(
            f"the test {test} cannot judge a program: it passes without trying one, or imports what is not there (only "
            "the standard library is). Call the program's functions, and the tests that you define; a function with a "
            "built-in name is called as candidate(...), named in the column 'entry_point'"
        )
    return sum(map(bool, verdicts))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _suite(tests: Any, entry_point: str) -> _Suite:
    """The tests of a row, or the reason why they are none."""
    listed = _listed(tests)
    if isinstance(listed, str):
        return _test_program(listed, entry_point)
    if not isinstance(listed, Sequence) or not listed:
        raise RewardError(f"column 'tests' holds {shown(tests)}; give a list of tests, or a test program as text")
    if all(isinstance(test, Mapping) for test in listed):
        return _Suite(cases=tuple(_case(i, test) for i, test in enumerate(listed)))
    return _Suite(asserts=tuple(_assert(i, test) for i, test in enumerate(listed)))


def _listed(tests: Any) -> Any:
    """The tests, read as JSON where they are a text that may be a JSON list."""
    if isinstance(tests, str) and tests.lstrip().startswith("["):
        try:
            return parse_json(tests)
        except ValueError as error:
            raise RewardError(f"column 'tests' is not a valid JSON list: {shown(tests)}: {error}") from None
    return tests


def _case(i: int, test: Mapping[str, Any]) -> _Case:
    if test.keys() != {"input", "output"}:
        raise RewardError(f"tests[{i}] has the keys {', '.join(map(str, test))}; it needs input and output")
    return _Case(as_text(test["input"], f"tests[{i}].input"), as_text(test["output"], f"tests[{i}].output"))


def _assert(i: int, test: Any) -> str:
    if not isinstance(test, str):
        raise RewardError(f"tests[{i}] is {shown(test)}; every test must be an assert statement like the others")
    if not any(isinstance(node, ast.Assert) for node in ast.walk(_parsed(test, f"tests[{i}]"))):
        raise RewardError(f"tests[{i}] has no assert: {shown(test)}; write it as an assert statement")
    return test


def _test_program(source: str, entry_point: str) -> _Suite:
    """A test program that tests something: one that only defines functions would pass every program."""
    passive = ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign
    statements = _parsed(source, "tests").body
    if any(not isinstance(s, passive) and not _is_docstring(s) for s in statements):
        return _Suite(asserts=(source,), candidate=entry_point if entry_point.isidentifier() else "")
    if not any(isinstance(s, ast.FunctionDef) and s.name == "check" for s in statements):
        raise RewardError(f"the test program tests nothing: {shown(source)}; give it assert statements")
    if not entry_point.isidentifier():
        raise RewardError("the test program never calls check(...); add the call, or the column 'entry_point'")
    return _Suite(asserts=(f"{source}\n\ncheck(candidate)\n",), candidate=entry_point)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _parsed(source: str, where: str) -> ast.Module:
    try:
        with warnings.catch_warnings(action="ignore"):  # such as odd escapes in the test's own text
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RewardError(f"{where} is not valid Python: {shown(source)}: {error}") from None
