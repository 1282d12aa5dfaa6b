"""units: which texts after a number are a unit, and how many of one make another."""

from fractions import Fraction

import pytest

from rewards.units import conversion, raised_powers, unit_at


@pytest.mark.parametrize(
    ("text", "value", "powers"),
    [
        ("cm", "1/100", (1, 0, 0, 0)),
        (" Meters", "1", (1, 0, 0, 0)),
        (r"\text{ cm}^2", "1/10000", (2, 0, 0, 0)),
        (r"~\mathrm{m/s^2}", "1", (1, 0, -2, 0)),
        (r"\text{ m}/\text{s}", "1", (1, 0, -1, 0)),
        (" miles per hour", "0.44704", (1, 0, -1, 0)),
        (" square feet", "0.09290304", (2, 0, 0, 0)),
        (" sq. m", "1", (2, 0, 0, 0)),
        (" cm squared", "1/10000", (2, 0, 0, 0)),
        ("m³", "1", (3, 0, 0, 0)),
        (" liters", "1/1000", (3, 0, 0, 0)),
        ("MW", "1000000", (2, 1, -3, 0)),
        ("mW", "1/1000", (2, 1, -3, 0)),
        ("μs", "1/1000000", (0, 0, 1, 0)),
        (" kg·m/s²", "1", (1, 1, -2, 0)),
        (" minutes later", "60", (0, 0, 1, 0)),
    ],
)
def test_a_unit_is_read(text, value, powers):
    unit = unit_at(text)
    assert (unit.value, unit.powers) == (Fraction(value), powers)


@pytest.mark.parametrize("text", ["", " apples", "°", "%", "$", " and 5 cm", "m/foo", "/s", "x^2", " is 5 m"])
def test_other_texts_are_no_unit(text):
    assert unit_at(text) is None


@pytest.mark.parametrize(
    ("unit", "other", "expected"),
    [
        ("cm", "m", 100),
        ("km/h", "m/s", Fraction(18, 5)),
        ("hours", "min", Fraction(1, 60)),
        ("cm^2", "m^2", 10_000),
        ("mL", "cm^3", 1),
        ("J", "N·m", 1),
        ("m", "s", None),
        ("m", "apples", 1),
        ("apples", "m", 1),
    ],
)
def test_units_of_one_kind_are_converted_and_unknown_ones_left_out_of_account(unit, other, expected):
    assert conversion(unit_at(unit), unit_at(other)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12 m^2", "12 m²"),
        (r"9.8\text{ m}/\text{s}^{2}", r"9.8\text{ m}/\text{s}²"),
        (r"9.8 \mathrm{m/s^2}", r"9.8 \mathrm{m/s²}"),
        ("5 kg m s^{-2}", "5 kg m s⁻²"),
        ("5 x^2", "5 x^2"),
        ("2^3", "2^3"),
        ("m^2", "m^2"),
    ],
)
def test_the_power_of_a_unit_is_made_no_number(text, expected):
    assert raised_powers(text) == expected
