"""Column values as people write them, JSON in columns, fenced blocks."""

import math

import numpy as np
import pytest

from rewards.declaration import RewardError
from rewards.text import as_text, fenced_blocks, from_json, one_spelling, outside_fences, same_json, spellings


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
        ("1. So:\n   ```python\n   a\n     b\n   ```", ["a\n  b\n"]),
        ("- ```python\n  a\n  ```", ["a\n"]),
        ("~~~python\na\n```\nb\n~~~", ["a\n```\nb\n"]),
        ("```python\nhm\n```python\na\n```", ["hm\n", "a\n"]),
        ("<think>\n```\nhm\n</think>\n```python\na\n```", ["hm\n", "a\n"]),
        ("```python\nprint('</think>')\n```", ["print('</think>')\n"]),
        ("```python\na\n```\n```", ["a\n"]),
        ("````\n```\na\n```\n````", ["```\na\n```\n"]),
    ],
)
def test_fenced_blocks_are_found_in_order(text, blocks):
    assert fenced_blocks(text) == blocks


def test_a_fence_ends_where_it_is_closed_or_at_the_end():
    assert outside_fences("a\n```py\nb\n```\nc\n```\nd") == "a\n\nc\n"
    assert outside_fences("a ```b``` c") == "a ```b``` c"
    assert outside_fences("a\n  ~~~py\n  b\n  ~~~\nc") == "a\n  \nc"
    assert outside_fences("<think>\n```\na\n</think>\nb") == "<think>\n</think>\nb"
    assert outside_fences("a\n```text\nb\n```", frozenset({"text"})) == "a\n\nb"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1e16, "10000000000000000"),
        (1e16, "1e16"),
        (0.00001, "0.00001"),
        (0.00001, "1e-5"),
        (1.5e-7, "0.00000015"),
        (1e15, "1000000000000000"),
        (6.02e23, "6.02e+23"),
    ],
)
def test_a_large_or_small_number_has_the_spellings_that_people_write(value, written):
    assert written in spellings(value, "answer")


@pytest.mark.parametrize("value", ["1e-05", 4.0, 0.5, 4, True, "a"])
def test_any_other_value_has_one(value):
    assert spellings(value, "answer") == (as_text(value, "answer"),)


def test_one_text_has_one_spelling():
    assert one_spelling("Rene\u0301 \u200bX") == one_spelling("Ren\u00e9 X")
    assert one_spelling("STRASSE", ignore_case=True) == one_spelling("straße", ignore_case=True)
    assert same_json({"e\u0301": ["e\u0301"]}, {"\u00e9": ["\u00e9"]})
    assert not same_json({"e\u0301": 1, "\u00e9": 2}, {"\u00e9": 2})
