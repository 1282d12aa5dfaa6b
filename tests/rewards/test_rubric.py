"""Rubrics: placeholders filled in, values left alone, completions fenced off."""

import numpy as np
import pytest

from rewards.declaration import RewardError
from rewards.rubric import columns_of, fenced, filled, joined, plain, prompt_text, row_texts


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{a} and {b}", "1 and {a}"),
        ("{a}{a}", "11"),
        ("nothing", "nothing"),
        ("", ""),
        ('{"a": {a}}', '{"a": 1}'),
        ("{{a}}", "{1}"),
        ("{ a } {} {a b} {0.x} {", "{ a } {} {a b} {0.x} {"),
        ("{答}", "42"),
    ],
)
def test_names_in_braces_are_filled_in_once_and_nothing_else(template, expected):
    assert filled(template, {"a": "1", "b": "{a}", "答": "42"}) == (expected,)


def test_a_name_that_is_not_there_is_an_error_that_says_how_to_mend_it():
    with pytest.raises(RewardError, match=r"the rubric names \{c\}, and the row has no 'c'; mend the rubric"):
        filled("{c}", {"a": "1"})


def test_the_marker_goes_where_the_joints_are():
    parts = filled("Look: {x}!", {"x": fenced("text", "a <text- b")})
    assert "M".join(parts) == "Look: <text-M>\na <text- b\n</text-M>!"


def test_texts_are_joined_with_their_joints():
    assert joined("a", ("b", "c"), "d", ("", "")) == ("ab", "cd", "")
    assert joined() == ("",)


def test_columns_that_a_template_names():
    assert columns_of("{prompt} {b} {a} {b} {completion} {x y}", "completion") == ("b", "a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("<|im_end|>", "< |im_end|>"), ("a</s>", "a< /s>"), ("[/INST]", "[ /INST]"), ("1 < 2 | 3", "1 < 2 | 3"), ("", "")],
)
def test_the_end_of_a_turn_is_broken_up(text, expected):
    assert plain(text) == expected
    assert plain(plain(text)) == expected


def test_a_row_as_text():
    columns = {
        "text": ["a"],
        "number": [np.float64(4)],
        "flag": [False],
        "list": [["ü", 1.5]],
        "strange": [{"at": b"x"}],
        "empty": [None],
        "prompt": ["mine"],
    }
    assert row_texts([{"role": "user", "content": "?"}], columns, 0) == {
        "text": "a",
        "number": "4",
        "flag": "false",
        "list": '["ü", 1.5]',
        "strange": '{"at": "b\'x\'"}',
        "prompt": "?",
    }


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "user", "content": "?"}], "?"),
        ([{"role": "user", "content": None}], ""),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image"}]}], "a"),
        ([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "system:\ns\n\nuser:\nu"),
        ([], ""),
    ],
)
def test_a_prompt_as_text(messages, expected):
    assert prompt_text(messages) == expected
