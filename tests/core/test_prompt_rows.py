"""Rows found again by the text of their prompt, as the data has it and as the model saw it."""

import pytest
from toys import write_rows

from core.data import load_data
from core.prompt_rows import as_seen, rows_by_prompt
from core.spec import DataSpec, HeldOut, TaskSpec

CHAT = [{"role": "system", "content": "You add."}, {"role": "user", "content": "3+3?"}]
ROWS = [
    {"task": "math", "prompt": "2+2?", "answer": "4"},
    {"task": "math", "prompt": CHAT, "answer": "6"},
    {"task": "code", "prompt": "2+2?", "tests": ["assert f() == 4"]},
    {"task": "code", "prompt": "Write f.", "tests": ["assert f"]},
    {"task": "code", "prompt": "Write f.", "tests": ["assert not f"], "entry": "f"},
]


@pytest.fixture
def look(tmp_path):
    """Look for prompts in these rows; finds their answers or tests."""

    def look(wanted, tasks=None, rows=ROWS):
        path = write_rows(tmp_path / "rows.jsonl", rows)
        data = load_data(DataSpec(path=str(path), held_out=HeldOut(rows_per_task=0)))
        return rows_by_prompt(wanted, (data.train, data.held_out), tasks or {})

    return look


def test_a_row_is_found_by_task_and_prompt(look):
    found = look([("math", "2+2?"), ("code", "2+2?"), ("math", "5+5?")])
    assert found["math", "2+2?"].row == {"task": "math", "prompt": "2+2?", "answer": "4"}
    assert found["code", "2+2?"].row["tests"] == ["assert f() == 4"]
    assert ("math", "5+5?") not in found


def test_chat_messages_are_found_by_their_text(look):
    found = look([("math", "You add.\n\n3+3?")])["math", "You add.\n\n3+3?"]
    assert (found.row["answer"], found.row["prompt"]) == ("6", CHAT)


@pytest.mark.parametrize(
    ("settings", "seen"),
    [
        (TaskSpec(system_prompt="Be brief."), "Be brief.\n\n2+2?"),
        (TaskSpec(prompt_template="{prompt} ({answer} words)"), "2+2? (4 words)"),
        (TaskSpec(system_prompt="S", prompt_template="Now: {prompt}"), "S\n\nNow: 2+2?"),
    ],
)
@pytest.mark.parametrize("rows", [ROWS, [ROWS[0], ROWS[2]]], ids=["with chat messages", "text alone"])
def test_a_prompt_is_found_as_the_model_saw_it_and_as_it_was(look, settings, seen, rows):
    found = look([("math", seen), ("math", "2+2?")], {"math": settings}, rows)
    assert {key: one.row["answer"] for key, one in found.items()} == {("math", seen): "4", ("math", "2+2?"): "4"}


def test_of_rows_that_contradict_each_other_only_what_all_say_is_kept(look):
    found = look([("code", "Write f.")])["code", "Write f."]
    assert not found.alike
    assert found.row == {"task": "code", "prompt": "Write f."}


def test_copies_of_a_row_are_one(look):
    assert look([("math", "2+2?")], rows=[ROWS[0], ROWS[0]])["math", "2+2?"].alike


def test_a_prompt_is_text_where_chat_messages_say_no_more():
    assert as_seen({"prompt": [{"role": "user", "content": "2+2?"}]}, None) == {"prompt": "2+2?"}
    assert as_seen({"prompt": [{"role": "tool", "content": "4"}]}, None) == {
        "prompt": [{"role": "tool", "content": "4"}]
    }
    named = [{"role": "user", "content": "2+2?", "name": "Ann"}]
    assert as_seen({"prompt": named}, None) == {"prompt": named}


def test_rows_are_found_in_data_of_several_pieces_some_of_which_are_held_out(tmp_path):
    rows = [{"task": "math", "prompt": f"{n}?", "answer": str(n)} for n in range(50)]
    paths = [str(write_rows(tmp_path / f"{k}.jsonl", rows[k::3])) for k in range(3)]
    data = load_data(DataSpec(path=tuple(paths), held_out=HeldOut(rows_per_task=5)))
    wanted = [("math", f"{n}?") for n in range(50)]
    found = rows_by_prompt(wanted, (data.train, data.held_out), {})
    assert [found[key].row["answer"] for key in wanted] == [str(n) for n in range(50)]
