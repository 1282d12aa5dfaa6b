"""custom: functions that users bring work unchanged, in the sandbox, and what they do wrong costs no more than it must."""

import datetime
import math
import time

import pytest
from pydantic import ValidationError

from core.check import check
from core.routing import RoutingTable
from core.sandbox import SandboxError
from core.scoring import score
from core.spec import Route, parse_spec
from rewards import declared
from rewards.custom import custom
from rewards.declaration import Batch, RewardError


def scored(code, completions, columns=None, prompts=None, **params):
    prompts = prompts or [[{"role": "user", "content": "?"}]] * len(completions)
    return custom.score(Batch(prompts, completions, columns or {}), {"code": code, **params})


@pytest.mark.parametrize(
    ("code", "expected", "what"),
    [
        (
            "def f(completions, answer, **kwargs):\n    return [float(c == a) for c, a in zip(completions, answer)]",
            [1, 0],
            "",
        ),
        (
            "def f(prompts, completions, completion_ids, answer):\n    return [len(i) for i in completion_ids]",
            [1, 2],
            "",
        ),
        ("async def f(completions, **kwargs):\n    return [1.0 for _ in completions]", [1, 1], "async"),
        ("class R:\n    def __call__(self, completions, **kw): return [0.5] * len(completions)", [0.5, 0.5], "class"),
        (
            "class R:\n    def __call__(self, completions, **kw): return [0.5] * len(completions)\nr = R()",
            [0.5, 0.5],
            "",
        ),
        (
            "def f(completions, trainer_state, **kw):\n    return [float(trainer_state is None)] * 2",
            [1, 1],
            "TRL's state",
        ),
        (
            "def f(completions, log_metric=None, **kw):\n    log_metric('a', 1)\n    return [1.0] * 2",
            [1, 1],
            "TRL's log",
        ),
        (
            "def f(completions, **kw):\n    return [float(len(c[0]['content'])) for c in completions]",
            [1, 1],
            "messages",
        ),
        ("def f(completions, **kw):\n    return tuple(1 for c in completions)", [1, 1], "a tuple of whole numbers"),
        ("def f(completions, **kw):\n    return [None, 1.0]", [None, 1], "not applicable"),
        ("def score(completion, row):\n    return float(row['answer'] == completion)", [1, 0], "a row"),
        ("def score(completion, answer):\n    return float(answer == completion)", [1, 0], "columns by name"),
        ("def score(completion, answer, other=3):\n    return other", [3, 3], "a column that is not there"),
        ("async def score(completion, row):\n    return 1.0", [1, 1], "one of a row, async"),
        ("def score(completion, prompt):\n    return float(len(prompt))", [1, 1], "the prompt's messages"),
        ("def grade(sample, item):\n    return float(sample['output_text'] == item['answer'])", [1, 0], "OpenAI's"),
        (
            "import re, math, json\ndef helper(x): return 1.0\ndef reward(completions, **k): return [helper(c) for c in completions]",
            [1, 1],
            "",
        ),
        (
            "from dataclasses import dataclass\n@dataclass\nclass Weights:\n    a: float = 2.0\ndef score(completion, row): return Weights().a",
            [2, 2],
            "",
        ),
    ],
)
def test_functions_work_unchanged(code, expected, what):
    assert scored(code, ["1", "x"], {"answer": ["1", "2"], "completion_ids": [[5], [6, 7]]}) == expected, what


@pytest.mark.parametrize(
    ("code", "first", "second"),
    [
        ("def score(completion, row): return 1 / int(completion)", 1.0, "ValueError: invalid literal"),
        ("def score(completion, row): return float('nan') if completion == 'x' else 1", 1.0, "returned nan"),
        ("def score(completion, row): return float('inf') if completion == 'x' else 1", 1.0, "returned inf"),
        ("def score(completion, row): return 'good' if completion == 'x' else 1", 1.0, "returned 'good' (str)"),
        ("def score(completion, row): return completion == 'x' or 1", 1.0, "write float(...)"),
        (
            "def score(completion, row):\n    if completion == 'x': import time; time.sleep(60)\n    return 1",
            1.0,
            "no score within 0.5 s",
        ),
        (
            "def score(completion, row):\n    if completion == 'x': import os; os._exit(3)\n    return 1",
            1.0,
            "it ended early (exit code 3)",
        ),
        ("def f(completions): return [1.0, float('nan')]", 1.0, "returned nan"),
        ("def f(completions): return [1.0]", "it returned 1 scores; a list of 2", "it returned 1 scores"),
        ("def f(completions): return 1.0", "it returned 1.0; a list of 2", "it returned 1.0"),
        ("def f(completions): raise ValueError('no\\nluck')", "ValueError: no", "ValueError: no"),
        ("def f(completions): import sys; sys.exit(0)", "SystemExit: 0", "SystemExit: 0"),
        ("def f(completions):\n    while True: pass", "no score within 0.5 s", "no score within 0.5 s"),
        ("def f(completions): import socket; socket.socket()", "PermissionError", "PermissionError"),
        ("def f(completions): return [bytearray(1 << 40), 1]", "MemoryError", "MemoryError"),
    ],
)
def test_what_goes_wrong_is_an_error_of_its_own_completions(code, first, second):
    outcomes = scored(code, ["1", "x"], timeout_s=0.5)
    for outcome, expected in zip(outcomes, (first, second), strict=True):
        assert expected in str(outcome) if isinstance(expected, str) else outcome == expected


def test_completions_after_one_that_hangs_are_scored():
    code = "import time\ndef score(completion, row):\n    time.sleep(60 * (completion == 'x'))\n    return 2.0"
    outcomes = scored(code, ["a", "x", "b", "x", "c"], timeout_s=0.3)
    assert [outcome if isinstance(outcome, float) else "hung" for outcome in outcomes] == [2, "hung", 2, "hung", 2]


@pytest.mark.parametrize(
    ("code", "function", "reason"),
    [
        ("def f(:\n    pass", "", "SyntaxError"),
        ("x = 1", "", "the code defines no function"),
        ("import numpy\ndef f(completions): pass", "", "No module named 'numpy' (line 1)"),
        ("def a(x): pass\ndef b(x): pass", "", "the code defines a, b; name the one to call"),
        ("def a(x): pass", "b", "the code defines no 'b'; it defines a"),
        ("x = 1", "x", "cannot be called"),
        ("while True: pass", "", "no score within"),
    ],
)
def test_code_that_cannot_work_is_named_before_anything_runs(code, function, reason):
    with pytest.raises(RewardError) as raised:
        declared("custom", {"code": code, "function": function, "timeout_s": 0.5})
    assert reason in str(raised.value)


def test_of_several_functions_the_usual_name_or_the_given_one_is_called():
    code = "def reward(completions, **kw): return [1.0]\ndef other(completions, **kw): return [2.0]"
    assert scored(code, ["x"]) == [1.0]
    assert scored(code, ["x"], function="other") == [2.0]


def test_the_columns_that_the_code_needs_are_checked_against_the_data(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"task": "a", "prompt": "?", "answer": "1"}\n' * 4, encoding="utf-8")
    code = "def f(completions, gold, answer): return [0.0 for _ in completions]"
    spec = parse_spec(
        {
            "data": {"path": str(tmp_path / "rows.jsonl")},
            "rewards": {"a": [{"name": "custom", "params": {"code": code}}]},
        },
        "spec",
    )
    report = check(spec)
    assert [problem.what for problem in report.errors] == ["custom needs a column 'gold', which the data lacks."]
    assert report.sandbox is not None


def test_a_row_without_a_value_lacks_the_column_whatever_its_neighbours_have():
    code = "def score(completion, row): return float(completion == row['answer'])"
    missing, there = scored(code, ["x", "x"], {"answer": [None, "x"]})
    assert "KeyError: 'answer'" in str(missing)
    assert there == 1.0


def test_code_is_needed():
    with pytest.raises(ValidationError):
        declared("custom", {})


def test_it_goes_the_one_scoring_path():
    code = "def score(completion, row): return len(completion) / row['longest']"
    rows = [{"task": "a", "prompt": "?", "longest": 4}] * 2
    found = score(rows, ["ab", "abcd"], RoutingTable({"a": (Route(name="custom", params={"code": code}),)}))
    assert found.values[:, 0].tolist() == [0.5, 1.0]
    assert not found.errors


def test_a_sandbox_that_cannot_run_is_an_error_and_not_0(monkeypatch):
    def refuse(*args, **kwargs):
        raise SandboxError("no more processes")

    monkeypatch.setattr("rewards.custom.call_function", refuse)
    assert [str(outcome) for outcome in scored("def f(completions): return [1.0]", ["x"])] == ["no more processes"]


def test_large_batches_and_odd_columns_cross():
    code = "def f(completions, when, **kw): return [float(len(c) + len(w)) for c, w in zip(completions, when)]"
    outcomes = scored(code, ["ö" * 1000] * 500, {"when": [datetime.date(2026, 1, 2)] * 500})
    assert outcomes == [1010.0] * 500
    assert not any(math.isnan(outcome) for outcome in outcomes)


@pytest.mark.parametrize(
    ("guilty", "reason"),
    [
        ("import time; time.sleep(60)", "no score within 0.5 s"),
        ("import os; os._exit(3)", "it ended early (exit code 3)"),
        ("raise ValueError(c)", "ValueError: x"),
    ],
)
def test_of_a_list_only_the_completion_carries_the_error_at_which_the_function_fails(guilty, reason):
    loop = f"    for c in completions:\n        if c == 'x': {guilty}\n"
    code = f"def f(completions, **kw):\n{loop}    return [len(completions)] * len(completions)"
    a, x, b = scored(code, ["a", "x", "b"], timeout_s=0.5)
    assert (a, b) == (2.0, 2.0), "the others are scored as one batch"
    assert reason in str(x)


def test_completions_that_fail_only_together_all_say_so():
    code = "def f(completions, **kw):\n    assert len(completions) == 1, 'too many'\n    return [1.0]"
    outcomes = scored(code, ["a", "b"])
    assert ["too many" in str(outcome) and "all 2 completions" in str(outcome) for outcome in outcomes] == [True, True]


def test_a_function_that_always_hangs_is_not_tried_for_long():
    start = time.monotonic()
    outcomes = scored("def f(completions):\n    while True: pass", ["a"] * 50, timeout_s=0.3)
    assert time.monotonic() - start < 10
    assert {str(outcome) for outcome in outcomes} == {"no score within 0.3 s"}


PARTIAL = "import functools\nasync def f(right, completions, **kw): return [c == right for c in completions]\n"


@pytest.mark.parametrize(
    "code",
    [
        "def f(completions, **kw): return [c == '1' for c in completions]",
        f"{PARTIAL}reward = functools.partial(f, right='1')",
        f"{PARTIAL}r = functools.partial(f, '1')",
    ],
)
def test_truth_values_in_a_list_and_partial_functions_work_as_in_trl(code):
    assert scored(code, ["1", "x"]) == [1.0, 0.0]


def test_openais_graders_see_the_completion_as_json_and_as_a_choice():
    code = "def grade(sample, item):\n    assert sample['choices'][0]['message']['content'] == sample['output_text']\n"
    code += "    return 0.0 if sample['output_json'] is None else float(sample['output_json']['a'])"
    assert scored(code, ['{"a": 2}', "no"]) == [2.0, 0.0]
