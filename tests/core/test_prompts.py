import pytest

from core.prompts import as_messages, as_text, fill, render
from core.spec import TaskSpec

CHAT = [{"role": "system", "content": "Its own."}, {"role": "user", "content": "2+2?"}]


def test_a_text_prompt_is_one_user_message():
    assert as_messages("2+2?") == [{"role": "user", "content": "2+2?"}]


def test_chat_messages_are_copied_so_that_a_row_never_changes():
    as_messages(CHAT)[0]["content"] = "changed"
    assert CHAT[0]["content"] == "Its own."


def test_messages_read_as_paragraphs():
    assert as_text(CHAT) == "Its own.\n\n2+2?"


@pytest.mark.parametrize(
    ("prompt", "task", "contents"),
    [
        pytest.param("2+2?", None, ["2+2?"], id="no settings"),
        pytest.param("2+2?", TaskSpec(), ["2+2?"], id="empty settings"),
        pytest.param("2+2?", TaskSpec(system_prompt="Be brief."), ["Be brief.", "2+2?"], id="system prompt"),
        pytest.param(CHAT, TaskSpec(system_prompt="Be brief."), ["Its own.", "2+2?"], id="a row's own comes first"),
        pytest.param(CHAT, TaskSpec(prompt_template="Q: {prompt}"), ["Its own.", "Q: 2+2?"], id="the last message"),
        pytest.param("2+2?", TaskSpec(prompt_template="{prompt} {hint}"), ["2+2? count"], id="another column"),
        pytest.param("2+2?", TaskSpec(prompt_template="Say hi"), ["Say hi"], id="no column at all"),
    ],
)
def test_a_row_is_rendered_under_its_tasks_settings(prompt, task, contents):
    assert [m["content"] for m in render({"prompt": prompt, "hint": "count"}, task)] == contents


def test_rendering_leaves_the_row_as_it_was():
    row = {"prompt": [dict(message) for message in CHAT]}
    render(row, TaskSpec(prompt_template="Q: {prompt}"))
    assert row["prompt"] == CHAT


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param('{"a": {n}}', '{"a": 3}', id="JSON needs no escapes"),
        pytest.param("{} {a b} {missing} {{n}}", "{} {a b} {missing} {3}", id="what is no column stays"),
        pytest.param("{empty}", "{empty}", id="an empty cell stays"),
        pytest.param("{题}", "question", id="a name in another script"),
        pytest.param("{tricky}", "{n} \\1", id="what is filled in is not filled again"),
    ],
)
def test_columns_are_filled_into_their_names(template, text):
    assert fill(template, {"n": 3, "empty": None, "题": "question", "tricky": "{n} \\1"}) == text
