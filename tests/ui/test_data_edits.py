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
    remove_rule,
    rename_task,
    restore_task,
    set_held_out,
    set_share,
    strangers,
    tag_file,
    tag_rest,
    tag_row,
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


def test_a_task_with_rows_tagged_by_hand_is_split_and_no_other(draft):
    mended = tag_row(draft, "rows.jsonl line 1", "b")
    found = add_rule(mended, "prompt", "matches", r"\b[0-9]\?", "small", within="b")
    whole = counts(mended)
    assert counts(found)["a"] == whole["a"]
    assert counts(found)["c"] == whole["c"]
    assert counts(found)["b"] + counts(found)["small"] == whole["b"]


def test_a_split_task_is_split_again(draft):
    found = add_rule(draft, "prompt", "matches", r"\b[0-9]\?", "small", within="a")
    again = add_rule(found, "prompt", "contains", " 3", "three", within="small")
    assert counts(again)["three"] == 1
    assert counts(again)["a"] == counts(found)["a"]


def test_a_file_of_another_tag_forgets_how_the_old_one_was_renamed(draft):
    file = tag_file(draft, "rows.jsonl", "extra")
    renamed_file = rename_task(file, "extra", "mood", {"extra"})
    assert tags_of(renamed_file).rename == {"extra": "mood"}
    assert tags_of(tag_file(renamed_file, "rows.jsonl", "other")).rename == {}


def test_undoing_a_merge_leaves_no_name_that_is_its_own(draft):
    merged = renamed(draft, ("a", "b"))
    assert tags_of(keep_name(merged, "a")).rename == {}


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


def test_the_number_of_held_out_rows(draft):
    assert set_held_out(draft, " 3 ").data.held_out.rows_per_task == 3
    assert set_held_out(draft, "0").data.held_out.rows_per_task == 0


@pytest.mark.parametrize("rows", ["", "a few", "-1", "2.5", "1e99999"])
def test_what_is_no_number_of_held_out_rows(draft, rows):
    with pytest.raises(UserError, match="no number of rows"):
        set_held_out(draft, rows)


class TestRemoveRule:
    @pytest.fixture
    def ruled(self, draft):
        for text in ("1", "2", "3"):
            draft = add_rule(draft, "prompt", "contains", text, "x")
        return draft

    def texts(self, draft):
        return [rule.contains for rule in tags_of(draft).rules]

    def test_the_rule_that_was_shown_goes_and_no_other_where_one_before_it_is_gone(self, ruled):
        first, second, _ = tags_of(ruled).rules
        found = remove_rule(remove_rule(ruled, first, 0), second, 1)
        assert self.texts(found) == ["3"]

    def test_a_rule_that_is_gone_already_takes_no_other_along(self, ruled):
        first = tags_of(ruled).rules[0]
        assert self.texts(remove_rule(remove_rule(ruled, first, 0), first, 0)) == ["2", "3"]

    def test_of_two_that_are_alike_the_one_at_its_place_goes(self, ruled):
        again = add_rule(ruled, "prompt", "contains", "1", "x")
        assert self.texts(remove_rule(again, tags_of(again).rules[3], 3)) == ["1", "2", "3"]
