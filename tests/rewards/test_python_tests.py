"""python_tests: what counts as the program, as a test, as passed, and what cannot be faked."""

import json

import pytest

from core.sandbox import SandboxError
from rewards.python_tests import python_tests

INC = "def inc(n):\n    return n + 1\n"
ASSERTS = ["assert inc(1) == 2", "assert inc(2) == 3"]

FAILED = {
    "prints a verdict": "print('PASSED\\n' * 100)",
    "exits with success": "import sys\nsys.exit(0)",
    "exits hard with success": "import os\nos._exit(0)",
    "exits in a test": "def inc(n):\n    import os\n    os._exit(0)",
    "raises SystemExit in a test": "def inc(n):\n    raise SystemExit(0)",
    "replaces exec": "import builtins\nbuiltins.exec = lambda *a: None",
    "replaces os.write": "import os\nos.write = lambda *a: None",
    "does not parse": "def inc(n) return n",
    "holds a NUL": "\0",
    "crashes the compiler": "(" * 10_000,
    "reads input that is not there": INC + "input()",
    "recurses for ever": "def inc(n):\n    return inc(n)",
    "eats memory": "x = [0] * 10**9\n" + INC,
    "prints 100 MB": "print('x' * 10**8)\n" + INC,
    "imports what is not there": "import numpy\n" + INC,
    "kills itself": "import os\nos.kill(os.getpid(), 9)",
    "kills its parent": INC + "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(9)",
}


@pytest.mark.parametrize("program", FAILED.values(), ids=FAILED)
def test_a_program_that_fails_or_cheats_earns_nothing(program):
    assert python_tests.function(program, ASSERTS) == 0.0


@pytest.mark.parametrize(
    ("completion", "tests", "expected", "reason"),
    [
        (f"```python\nbroken(\n```\nBetter:\n```python\n{INC}```", ASSERTS, 1.0, "the last block counts"),
        (f"```python\n{INC}", ASSERTS, 1.0, "a block that is not closed"),
        (f"```python\n{INC}```\nOutput:\n```\n1\n```", ASSERTS, 1.0, "a sample of the output is no program"),
        (f"```py\nbroken(\n```\n```Python\n{INC}```\n```text\n1\n```", ASSERTS, 1.0, "the last block tagged Python"),
        (f"```\nbroken(\n```\n```\n{INC}```", ASSERTS, 1.0, "the last block where none is tagged"),
        (INC, json.dumps(ASSERTS), 1.0, "tests as JSON text"),
        (INC, "assert inc(1) == 2\nassert inc(2) == 3", 1.0, "a test program"),
        (INC, "def check(f):\n    assert f(1) == 3\ncheck(inc)", 0.0, "a test program that fails"),
        (INC, ["import math\nassert inc(math.inf) == math.inf"], 1.0, "a test of two statements"),
        ("import math, itertools, collections\n" + INC, ASSERTS, 1.0, "the standard library is there"),
        (f"{INC}\nif __name__ == '__main__':\n    print(inc(int(input())))", ASSERTS, 1.0, "main is not run"),
        (
            "from dataclasses import dataclass\n@dataclass\nclass inc:\n    n: 'int'",
            ["assert inc(1).n == 1"],
            1.0,
            "class",
        ),
        (f"{INC}\nprint('debugging')", ASSERTS, 1.0, "printing is no fault"),
        ("def inc(n):\n    while n == 2:\n        pass\n    return n + 1", ASSERTS, 0.5, "stuck in the second test"),
    ],
)
def test_programs_are_run_with_their_tests(completion, tests, expected, reason):
    assert python_tests.function(completion, tests, timeout_s=1) == expected, reason


@pytest.mark.parametrize(
    ("program", "expected", "reason"),
    [
        ("print(input()[::-1])", 1.0, "right"),
        ("print(input()[::-1] + '  \\n\\n')", 1.0, "white space at the ends does not count"),
        ("print(' ' + input()[::-1])", 0.0, "white space at the start does"),
        ("print('ba')", 0.5, "one of two"),
        ("print(input()[::-1])\nraise ValueError", 0.0, "the right output, then a crash"),
        ("while True: pass", 0.0, "never ends, and is tried only once"),
        ("import os\nos._exit(0)", 0.0, "nothing"),
    ],
)
def test_programs_are_judged_by_what_they_print(program, expected, reason):
    cases = [{"input": "ab", "output": "ba"}, {"input": "xyz\n", "output": "zyx\n"}]
    assert python_tests.function(program, cases, timeout_s=0.5) == expected, reason


def test_all_or_nothing_gives_no_partial_credit():
    assert python_tests.function("def inc(n):\n    return 2", ASSERTS, all_or_nothing=True) == 0.0
    assert python_tests.function(INC, ASSERTS, all_or_nothing=True) == 1.0


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        ([], "give a list of tests"),
        ("", "tests nothing"),
        ("def test():\n    assert inc(1) == 2", "tests nothing"),
        ("def check(f):\n    assert f(1) == 2", "never calls check"),
        ("[1, 2", "not a valid JSON list"),
        (["assert inc(1) == 2", "assert inc(1"], "tests[1] is not valid Python"),
        (["inc(1) == 2"], "tests[0] has no assert"),
        (["assert inc(1) == 2", 3], "tests[1] is 3"),
        ([{"input": "1"}], "tests[0] has the keys input"),
        ([{"input": "1", "output": None}], "tests[0].output"),
        (["assert " + "(" * 1000], "tests[0] is not valid Python"),
        (["assert inc(1) == 2", "assert pow(2, 3) == 8"], "passes without trying one"),
        (3, "give a list of tests"),
    ],
)
def test_malformed_tests_are_an_error_that_names_them(tests, message, score_one):
    assert message in str(score_one(python_tests, INC, tests=tests))


def test_a_process_that_cannot_be_started_is_an_error_and_not_0(monkeypatch, score_one):
    def refuse(*args, **kwargs):
        raise SandboxError("no more processes")

    monkeypatch.setattr("rewards.python_tests.run_tests", refuse)
    assert str(score_one(python_tests, INC, tests=ASSERTS)) == "no more processes"
