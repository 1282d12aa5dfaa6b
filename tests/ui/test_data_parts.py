"""Pieces of the page Data: long texts, and the first rows of many tasks."""

import pytest

from ui.data_first import MOST_TASKS, SHOWN_TASKS, cards_html
from ui.data_parts import LONG, MOST_CHARACTERS, readable


def test_a_short_value_is_shown_as_it_is():
    assert readable("7 + 5?") == '<pre class="sb-text">7 + 5?</pre>'


def test_a_long_one_is_folded_and_can_be_copied():
    html = readable("word " * LONG)
    assert html.startswith("<details")
    assert "data-copy=" in html


def test_one_that_is_cut_says_of_how_much_it_is_the_beginning():
    html = readable("x" * (MOST_CHARACTERS + 5))
    assert "x" * MOST_CHARACTERS in html
    assert "x" * (MOST_CHARACTERS + 1) not in html
    assert "The first 20,000 of 20,005 characters." in html


@pytest.mark.parametrize(
    ("tasks", "note"),
    [
        pytest.param(SHOWN_TASKS, "", id="all at once"),
        pytest.param(40, "Tasks shown: 12 of 40; 28 more", id="the others folded"),
        pytest.param(400, "Tasks shown here: 60 of 400.", id="more than a page holds"),
    ],
)
def test_no_task_is_left_out_without_a_word(tasks, note):
    items = [f"<p>task {n}</p>" for n in range(min(tasks, MOST_TASKS))]
    html = cards_html(items, tasks)
    assert all(item in html for item in items)
    assert note in html
    assert ("<details" in html) == (tasks > SHOWN_TASKS)
