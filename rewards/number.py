r"""A number within a tolerance of the right one: for measurements, estimates, conversions and counts.

What counts is one number of the completion, by its place: the last one, or the first after a marker such as `Answer:`.
So listing numbers does not help, and where the last one is one of several candidates (`41 or 42`) it counts for
nothing. Numbers are read as in `math_answer`: 1,000, 1/2, 50%, 2 million, \frac{1}{2}, 3 \times 10^5 and the like,
digits of any script; a part of a sum or a range (`5 + 37`, `2^10`, `40-45`) and a division left undone (`12/4`) are no
answer. Without a tolerance it is right where `math_answer` would say so: whole numbers exactly, others to the sixth
decimal. For formulas use `math_answer`.

Partial credit has a price: where the answers of a dataset lie close together, always writing their mean earns some.
Keep `zero_at` times the tolerance well below their spread.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field

from rewards.declaration import Example, RewardError, reward
from rewards.numbers_in_text import (
    NUMBER,
    Number,
    is_listed,
    last_match,
    number_of,
    only_number,
    plain_text,
)
from rewards.operands import is_operand
from rewards.text import Part, as_text, part_of, shown
from rewards.units import raised_powers

TAIL = 2000  # characters read: at the end of the completion, or after the marker
SUM_AFTER = re.compile(r"\s*[-+]\s*\(?[0-9]")
GROUPING = re.compile(r"(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")  # the spaces of 1 000 that do not break
SWAPPED = str.maketrans(",.", ".,")

LENGTH = {"answer": 40}


@reward(
    title="Number within a tolerance",
    family="mathematics",
    examples=[
        Example("About 41 km.", 1.0, LENGTH, {"relative": 0.05}, "within 5 %"),
        Example("About 43 km.", 0.0, LENGTH, {"relative": 0.05}, "beyond"),
        Example("", 0.0, LENGTH, {"relative": 0.05}, "empty"),
        Example("41", None, params={"relative": 0.05}, error="no 'answer'", note="the row has no answer"),
        Example("30, 35 or 40", 0.0, LENGTH, {"relative": 0.05}, "listing numbers does not help"),
        Example("40-50", 0.0, LENGTH, {"relative": 0.05}, "nor does a range"),
        Example("The answer is 40.", 1.0, LENGTH, note="equal, without a tolerance"),
        Example("48", 0.5, LENGTH, {"absolute": 4, "zero_at": 3}, "4 beyond a tolerance of 4; 0 from 12 on"),
        Example("It takes 3 days.\nAnswer: 40 (or 41)", 1.0, LENGTH, {"after": "Answer:"}, "the first after a marker"),
        Example("40", 0.0, LENGTH, {"after": "Answer:"}, "no marker"),
        Example("Es sind 1.234,5 m.", 1.0, {"answer": 1234.5}, {"decimal": "comma"}, "a decimal comma"),
        Example("0.5", 1.0, {"answer": "50%"}, note="a half in other words"),
        Example("40", None, {"answer": "forty"}, error="'forty'", note="the answer is no number"),
    ],
    source="Relaxed accuracy as in ChartQA (Masry et al. 2022), there with a relative tolerance of 0.05",
)
def number(
    completion: str,
    answer: Any,
    *,
    absolute: Annotated[
        float, Field(ge=0, allow_inf_nan=False, description="Distance from the answer that is still right")
    ] = 0.0,
    relative: Annotated[
        float, Field(ge=0, le=1, description="The same as a share of the answer; the larger of the two counts")
    ] = 0.0,
    zero_at: Annotated[
        float,
        Field(ge=1, le=1000, description="Partial credit, falling from 1 to 0 at this many tolerances; 1: none"),
    ] = 1.0,
    after: Annotated[
        str, Field(max_length=100, description="The first number after the last such marker counts, in either case")
    ] = "",
    part: Part = "all",
    decimal: Annotated[
        Literal["point", "comma"], Field(description="How the completion writes decimals: 1,234.5 or 1.234,5")
    ] = "point",
) -> float:
    """1 if the completion's number is within a tolerance of the answer, else 0, or partial credit.

    `number("about 41 km", answer=40, relative=0.05)` is 1.0. The answer is a number or text that is one, always with a
    decimal point. A distance equal to the tolerance is within, by exact arithmetic. Where only one
    side has a percent sign or a word such as million, it may be left out: 50% is 50 or 0.5, whichever is nearer.
    Distances are in the answer's own unit.

    The number after a marker stands on its line, or on the next where nothing follows there. Of a sum it is the result:
    42 in "Answer: 5 + 37 = 42".
    """
    gold = _gold(as_text(answer, "answer"))
    if zero_at > 1 and not absolute and not relative:
        raise RewardError(f"zero_at is {zero_at:g}, but both tolerances are 0; set absolute or relative")
    found = _number(part_of(completion, part), after, decimal)
    if found is None or found.undone not in (None, gold.undone):
        return 0.0
    if gold.matches(found):
        return 1.0
    tolerance = max(_exact(absolute), _exact(relative) * abs(gold.value))
    beyond = min(abs(value - gold.value) for value in _readings(found, gold)) - tolerance
    fall = tolerance * (_exact(zero_at) - 1)
    if beyond <= 0:
        return 1.0
    return float(max(Fraction(0), 1 - beyond / fall)) if fall else 0.0


def _exact(value: float) -> Fraction:
    """The decimal that a user wrote: 0.1 is a tenth."""
    return Fraction(str(value))


@lru_cache(maxsize=4096)
def _gold(answer: str) -> Number:
    found = only_number(plain_text(GROUPING.sub("", answer))) if len(answer) <= TAIL else None
    if found is None:
        raise RewardError(
            f"answer {shown(answer)} cannot be read as a number; write it like 1234.5, 1/2 or 6e23, without a unit, or "
            "score with math_answer or text_match"
        )
    return found


def _number(text: str, after: str, decimal: str) -> Number | None:
    """The number of a completion that counts."""
    if after:
        marks = list(re.finditer(re.escape(after), text, re.IGNORECASE))
        text = text[marks[-1].end() :].lstrip().partition("\n")[0][:TAIL] if marks else ""
    text = GROUPING.sub("", text[-TAIL:])
    text = raised_powers(plain_text(text.translate(SWAPPED) if decimal == "comma" else text))
    if after:
        return _first_number(text)
    last = last_match(text)
    return None if last is None or is_listed(last) else number_of(last)


def _first_number(text: str) -> Number | None:
    """The first number that is no part of a sum, product or range."""
    for match in NUMBER.finditer(text):
        if not (is_operand(text, *match.span()) or SUM_AFTER.match(text, match.end())):
            return number_of(match)
    return None


def _readings(found: Number, gold: Number) -> tuple[Fraction, ...]:
    """What a number may mean in the unit of the gold one; a percent sign or "million" on one side may be left out."""
    factor, gold_factor = _factor(found), _factor(gold)
    if factor == gold_factor:
        return (found.value,)
    converted = found.value * factor / gold_factor
    return (converted,) if factor != 1 != gold_factor else (found.value, converted)


def _factor(number: Number) -> Fraction:
    return number.scale * (Fraction(1, 100) if number.percent else Fraction(1))
