r"""A process that does computer algebra for `rewards/algebra.py`: a JSON line in for each question, one out.

A question that takes longer than it may ends the process, by an alarm signal whose handling is left to the kernel: it
works also in the middle of an operation on huge integers, and where whoever asked is gone.

Decimals are read as exact fractions: sympy would at once evaluate a formula with floating-point numbers in it.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import resource
import select
import signal
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any

from rewards.numbers_in_text import close

MEMORY = 4 << 30  # bytes of address space
MOST_BITS = 10_000
MOST_MEMBERS = 12  # of a set that is read member by member
DIGITS = 30  # decimals to which two numbers are worked out where they are compared within a tolerance
STARTING_S = 60  # to import sympy
LOOK_S = 30  # between looks whether the parent lives

GROWING = ("exp", "sinh", "cosh", "factorial", "factorial2", "gamma")
SIGN = re.compile(r"\\[pm][pm](?![A-Za-z])")
DECIMAL = re.compile(r"(?<![0-9A-Za-z_.])([0-9]*)\.([0-9]+)(?![0-9.])")


def readable(text: str) -> bool:
    """Whether a text is a formula whose numbers do not grow too long."""
    return parsed(text) is not None


def value(text: str) -> dict[str, Any] | None:
    """What a real, finite number is worth, whether it is written bare, and whether it is rational; None for others."""
    formula = parsed(text)
    if not _numbers(formula):
        return None
    if formula.is_Rational:
        return {"value": f"{formula.p}/{formula.q}", "bare": True, "rational": True}
    try:
        number = _value(formula)
        rational = bool(formula.doit().is_rational)
        return None if number is None else {"value": str(number), "bare": False, "rational": rational}
    except Exception:  # sympy raises anything
        return None


def same(gold: str, found: str, tolerance: str) -> bool:
    """Whether two formulas have the same value, decimals in them rounded to six places or within the tolerance."""
    from math_verify import verify

    right, other, share = parsed(gold), parsed(found), Fraction(tolerance)

    def within(a: Fraction, b: Fraction) -> bool:
        return abs(a - b) <= share * abs(a)

    try:
        if verify(right, other, allow_set_relation_comp=True, timeout_seconds=None, raise_on_error=True):
            # It takes all numbers below 1e-15 for zero.
            return not _numbers(right, other) or _near(right, other, close)
        decimal = DECIMAL.search(gold + found)
        return (decimal is not None and _near(right, other, close)) or (share > 0 and _near(right, other, within))
    except Exception:  # sympy raises anything on what it cannot compare: then the two are not known to be equal
        return False


@lru_cache(maxsize=4096)
def parsed(text: str) -> Any:
    """The sympy object that a formula stands for, not evaluated; None for what is no formula."""
    formula = DECIMAL.sub(_fraction, text)
    if (found := _read(formula)) is not None:
        return found
    from math_verify.parser import FiniteSet

    each = [_read(part) for part in _alternatives(formula)]
    return FiniteSet(*each) if len(each) > 1 and all(part is not None for part in each) else None


def _alternatives(text: str) -> list[str]:
    r"""The members of a set as formulas of their own, for what the parser cannot take as one: \frac{1 \pm x}{2}, 3."""
    text = text.strip().removeprefix("\\{").removesuffix("\\}")
    members, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character in ",;" and depth == 0:
            members.append("")
        else:
            members[-1] += character
    signs = [(r"\pm", "+", "-"), (r"\mp", "-", "+")]
    plus, minus = ([_signed(member, {name: s[i] for name, *s in signs}) for member in members] for i in (0, 1))
    return list(dict.fromkeys(member for pair in zip(plus, minus, strict=True) for member in pair))[:MOST_MEMBERS]


def _signed(text: str, signs: dict[str, str]) -> str:
    return SIGN.sub(lambda sign: signs[sign[0]], text)


def _read(text: str) -> Any:
    from math_verify import parse

    configuration = _configuration()
    try:
        found = parse(f"${text}$", configuration, "no_fallback", parsing_timeout=None, raise_on_error=True)
    except Exception:  # the parser raises anything on what is not LaTeX
        return None
    return found[0] if found and _bits(found[0]) < MOST_BITS else None


@cache
def _configuration() -> list[Any]:
    """How math-verify reads: units and boxes are dealt with here, since it takes the t of 2t for a unit."""
    from math_verify.parser import LatexExtractionConfig, NormalizationConfig

    for name in ("math_verify.parser", "math_verify.grader"):
        logging.getLogger(name).setLevel(logging.ERROR)  # it warns that its own time limit is off
    rules = NormalizationConfig(basic_latex=True, malformed_operators=True, nits=True, units=False, boxed="none")
    return [LatexExtractionConfig(boxed_match_priority=-1, normalization_config=rules)]


def _numbers(*formulas: Any) -> bool:
    return all(getattr(formula, "is_number", False) and getattr(formula, "is_finite", False) for formula in formulas)


def _near(gold: Any, found: Any, alike: Callable[[Fraction, Fraction], bool]) -> bool:
    """Whether two are equal but for their numbers, and these alike: numbers, or sets, points, matrices, ... of them."""
    if _numbers(gold, found):
        a, b = _value(gold), _value(found)
        return a is not None and b is not None and alike(a, b)
    (kind, parts), (other_kind, other_parts) = _parts(gold), _parts(found)
    return (
        kind is not None
        and kind == other_kind
        and len(parts) == len(other_parts)
        and all(a == b or _near(a, b, alike) for a, b in zip(parts, other_parts, strict=True))
    )


def _parts(formula: Any) -> tuple[Any, list[Any]]:
    """What something is apart from its numbers, and its parts in order; None and none where they cannot be compared."""
    from sympy import Eq, FiniteSet, Interval, MatrixBase, Tuple  # type: ignore[import-untyped]

    if isinstance(formula, MatrixBase):
        return formula.shape, list(formula)
    if isinstance(formula, Interval):
        return (formula.left_open, formula.right_open), [formula.start, formula.end]
    if isinstance(formula, FiniteSet):
        return FiniteSet, sorted(formula.args, key=lambda part: _value(part) or 0)
    if isinstance(formula, Tuple):
        return Tuple, list(formula.args)
    if isinstance(formula, Eq):
        return formula.lhs, [formula.rhs]
    return None, []


def _value(formula: Any) -> Fraction | None:
    number = formula.doit().evalf(DIGITS) if hasattr(formula, "doit") else None
    if number is None or not number.is_Number or not number.is_finite:
        return None
    return Fraction(str(number))


def _fraction(decimal: re.Match[str]) -> str:
    r"""A decimal as an exact fraction; in braces after ^ only, since elsewhere {0.5} is a set."""
    whole, part = decimal.groups()
    fraction = rf"\frac{{{int(whole + part)}}}{{{10 ** len(part)}}}"
    return f"{{{fraction}}}" if decimal.string[: decimal.start()].rstrip().endswith("^") else fraction


def _bits(formula: Any) -> float:
    """Roughly how long the numbers get when a formula is worked out."""
    arguments: Any = getattr(formula, "args", ())
    if getattr(formula, "is_Pow", False):
        return _bits(arguments[0]) * max(1.0, _magnitude(arguments[1]))
    if type(formula).__name__ in GROWING:
        return 8 * _magnitude(arguments[0])
    value = max(abs(formula.p), formula.q) if getattr(formula, "is_Rational", False) else 2
    return sum(map(_bits, arguments)) if arguments else float(value.bit_length())


def _magnitude(formula: Any) -> float:
    """No less than the size of a formula's value, where its symbols are small; infinite where that is beyond floats."""
    try:
        if formula.is_Rational:
            return float(abs(formula.p / formula.q))
        sizes: Any = list(map(_magnitude, getattr(formula, "args", ())))
        if not sizes:
            return 2.0 if formula.is_Symbol else 4.0
        if formula.is_Mul:
            return float(math.prod(sizes))
        if formula.is_Pow:
            return float(max(2.0, sizes[0], 1 / sizes[0] if sizes[0] else 2.0) ** sizes[1])
        return float(math.exp(sizes[0]) ** 2 if type(formula).__name__ in GROWING else sum(sizes))
    except OverflowError:
        return math.inf


def serve() -> None:
    """Answer questions until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, STARTING_S)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    sys.stdout = sys.stderr  # for whatever prints
    if parsed("x") is None:
        raise RuntimeError("math-verify cannot read x")
    signal.setitimer(signal.ITIMER_REAL, 0)
    answers: dict[str, Callable[..., Any]] = {"readable": readable, "value": value, "same": same}
    for seconds, task, *arguments in _questions():
        signal.setitimer(signal.ITIMER_REAL, seconds)
        answer = answers[task](*arguments)
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(json.dumps(answer).encode() + b"\n")
        replies.flush()


def _questions() -> Iterator[list[Any]]:
    parent = os.getppid()
    while True:
        while not select.select([sys.stdin.buffer], [], [], LOOK_S)[0]:
            if os.getppid() != parent:  # gone, though a child of its may hold the pipe open
                return
        line = sys.stdin.buffer.readline()
        if not line:
            return
        yield json.loads(line)


if __name__ == "__main__":
    serve()
