"""Trials of a function that is being written: scores, errors at their lines, and nothing outside the sandbox."""

import time
from textwrap import dedent

import pytest

from core import reward_trial
from core.errors import UserError
from core.reward_trial import columns_read, spot_at, syntax_fault, try_code
from rewards import registry
from rewards.declaration import RewardError

ROWS = [{"task": "t", "prompt": "2 + 2?", "answer": "4"}, {"task": "t", "prompt": "3 + 3?", "answer": "6"}]

BY_ROW = """
def score(completion, row):
    print("looking at", completion)
    if completion == "?":
        return None
    return float(int(completion) == int(row["answer"]))
"""
TRL = """
def reward(completions, answer, **columns):
    return [float(c == a) for c, a in zip(completions, answer)]
"""
GRADE = """
def grade(sample, item):
    return 1.0 if sample["output_text"] == item["answer"] else 0.0
"""
HANGS = """
def score(completion, row):
    while completion == "loop":
        pass
    return 1.0
"""


def tried(code, *completions, rows=None, function="", **settings):
    return try_code(code, function, rows or ROWS[: len(completions)], completions, settings)


@pytest.fixture
def nothing_starts(monkeypatch):
    """Fails the test where anything is started."""

    def start(*_, **__):
        raise AssertionError("something was started")

    for name in ("call_all", "describe_function", "level"):
        monkeypatch.setattr(reward_trial, name, start)


@pytest.mark.parametrize(
    ("code", "contract"), [(BY_ROW, "each"), (TRL, "batch"), (GRADE, "grade")], ids=["by row", "TRL", "OpenAI"]
)
def test_a_function_scores_its_completions_whatever_contract_it_keeps(code, contract):
    trial = tried(code, "4", "5")
    assert (trial.scores, trial.faults, trial.failed) == ((1.0, 0.0), {}, None)
    assert (trial.contract, trial.needs, trial.missing) == (contract, ("answer",), {})
    assert 0 < trial.seconds < 30
    assert trial.sandbox is not None


def test_not_applicable_is_neither_a_score_nor_a_fault():
    trial = tried(BY_ROW, "?", "6")
    assert (trial.scores, trial.faults) == ((None, 1.0), {})


def test_an_exception_is_shown_at_its_line_and_costs_its_own_completion():
    trial = tried(BY_ROW, "four", "6")
    assert trial.scores == (None, 1.0)
    fault = trial.faults[0]
    assert fault.what == "ValueError: invalid literal for int() with base 10: 'four'"
    assert (fault.spot.line, fault.spot.text) == (6, '    return float(int(completion) == int(row["answer"]))')
    assert [number for number, _ in fault.spot.around] == [4, 5, 6, 7]
    assert trial.failed is None


def test_an_exception_in_a_function_of_lists_is_everybodys_and_shown_once_at_its_line():
    trial = tried(TRL.replace("c == a", "1 / 0"), "4", "5")
    assert (trial.failed.what, trial.failed.spot.line) == ("ZeroDivisionError: division by zero", 3)
    assert {n: fault.spot.line for n, fault in trial.faults.items()} == {0: 3, 1: 3}


def test_an_exception_outside_the_function_is_shown_at_its_line():
    trial = tried("import math\nX = math.nothing\n" + BY_ROW, "4")
    assert (trial.failed.spot.line, trial.failed.spot.text) == (2, "X = math.nothing")
    assert trial.scores == (None,)


def test_what_a_function_prints_is_shown_with_tracebacks_of_its_own_lines():
    printed = tried(BY_ROW, "4", "four").printed
    assert "looking at 4\nlooking at four\n" in printed
    assert 'File "reward.py", line 6, in score' in printed


def test_a_flood_of_output_is_cut():
    code = "def score(completion, row):\n    print('x' * 100_000)\n    return 1.0"
    trial = tried(code, "4")
    assert (len(trial.printed), trial.scores) == (reward_trial.MOST_PRINTED, (1.0,))


def test_a_function_that_hangs_ends_at_its_limit_and_the_next_completion_is_still_scored():
    start = time.monotonic()
    trial = tried(HANGS, "loop", "4", timeout_s=0.5)
    assert time.monotonic() - start < 20
    assert trial.scores == (None, 1.0)
    assert trial.faults[0].what == "no score within 0.5 s"
    assert trial.failed is None


def test_code_that_hangs_before_there_is_a_function_has_failed_as_a_whole():
    trial = tried("while True:\n    pass", "4", timeout_s=0.5)
    assert (trial.failed.what, trial.contract) == ("no score within 0.5 s", "")


def test_columns_that_rows_lack_are_named_with_their_number():
    trial = tried(TRL.replace("answer, **", "answer, level, **"), "4", "5")
    assert (trial.needs, trial.missing) == (("answer", "level"), {"level": 2})
    assert "it needs 'level'" in trial.failed.what
    trial = tried(BY_ROW, "4", "6", rows=[ROWS[0], {"task": "t", "prompt": "?"}])
    assert trial.missing == {"answer": 1}
    assert trial.faults[1].what == "KeyError: 'answer'"


def test_without_completions_the_code_is_described():
    trial = tried(TRL)
    assert (trial.scores, trial.contract, trial.needs) == ((), "batch", ("answer",))
    assert tried("def f(completion): return 1\ndef g(completion): return 1").failed.what == (
        "the code defines f, g; name the one to call"
    )
    assert tried("def f(completion): return 1\ndef g(completion): return 1", function="g").failed is None


@pytest.mark.parametrize(
    ("code", "what", "place"),
    [
        pytest.param("def score(completion, row):\n    return (1", "'(' was never closed", (2, 12), id="a bracket"),
        pytest.param("x = 1\n  y = 2", "IndentationError: unexpected indent", (2, 2), id="indentation"),
        pytest.param("def f():\n    pass\nreturn 1", "'return' outside function", (3, 1), id="found late"),
    ],
)
def test_a_syntax_error_is_shown_at_line_and_column_and_nothing_is_started(nothing_starts, code, what, place):
    trial = tried(code, "4")
    assert what in trial.failed.what
    assert (trial.failed.spot.line, trial.failed.spot.column) == place
    assert (trial.scores, trial.sandbox) == ((), None)


@pytest.mark.parametrize("code", ["x = '\0'", "x = '\ud800'", "(" * 10_000, "-" * 200_000 + "1"], ids=lambda c: c[:5])
def test_text_that_no_compiler_takes_is_a_fault_not_a_crash(code):
    assert syntax_fault(code) is not None


def test_compiling_runs_nothing(tmp_path):
    assert syntax_fault(f"open({str(tmp_path / 'made')!r}, 'w')") is None
    assert list(tmp_path.glob("made")) == []


def test_the_function_is_kept_in_the_sandbox(tmp_path):
    code = f"def score(completion, row):\n    open({str(tmp_path / 'made')!r}, 'w')\n    return 1.0"
    trial = tried(code, "4")
    assert "PermissionError" in trial.faults[0].what
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("settings", "field"), [({"timeout_s": 0}, "timeout_s"), ({"memory_mb": 1}, "memory_mb"), ({"time": 1}, "time")]
)
def test_a_setting_that_cannot_be_is_named(nothing_starts, settings, field):
    with pytest.raises(UserError, match=f"custom.{field}"):
        tried(BY_ROW, "4", **settings)


def test_no_code_is_asked_for(nothing_starts):
    with pytest.raises(UserError, match=r"custom\.code: this field is empty"):
        tried("  ", "4")


def test_a_trial_says_what_scoring_would_say():
    code, completions = BY_ROW, ["4", "four", "?"]
    rows = [*ROWS, ROWS[0]]
    trial = tried(code, *completions, rows=rows)
    custom = registry()["custom"]
    real = custom.score(reward_trial.batch_of(custom, rows, completions), {"code": code})
    assert [None if isinstance(score, RewardError) else score for score in real] == list(trial.scores)
    (text,) = [str(score) for score in real if isinstance(score, RewardError)]
    assert text == f"{trial.faults[1].what} (line {trial.faults[1].spot.line})"


def test_columns_that_are_asked_for_first_are_not_needed():
    code = """
        def score(completion, row):
            if "level" in row and row["level"] > 2:
                return None
            return float(row["answer"] == row.get("other") and row["prompt"] is not None)
    """
    assert columns_read(dedent(code)) == ("answer",)


@pytest.mark.parametrize("line", [None, 0, 4])
def test_there_is_no_spot_at_a_line_that_is_not_there(line):
    assert spot_at("a\nb\nc", line) is None


def test_lines_end_as_python_ends_them():
    assert spot_at("a\r\nb\x0c\rc", 3).around == ((1, "a"), (2, "b\x0c"), (3, "c"))
