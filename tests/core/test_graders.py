"""OpenAI's graders become routes, and routes become graders, where both mean the same."""

import json

import pytest

from core.commands import convert_grader
from core.errors import UserError
from core.graders import from_openai, to_openai
from core.spec import Route
from rewards import declared
from rewards.declaration import Batch

CHECK = {
    "type": "string_check",
    "name": "city",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
EXACT = {"how": "equals", "ignore_space": False}
GRADE = "def grade(sample, item):\n    return 1.0"


def scores(route, completions, **columns):
    batch = Batch([[{"role": "user", "content": "?"}]] * len(completions), completions, columns)
    return declared(route.name, route.params).score(batch, route.params)


def test_a_grader_becomes_a_route_and_the_same_grader_again():
    route = from_openai(CHECK, label="city")
    assert (route.name, route.key) == ("openai_grader", "city")
    assert to_openai([route], "city") == CHECK


@pytest.mark.parametrize(
    ("grader", "reason"),
    [
        ({"type": "string_check"}, "Field required"),
        ({"type": "other"}, "does not match any of the expected tags"),
        ({**CHECK, "reference": "{{answer}}"}, "is no template"),
        ("[]", "Input should be"),
    ],
)
def test_what_is_no_grader_is_an_error(grader, reason):
    with pytest.raises(UserError, match=reason):
        from_openai(grader)


@pytest.mark.parametrize(
    ("route", "completions", "columns"),
    [
        (Route(name="text_match", params=EXACT), ["Paris", "paris", " Paris"], {"answer": ["Paris"] * 3}),
        (
            Route(name="text_match", params={**EXACT, "how": "contains", "ignore_case": True}),
            ["It is paris.", "Rome"],
            {"answer": ["Paris"] * 2},
        ),
        (Route(name="text_match", params={**EXACT, "how": "not_equals"}), ["a", "b"], {"answer": ["a"] * 2}),
        (Route(name="custom", params={"code": GRADE}), ["x"], {}),
        (
            Route(
                name="formula",
                params={
                    "expression": "0.5 * a ** 2 + 0.25",
                    "parts": {"a": {"reward": "text_match", "params": EXACT}},
                },
            ),
            ["Paris", "Rome"],
            {"answer": ["Paris"] * 2},
        ),
    ],
)
def test_a_route_and_its_grader_give_the_same_scores(route, completions, columns):
    back = from_openai(to_openai([route], "t"))
    assert scores(back, completions, **columns) == scores(route, completions, **columns)


def test_several_routes_become_a_weighted_sum():
    routes = [
        Route(name="text_match", params=EXACT, weight=2),
        Route(name="custom", params={"code": GRADE}, label="a b"),
    ]
    grader = to_openai(routes, "t")
    assert grader["calculate_output"] == "2 * text_match + 1 * a_b"
    assert scores(from_openai(grader), ["x", "y"], answer=["x", "x"]) == [3.0, 1.0]


@pytest.mark.parametrize(
    ("name", "params", "metric"),
    [("fuzzy", {}, "fuzzy_match"), ("bleu", {}, "bleu"), ("rouge", {"kind": "rouge2"}, "rouge_2")],
)
def test_similarities_have_counterparts(name, params, metric):
    assert to_openai([Route(name=name, params=params)], "t")["evaluation_metric"] == metric


def test_a_judge_keeps_rubric_scale_and_model():
    params = {
        "base_url": "http://localhost/v1",
        "model": "m",
        "rubric": "{prompt}: {completion}? {gold}",
        "scale": [1, 5],
    }
    grader = to_openai([Route(name="llm_judge", params=params)], "t")
    assert grader["input"][0]["content"] == "{{item.prompt}}: {{sample.output_text}}? {{item.gold}}"
    assert (grader["range"], grader["model"]) == ([1, 5], "m")


@pytest.mark.parametrize(
    "route",
    [
        Route(name="exact_match"),
        Route(name="text_match"),
        Route(name="text_match", params={**EXACT, "ignore_case": True}),
        Route(name="custom", params={"code": "def score(completion, row): return 1.0"}),
        Route(name="formula", params={"expression": "exact_match"}),
    ],
    ids=str,
)
def test_what_has_no_counterpart_is_an_error(route):
    with pytest.raises(UserError):
        to_openai([route], "t")


def test_the_command_reads_and_writes(tmp_path, capsys):
    class Given:
        file = tmp_path / "grader.json"
        task = None

    Given.file.write_text(json.dumps(CHECK), encoding="utf-8")
    assert convert_grader(Given) == 0
    Given.file.write_text(capsys.readouterr().out, encoding="utf-8")
    Given.task = "city"
    assert convert_grader(Given) == 0
    assert json.loads(capsys.readouterr().out) == CHECK
