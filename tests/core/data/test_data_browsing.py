import pytest

from core.data.browsing import browse

MESSAGES = [{"role": "system", "content": 'Say "Ja".'}, {"role": "user", "content": "Straße\nnach Rom"}]


@pytest.fixture
def rows(write, load):
    """Forty rows of two tasks with the places they came from, without those held out."""
    written = [{"task": "ab"[n % 2], "prompt": f"Prompt {n}", "n": n} for n in range(40)]
    return load(write("a.jsonl", written), held_out={"rows_per_task": 3}).traced_train


@pytest.fixture
def chats(write, load):
    """Text and chat messages in one column."""
    prompts = [MESSAGES, "who is the user?", [{"role": "user", "content": "nothing"}]]
    return load(write("b.jsonl", [{"task": "m", "prompt": prompt} for prompt in prompts])).traced_train


def test_a_row_comes_with_its_place_and_no_other_hidden_column(rows):
    page = browse(rows, limit=1)
    (row,) = page.rows
    assert set(row) == {"task", "prompt", "n", "__place__"}
    assert row["__place__"] == f"a.jsonl line {row['n'] + 1}"


def test_pages_of_a_task_hold_each_of_its_rows_once(rows):
    pages = [browse(rows, task="b", offset=offset, limit=5) for offset in range(0, 20, 5)]
    assert {page.total for page in pages} == {17}
    found = [row["n"] for page in pages for row in page.rows]
    assert found == [n for n in rows["n"] if n % 2]


def test_a_page_past_the_end_is_empty_and_tells_the_total(rows):
    page = browse(rows, offset=99)
    assert (page.rows, page.total, page.offset) == ((), 34, 99)


@pytest.mark.parametrize(
    ("text", "prompts", "why"),
    [
        ("prompt 1", {f"Prompt {n}" for n in (1, *range(10, 20))}, "any case"),
        ("t 3", {f"Prompt {n}" for n in (3, *range(30, 40))}, "inside"),
        ("3.", set(), "a dot is a dot"),
    ],
)
def test_rows_are_found_by_a_text_in_their_prompt(rows, text, prompts, why):
    page = browse(rows, text=text)
    assert {row["prompt"] for row in page.rows} == prompts & set(rows["prompt"]), why
    assert page.total == len(page.rows)


def test_task_and_text_narrow_down_together(rows):
    page = browse(rows, task="a", text="Prompt 1")
    assert {row["n"] for row in page.rows} == {10, 12, 14, 16, 18} & set(rows["n"])


@pytest.mark.parametrize(
    ("text", "count", "why"),
    [
        ("STRASSE", 0, "no other letters"),
        ("straße\nnach", 1, "a line end inside a message"),
        ('"Ja"', 1, "quotes inside a message"),
        ("user", 1, "a role is no text"),
        ("content", 0, "a key is no text"),
    ],
)
def test_messages_are_searched_in_their_contents(chats, text, count, why):
    assert browse(chats, text=text).total == count, why


def test_rows_next_to_each_other_are_found_too(rows):
    assert [row["prompt"] for row in browse(rows.select(range(5, 8)), text="prompt").rows] == rows["prompt"][5:8]


def test_a_task_that_is_not_there_has_no_rows(rows):
    assert browse(rows, task="c").total == 0
