from datasets import Dataset

from core.data import some_rows, task_counts


def test_tasks_are_counted_in_order_of_first_appearance(write, load):
    rows = [{"task": task, "prompt": "x"} for task in "bacab"]
    train = load(write("a.jsonl", rows)).train
    assert list(task_counts(train).items()) == [("b", 2), ("a", 2), ("c", 1)]


def test_a_selection_is_counted_as_it_is_ordered(write, load):
    rows = [{"task": task, "prompt": "x"} for task in "bacab"]
    train = load(write("a.jsonl", rows)).train
    assert list(task_counts(train.select([2, 1, 3])).items()) == [("c", 1), ("a", 2)]
    assert list(task_counts(train.select(range(1, 3))).items()) == [("a", 1), ("c", 1)]
    assert list(task_counts(train.select([2, 1, 3]).select([1])).items()) == [("a", 1)]
    assert task_counts(train.select([])) == {}


def test_some_rows_are_spread_over_each_task():
    rows = Dataset.from_dict({"task": ["a", "b"] * 10 + ["c"]})
    assert some_rows(rows, 3) == {"a": [0, 8, 18], "b": [1, 9, 19], "c": [20]}
    assert some_rows(rows.select(range(0)), 3) == {}
