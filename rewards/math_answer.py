r"""A mathematical answer, compared by value: for sums, word problems and everything with a number or formula as result.

The answer is what the completion says last: the last \boxed{...} if there is one, else the last number (or, where the
gold answer is a formula, the last formula between dollar signs or the last line). Listing numbers in the hope that
one is right earns nothing, nor does a box that is never closed, as in an output cut off at its length limit.

Where the gold answer is a number, the answer must be one too, worked out: `5 + 37`, `2^10` and `12/4` only repeat the
question (`worked_out` turns that off). Numbers may be written 1,000, 0.5, 1/2, \frac{1}{2}, 50% or 3 \times 10^5.
Whole numbers must be equal, others may differ in the seventh decimal; with a percent sign on one side only, 50% is
both 50 and 0.5. `42!` at the end of a sentence is an exclamation, inside a box or formula a factorial. A gold answer
that is a time, ratio, date or quotient with a rest (10:30, 2:3, 7 R 3) is an error, as mathematics would misread it, as
is one that math-verify would not find equal to itself. Formulas, sets and intervals are compared by math-verify.

A model may write anything, so only a short end of the completion is read, and what would take for ever to work out
(nested powers, huge factorials) is not an answer.
"""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field

from rewards.declaration import Example, RewardError, reward
from rewards.numbers_in_text import DEGREES, NUMBER, Number, last_number, only_number, plain_text
from rewards.text import as_text, shown

TAIL = 2000  # characters read at the end of a completion
LONGEST = 300  # characters of one formula
DEEPEST = 10  # levels of brackets in one formula; the parser takes half a second for ten
SECONDS = 5  # for math-verify to read or compare; only the main thread can be interrupted

BOX = re.compile(r"\\f?box(?:ed)?\s*\{")
SPAN = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
LEAD = re.compile(r".*(?:\b(?:is|are|be|equals|so|thus|hence|therefore)\b|:)\s*(?=\S)", re.IGNORECASE)
# What letters are not words of a sentence: \text{...}, LaTeX commands, names of functions.
WORDS = re.compile(
    r"\\text\w*\s*\{[^{}]*\}|\\(?:begin|end)\{\w+\*?\}|\\[A-Za-z]+|\b(?:sin|cos|tan|log|exp|max|min|mod|gcd|lcm)\b"
)
# Times, ratios, dates and quotients with a rest: mathematics would read a fraction, a difference or a product.
NO_VALUE = re.compile(
    r"[0-9]\s*(?:\{?:\}?|\\colon\b)\s*[0-9]|\b(?:1[0-2]|[1-9])\s*[ap]\.?m\b|[0-9]\s*R\s*[0-9]|[0-9]\s+r\.?\s*[0-9]"
    r"|^\s*(?:[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-/.])[0-9]{1,2}\2[0-9]{2,4})(?![0-9])",
    re.IGNORECASE,
)
# Units after a number; 2x and 3ab are formulas.
UNIT_WORDS = re.compile(r"(?<=[0-9%])\s*(?![abceiknpqrtuvwxyz]{1,3}$)[A-Za-z][A-Za-z ]*\.?$")
# What takes long already while it is read, or where its size does not show.
COSTLY = re.compile(r"\d{3}\s*!|!\s*\)*\s*!|\d{60}|\\(?:sum|prod|int|lim|[dt]?binom)\b")
MOST_BITS = 10_000

FORTY_TWO = {"answer": "42"}


@reward(
    title="Math answer",
    examples=[
        Example("5 + 37 = 42", 1.0, FORTY_TWO, note="the last number"),
        Example("I think it is 41, no 43", 0.0, FORTY_TWO, note="wrong"),
        Example("", 0.0, FORTY_TWO, note="empty"),
        Example("42", None, note="the row has no answer", error="no 'answer'"),
        Example("40, 41, 42, 43, 44", 0.0, FORTY_TWO, note="listing numbers does not help"),
        Example(r"\boxed{5 + 37}", 0.0, FORTY_TWO, note="nor does repeating the question"),
        Example(r"\boxed{41}, or rather $\boxed{42\text{ cm}}$, see page 7", 1.0, FORTY_TWO, note="the last box"),
        Example(r"So $x = \frac{1}{2}$.", 1.0, {"answer": "50%"}, note="a half in other words"),
        Example(r"The roots are $\{3, -1\}$.", 1.0, {"answer": r"\{-1, 3\}"}, note="a set, in any order"),
        Example("42", None, {"answer": "the moon"}, error="'the moon'", note="the answer is not mathematics"),
    ],
    source="math-verify (Hugging Face) for formulas; the last-number rule as in GSM8K evaluations",
    timeout_s=30.0,
)
def math_answer(
    completion: str,
    answer: Any,
    *,
    require_box: Annotated[bool, Field(description=r"Only a \boxed{...} answer counts")] = False,
    worked_out: Annotated[bool, Field(description="Where the answer is a number, 5 + 37 does not count as 42")] = True,
) -> float:
    r"""1 if the final answer of the completion is mathematically equal to the gold answer, else 0.

    `math_answer("5 + 37 = 42", answer=42)` is 1.0. The gold answer may be a number or text, a \boxed solution, or text
    that ends in `#### 42` (GSM8K).
    """
    gold = _gold(as_text(answer, "answer"))
    box = _last_box(completion)
    if box is None and (require_box or not completion.strip()):
        return 0.0
    if gold.number is None:
        return float(_same_formula(gold.text, _last_formula(completion) if box is None else box))
    if box is not None and plain_text(box).strip(" $.") == gold.text:  # with the gold answer's own unit
        return 1.0
    if box is None:
        found, undone = last_number(plain_text(completion[-TAIL:])), False
    else:
        found, undone = _boxed_number(box, worked_out), not worked_out
    return float(found is not None and _same_number(gold.number, found, undone))


def _same_number(gold: Number, found: Number, undone: bool = False) -> bool:
    """Whether a number is the gold one; 12/4 is not 3, unless the gold answer is 12/4 itself or `undone` allows it."""
    return gold.matches(found) and (undone or found.undone in (None, gold.undone))


@dataclass(frozen=True)
class _Gold:
    """The gold answer.

    Attributes:
        text: what it says.
        number: its value, where it is a plain number.
    """

    text: str
    number: Number | None


@lru_cache(maxsize=4096)
def _gold(answer: str) -> _Gold:
    text = _last_box(answer) or answer.rpartition("####")[2]
    text = plain_text(text).strip().strip("$").strip().rstrip(".")
    text = plain_text(DEGREES.sub("", text))
    if NO_VALUE.search(text):
        raise _unreadable(answer)
    number = only_number(text) or only_number(UNIT_WORDS.sub("", text))
    if number is None:
        _check_formula(text, answer)
    elif (repeated := last_number(text)) is None or not _same_number(number, repeated):
        raise _unreadable(answer)
    return _Gold(text, number)


def _check_formula(text: str, answer: str) -> None:
    no_value = NUMBER.fullmatch(text)  # 1/0, or longer than any number worth reading
    readable = not no_value and len(text) <= LONGEST and not re.search(r"[^\W\d_]{3}", WORDS.sub(" ", text))
    # What would be wrong if a completion repeated it is no answer either.
    if not readable or _parse(text) is None or not _same_formula(text, _last_formula(text)):
        raise _unreadable(answer)


def _unreadable(answer: str) -> RewardError:
    return RewardError(
        f"answer {shown(answer)} cannot be read as mathematics; give a number or a formula, or score with exact_match"
    )


def _last_box(text: str) -> str | None:
    r"""What the last \boxed{...} holds; "" if it is never closed, None if there is none."""
    starts = [match.end() for match in BOX.finditer(text)]
    if not starts:
        return None
    depth = 1
    for i, character in enumerate(text[starts[-1] : starts[-1] + TAIL], starts[-1]):
        escaped = text[i - 1] == "\\"
        depth += 0 if escaped else (character == "{") - (character == "}")
        if depth == 0:
            return text[starts[-1] : i]
    return ""


def _boxed_number(box: str, worked_out: bool) -> Number | None:
    text = re.split(r"(?<![<>!\\])=", plain_text(box))[-1].strip(" $").rstrip(" $.")
    if (number := only_number(text)) is not None:
        return number
    formula = _parse(text)
    if not worked_out and getattr(formula, "is_rational", False):
        formula = formula.doit()
    # What is not a finite number by now is a sum still to be worked out, a set, a symbol, ...
    bare = getattr(formula, "is_Number", False) and formula.is_finite
    return Number(Fraction(str(formula))) if bare else None


def _last_formula(completion: str) -> str:
    tail = completion[-TAIL:].strip()
    if spans := SPAN.findall(tail):
        return "".join(spans[-1])
    line = tail.rpartition("\n")[2]
    return LEAD.sub("", line).rstrip(" .")


def _same_formula(gold: str, found: str) -> bool:
    parsed = _parse(plain_text(found), known=gold)
    if parsed is None:
        return False
    from math_verify import verify
    from math_verify.errors import TimeoutException

    try:
        return bool(verify(_parse(gold, known=gold), parsed, timeout_seconds=_seconds(), raise_on_error=True))
    except TimeoutException:
        raise RewardError(
            f"{shown(found)} could not be compared with the answer {shown(gold)} in {SECONDS} s"
        ) from None
    except Exception:  # sympy raises anything on what it cannot compare: then the two are not known to be equal
        return False


@lru_cache(maxsize=4096)
def _parse(text: str, known: str = "") -> Any:
    """The sympy object that a formula stands for; None if it cannot be read, or would take too long.

    Args:
        text: the formula, without dollar signs.
        known: a formula that is trusted; costly operations that it has itself are let through.
    """
    if not text.strip() or len(text) > LONGEST or _depth(text) > DEEPEST:
        return None
    if text != known and any(costly not in known for costly in COSTLY.findall(text)):
        return None
    from math_verify import LatexExtractionConfig, parse
    from math_verify.errors import TimeoutException

    try:
        found = parse(
            f"${text.strip().strip('$')}$",
            [LatexExtractionConfig()],
            fallback_mode="no_fallback",
            parsing_timeout=_seconds(),
            raise_on_error=True,
        )
    except TimeoutException:
        raise RewardError(f"{shown(text)} could not be read as mathematics in {SECONDS} s") from None
    except Exception:  # the parser raises anything on what is not LaTeX
        return None
    return found[0] if found and _bits(found[0]) < MOST_BITS else None


def _bits(formula: Any) -> float:
    """Roughly how long the numbers get when a formula is worked out."""
    sizes = [_bits(part) for part in getattr(formula, "args", ())]
    if getattr(formula, "is_Pow", False):
        return sizes[0] * 2 ** min(sizes[1], 60)
    value = abs(formula.p) if getattr(formula, "is_Rational", False) else 2
    return sum(sizes) if sizes else float(value.bit_length())


def _depth(text: str) -> int:
    depths = [0]
    for character in text:
        depths.append(depths[-1] + (character in "([{") - (character in ")]}"))
    return max(depths)


def _seconds() -> int | None:
    """The time limit given to math-verify: it works by SIGALRM, so in the main thread only."""
    if threading.current_thread() is threading.main_thread():
        return SECONDS
    for name in ("math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).setLevel(logging.ERROR)  # it warns that the limit is off
    return None
