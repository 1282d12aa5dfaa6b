r"""A mathematical answer, compared by value: for sums, word problems and everything with a number or formula as result.

One place of the completion counts: its last \boxed{...}, else its last <answer> tag, else what follows the last `####`
or "the answer is", else its last number (or, where the gold answer is a formula, its last formula or line). Several
answers there, as in `41 or 42`, are wrong, and so is a box that is never closed, as in an output cut off at its limit.

Where the gold answer is a number, the answer must be one too, worked out: `5 + 37`, `2^10` and `12/4` only repeat the
question (`worked_out` turns that off); a power of ten is a way to write a number. Numbers may be written 1,000, 1 000,
1.000,5, 0,5, 1/2, 3\frac{1}{2}, 50%, 2 million, 3 \times 10^5, 0.1\overline{6} or with digits of any script. Whole
numbers must be equal, others may differ in the seventh decimal (`tolerance` allows more). What a sign or word says on
one side only may be left out: 50% is both 50 and 0.5. A unit may be left out as well; where both sides name one, 5 cm
is 0.05 m, and neither 5 m nor 5 kg. A ratio or time such as 2:3 must have the same parts. `42!` at the end of a
sentence is an exclamation, inside a box or formula a factorial. Formulas, sets, intervals and equations are compared by
math-verify, in a process that ends what takes too long (`rewards/algebra.py`): a formula that cannot be read in that
time is wrong, two that cannot be compared an error.

The gold answer may be a list of accepted ones (in a CSV file, a JSON list of texts). One that has no value (2023-01-01,
3 PM, 7 R 3) is an error, as mathematics would misread it, as is one that would not be found equal to itself.

What cannot be closed: a guess is right as often as it is likely, so ask for answers that are hard to guess; what a
completion says beside its answer, such as a wrong derivation, is not looked at; and a formula made to be slow escapes
its 0 as an error, unless it is slow in a way known here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field

from rewards.algebra import LONGEST, formula_text, same_formula, value_of
from rewards.declaration import Example, RewardError, reward
from rewards.final_answer import TAIL, Answer, boxed, final_answer, last_of, said_to_be
from rewards.numbers_in_text import (
    DEGREES,
    NUMBER,
    Number,
    is_listed,
    last_match,
    number_of,
    only_number,
    plain_text,
    point_decimals,
)
from rewards.text import as_text, parse_json, shown
from rewards.units import Unit, conversion, raised_powers, unit_at

SPAN = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
LIST_OF_SPANS = re.compile(r"\s*(?:[,;]\s*)?(?:and|or)?\s*")
LEAD = re.compile(r".*(?:\b(?:is|are|be|equals|so|thus|hence|therefore)\b|:(?=\s))\s*(?=\S)", re.IGNORECASE)
# What letters are not words of a sentence: \text{...}, LaTeX commands, names of functions, products of variables.
WORDS = re.compile(
    r"\\text\w*\s*\{[^{}]*\}|\\(?:begin|end)\{\w+\*?\}|\\[A-Za-z]+|\b(?:max|min|mod|gcd|lcm|abcd?|xyzw?|pqr|mnp)\b"
)
# Dates, clock times and quotients with a rest: mathematics would read a fraction, a difference or a product.
NO_VALUE = re.compile(
    r"\b(?:1[0-2]|[1-9])(?::[0-9]{2})?\s*[ap]\.?m\b|[0-9]\s*R\s*[0-9]|[0-9]\s+r\.?\s*[0-9]"
    r"|^\s*(?:[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-/.])[0-9]{1,2}\2[0-9]{2,4})(?![0-9])",
    re.IGNORECASE,
)
RATIO = re.compile(r"(?<![0-9.:])[0-9]+(?:\.[0-9]+)?(?:\s*:\s*[0-9]+(?:\.[0-9]+)?)+(?![0-9:])")
COLON = re.compile(r"\{:\}|\\colon(?![A-Za-z])")
EQUALS = re.compile(r"(?<![<>!\\])=")
APPROXIMATELY = re.compile(r"\\(?:approx|simeq)(?![A-Za-z])\s*|≈\s*")
SEVERAL = re.compile(r"[,;]|\b(?:or|and)\b|\\(?:lor|land|vee|wedge)\b")
BRACKETS = re.compile(r"\([^()]*\)|_\{[^{}]*\}")
TEXT = re.compile(r"\\(?:text|math)(?:normal|rm|bf|it|sf)?\s*\{(\s*[A-Za-zµΩ°€£¥][^{}]*)\}|\\mbox\s*\{([^{}]*)\}")
# Units after a number; 2x, 3ab and 2m^2 are formulas.
UNIT_WORDS = re.compile(
    r"(?<=[0-9%.}])(?:\s*(?![abceiknpqrtuvwxyz]{1,3}$)(?![a-z]\s*\^)|\s+(?![abceiknpqrtuvwxyz](?![A-Za-z])))"
    r"(?!(?:or|and|to|pi|tau|mod|sqrt|log|ln|sin|cos|tan)(?![A-Za-z]))"
    r"[A-Za-zµΩ€£¥°][A-Za-zµΩ.²³⁻¹]*(?:\^\{?-?[1-9]\}?)?(?:[ /·*-][ /]?[A-Za-zµΩ.²³⁻¹]+(?:\^\{?-?[1-9]\}?)?)*$"
)
CURRENCY = re.compile(r"^(-?)\s*[€£¥₹]\s*(?=[0-9.])")

Measured = tuple[Number, Unit | None]

FORTY_TWO = {"answer": "42"}
FIVE_CM = {"answer": "5 cm"}


@reward(
    title="Math answer",
    family="mathematics",
    examples=[
        Example("5 + 37 = 42", 1.0, FORTY_TWO, note="the last number"),
        Example("I think it is 41, no 43", 0.0, FORTY_TWO, note="wrong"),
        Example("", 0.0, FORTY_TWO, note="empty"),
        Example("42", None, note="the row has no answer", error="no 'answer'"),
        Example("40, 41, 42", 0.0, FORTY_TWO, note="listing numbers does not help"),
        Example(r"\boxed{41} or \boxed{42}", 0.0, FORTY_TWO, note="in boxes neither"),
        Example(r"\boxed{5 + 37}", 0.0, FORTY_TWO, note="nor does repeating the question"),
        Example(r"\boxed{41}, or rather $\boxed{42\text{ cm}}$, see page 7", 1.0, FORTY_TWO, note="the last box"),
        Example("The answer is 42, because 6 * 7 = 42 (step 3).", 1.0, FORTY_TWO, note="what is said to be it"),
        Example(r"So $x = \frac{1}{2}$.", 1.0, {"answer": "50%"}, note="a half in other words"),
        Example(r"The roots are $\{3, -1\}$.", 1.0, {"answer": r"\{-1, 3\}"}, note="a set, in any order"),
        Example("about 0.3333", 0.0, {"answer": "1/3"}, note="not a third"),
        Example("about 0.3333", 1.0, {"answer": "1/3"}, {"tolerance": 0.001}, "unless a tolerance allows it"),
        Example("It is 0.05 m long.", 1.0, FIVE_CM, note="another unit"),
        Example("5 m", 0.0, FIVE_CM, note="the wrong unit"),
        Example("5 kg", 0.0, FIVE_CM, note="a unit of something else"),
        Example("42", 1.0, {"answer": ["6 * 7", "42"]}, note="one of the accepted answers"),
        Example("42", None, {"answer": "the moon"}, error="'the moon'", note="the answer is not mathematics"),
    ],
    source="math-verify (Hugging Face) for formulas; the last-number rule as in GSM8K evaluations",
    timeout_s=30.0,
)
def math_answer(
    completion: str,
    answer: Any,
    unit: Any = None,
    *,
    require_box: Annotated[bool, Field(description=r"Only a \boxed{...} answer counts")] = False,
    worked_out: Annotated[bool, Field(description="Where the answer is a number, 5 + 37 does not count as 42")] = True,
    tolerance: Annotated[
        float, Field(ge=0, lt=1, description="How far off a number may be, as a share of the answer: 0.01 is a percent")
    ] = 0.0,
) -> float:
    r"""1 if the final answer of the completion is mathematically equal to the gold answer, else 0.

    `math_answer("5 + 37 = 42", answer=42)` is 1.0. The gold answer may be a number, a formula with or without dollar
    signs, a \boxed solution, text that ends in `#### 42` (GSM8K), or a list of accepted answers. A column `unit` names
    the unit of an answer that is a bare number; one that is not known (apples) is not looked at.
    """
    golds = [gold for text in _accepted(answer) for gold in _golds(text)]
    said = final_answer(completion)
    if not said.text.strip() or (require_box and not said.boxed):
        return 0.0
    measure = unit_at(plain_text(unit).strip(" $")) if isinstance(unit, str) else None
    rules = _Rules(worked_out, Fraction(str(tolerance)) if tolerance else Fraction(0), measure)
    return float(any(_right(gold, said, rules) for gold in golds))


@dataclass(frozen=True)
class _Rules:
    """What the parameters and the row say: see `math_answer`; the unit is that of an answer without one of its own."""

    worked_out: bool
    tolerance: Fraction
    unit: Unit | None


@dataclass(frozen=True)
class _Gold:
    """A gold answer.

    Attributes:
        text: what it says; for a formula as `formula_text` has it.
        number: its value, where it is a plain number.
        unit: the unit of that, where one is named.
        ratio: its parts, where it is a ratio or time.
    """

    text: str
    number: Number | None = None
    unit: Unit | None = None
    ratio: tuple[Fraction, ...] = ()


def _accepted(answer: Any) -> list[str]:
    """The accepted answers that a column holds; "[0, 1]" is an interval, a JSON list of texts is a list."""
    listed = answer
    if isinstance(answer, str) and answer.lstrip().startswith("["):
        try:
            listed = parse_json(answer)
        except ValueError:
            listed = answer
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            listed = answer
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        return [as_text(answer, "answer")]
    if not listed:
        raise RewardError("column 'answer' holds an empty list; give at least one accepted answer")
    return [as_text(item, "answer") for item in listed]


@lru_cache(maxsize=4096)
def _golds(answer: str) -> tuple[_Gold, ...]:
    """What a gold answer may mean: `1,5` is one and a half, or one and five."""
    text = plain_text(DEGREES.sub("", plain_text(_gold_text(answer)))).strip()
    if NO_VALUE.search(text):
        raise _unreadable(answer)
    if ratio := RATIO.fullmatch(_after_equals(text)):
        return (_Gold(text, ratio=_ratio_parts(ratio[0])),)
    english = point_decimals(text)
    found = _measured(english)
    if found is None:
        return (_checked_formula(text, answer),)
    repeated = _numbers(Answer(text), _Rules(True, Fraction(0), None))
    if not any(_same_number(found, other) for other in repeated):
        raise _unreadable(answer)
    gold = _Gold(text, *found)
    if english != text and re.fullmatch(r"-?[0-9]+,[0-9]+", text):
        return gold, _Gold(formula_text(text))
    return (gold,)


def _gold_text(answer: str) -> str:
    """The part of a gold answer that is the answer, without dollar signs around formulas."""
    if (text := boxed(answer)) is None:
        text = answer.rpartition("####")[2]
        text = said_to_be(text) or text
    text = text.strip().rstrip(".")
    if spans := _spans(text):
        if not LIST_OF_SPANS.fullmatch(text[: spans[0].start()] + text[spans[-1].end() :]):
            return re.sub(r"(?<!\\)\$|\\[()\[\]]", "", text)  # $125$ miles
        return ", ".join("".join(filter(None, span.groups())) for span in spans)
    return text.strip("$")


def _checked_formula(text: str, answer: str) -> _Gold:
    formula = formula_text(text)
    no_value = NUMBER.fullmatch(text) and not text.startswith("10")  # 1/0, or longer than any number worth reading
    readable = not no_value and len(formula) <= LONGEST and not re.search(r"[^\W\d_]{3}", WORDS.sub(" ", formula))
    # What would be wrong if a completion repeated it is no answer either.
    if not readable or not same_formula(formula, formula_text(_formula(Answer(text)))):
        raise _unreadable(answer)
    return _Gold(formula)


def _unreadable(answer: str) -> RewardError:
    return RewardError(
        f"answer {shown(answer)} cannot be read as mathematics; give a number or a formula, or score with exact_match"
    )


def _right(gold: _Gold, said: Answer, rules: _Rules) -> bool:
    if gold.ratio:
        return _ratio(said) == gold.ratio
    if gold.number is None:
        return same_formula(gold.text, formula_text(_formula(said)), rules.tolerance)
    if said.boxed and plain_text(said.text).strip(" $.") == gold.text:  # with the gold answer's own unit
        return True
    mine = gold.number, gold.unit or rules.unit
    return any(_same_number(mine, found, rules) for found in _numbers(said, rules))


def _same_number(gold: Measured, found: Measured, rules: _Rules | None = None) -> bool:
    """Whether a number is the gold one; 12/4 is not 3, unless the gold answer is 12/4 itself or the rules allow it."""
    (number, unit), (other, other_unit) = gold, found
    done = other.undone in (None, number.undone) or (rules is not None and not rules.worked_out)
    of_one = conversion(unit, other_unit)
    return done and of_one is not None and number.matches(other, rules.tolerance if rules else None, of_one)


def _numbers(said: Answer, rules: _Rules) -> list[Measured]:
    """The number that a completion gives; two where one is rounded, as in x = 22/7 ≈ 3.14."""
    text = said.text if said.boxed else _end(said.text)
    text = raised_powers(point_decimals(APPROXIMATELY.sub("≈", plain_text(text))))
    if said.boxed:
        *before, last = EQUALS.split(text)
        if SEVERAL.search(BRACKETS.sub("", " ".join(before))):  # x = 41 or x = 42
            return []
        exact, _, rounded = last.partition("≈")
        said_last = _chain(_whole(exact, rules.worked_out), _whole(rounded, rules.worked_out) if rounded else None)
        return [] if any(_denied(side, said_last) for side in before) else said_last
    match = last_match(text)
    if match is None:
        spans = _spans(text)
        found = _whole(EQUALS.split(spans[-1][0])[-1], rules.worked_out) if len(spans) == 1 else None
        return [found] if found else []
    number = number_of(match)
    if number is None or is_listed(match):
        return []
    before_it = text[: match.start()].rstrip(" $")
    earlier = last_match(before_it[:-1].rstrip(" $")) if before_it.endswith("≈") else None
    value = number_of(earlier) if earlier and not earlier.string[earlier.end() :] else None
    return _chain((value, None) if value else None, (number, unit_at(text, match.end())))


def _end(text: str) -> str:
    """As much of the end of a text as its last number needs: less to read where that is near the end."""
    near = text[-400:]
    return near if re.search(r"\d", near[-250:]) and re.search(r"\s", near[:150]) else text[-TAIL:]


def _chain(exact: Measured | None, rounded: Measured | None) -> list[Measured]:
    """What a ≈ b gives: both where b is a rounded, else the first that is a number."""
    if exact and rounded:
        return [exact, rounded] if rounded[0].rounds(exact[0]) else [exact]
    return [number for number in (exact, rounded) if number]


def _denied(side: str, found: list[Measured]) -> bool:
    """Whether another side of an equation is a bare number that none of those found is or rounds: 43 = 42."""
    number = only_number(side.strip(" $"))
    return number is not None and not any(
        number.matches(other) or other.rounds(number) or unit is not None for other, unit in found
    )


def _whole(text: str, worked_out: bool) -> Measured | None:
    """The number, with its unit, that a whole text is; a sum is none, if it is to be worked out."""
    text = text.strip().strip("$").strip().rstrip(" .")
    if found := _measured(text):
        return found
    value = value_of(formula_text(text))
    done = value is not None and (value.bare or not (value.rational and worked_out))
    return (Number(value.value), None) if value and done else None


def _measured(text: str) -> Measured | None:
    """The plain number that a text is, alone or with a unit after it."""
    if (number := only_number(text)) is not None:
        return number, None
    text = CURRENCY.sub(r"\1", TEXT.sub(lambda words: f" {(words[1] or words[2]).strip()}", text))
    text = re.sub(r"\s+", " ", text).strip().rstrip(" .")[:LONGEST]
    number = only_number(UNIT_WORDS.sub("", DEGREES.sub("", text)))
    return (number, unit_at(text, match.end())) if number and (match := NUMBER.search(text)) else None


def _formula(said: Answer) -> str:
    """The formula that a completion gives: the last between dollars, with those listed before it, or the last line."""
    if said.boxed:
        return plain_text(said.text)
    text = said.text[-TAIL:].strip()
    if spans := _spans(text):
        return plain_text(", ".join("".join(filter(None, span.groups())) for span in spans))
    return plain_text(LEAD.sub("", text.rpartition("\n")[2]).rstrip(" ."))


def _spans(text: str) -> list[re.Match[str]]:
    """The last formula between dollars, with those before it that it continues: $1$, $2$ and $3$."""
    found: list[re.Match[str]] = []
    for span in SPAN.finditer(text):
        if found and not LIST_OF_SPANS.fullmatch(text, found[-1].end(), span.start()):
            found = []
        found.append(span)
    return found


def _ratio(said: Answer) -> tuple[Fraction, ...]:
    """The parts of the last ratio; of one that all of a box is, at most with words, as in 10:30 AM."""
    text = _after_equals(plain_text(said.text[-TAIL:])) if said.boxed else COLON.sub(":", plain_text(said.text[-TAIL:]))
    found = last_of(RATIO, text)
    alone = not said.boxed or not re.search(r"[0-9]", RATIO.sub("", text, count=1))
    return _ratio_parts(found[0]) if found and alone else ()


def _ratio_parts(text: str) -> tuple[Fraction, ...]:
    return tuple(map(Fraction, text.split(":")))


def _after_equals(text: str) -> str:
    return EQUALS.split(COLON.sub(":", text))[-1].strip(" $.")
