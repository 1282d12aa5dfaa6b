"""What the page Data does to a draft: names of tasks, rules, columns, shares; the rows tell whether it was right."""

import pytest
from toys import write_rows

from core.data import load_data, task_counts
from core.data.raw import raw_columns
from core.errors import UserError
from core.spec import DataSpec, Draft, Route, TaskSpec
from ui.data_edits import (
    add_rule,
    drop_task,
    forget,
    keep_name,
    rename_task,
    restore_task,
    set_share,
    strangers,
    tag_rest,
    tags_of,
)
from ui.data_mapping import answer_column, choose_answer_column, choose_prompt_column, choose_task_column

REWARDS = {task: (Route(name="length", weight=weight),) for task, weight in (("a", 1.0), ("b", 2.0))}


@pytest.fixture
def draft(tmp_path):
    rows = [{"task": "abc"[n % 3], "prompt": f"number {n}?", "answer": str(n)} for n in range(60)]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    return Draft(data=DataSpec(path=str(path)), rewards=REWARDS)


def counts(draft):
    data = load_data(draft.data)
    return {task: rows + task_counts(data.held_out).get(task, 0) for task, rows in task_counts(data.train).items()}


def renamed(draft, *pairs):
    for old, new in pairs:
        draft = rename_task(draft, old, new, counts(draft))
    return draft


@pytest.mark.parametrize(
    ("pairs", "tasks"),
    [
        pytest.param([("a", "x")], {"x": 20, "b": 20, "c": 20}, id="renamed"),
        pytest.param([("a", "x"), ("x", "y")], {"y": 20, "b": 20, "c": 20}, id="twice"),
        pytest.param([("a", "x"), ("x", "a")], {"a": 20, "b": 20, "c": 20}, id="and back"),
        pytest.param([("a", "b")], {"b": 40, "c": 20}, id="merged"),
        pytest.param([("a", "b"), ("b", "z")], {"z": 40, "c": 20}, id="both go along"),
        pytest.param([("a", "x"), ("b", "x"), ("c", "x")], {"x": 60}, id="all into a new one"),
        pytest.param([("a", "x"), ("b", "a")], {"x": 20, "a": 20, "c": 20}, id="a name that is free again"),
    ],
)
def test_tasks_get_new_names(draft, pairs, tasks):
    assert counts(renamed(draft, *pairs)) == tasks


def test_a_name_that_is_its_own_again_leaves_nothing_behind(draft):
    assert renamed(draft, ("a", "x"), ("x", "a")) == draft.model_copy(
        update={"data": draft.data.model_copy(update={"tags": None})}
    )


def test_rewards_and_settings_go_along_and_back(draft):
    draft = draft.model_copy(update={"tasks": {"a": TaskSpec(share=0.5)}})
    found = renamed(draft, ("a", "x"))
    assert (set(found.rewards), set(found.tasks)) == ({"x", "b"}, {"x"})
    assert keep_name(found, "a").rewards == REWARDS


def test_a_merged_task_keeps_its_own_rewards(draft):
    assert renamed(draft, ("a", "b")).rewards == {"b": REWARDS["b"]}


def test_a_task_is_left_out_and_taken_back(draft):
    out = drop_task(draft, "a")
    assert counts(out) == {"b": 20, "c": 20}
    assert strangers(out, counts(out)) == ["a"]
    assert set(forget(out, ["a"]).rewards) == {"b"}
    assert counts(restore_task(out, "a")) == counts(draft)
    with pytest.raises(UserError, match="left out"):
        rename_task(out, "b", "a", counts(out))


def test_a_task_is_split_under_the_name_that_people_see(draft):
    found = add_rule(renamed(draft, ("a", "x")), "prompt", "matches", r"\b[0-9]\?", "small", within="x")
    assert counts(found) == {"small": 4, "x": 16, "b": 20, "c": 20}


def test_a_rule_for_all_rows(draft):
    assert counts(add_rule(draft, "answer", "equals", "7", "seven")) == {"a": 20, "b": 19, "c": 20, "seven": 1}


@pytest.mark.parametrize(
    ("condition", "value", "task"), [("matches", "(", "t"), ("contains", "", "t"), ("contains", "x", "default")]
)
def test_a_rule_that_cannot_be_says_why(draft, condition, value, task):
    with pytest.raises(UserError):
        add_rule(draft, "prompt", condition, value, task)


def test_columns_change_places(tmp_path):
    rows = [
        {"prompt": f"{n}", "question": f"What is {n}?", "answer": "long", "gold": n, "kind": "k"} for n in range(20)
    ]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    draft = Draft(data=DataSpec(path=str(path)))
    columns = raw_columns(draft.data)
    found = choose_task_column(choose_prompt_column(draft, "question", columns), "kind", columns)
    found = choose_answer_column(found, "gold", columns)
    row = load_data(found.data).train[0]
    assert (row["task"], row["prompt"][:4], row["answer_in_file"]) == ("k", "What", "long")
    assert row["answer"] == int(row["prompt_in_file"])
    again = choose_answer_column(choose_prompt_column(found, "prompt", columns), "answer", columns)
    assert again.data.columns == {}
    assert answer_column(choose_answer_column(found, None, columns).data, columns) is None
    by_file = choose_task_column(found, None, columns)
    assert counts(by_file) == {"rows": 20}


def test_the_rest_gets_a_task_or_none(draft):
    assert tags_of(tag_rest(draft, " other ")).default == "other"
    assert tag_rest(tag_rest(draft, "other"), "").data.tags is None


@pytest.mark.parametrize(("percent", "share"), [("40", 0.4), ("12,5 %", 0.125), ("100", 1.0)])
def test_a_share_in_per_cent(draft, percent, share):
    found = set_share(draft, "a", percent)
    assert found.tasks["a"].share == share
    assert set_share(found, "a", " ").tasks == {}


@pytest.mark.parametrize("percent", ["a lot", "0", "-3", "101", "nan"])
def test_what_is_no_share(draft, percent):
    with pytest.raises(UserError, match="no part of a batch"):
        set_share(draft, "a", percent)
