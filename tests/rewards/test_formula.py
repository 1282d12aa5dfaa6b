"""formula: several rewards in one score, each with its own parameters, errors and columns."""

import pytest

from core.check import check
from core.routing import RoutingTable
from core.scoring import score
from core.spec import Route, parse_spec
from rewards import declared
from rewards.declaration import Batch, RewardError

PROMPT = [{"role": "user", "content": "?"}]


def scored(completions, columns, **params):
    batch = Batch([PROMPT] * len(completions), completions, columns)
    return declared("formula", params).score(batch, params)


def test_each_part_has_its_own_parameters():
    parts = {
        "brief": {"reward": "length", "params": {"maximum": 1, "margin": 1}},
        "loose": {"reward": "length", "params": {"maximum": 9, "margin": 1}},
    }
    assert scored(["one two three"], {}, expression="10 * brief + loose", parts=parts) == [1.0]


def test_an_error_of_a_part_that_counts_is_an_error_with_its_name():
    outcomes = scored(["4", "4"], {"answer": ["4", None]}, expression="exact_match + 1")
    assert outcomes[0] == 2.0
    assert str(outcomes[1]) == "exact_match: the row has no 'answer'"


def test_behind_a_shut_gate_an_error_does_not_count():
    parts = {"long": {"reward": "length", "params": {"minimum": 5, "margin": 1}}}
    columns = {"answer": [None, None]}
    outcomes = scored(["a", "a b c d e f"], columns, expression="exact_match if long >= 1 else 0", parts=parts)
    assert outcomes[0] == 0.0
    assert isinstance(outcomes[1], RewardError)


def test_a_part_that_does_not_apply_makes_the_whole_not_applicable():
    parts = {"mine": {"reward": "custom", "params": {"code": "def score(completion, row): return None"}}}
    assert scored(["4"], {"answer": ["4"]}, expression="exact_match + mine", parts=parts) == [None]


def test_formulas_may_be_parts_of_formulas():
    parts = {"half": {"reward": "formula", "params": {"expression": "exact_match / 2"}}}
    assert scored(["4"], {"answer": ["4"]}, expression="half + 1", parts=parts) == [1.5]


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"expression": "exact_match +"}, "is no formula"),
        ({"expression": "exact_mach"}, "'exact_mach' is no reward and no part of the formula"),
        ({"expression": "a", "parts": {"a": {"reward": "nothing"}}}, "'a' is no reward"),
        ({"expression": "exact_match", "parts": {"b": {"reward": "length"}}}, "does not use 'b'"),
        ({"expression": "1 + 1"}, "names no reward"),
        ({"expression": "a", "parts": {"a": {"reward": "length", "params": {"maxi": 3}}}}, "a: maxi: Extra inputs"),
        ({"expression": "a", "parts": {"a": {"reward": "custom", "params": {"code": "x = 1"}}}}, "defines no function"),
    ],
)
def test_a_formula_that_cannot_work_is_named_before_anything_runs(params, reason):
    with pytest.raises(RewardError) as raised:
        declared("formula", params)
    assert reason in str(raised.value)


def test_it_is_what_its_parts_are():
    plain = declared("formula", {"expression": "exact_match + length"})
    programs = declared("formula", {"expression": "python_tests + length"})
    batches = declared("formula", {"expression": "think_format_reward + length"})
    assert (plain.columns, plain.sandboxed, plain.timed, plain.per_completion) == (("answer",), False, False, True)
    assert (programs.columns, programs.sandboxed, programs.timed) == (("tests",), True, True)
    assert not batches.per_completion


def test_the_columns_of_its_parts_are_checked_against_the_data(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"task": "a", "prompt": "?", "answer": "1"}\n' * 4, encoding="utf-8")
    route = {"name": "formula", "params": {"expression": "exact_match + python_tests"}}
    spec = parse_spec({"data": {"path": str(tmp_path / "rows.jsonl")}, "rewards": {"a": [route]}}, "spec")
    report = check(spec)
    assert [problem.what for problem in report.warnings if problem.where != "data.held_out"] == [
        "formula needs a column 'tests', which the data lacks."
    ]
    assert report.sandbox is not None


def test_it_goes_the_one_scoring_path():
    table = RoutingTable({"a": (Route(name="formula", params={"expression": "2 * exact_match"}),)})
    rows = [{"task": "a", "prompt": "?", "answer": str(n)} for n in range(40)]
    found = score(rows, ["7"] * 40, table)
    assert found.values[:, 0].tolist() == [2.0 if n == 7 else 0.0 for n in range(40)]
