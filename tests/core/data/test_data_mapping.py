import pytest

from core.data.mapping import RESERVED

ROW = {"kind": "m", "question": "2+2?", "gold": "4", "id": 7}


def test_columns_take_the_names_that_rewards_read_and_others_keep_theirs(write, load):
    path = write("a.jsonl", [ROW])
    fields = {"task_column": "kind", "prompt_column": "question", "columns": {"answer": "gold", "reference": "gold"}}
    assert load(path, **fields).train[0] == {"task": "m", "prompt": "2+2?", "answer": "4", "reference": "4", "id": 7}


def test_a_column_in_the_way_can_be_given_another_name(write, load):
    path = write("a.jsonl", [{"task": "do it", "topic": "m", "prompt": "x"}])
    train = load(path, task_column="topic", columns={"instruction": "task"}).train
    assert train[0] == {"task": "m", "prompt": "x", "instruction": "do it"}


GOOD = {"task": "m", "prompt": "x"}


@pytest.mark.parametrize(
    ("row", "fields", "said", "why"),
    [
        (GOOD, {"task_column": "tsk"}, "a.jsonl: there is no column 'tsk'. Did you mean 'task'?", "tags misspelt"),
        (GOOD, {"prompt_column": "q"}, "no column 'q'. Known: prompt, task. Set data.prompt_column", "no prompts"),
        ({"task": "m", "question": "x"}, {}, "a.jsonl: there is no column 'prompt'.", "prompts not mapped"),
        (GOOD, {"columns": {"answer": "promt"}}, "data.columns.answer: there is no column 'promt'. Did", "misspelt"),
        (GOOD, {"text_columns": ["answer"]}, "data.text_columns: there is no column 'answer'", "no such text column"),
        (GOOD, {"columns": {"task": "prompt"}}, "data.columns.task: two columns", "tags mapped twice"),
        (GOOD, {"columns": {"prompts": "prompt"}}, "data.columns.prompts: the name 'prompts' is taken", "reserved"),
        ({**GOOD, "kind": "k"}, {"task_column": "kind"}, "column 'task': two columns would be called 'task'", "two"),
        ({**GOOD, "a": 1, "b": 2}, {"columns": {"a": "b"}}, "column 'a': two columns would be called 'a'", "two"),
    ],
)
def test_a_mapping_that_does_not_fit_is_named(write, complaints, row, fields, said, why):
    (complaint,) = complaints(write("a.jsonl", [row]), **fields)
    assert said in complaint, why


@pytest.mark.parametrize("name", RESERVED)
def test_a_reserved_column_is_named_and_can_be_renamed(write, load, complaints, name):
    path = write("a.jsonl", [{**GOOD, name: "x"}])
    (complaint,) = complaints(path)
    assert complaint.startswith(f"a.jsonl, column {name!r}: a column cannot be called {name!r}")
    assert load(path, columns={"other": name}).train["other"][:] == ["x"]


def test_a_mapped_column_may_come_late_or_in_another_file(write, load):
    paths = [write("a.jsonl", [GOOD, {**GOOD, "gold": "4"}]), write("b.jsonl", [GOOD])]
    assert load(paths, columns={"answer": "gold"}).train["answer"][:] == [None, "4", None]
    assert load(paths[::-1], columns={"answer": "gold"}).train["answer"][:] == [None, None, "4"]


def test_every_file_needs_tags_and_prompts(write, complaints):
    paths = [write("a.jsonl", [GOOD]), write("b.jsonl", [{"prompt": "x"}])]
    assert complaints(paths)[0].startswith("b.jsonl: there is no column 'task'.")
