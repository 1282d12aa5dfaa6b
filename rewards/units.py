r"""Units of measurement as they follow a number: how many of one make another, and which measure the same at all.

For rewards that compare numbers: 5 cm is 0.05 m and not 5 m. A unit that is not known here, such as "apples", is None,
and the caller leaves it out of account; so is money, and so are degrees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

PREFIXES = {"G": "1e9", "M": "1e6", "k": "1000", "d": "1/10", "c": "1/100", "m": "1/1000", "µ": "1e-6", "n": "1e-9"}
PREFIX_WORDS = {
    "giga": "G",
    "mega": "M",
    "kilo": "k",
    "deci": "d",
    "centi": "c",
    "milli": "m",
    "micro": "µ",
    "nano": "n",
}

# Symbol; names; its value in metre, kilogram, second, ampere; the powers of these four.
WITH_PREFIXES = (
    ("m", "meter metre", "1", (1, 0, 0, 0)),
    ("g", "gram gramme", "1/1000", (0, 1, 0, 0)),
    ("s", "second sec", "1", (0, 0, 1, 0)),
    ("A", "ampere amp", "1", (0, 0, 0, 1)),
    ("L", "liter litre", "1/1000", (3, 0, 0, 0)),
    ("N", "newton", "1", (1, 1, -2, 0)),
    ("J", "joule", "1", (2, 1, -2, 0)),
    ("W", "watt", "1", (2, 1, -3, 0)),
    ("Pa", "pascal", "1", (-1, 1, -2, 0)),
    ("Hz", "hertz", "1", (0, 0, -1, 0)),
    ("V", "volt", "1", (2, 1, -3, -1)),
    ("Ω", "ohm", "1", (2, 1, -3, -2)),
)
ALONE = (
    ("inches inch", "0.0254", (1, 0, 0, 0)),
    ("ft foot feet", "0.3048", (1, 0, 0, 0)),
    ("yd yard", "0.9144", (1, 0, 0, 0)),
    ("mi mile", "1609.344", (1, 0, 0, 0)),
    ("lb lbs pound", "0.45359237", (0, 1, 0, 0)),
    ("oz ounce", "0.028349523125", (0, 1, 0, 0)),
    ("tonne", "1000", (0, 1, 0, 0)),
    ("min minute", "60", (0, 0, 1, 0)),
    ("h hr hrs hour", "3600", (0, 0, 1, 0)),
    ("day", "86400", (0, 0, 1, 0)),
    ("week", "604800", (0, 0, 1, 0)),
    ("l", "1/1000", (3, 0, 0, 0)),
    ("ml", "1/1000000", (3, 0, 0, 0)),
    ("gal gallon", "0.003785411784", (3, 0, 0, 0)),
    ("hectare ha", "10000", (2, 0, 0, 0)),
    ("acre", "4046.8564224", (2, 0, 0, 0)),
    ("mph", "0.44704", (1, 0, -1, 0)),
    ("kph kmh", "5/18", (1, 0, -1, 0)),
)

OPEN = r"(?:[\s~{]|\\(?:text|textrm|textnormal|mathrm|mbox|operatorname|rm)(?![A-Za-z]))*+"
ONE = re.compile(
    rf"{OPEN}(?P<by>/|per\s|·|\*|\\cdot)?{OPEN}(?P<size>square|cubic|sq\.?|cu\.?)?\s*(?P<name>[A-Za-zµΩ]+)\}}?"
    r"(?:\s*\^\s*\{?\s*(?P<power>-?[1-9])\s*\}?|(?P<raised>⁻?[¹²³⁴])|\s+(?P<word>squared|cubed)\b)?"
)
# The power of a unit that follows a number, with at most two units between them.
POWER = re.compile(
    rf"(?<=[0-9])({OPEN}(?:[A-Za-zµΩ]+\}}?(?:\s*[/·]|\s){OPEN}){{0,2}})([A-Za-zµΩ]+)(\}}?)"
    r"\s*\^\s*(?:\{\s*(-?[1-4])\s*\}|(-?[1-4]))"
)
RAISED = str.maketrans("-1234", "⁻¹²³⁴")
POWERS = {
    "⁻¹": -1,
    "⁻²": -2,
    "⁻³": -3,
    "¹": 1,
    "²": 2,
    "³": 3,
    "⁴": 4,
    "squared": 2,
    "cubed": 3,
    "square": 2,
    "cubic": 3,
    "sq": 2,
    "cu": 3,
}
MOST_PARTS = 4


@dataclass(frozen=True)
class Unit:
    """A unit.

    Attributes:
        value: how many of the base units it is: 1/100 for cm.
        powers: of metre, kilogram, second and ampere in it: (1, 0, -1, 0) for km/h.
    """

    value: Fraction
    powers: tuple[int, ...]


def unit_at(text: str, start: int = 0) -> Unit | None:
    r"""The unit at a place of a text, such as `km/h`, `square meters` or `\text{ cm}^2`; None where none is known."""
    value, parts = Fraction(1), 0
    powers: tuple[int, ...] = (0, 0, 0, 0)
    while parts < MOST_PARTS and (match := ONE.match(text.replace("μ", "µ"), start)):
        if parts and not match["by"]:
            break
        name = match["name"]
        unit = known_units().get(name) or known_units().get(name.lower() if len(name) > 1 else name)
        if unit is None or (match["by"] and not parts):
            return None
        power = int(
            match["power"] or POWERS.get((match["raised"] or match["word"] or match["size"] or "").rstrip("."), 1)
        )
        power *= -1 if match["by"] in ("/", "per ") else 1
        value *= unit.value**power
        powers = tuple(a + power * b for a, b in zip(powers, unit.powers, strict=True))
        start, parts = match.end(), parts + 1
    return Unit(value, powers) if parts else None


def raised_powers(text: str) -> str:
    """The text with the powers of units as raised digits, which are no numbers: `12 m^2` as `12 m²`."""

    def raised(match: re.Match[str]) -> str:
        between, name, brace, braced, bare = match.groups()
        return f"{between}{name}{brace}{(braced or bare).translate(RAISED)}" if name in known_units() else match[0]

    return POWER.sub(raised, text) if "^" in text else text


def conversion(unit: Unit | None, other: Unit | None) -> Fraction | None:
    """How many of a unit one of another makes; 1 where one is not known, None where they measure different things."""
    if unit is None or other is None:
        return Fraction(1)
    return other.value / unit.value if unit.powers == other.powers else None


@cache
def known_units() -> dict[str, Unit]:
    """Every unit by each of its names."""
    found = {}
    for symbol, names, size, powers in WITH_PREFIXES:
        for prefix, factor in {"": "1", **PREFIXES}.items():
            found[prefix + symbol] = Unit(Fraction(size) * Fraction(factor), powers)
        for word, prefix in {"": "", **PREFIX_WORDS}.items():
            for name in names.split():
                found |= dict.fromkeys((word + name, f"{word}{name}s"), found[prefix + symbol])
    for names, size, powers in ALONE:
        for name in names.split():
            found |= dict.fromkeys((name, f"{name}s") if len(name) > 2 else (name,), Unit(Fraction(size), powers))
    return found
