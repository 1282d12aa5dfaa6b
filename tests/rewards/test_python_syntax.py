"""python_syntax: what compiles, what does something, and what cannot hurt."""

import os
import threading

import pytest

from core.sandbox import Outcome, SandboxError
from rewards.python_syntax import python_syntax
from rewards.text import program_in


@pytest.mark.parametrize(
    ("program", "expected", "reason"),
    [
        ("print(42)", 1.0, "a call"),
        ("x = 1", 1.0, "an assignment"),
        ("import os", 1.0, "an import"),
        ("def f(): pass", 1.0, "a function"),
        ("async def f():\n    await g()", 1.0, "an asynchronous function"),
        ('"""Prints."""\nprint(42)', 1.0, "a docstring, and then something"),
        ("x: int = 1", 1.0, "an annotation with a value"),
        ("(x := 1)", 1.0, "a named expression"),
        ("naïve = 'é🙂'", 1.0, "letters that are not ASCII"),
        ("match x:\n    case 1: pass", 1.0, "new syntax"),
        ("print(1)\r\nprint(2)\r\n", 1.0, "line ends of Windows"),
        ("print('\\d')\nx is 1\nassert (x, 1)", 1.0, "what Python only warns of"),
        ("x is 1\nprint()\n" * 10_000, 1.0, "warnings without end"),
        ("print(1)\n" * 20_000, 1.0, "long"),
        ("", 0.0, "empty"),
        (" \n\t\n", 0.0, "white space"),
        ("# a comment\n# another", 0.0, "comments"),
        ("'''Only this.'''\n# and that", 0.0, "a docstring and a comment"),
        ("pass\n...\n1\n'a'\nNone", 0.0, "nothing, in many words"),
        ("Paris", 0.0, "a word is a name"),
        ("Hello, world", 0.0, "two words are a tuple"),
        ("Answer: 42", 0.0, "a bare annotation"),
        ("a + b - c[0].d", 0.0, "a formula"),
        ("print 42", 0.0, "Python 2"),
        ("def f()\n    pass", 0.0, "a colon is missing"),
        ("if x:\nprint(1)", 0.0, "not indented"),
        ("if x:\n\tprint(1)\n        print(2)", 0.0, "tabs and spaces"),
        ("return 1", 0.0, "a return outside a function"),
        ("break", 0.0, "a break outside a loop"),
        ("def f(a, a): pass", 0.0, "an argument twice"),
        ("await f()", 0.0, "an await outside a function"),
        ("x = '", 0.0, "a text that is not closed"),
        ("Sure! Here is the program.", 0.0, "prose"),
    ],
)
def test_a_program_compiles_and_does_something(program, expected, reason):
    assert python_syntax.function(program) == expected, reason


HOSTILE = {
    "many brackets": "(" * 100_000,
    "many closed brackets": "x = " + "(" * 150 + "1" + ")" * 150 + "(" * 90_000,
    "a deep formula": "x = " + "-" * 100_000 + "1",
    "a long sum": "x = " + "+".join(["1"] * 50_000),
    "deep lists": "x = " + "[" * 190 + "]" * 189,
    "a deep text within texts": "x = " + "f'{" * 200,
    "deep blocks": "".join(f"{' ' * n}if 1:\n" for n in range(300)),
    "a NUL": "x = 1\0",
    "half a character": "x = '\ud800'",
    "an unknown encoding": "# coding: none-such\nx = (",
    "a huge number": "x = " + "9" * 200_000,
    "a mark of the end": "x = 1\x1a",
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE)
def test_hostile_source_earns_nothing_and_hurts_nobody(program):
    assert python_syntax.function(program) == 0.0


def test_a_program_that_the_compiler_would_grow_is_compiled_within_its_limits():
    assert python_syntax.function("x = 9 ** 9 ** 9\ny = 'a' * 10 ** 10") == 1.0


def test_nothing_is_run(tmp_path):
    program = f"import os\nopen({str(tmp_path / 'made')!r}, 'w')\nprint('does not compile')\nos._exit(1)"
    assert python_syntax.function(program) == 1.0
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("x = 1", "x = 1"),
        ("Here:\n```python\na\n```\nand\n```py\nb\n```\nIt prints:\n```\nc\n```", "b\n"),
        ("```js\na\n```\n```\nb\n```", "b\n"),
        ("```Python3\na", "a"),
        ("", ""),
        ("1. This:\n   ```python\n   if a:\n       b\n   ```", "if a:\n    b\n"),
        ("```python\n    a\n    b\n```", "a\nb\n"),
        ("~~~python\na\n~~~", "a\n"),
        ("<think>\n```python\nhm(\n</think>\n```python\na\n```", "a\n"),
        ("<think>hm</think>a", "a"),
    ],
)
def test_the_program_is_the_last_python_block_else_the_last_block_else_everything(completion, program):
    assert program_in(completion) == program


def test_the_last_block_counts():
    assert python_syntax.function("```python\nbroken(\n```\n```python\nprint(1)\n```") == 1.0
    assert python_syntax.function("```python\nprint(1)\n```\n```python\nbroken(\n```") == 0.0


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome("", "", None), 0.0),
        (Outcome("", "", -11), 0.0),
        (Outcome("", "Traceback ...\nMemoryError\n", 1), 0.0),
        (Outcome("compiles\n", "", -9), 0.0),
    ],
    ids=["out of time", "crashed", "out of memory", "killed"],
)
def test_a_compiler_that_comes_to_no_end_is_a_verdict(outcome, expected, monkeypatch):
    monkeypatch.setattr("rewards.python_syntax.run_python", lambda *args: outcome)
    assert python_syntax.function("x = 1") == expected


def test_a_check_that_fails_for_another_reason_is_an_error_and_not_0(monkeypatch, score_one):
    monkeypatch.setattr("rewards.python_syntax.run_python", lambda *args: Outcome("", "NameError: ast", 1))
    assert "NameError: ast" in str(score_one(python_syntax, "x = 1"))

    def refuse(*args):
        raise SandboxError("no more processes")

    monkeypatch.setattr("rewards.python_syntax.run_python", refuse)
    assert str(score_one(python_syntax, "x = 1")) == "no more processes"


def test_it_may_be_called_from_a_thread():
    scores = []
    thread = threading.Thread(target=lambda: scores.append(python_syntax.function("x = 1")))
    thread.start()
    thread.join(timeout=30)
    assert scores == [1.0]


def test_it_says_that_it_uses_the_sandbox():
    assert python_syntax.sandboxed
    assert python_syntax.timed
