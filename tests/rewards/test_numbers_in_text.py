"""numbers_in_text: notations of other countries, lists of candidates, and what a number may say."""

from fractions import Fraction

import pytest

from rewards.numbers_in_text import Number, is_listed, last_match, last_number, only_number, plain_text, point_decimals


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 000", "1000"),
        ("12 345 678,9", "12345678.9"),
        ("1'000.5", "1000.5"),
        ("1.000,5", "1000.5"),
        ("1.000.000", "1000000"),
        ("1,00,000", "100000"),
        ("0,125", "0.125"),
        ("1,25", "1.25"),
        ("1000,999", "1000.999"),
        ("1,000", "1,000"),
        ("1,000.5", "1,000.5"),
        ("1.000", "1.000"),
        ("1,2,3", "1,2,3"),
        ("1, 2", "1, 2"),
        ("24.12.2024", "24.12.2024"),
        ("1.2.3", "1.2.3"),
        ("10 20", "10 20"),
        ("2024 100", "2024 100"),
        ("x1,5", "x1,5"),
    ],
)
def test_a_number_of_another_notation_becomes_english_where_it_cannot_be_english(text, expected):
    assert point_decimals(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"0.\overline{3}", Fraction(1, 3)),
        (r"0.1\overline{6}", Fraction(1, 6)),
        (r"-1.\overline{142857}", -Fraction(8, 7)),
        (r"\frac3{4}", Fraction(3, 4)),
        (r"\cfrac{3}4", Fraction(3, 4)),
        (r"\frac34", Fraction(3, 4)),
        (r"\frac345", None),
        ("3x10^5", Fraction(300_000)),
    ],
)
def test_a_number_has_an_exact_value(text, expected):
    found = only_number(text)
    assert (found and found.value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("41 or 42", True),
        ("41, 42", True),
        ("40, 41, 42 are candidates", True),
        ("41; 42", True),
        ("x = 41 or x = 42", True),
        ("$41$ and $42$", True),
        ("(41, 42)", True),
        ("42", False),
        ("Out of 100, 42 are red", False),
        ("5 and 37 make 42", False),
        ("5 + 37 = 42", False),
        ("x = 41 and y = 42", False),
        ("1/2 or 0.5", False),
        ("50% or 0.5", False),
        ("3 apples and 42 pears", False),
    ],
)
def test_the_last_number_is_one_of_several_candidates(text, expected):
    assert is_listed(last_match(text)) == expected


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("2 million", "2000000", True),
        ("2 million", "2", True),
        ("2000000", "2 million", True),
        ("2 million", "2000", False),
        ("2 million", "2 thousand", False),
        ("2 million", "2000 thousand", True),
        ("5000%", "50%", False),
        ("50%", "50", True),
        ("0.5", "50%", True),
        ("50 %", "0.5 million", False),
    ],
)
def test_what_a_word_or_sign_says_on_one_side_only_may_be_left_out(text, other, expected):
    assert only_number(text).matches(only_number(other)) == expected


def test_a_tolerance_is_a_share_of_the_number_and_counts_its_edge():
    assert Number(Fraction(100)).matches(Number(Fraction(101)), Fraction(1, 100))
    assert not Number(Fraction(100)).matches(Number(Fraction(1011, 10)), Fraction(1, 100))


@pytest.mark.parametrize(
    ("text", "other", "expected"),
    [
        ("3.14", "22/7", True),
        ("3.15", "22/7", False),
        ("3", "22/7", True),
        ("42", "41", False),
        ("22/7", "3.14", False),
    ],
)
def test_a_decimal_rounds_a_number_to_the_digits_written(text, other, expected):
    assert only_number(text).rounds(only_number(other)) == expected


@pytest.mark.parametrize("digits", ["٤٢", "۴۲", "४२", "４２", "๔๒"])
def test_digits_of_any_script_are_digits(digits):
    assert plain_text(digits) == "42"


def test_the_last_number_of_a_long_text_is_found_as_in_a_short_one():
    for text in ("It is 1,234.5 m.", "It is 3 1/2 m.", "It is 2^10."):
        assert last_number("word " * 400 + text) == last_number(text)
    assert last_number("9" * 1000) is None
