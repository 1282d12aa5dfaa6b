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


PARIS = ["Paris", "paris", " Paris", "It is Paris.", ""]


@pytest.mark.parametrize(
    "route",
    [
        Route(name="text_match", params=EXACT),
        Route(name="text_match", params={**EXACT, "how": "contains"}),
        Route(name="text_match", params={**EXACT, "how": "contains", "ignore_case": True}),
        Route(name="text_match", params=EXACT, weight=0.1234567890123),
        Route(name="custom", params={"code": GRADE}),
        from_openai({"type": "multi", "graders": {"a": {**CHECK}}, "calculate_output": "a ^ 2 / 4"}),
        Route(
            name="formula",
            params={
                "expression": "0.5 * a ** 2 + max(0.25, b) - aa",
                "parts": {
                    "a": {"reward": "text_match", "params": EXACT},
                    "aa": {"reward": "custom", "params": {"code": GRADE}},
                    "b": {
                        "reward": "openai_grader",
                        "params": {"grader": {"type": "multi", "graders": {"a": CHECK}, "calculate_output": "1 - a"}},
                    },
                },
            },
        ),
    ],
    ids=lambda route: route.name,
)
def test_a_route_and_its_grader_give_the_same_scores(route):
    back = from_openai(to_openai([route], "t"))
    columns = {"answer": ["Paris"] * len(PARIS)}
    assert scores(back, PARIS, **columns) == [route.weight * score for score in scores(route, PARIS, **columns)]


def test_several_routes_become_a_weighted_sum_whatever_they_are_called():
    grade = Route(name="custom", params={"code": GRADE}, label="a b")
    routes = [Route(name="text_match", params=EXACT, weight=2), grade, grade.model_copy(update={"label": "a_b"})]
    watched = Route(name="exact_match", weight=0)
    grader = to_openai([*routes, watched], "t")
    assert len(grader["graders"]) == 3
    assert scores(from_openai(grader), ["x", "y"], answer=["x", "x"]) == [4.0, 2.0]


def test_nothing_but_watched_routes_is_no_grader():
    with pytest.raises(UserError, match="every route has weight 0"):
        to_openai([Route(name="custom", params={"code": GRADE}, weight=0)], "t")


@pytest.mark.parametrize(
    "route",
    [
        Route(name="exact_match"),
        Route(name="text_match"),
        Route(name="text_match", params={**EXACT, "ignore_case": True}),
        Route(name="custom", params={"code": "def score(completion, row): return 1.0"}),
        Route(name="text_match", params={**EXACT, "how": "not_equals"}),
        Route(name="custom", params={"code": f"{GRADE}\ndef score(completion, row): return 0.0", "function": "score"}),
        Route(name="llm_judge", params={"base_url": "http://localhost/v1", "model": "m"}),
        Route(name="fuzzy"),
        Route(name="formula", params={"expression": "exact_match"}),
        Route(name="formula", params={"expression": "nothing"}),
        Route(
            name="formula",
            params={"expression": "a if a > 0 else 0", "parts": {"a": {"reward": "text_match", "params": EXACT}}},
        ),
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
