r"""Formulas compared by value, with math-verify and sympy: sets, intervals, equations, matrices, roots and so on.

A model may write anything, and computer algebra may then take for ever, often in one operation on huge integers that
nothing inside Python can stop. So it runs in a process of its own, `rewards/algebra_process.py`, which the kernel ends
where a formula takes longer than `SECONDS`; the next one gets a new process. That holds in any thread. (math-verify's
own limit is an alarm signal, for the main thread only, and comes after such an operation.) What is known to take long
is refused before it gets there (`COSTLY`), which saves the seconds.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any

from rewards.declaration import RewardError
from rewards.numbers_in_text import raised_as_powers
from rewards.text import shown
from rewards.units import known_units

LONGEST = 300  # characters of one formula
DEEPEST = 10  # levels of brackets in one formula; the parser takes half a second for ten
SECONDS = 5.0  # to read or compare a formula

# What takes long already while it is read, or where its size does not show.
COSTLY = re.compile(
    r"\d{3}[\s)}]*!|![\s)}]*!|\d{60}|\d\s*[eE]\s*[-+]?\s*\d{4}|\^\s*\{[^{}]*\d\s*\^|\^\s*[{(]*\s*-?\d{5}"
    r"|\\(?:sum|prod|int|lim|[dt]?binom|[lr]?floor|lceil|b?mod|gcd|lcm|operatorname|[Gg]amma)(?![A-Za-z])"
    r"|\\sqrt\s*\[(?!\s*(?:\d{1,3}|[A-Za-z])\s*\])"
)
FUNCTIONS = "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|ln|log|exp|sqrt"
SPELLINGS = (
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"≤|⩽|<="), r"\\le "),
    (re.compile(r"≥|⩾|>="), r"\\ge "),
    (re.compile(r"≠|!="), r"\\ne "),
    (re.compile(r"∪"), r"\\cup "),
    (re.compile(r"∩"), r"\\cap "),
    (re.compile(r"∈"), r"\\in "),
    (re.compile(r"∞|(?<![\\A-Za-z])(?:infinity|oo)(?![A-Za-z])"), r"\\infty "),
    (re.compile(r"±|\+/-"), r"\\pm "),
    (re.compile(r"π|(?<![\\A-Za-z])pi(?![A-Za-z])"), r"\\pi "),
    (re.compile(r"θ"), r"\\theta "),
    (re.compile(r"×"), r"\\times "),
    (re.compile(r"[·⋅]"), r"\\cdot "),
    (re.compile(r"÷"), r"\\div "),
    (re.compile(r"≈"), r"\\approx "),
    (re.compile(r"∅|\\varnothing(?![A-Za-z])|\\\{\s*\\\}"), r"\\emptyset "),
    (re.compile(rf"(?<![\\A-Za-z])({FUNCTIONS})(?![A-Za-z])"), r"\\\1"),
    (re.compile(r"\\sqrt\s*\(([^()]*)\)"), r"\\sqrt{\1}"),
    (re.compile(r"\\(?:math|text)rm\s*\{\s*([A-Za-z])\s*\}"), r"\1"),
    (re.compile(r"(?:,|\\text\s*\{[^{}]*\}|\()\s*[a-z]\s*\\in\s*(?:\\mathbb\s*\{?\s*[ZN]\s*\}?|[ℤℕ])\s*\)?$"), ""),
    (re.compile(r",?\s*(?:\\text\s*\{)?\s*(?<![A-Za-z])(?:and|or)(?![A-Za-z])\s*\}?"), ", "),
)  # fmt: skip
WRITTEN_UNIT = re.compile(
    r"(?:(?<=[0-9)\]}])[\s~]*\\(?:text|mbox)\s*\{\s*[A-Za-z]\s*\}"
    r"|(?<=[0-9A-Za-z)\]}])[\s~]*\\(?:text(?:normal|rm|bf|it)?|mbox|mathrm)\s*\{(?!\s*(?:or|and|if|for)\b)[^{}]{2,}\})"
    r"(?:\s*\^\s*\{?[0-9]\}?)?\s*\.?$"
)
BARE_UNIT = re.compile(
    r"(?<=[0-9A-Za-z)\]}π])\s+(?:(?:square|sq\.?|cubic)\s+)?([A-Za-z]{2,})(?:\s*\^\s*\{?[23]\}?|²|³)?\.?$"
)
OTHER_UNITS = {"unit", "units", "degree", "degrees", "radians", "rad", "dollars", "cents", "percent"}


class _TooLong(Exception):
    """A formula took the process longer than it may."""


def formula_text(text: str) -> str:
    r"""A formula in the spelling that math-verify reads best: `2√3 cm` as `2\sqrt{3}`, `x >= pi` as `x \ge \pi`."""
    text = WRITTEN_UNIT.sub("", " ".join(text.replace("$", "").split())[: 2 * LONGEST])
    if (unit := BARE_UNIT.search(text)) and (unit[1] in known_units() or unit[1] in OTHER_UNITS):
        text = text[: unit.start()]
    text = raised_as_powers(text)
    for pattern, spelling in SPELLINGS:
        text = pattern.sub(spelling, text)
    return text.strip()


@lru_cache(maxsize=4096)
def same_formula(gold: str, found: str, tolerance: Fraction = Fraction(0)) -> bool:
    """Whether a formula has the value of the gold one; both as `formula_text` gives them.

    A decimal in either may be rounded to six decimals, or be off by the tolerance, as a share of the gold value.
    """
    if not _readable(gold, gold) or not _readable(found, gold):
        return False
    try:
        return bool(ALGEBRA.ask("same", gold, found, str(tolerance)))
    except _TooLong:
        raise RewardError(
            f"{shown(found)} could not be compared with the answer {shown(gold)} in {SECONDS:g} s"
        ) from None


@dataclass(frozen=True)
class Value:
    """What a formula is worth.

    Attributes:
        value: its value, exact or to thirty digits.
        bare: whether nothing is left to work out, as in -1/2.
        rational: whether it is a whole number or fraction once worked out: sqrt(16) is, sqrt(17) is not.
    """

    value: Fraction
    bare: bool
    rational: bool


@lru_cache(maxsize=4096)
def value_of(text: str) -> Value | None:
    """The value of a formula, as `formula_text` gives it, that is a real, finite number; None for any other."""
    try:
        found = ALGEBRA.ask("value", text) if _readable(text) else None
    except _TooLong:
        return None
    return Value(Fraction(found["value"]), found["bare"], found["rational"]) if found else None


@lru_cache(maxsize=4096)
def _readable(text: str, known: str = "") -> bool:
    """Whether a text is a formula, and one that does not take too long.

    Args:
        text: the formula.
        known: a formula that is trusted; costly operations that it has itself are let through.
    """
    if not text or len(text) > LONGEST or _depth(text) > DEEPEST:
        return False
    if text != known and any(costly not in known for costly in COSTLY.findall(text)):
        return False
    try:
        return bool(ALGEBRA.ask("readable", text))
    except _TooLong:  # nothing that a person would take for an answer
        return False


def _depth(text: str) -> int:
    depths = [0]
    for character in text:
        depths.append(depths[-1] + (character in "([{") - (character in ")]}"))
    return max(depths)


class _Algebra:
    """The process that does computer algebra, started when it is first asked, and again after it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)
        os.register_at_fork(after_in_child=self._forget)

    def ask(self, task: str, *arguments: str) -> Any:
        """What a function of `algebra_process` returns.

        Raises:
            _TooLong: it took longer than `SECONDS`.
            RewardError: there is no process to ask.
        """
        request = json.dumps([SECONDS, task, *arguments]).encode() + b"\n"
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self.stop()
                self._process = subprocess.Popen(COMMAND, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL)
            process = self._process
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(request)
                process.stdin.flush()
                reply = process.stdout.readline()
            except BrokenPipeError:
                reply = b""
            except BaseException:  # an interrupted wait: a reply that comes later must not answer another question
                self.stop()
                raise
            if reply:
                return json.loads(reply)
            code = process.wait()
            self.stop()
        if code == -signal.SIGALRM:
            raise _TooLong
        raise RewardError(f"the process for computer algebra ended with code {code}; see `{' '.join(COMMAND[1:])}`")

    def stop(self) -> None:
        """End the process."""
        if (process := self._process) is not None:
            process.kill()
            process.wait()
            self._close(process)

    def _forget(self) -> None:
        """In a forked child: the process is its parent's, and so may be whoever holds the lock."""
        self._lock = threading.Lock()
        if (process := self._process) is not None:
            process.returncode = 0  # it is not this one's to wait for
            self._close(process)

    def _close(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was written is not read any more
                    pipe.close()


ROOT = Path(__file__).parent.parent
COMMAND = [sys.executable, "-m", "rewards.algebra_process"]
ALGEBRA = _Algebra()
