from collections import Counter

import pytest

from core.data import task_counts


def rows_of(**tasks):
    """Rows of each task: as many as the number says, or with the prompts of the list."""
    return [
        {"task": task, "prompt": f"{task} {prompt}", "n": position}
        for task, prompts in tasks.items()
        for position, prompt in enumerate(range(prompts) if isinstance(prompts, int) else prompts)
    ]


def held(per_task, path=None):
    return {"held_out": {"rows_per_task": per_task, "path": path}}


@pytest.mark.parametrize(
    ("tasks", "per_task", "counts", "why"),
    [
        ({"a": 100, "b": 100}, 16, {"a": 16, "b": 16}, "as many as asked"),
        ({"a": 100, "b": 20}, 16, {"a": 16, "b": 4}, "a fifth at most"),
        ({"a": 100, "b": 4}, 16, {"a": 16}, "none of a task under five rows"),
        ({"a": 100}, 0, {}, "none where none is asked"),
    ],
)
def test_rows_of_every_task_are_held_out(write, load, tasks, per_task, counts, why):
    rows = rows_of(**tasks)
    data = load(write("a.jsonl", rows), **held(per_task))
    assert task_counts(data.held_out) == counts, why
    there = sorted([*data.train, *data.held_out], key=rows.index)
    assert there == rows, "no row is lost, none is in both"


def test_rows_keep_their_order_and_columns(write, load):
    data = load(write("a.jsonl", rows_of(a=50)), **held(5))
    assert data.train.column_names == data.held_out.column_names == ["task", "prompt", "n"]
    assert data.train["n"][:] == sorted(data.train["n"])
    assert data.held_out["n"][:] == sorted(data.held_out["n"])


def test_the_choice_is_random_and_the_same_each_time(write, load):
    first = load(write("a.jsonl", rows_of(a=100)), **held(10)).held_out["n"][:]
    again = load(write("b.jsonl", rows_of(a=100)), **held(10)).held_out["n"][:]
    assert first == again
    assert first != list(range(10))


def test_a_further_task_changes_nothing_for_the_others(write, load):
    alone = load(write("a.jsonl", rows_of(a=100)), **held(10)).held_out["n"][:]
    beside = load(write("b.jsonl", rows_of(b=50, a=100)), **held(10)).held_out.filter(lambda row: row["task"] == "a")
    assert beside["n"][:] == alone


def test_copies_of_a_held_out_prompt_leave_training_and_are_told(write, load):
    prompts = [number // 2 for number in range(100)]
    data = load(write("a.jsonl", rows_of(a=prompts)), **held(5))
    assert task_counts(data.held_out) == {"a": 5}
    assert task_counts(data.train) == {"a": 90}
    assert not set(data.train["prompt"]) & set(data.held_out["prompt"])
    (warning,) = data.warnings
    assert str(warning) == (
        "data.held_out: rows of task 'a' that are left out of training, as their prompts are held out: 5."
    )
    assert warning.severity == "warning"


def test_a_prompt_that_is_most_of_a_task_stays_in_training(write, load):
    prompts = ["often"] * 80 + list(range(20))
    data = load(write("a.jsonl", rows_of(a=prompts)), **held(16))
    assert task_counts(data.held_out) == {"a": 16}
    assert Counter(data.train["prompt"])["a often"] == 80


def test_a_task_of_one_prompt_holds_nothing_out_and_tells(write, load):
    data = load(write("a.jsonl", rows_of(a=["same"] * 50)), **held(16))
    assert len(data.held_out) == 0
    assert "task 'a' has no held-out rows" in str(data.warnings[0])


def test_one_prompt_may_be_trained_in_one_task_and_held_out_in_another(write, load):
    rows = [{"task": task, "prompt": str(number)} for task in "ab" for number in range(50)]
    data = load(write("a.jsonl", rows), **held(10))
    assert task_counts(data.train) == {"a": 40, "b": 40}


def test_equal_chat_messages_are_one_prompt(write, load):
    rows = [{"task": "a", "prompt": [{"role": "user", "content": str(number // 2)}]} for number in range(100)]
    data = load(write("a.jsonl", rows), **held(10))
    trained = [message["content"] for (message,) in data.train["prompt"]]
    assert not {message["content"] for (message,) in data.held_out["prompt"]} & set(trained)


def test_held_out_rows_can_be_a_file_of_their_own(write, load):
    path = write("test.jsonl", rows_of(a=["x", 3], new=[1]))
    data = load(write("a.jsonl", rows_of(a=10)), **held(16, path))
    assert data.held_out["prompt"][:] == ["a x", "a 3", "new 1"]
    assert "a 3" not in data.train["prompt"][:]
    assert [problem.what for problem in data.warnings] == [
        "rows of task 'a' that are left out of training, as their prompts are held out: 1."
    ]


def test_a_held_out_file_gives_as_many_rows_per_task_as_asked(write, load):
    path = write("test.jsonl", rows_of(a=range(100, 150), b=range(100, 103)))
    data = load(write("a.jsonl", rows_of(a=10, b=10)), **held(5, path))
    assert task_counts(data.held_out) == {"a": 5, "b": 3}
    assert data.held_out["n"][:5] != [0, 1, 2, 3, 4]


def test_a_held_out_file_is_mapped_as_the_data_and_may_lack_its_extra_columns(write, load):
    path = write("test.jsonl", [{"kind": "a", "prompt": "y"}])
    rows = write("a.jsonl", [{"kind": "a", "prompt": "x", "gold": "4"}])
    fields = {"task_column": "kind", "columns": {"answer": "gold"}, "text_columns": ["gold"]}
    assert list(load(rows, **fields, **held(5, path)).held_out) == [{"task": "a", "prompt": "y"}]


def test_training_rows_that_are_all_held_out_are_an_error(write, complaints):
    path = write("a.jsonl", rows_of(a=5))
    (complaint,) = complaints(path, **held(16, path))
    assert "data.held_out: every training row of task 'a' has a prompt that is held out too." in complaint


def test_a_column_of_another_type_than_in_training_is_named(write, complaints):
    rows = write("a.jsonl", [{"task": "a", "prompt": "x", "answer": "4", "empty": None, "any": 1.5}])
    path = write("t.jsonl", [{"task": "a", "prompt": "y", "answer": 4, "empty": 1, "any": 1}])
    (complaint,) = complaints(rows, **held(5, path))
    assert complaint.startswith("data.held_out, column 'answer': a number here, text in the training rows.")
