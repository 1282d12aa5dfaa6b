"""Column values as people write them, JSON in columns, fenced blocks."""

import math

import numpy as np
import pytest

from rewards.declaration import RewardError
from rewards.text import as_text, fenced_blocks, from_json, outside_fences


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("4.0", "4.0"),
        (4.0, "4"),
        (-0.5, "-0.5"),
        (1e300, "1e+300"),
        (10**30, "1" + "0" * 30),
        (np.int64(4), "4"),
        (np.float64(4), "4"),
        (True, "true"),
    ],
)
def test_a_value_is_written_as_people_write_it(value, text):
    assert as_text(value, "answer") == text


@pytest.mark.parametrize("value", [math.nan, math.inf, pytest.param(10**5000, id="huge"), [1], {}, b"x"])
def test_what_nobody_writes_as_an_answer_is_an_error(value):
    with pytest.raises(RewardError, match="column 'answer'"):
        as_text(value, "answer")


def test_json_is_read_where_the_column_holds_text():
    assert from_json('{"a": 1}', "fields") == from_json({"a": 1}, "fields") == {"a": 1}


@pytest.mark.parametrize("text", ["{", "NaN", '{"a": 1, "a": 2}', "[" * 100_000])
def test_what_is_not_json_is_an_error(text):
    with pytest.raises(RewardError, match="not valid JSON"):
        from_json(text, "fields")


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("no block", []),
        ("```python\na\nb\n```", ["a\nb\n"]),
        ("```\na\n```\ntext\n  ```js\nb\n  ```", ["a\n", "b\n"]),
        ("```\na", ["a"]),
        ("```", [""]),
        ("inline ```a``` only", []),
    ],
)
def test_fenced_blocks_are_found_in_order(text, blocks):
    assert fenced_blocks(text) == blocks


def test_a_fence_ends_where_it_is_closed_or_at_the_end():
    assert outside_fences("a\n```py\nb\n```\nc\n```\nd") == "a\n\nc\n"
    assert outside_fences("a ```b``` c") == "a ```b``` c"
    assert outside_fences("a\n```text\nb\n```", frozenset({"text"})) == "a\n\nb"
