"""Sample outputs from files: groups, errors by line, and columns that come from the data."""

import json

import pytest
from toys import write_rows

from core.data import load_data
from core.errors import UserError
from core.preview import Group
from core.sample_file import read_samples
from core.spec import DataSpec, Draft, HeldOut, TaskSpec


@pytest.fixture
def draft(tmp_path):
    rows = [
        {"tag": "math", "question": "2+2?", "answer": "4"},
        {"tag": "math", "question": "3+3?", "answer": "6"},
        {"tag": "words", "question": "Say a.", "answer": "a"},
        {"tag": "letters", "question": "Say a.", "answer": "A"},
    ]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    columns = {"task_column": "tag", "prompt_column": "question"}
    return Draft(data=DataSpec(path=str(path), held_out=HeldOut(rows_per_task=0), **columns))


@pytest.fixture
def data(draft):
    return load_data(draft.data)


def problems(path, *rest):
    with pytest.raises(UserError) as error:
        read_samples(path, *rest)
    return list(map(str, error.value.problems))


class TestGroups:
    def test_a_list_is_a_group_and_a_text_is_one_of_one(self, tmp_path):
        rows = [
            {"task": "math", "prompt": "2+2?", "answer": "4", "completion": ["4", "5"]},
            {"task": "math", "prompt": "3+3?", "answer": "6", "completion": "six"},
        ]
        first, second = read_samples(write_rows(tmp_path / "s.jsonl", rows)).groups
        assert first == Group({"task": "math", "prompt": "2+2?", "answer": "4"}, ("4", "5"))
        assert second.completions == ("six",)

    def test_of_a_long_file_the_first_groups_are_taken_and_it_is_said(self, tmp_path, monkeypatch):
        monkeypatch.setattr("core.sample_file.MOST_GROUPS", 2)
        rows = [{"task": "math", "prompt": f"{n}?", "completion": "4"} for n in range(5)]
        found = read_samples(write_rows(tmp_path / "s.jsonl", rows))
        assert [group.prompt for group in found.groups] == ["0?", "1?"]
        assert "the first 2 of its 5 groups" in str(found.warnings[0])

    @pytest.mark.parametrize("name", ["s.csv", "s.json"])
    def test_texts_of_the_same_row_are_one_group_in_every_format(self, tmp_path, name):
        rows = [["math", "2+2?", "4"], ["math", "3+3?", "6"], ["math", "2+2?", "5"]]
        columns = ["task", "prompt", "completion"]
        path = tmp_path / name
        if name == "s.csv":
            path.write_text("\n".join(",".join(row) for row in [columns, *rows]))
        else:
            path.write_text(json.dumps([dict(zip(columns, row, strict=True)) for row in rows]))
        first, second = read_samples(path).groups
        assert (first.completions, second.completions) == (("4", "5"), ("6",))

    def test_what_score_added_is_no_column_of_a_row(self, tmp_path):
        scored = {"rewards": {"a": 1.0}, "errors": {}, "total": 1.0, "advantages": [0.0]}
        path = write_rows(tmp_path / "s.jsonl", [{"task": "a", "prompt": "?", "completion": ["x"], **scored}])
        assert read_samples(path).groups[0].fields == {"task": "a", "prompt": "?"}

    def test_token_ids_stay_with_their_completions(self, tmp_path):
        rows = [
            {"task": "a", "prompt": "?", "completion": "x", "completion_ids": [1]},
            {"task": "a", "prompt": "?", "completion": "x", "completion_ids": [1]},
            {"task": "a", "prompt": "?", "completion": ["x", "y"], "completion_ids": [[1], [2]]},
        ]
        groups = read_samples(write_rows(tmp_path / "s.jsonl", rows)).groups
        assert [group.fields["completion_ids"] for group in groups] == [[[1]], [[1]], [[1], [2]]]

    def test_an_empty_cell_is_an_empty_completion(self, tmp_path):
        path = tmp_path / "s.csv"
        path.write_text("task,completion\na,\n")
        assert read_samples(path).groups == (Group({"task": "a", "prompt": ""}, ("",)),)


class TestErrors:
    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ({"task": "a"}, "column 'completion': found None, not text"),
            ({"task": "a", "completion": 4}, "column 'completion': found 4, not text"),
            ({"task": "a", "completion": []}, "column 'completion': the list is empty"),
            ({"task": "a", "completion": ["x", None]}, "column 'completion': found ['x', None], not text"),
            ({"task": " ", "completion": "x"}, "column 'task': the task tag is blank"),
            ({"completion": "x"}, "column 'task': the row has no task tag"),
            ({"task": "a", "prompt": 3, "completion": "x"}, "column 'prompt': the prompt '3' is neither text nor"),
        ],
    )
    def test_a_bad_row_is_named_by_its_line(self, tmp_path, row, words):
        good = {"task": "a", "prompt": "?", "completion": "x"}
        (problem,) = problems(write_rows(tmp_path / "s.jsonl", [good, row]))
        assert problem.startswith(f"s.jsonl line 2, {words}")

    def test_a_file_without_completions_is_said_to_be_one(self, tmp_path):
        (problem,) = problems(write_rows(tmp_path / "s.jsonl", [{"task": "a", "output": "x"}]))
        assert "there is no column 'completion'" in problem

    def test_broken_json_and_unknown_formats_are_named(self, tmp_path):
        (tmp_path / "s.jsonl").write_text('{"task": "a", "completion": "x"}\n{"task"\n')
        assert problems(tmp_path / "s.jsonl")[0].startswith("s.jsonl line 2: broken JSON")
        (tmp_path / "s.txt").write_text("x")
        assert "extension '.txt' is unknown" in problems(tmp_path / "s.txt")[0]


class TestColumnsOfTheData:
    def test_a_prompt_of_the_data_brings_task_and_columns(self, tmp_path, draft, data):
        samples = read_samples(write_rows(tmp_path / "s.jsonl", [{"question": "3+3?", "completion": "6"}]), draft, data)
        assert samples.groups == (Group({"task": "math", "prompt": "3+3?", "answer": "6"}, ("6",)),)
        assert samples.warnings == ()

    def test_the_prompt_is_the_one_that_the_model_sees(self, tmp_path, draft, data):
        settled = draft.model_copy(update={"tasks": {"math": TaskSpec(system_prompt="Be brief.")}})
        path = write_rows(tmp_path / "s.jsonl", [{"prompt": "Be brief.\n\n2+2?", "completion": "4"}])
        (group,) = read_samples(path, settled, data).groups
        assert [turn["content"] for turn in group.fields["prompt"]] == ["Be brief.", "2+2?"]

    def test_what_the_file_says_counts_for_more(self, tmp_path, draft, data):
        row = {"task": "math", "prompt": "2+2?", "answer": "four", "completion": "4"}
        (group,) = read_samples(write_rows(tmp_path / "s.jsonl", [row]), draft, data).groups
        assert group.fields["answer"] == "four"

    def test_a_prompt_that_is_not_in_the_data_keeps_its_own_columns_and_is_counted(self, tmp_path, draft, data):
        rows = [{"task": "math", "prompt": "9+9?", "completion": "18"}, {"prompt": "2+2?", "completion": "4"}]
        samples = read_samples(write_rows(tmp_path / "s.jsonl", rows), draft, data)
        assert samples.groups[0].fields == {"task": "math", "prompt": "9+9?"}
        (warning,) = samples.warnings
        assert "1 of 2 samples have a prompt that is not in the data" in str(warning)

    def test_a_prompt_of_several_tasks_does_not_say_which(self, tmp_path, draft, data):
        path = write_rows(tmp_path / "s.jsonl", [{"prompt": "Say a.", "completion": "a"}])
        assert "its prompt is in several tasks: words, letters" in problems(path, draft, data)[0]
