import csv
import json
from pathlib import Path

import pytest
from toys import write_rows

from core.check import check
from core.spec import DataSpec, RunSpec, Tags
from core.suggest import suggest_spec, suggested_name
from rewards import registry
from rewards.declaration import Batch


@pytest.fixture
def suggest(tmp_path):
    """The spec suggested for rows of a file."""

    def _suggest(rows, name="rows.jsonl"):
        return suggest_spec([str(write_rows(tmp_path / name, rows))], "guess")

    return _suggest


def rows_of(task, count=20, **columns):
    """Rows of one task; a list is gone through, anything else stays."""
    return [
        {"task": task, "prompt": f"{task} {n}?"}
        | {name: value[n % len(value)] if isinstance(value, list) else value for name, value in columns.items()}
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("columns", "reward"),
    [
        pytest.param({"answer": ["1", "-2.5", "1,200", "3e4", ".5"]}, "math_answer", id="numbers as text"),
        pytest.param({"answer": [1, 2, 3]}, "math_answer", id="numbers"),
        pytest.param({"answer": ["positive", "negative"]}, "choice", id="few labels, often"),
        pytest.param({"answer": ["Yes", "yes ", "NO", "no"]}, "choice", id="labels spelt in different ways"),
        pytest.param({"answer": [f"Name {n}" for n in range(20)]}, "exact_match", id="many answers"),
        pytest.param({"answer": ["nan", "inf"]}, "choice", id="words that Python takes for numbers"),
        pytest.param({"answer": ["yes", ""]}, "exact_match", id="a blank is no label"),
        pytest.param({"answer": "B", "choices": [["A", "B"]]}, "choice", id="choices of its own in each row"),
        pytest.param({"tests": "assert f(1) == 1", "answer": "1"}, "python_tests", id="tests before answers"),
        pytest.param({"fields": [{"name": "Ada"}]}, "json_fields", id="fields"),
        pytest.param({}, "length", id="nothing to compare with"),
        pytest.param({"answer": ["1", None]}, "length", id="answers with gaps"),
    ],
)
def test_each_task_gets_the_most_telling_reward_that_its_columns_allow(suggest, columns, reward):
    (route,) = suggest(rows_of("t", **columns)).rewards["t"]
    assert route.name == reward


@pytest.mark.parametrize(
    "answers",
    [["Yes", "yes ", "NO", "no"], ["True", "False"], [True, False], ["a b", "A  B", "c"], ["1", "-2.5", "1_000"]],
)
def test_a_suggested_reward_can_score_every_answer_it_was_suggested_for(suggest, answers):
    (route,) = suggest(rows_of("t", answer=answers)).rewards["t"]
    golds = [str(answer).lower() if isinstance(answer, bool) else answer for answer in answers]
    batch = Batch([[]] * len(golds), golds, {"answer": answers})
    assert registry()[route.name].score(batch, route.params) == [1.0] * len(golds)


def test_each_task_is_looked_at_by_itself(suggest):
    spec = suggest([*rows_of("math", answer=["1", "2"]), *rows_of("code", tests="assert True"), *rows_of("chat")])
    assert {task: route.name for task, (route,) in spec.rewards.items()} == {
        "math": "math_answer",
        "code": "python_tests",
        "chat": "length",
    }


def test_other_names_of_columns_are_recognised_whatever_their_case(tmp_path):
    path = tmp_path / "quiz.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["Category", "Question", "Solution"], *[["math", f"{n}?", n] for n in range(20)]])
    spec = suggest_spec([str(path)], "quiz")
    assert (spec.data.task_column, spec.data.prompt_column) == ("Category", "Question")
    assert spec.data.columns == {"answer": "Solution"}
    assert [route.name for route in spec.rewards["math"]] == ["math_answer"]


def test_the_names_that_we_use_ourselves_come_first(suggest):
    rows = [{**row, "type": "x", "text": "y", "label": "z"} for row in rows_of("t", answer=["1"])]
    data = suggest(rows).data
    assert (data.task_column, data.prompt_column, data.columns) == ("task", "prompt", {})


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_a_suggestion_is_a_run_without_errors(suggest, tmp_path, name):
    rows = [*rows_of("math", answer=["1", "2"]), *rows_of("mood", answer=["glad", "sad"])]
    if name.endswith(".json"):
        (tmp_path / name).write_text(json.dumps(rows))
        spec = suggest_spec([str(tmp_path / name)], "guess")
    else:
        spec = suggest(rows)
    assert check(spec).errors == ()


def test_several_files_make_one_dataset(tmp_path):
    paths = [str(write_rows(tmp_path / f"{task}.jsonl", rows_of(task))) for task in ("a", "b")]
    spec = suggest_spec(paths, "both")
    assert (spec.data.path, list(spec.rewards)) == (tuple(paths), ["a", "b"])


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        pytest.param([{"task": "t", "gold": "1"}], "no column 'prompt'", id="no prompts"),
        pytest.param([{"task": "", "prompt": "?"}], "blank", id="a blank tag"),
        pytest.param([], "rows.jsonl", id="no rows"),
    ],
)
def test_rows_that_cannot_be_used_still_give_a_spec_to_mend_and_check_says_what_is_wrong(suggest, rows, says):
    spec = suggest(rows)
    assert str(spec.data.path).endswith("rows.jsonl")
    problems = "\n".join(map(str, check(spec).errors))
    assert says in problems
    assert "rows.jsonl" in problems


def test_a_file_without_a_task_column_is_one_task_called_like_it(suggest):
    spec = suggest([{"prompt": f"{n}?", "answer": n} for n in range(20)], "sums.jsonl")
    assert spec.data.tags == Tags(default="sums")
    assert [route.name for route in spec.rewards["sums"]] == ["math_answer"]
    assert check(spec).errors == ()


def test_a_column_called_task_with_another_text_in_every_row_holds_no_tags(suggest):
    spec = suggest([{"task": f"Do {n}.", "prompt": f"{n}?"} for n in range(300)], "jobs.jsonl")
    assert list(spec.rewards) == ["jobs"]


def test_files_without_a_task_column_are_a_task_each(tmp_path):
    rows = [{"prompt": f"{n}?"} for n in range(20)]
    paths = [str(write_rows(tmp_path / name, rows)) for name in ("sums.jsonl", "default.jsonl")]
    paths.append(str(write_rows(tmp_path / "tagged.jsonl", rows_of("own"))))
    spec = suggest_spec(paths, "three")
    assert spec.data.tags == Tags(files={"sums.jsonl": "sums", "default.jsonl": "task"})
    assert list(spec.rewards) == ["sums", "task", "own"]
    assert check(spec).errors == ()
    assert "tags" in spec.to_yaml()


def test_a_file_of_an_unknown_kind_is_named_by_check(tmp_path):
    (tmp_path / "rows.docx").write_text("x")
    spec = suggest_spec([str(tmp_path / "rows.docx")], "guess")
    assert "'.docx' is unknown" in "\n".join(map(str, check(spec).errors))


@pytest.mark.parametrize(
    ("file", "name"),
    [("my rows (1).jsonl", "my-rows--1-"), ("a.b.csv", "a-b"), ("数据.csv", "--"), (f"{'x' * 200}.csv", "x" * 80)],
)
def test_a_files_name_becomes_a_runs_name(file, name):
    assert suggested_name(Path(file)) == name
    assert RunSpec(name=name, data=DataSpec(path="x"), rewards={"t": ()}).name == name
