"""operands: which numbers are parts of something larger."""

import time

import pytest

from rewards.operands import is_operand


def of_42(text):
    start = text.index("42")
    return is_operand(text, start - (text[start - 1 : start] in ("-", "+")), start + 2)


@pytest.mark.parametrize(
    "text",
    [
        *("x + 42", "x+42", "42 + x", "42x", "42 x", "42i", "42π", r"42\theta", "sqrt(42)", "log 42", "f(42)", "2(42)"),
        *(
            "x < 42",
            "x<42",
            "≥ 42",
            r"x \leq 42",
            "42 > x",
            "42 mod 5",
            "7 mod 42",
            r"7 \pmod{42}",
            "42^2",
            "2^42",
            "42!n",
        ),
        *("x/42", "3 x 42", "3 times 42", "40-42", "x * 42", "x_{42}", "10:42", "42,5"),
    ],
)
def test_a_part_of_something_larger(text):
    assert of_42(text)


@pytest.mark.parametrize(
    "text",
    [
        *("42", "= 42", "x = 42", "-> 42", "=> 42", "> 42", "<b>42</b>", "**42**", "*42*", "is *42*", "Answer - 42"),
        *(
            "B - 42",
            "42!",
            "42 km",
            "42m",
            "42%",
            "42 a day",
            "42/day",
            r"\left(42\right)",
            "(42)",
            "42 - a lot",
            "42\nx",
        ),
        *("42px", "42nd", "is -42", "Answer: -42", "x ≈ 42", "€42", "so 42 and no more"),
    ],
)
def test_a_number_of_its_own(text):
    assert not of_42(text)


@pytest.mark.parametrize("filler", ["x", " ", "<", "*", "(", "$", "1 x ", "42"])
def test_what_stands_around_is_looked_at_in_no_time(filler):
    start = time.monotonic()
    is_operand(filler * 100_000 + "42" + filler * 100_000, len(filler) * 100_000, len(filler) * 100_000 + 2)
    assert time.monotonic() - start < 0.5
