"""Formulas are read as arithmetic and as nothing else."""

import pytest

from rewards.expression import LONGEST, parse

GIVEN = {"a": 1.0, "b": 2.0, "c": 0.25}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.8*a + 0.2*b", 1.2),
        ("a - b - c", -1.25),
        ("-b ** 2", -4.0),
        ("b / c % 3", 2.0),
        ("min(a, b, c) + max(a, b)", 2.25),
        ("mean(a, b, 3)", 2.0),
        ("clip(b, 0, 1) + abs(-c) + round(1.4) + floor(1.9) + ceil(1.1)", 5.25),
        ("sqrt(4) + log(exp(1))", 3.0),
        ("a if c > 0.5 else b", 2.0),
        ("a * (b > 1)", 1.0),
        ("0 < a <= b != c", 1.0),
        ("(a == 1 and b == 3) or not c", 0.0),
        ("True + False", 1.0),
        ("  a\n", 1.0),
        ("1e3", 1000.0),
    ],
)
def test_values(text, value):
    assert parse(text).value(GIVEN) == pytest.approx(value)


def test_names_are_listed_once_in_order_without_functions():
    assert parse("min(b, a) + b * max(c, a)").names == ("b", "a", "c")
    assert parse("length2 + length").names == ("length2", "length")


def test_what_a_value_does_not_depend_on_is_not_asked_for():
    assert parse("missing if a > 5 else b").value(GIVEN) == 2.0
    assert parse("a > 5 and missing").value(GIVEN) == 0.0
    with pytest.raises(KeyError):
        parse("missing if a < 5 else b").value(GIVEN)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no formula"),
        ("a +", "is no formula: invalid syntax at character"),
        ("a b", "is no formula"),
        ("__import__('os').system('true')", "is not allowed in a formula"),
        ("a.__class__", "is not allowed"),
        ("a[0]", "is not allowed"),
        ("[a]", "is not allowed"),
        ("'text'", "is not allowed"),
        ("lambda: a", "is not allowed"),
        ("(a := 1)", "is not allowed"),
        ("a in b", "is not allowed"),
        ("a @ b", "is not allowed"),
        ("~1", "is not allowed"),
        ("1j", "is not allowed"),
        ("min(*a, b)", "is not allowed"),
        ("min(a, key=b)", "is not allowed"),
        ("eval(a)", "is not allowed"),
        ("min(a)(b)", "is not allowed"),
        ("clip(a)", "clip(...) takes 3 arguments, not 1"),
        ("min(a)", "min(...) takes 2 or more arguments, not 1"),
        ("1" * 400, "is not allowed"),
        ("(" * 500 + "a" + ")" * 500, "nested"),
        ("a" * (LONGEST + 1), f"at most {LONGEST} characters"),
    ],
)
def test_anything_else_is_refused(text, reason):
    with pytest.raises(ValueError, match=r".") as raised:
        parse(text)
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    "text", ["1 / 0", "a % 0", "9 ** 99", "(-8) ** 0.5", "sqrt(-1)", "log(0)", "exp(1000)", "1e200 ** 2"]
)
def test_what_comes_to_no_number_is_an_error(text):
    with pytest.raises((ArithmeticError, ValueError)):
        parse(text).value(GIVEN)
