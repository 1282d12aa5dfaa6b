"""Probes: what earns as much as the reference answer, and from which reward."""

import pytest

from core.probes import probe_task, reference
from core.routing import RoutingTable
from core.scoring import Scorer
from core.spec import Route

ROWS = [{"task": "t", "prompt": f"Capital of {n}?", "answer": city} for n, city in enumerate(["Paris", "Rome", "Bonn"])]


def probed(routes, rows=ROWS, tokenize=None):
    with Scorer(RoutingTable({"t": tuple(Route(**route) for route in routes)})) as scorer:
        return probe_task("t", rows, scorer, tokenize)


def totals(found):
    return {probe.kind: probe.total for probe in found.probes}


def test_a_reward_that_cannot_be_gamed_pays_gold_alone_and_nothing_is_said():
    found = probed([{"name": "exact_match"}])
    assert found.problems == ()
    assert (found.spelling, found.highest) == ("as it is", 1.0)
    assert totals(found) == {
        "gold": 1, "empty": 0, "echo": 0, "wrong": 0, "keywords": 0, "overlong": 0, "repeated": 0
    }  # fmt: skip


def test_a_list_of_keywords_that_earns_as_much_as_gold_is_named():
    found = probed([{"name": "text_match", "params": {"how": "contains"}}])
    (problem,) = found.problems
    assert problem.severity == "warning"
    assert "in 3 of 3 rows the probe 'keywords' earns 1, gold 1: no reward tells them apart." in problem.what


def test_the_reward_that_pays_for_what_it_should_not_is_named():
    long = {"name": "length", "weight": 3, "params": {"minimum": 100, "maximum": 5000, "margin": 99}}
    routes = [{"name": "text_match", "params": {"how": "contains"}}, long]
    gamed = {problem.what.split("'")[1]: problem.what for problem in probed(routes).problems if "probe" in problem.what}
    assert "length gives it 2." in gamed["overlong"]


def test_gold_below_the_highest_total_names_the_reward_that_holds_it_back():
    routes = [{"name": "exact_match"}, {"name": "length", "weight": 0.5, "params": {"minimum": 50, "margin": 10}}]
    (problem,) = [problem for problem in probed(routes).problems if problem.what.startswith("gold")]
    assert "gold, as it is, earns" in problem.what
    assert "of 1.5: length holds back most" in problem.what


def test_a_row_that_nothing_can_score_does_not_decide_how_gold_is_written():
    rows = [{"task": "t", "prompt": f"{n} + 1?", "answer": str(n + 1)} for n in range(3)]
    rows.append({"task": "t", "prompt": "What now?", "answer": "no number at all"})
    found = probed([{"name": "math_answer", "params": {"require_box": True}}], rows)
    assert found.spelling == "in a box"


def test_rewards_without_weight_have_no_highest_total_and_nothing_is_paid_in_full():
    rows = [{"task": "t", "prompt": "Say something."}]
    found = probed([{"name": "length", "weight": 0, "params": {"minimum": 1, "margin": 1}}], rows)
    assert (found.highest, found.problems) == (None, ())


@pytest.mark.parametrize(
    ("route", "spelling"),
    [
        ({"name": "math_answer", "params": {"require_box": True}}, "in a box"),
        ({"name": "think_answer"}, "in answer tags after a thought"),
    ],
)
def test_gold_is_written_as_the_rewards_want_it(route, spelling):
    rows = [{"task": "t", "prompt": f"{n} + 1?", "answer": str(n + 1)} for n in range(3)]
    found = probed([route], rows)
    assert found.spelling == spelling
    assert totals(found)["gold"] == 1.0


def test_rows_without_a_reference_have_no_gold_and_are_still_probed():
    rows = [{"task": "t", "prompt": "Write something."}]
    found = probed([{"name": "length", "params": {"minimum": 0}}], rows)
    assert found.spelling == ""
    assert list(totals(found)) == ["empty", "echo"]
    assert [problem.what for problem in found.problems] == [
        "the probe 'empty' earns 1, the highest total of all.",
        "the probe 'echo' earns 1, the highest total of all.",
    ]


def test_gold_that_cannot_be_scored_is_a_problem_and_not_a_zero():
    rows = [{"task": "t", "prompt": "?", "answer": "the moon"}]
    found = probed([{"name": "math_answer"}], rows)
    assert totals(found)["gold"] is None
    assert found.probes[0].errors == 1
    assert "in 1 of 1 rows gold cannot be scored: answer 'the moon' cannot be read" in found.problems[0].what


def test_where_all_rows_have_the_same_answer_there_is_no_wrong_one():
    assert "wrong" not in totals(probed([{"name": "exact_match"}], ROWS[:1]))


def test_a_reward_that_counts_tokens_gets_them():
    routes = [{"name": "exact_match"}, {"name": "soft_overlong", "params": {"unit": "tokens"}}]
    found = probed(routes, tokenize=lambda texts: [text.split() for text in texts])
    assert all(probe.errors == 0 for probe in found.probes)


def test_a_reward_of_negative_weight_gives_most_where_it_scores_lowest():
    assert probed([{"name": "exact_match", "weight": -2}]).highest == 0


def test_without_bounds_there_is_no_highest_total():
    formula = {"name": "formula", "params": {"expression": "2 * exact_match"}}
    assert probed([formula]).highest is None


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"answer": "4"}, "4"),
        ({"answer": 4}, "4"),
        ({"answer": ["four", "4"]}, "four"),
        ({"answer": "4", "solution": "2 + 2 = 4"}, "2 + 2 = 4"),
        ({"solution": None, "answer": ""}, None),
        ({"fields": {"a": 1}}, '{"a": 1}'),
        ({"tests": ["assert f() == 1"]}, None),
    ],
)
def test_the_reference_is_what_the_row_says_is_right(row, text):
    assert reference(row) == text


def test_without_gold_the_reasons_of_errors_are_told_all_the_same():
    rows = [{"task": "t", "prompt": "Write it.", "schema": {"type": "objekt"}}]
    found = probed([{"name": "json_schema"}], rows)
    assert found.spelling == ""
    (problem,) = found.problems
    assert problem.what.startswith("2 of 2 probes are errors: column 'schema' is no JSON Schema")
