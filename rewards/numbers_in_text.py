r"""Plain numbers as people and models write them: 1,000, -0.5, 1/2, 3 1/2, \frac{1}{2}, 50%, 6e23, 3 \times 10^5.

The quick path of `math_answer`: exact fractions, no computer algebra.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

LONGEST = 400  # characters of one number
LARGEST_EXPONENT = 400
SAME_DECIMALS = Fraction(1, 2_000_000)  # half a unit of the sixth decimal, as math-verify rounds
SAME_SIZE = Fraction(1, 1000)  # so that 0.00000001 and 0.00000002 stay different

DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
NUMBER = re.compile(
    rf"""
    (?<![A-Za-z0-9_.])(?<![0-9],)                           # not inside a word or a longer number
    (?P<sign>(?<![)\]}}])[-+])?
    (?: (?P<whole>[0-9]+)(?:[ \t]+(?=[0-9]+/[0-9])|[ \t]*(?=\\[dt]?frac)) )?       # a mixed number, 3 1/2
    (?:
        \\[dt]?frac\s*\{{\s*(?P<over>-?[0-9]+)\s*\}}\s*\{{\s*(?P<under>[0-9]+)\s*\}}
      | \\[dt]?frac\s?(?P<over1>[0-9])\s?(?P<under1>[0-9])
      | (?P<number>{DIGITS})
        (?: \s?/\s?(?P<slash>[0-9]+)
          | [eE](?P<exponent>[-+]?[0-9]+)
          | \s*(?:\\times|\\cdot|×|·|\*)\s*10\s*(?:\^|\*\*)\s*\{{?\s*(?P<power>-?[0-9]+)\s*\}}?
        )?
    )
    (?P<percent>\s*(?:\\?%|percent\b))?
    """,
    re.VERBOSE,
)
# An operand of a larger formula: 5 + 37, 2^10, x_1, \sqrt{2}, 6\pi. Its own value is nobody's answer.
OPERAND_BEFORE = re.compile(
    r"[0-9)\]}]!?\s*[-+*×÷·]\s*$|[0-9]:$|[0-9A-Za-z)\]}]\s*/\s*$|[\^_]\s*\{?\s*$|\}\s*\{\s*$|\\(?:times|cdot|div)\s*$"
    r"|\\(?!text|math|bold|bm\b|f?box)[A-Za-z]+\s*\{\s*$|[√]\s*\(?\s*$"
)
OPERAND_AFTER = re.compile(
    r"\s*(?:\\(?:pi|sqrt|times|cdot|div|theta)\b|[π√]|\^(?!\s*\{?\s*\\circ)|[*×÷/][0-9(\\]|,[0-9]|"
    # 42! is an exclamation where a sentence ends, else a factorial
    r"!(?:[!*_\"')\]]*[ \t]*[a-z0-9+\-/×÷=$\\^(]|[ \t]+\*[ \t]*[0-9]))"
)
SAME_CHARACTERS = str.maketrans("−–－﹣⁄０１２３４５６７８９％", "----/0123456789%")
VULGAR = re.compile("[¼-¾⅐-⅞]")  # ½ and the like
ROOT = re.compile(r"√\s*(?:([0-9]+(?:\.[0-9]+)?|[a-z])|\(([^()]*)\))")
# A minus in words or set apart; at the start of a later line "- 42" is an item of a list, after a word a dash.
MINUS_WORD = re.compile(r"(?P<operand>[0-9)\]}%]\s*)?\b(?:minus|negative)\s+(?=\\?\$?[0-9.])", re.IGNORECASE)
MINUS_APART = re.compile(r"(\A\s*|[=:({$][ \t]*|\b(?:is|are|be|equals)[ \t]+)-[ \t]+(?=\\?\$?\.?[0-9])")
MINUS_MONEY = re.compile(r"(?<![0-9A-Za-z)\]}$])-\\?\$(?=\.?[0-9])")
DEGREES = re.compile(r"\s*(?:°\s?[CF]?|\^\s*(?:\\circ\b|\{\s*\\circ\s*\}))$")
SPACING = re.compile(r"(?<!\\)\\[,!;: ]")
BOLD = re.compile(r"\\(?:mathbf|textbf|mathrm|mathit|text|boldsymbol|bm)\{(-?[0-9][0-9.,]*)\}")


@dataclass(frozen=True)
class Number:
    """A number that was written down.

    Attributes:
        value: its exact value; without the percent sign, 50 for 50%.
        percent: whether a percent sign follows it.
        undone: for a division that was left undone, such as 12/4, what is divided by what.
    """

    value: Fraction
    percent: bool = False
    undone: tuple[int, int] | None = None

    def matches(self, other: Number) -> bool:
        """Whether the other number says the same: 50% matches 50%, 50 and 0.5."""
        if self.percent == other.percent:
            return _close(self.value, other.value)
        whole, share = (other, self) if self.percent else (self, other)
        return _close(whole.value, share.value) or _close(whole.value, share.value / 100)


def plain_text(text: str) -> str:
    r"""The text with one spelling of minus, digits, thousands, ½ and √, no bold: `−１{,}000` becomes `-1,000`."""
    text = SPACING.sub("", text.translate(SAME_CHARACTERS).replace("{,}", ","))
    text = ROOT.sub(lambda root: rf"\sqrt{{{root[1] or root[2]}}}", VULGAR.sub(_latex_fraction, BOLD.sub(r"\1", text)))
    text = MINUS_WORD.sub(lambda minus: f"{minus['operand']}- " if minus["operand"] else "-", text)
    return MINUS_MONEY.sub("-", MINUS_APART.sub(r"\1-", text))


def _latex_fraction(vulgar: re.Match[str]) -> str:
    over, under = unicodedata.normalize("NFKC", vulgar[0]).split("⁄")
    return rf"\frac{{{over}}}{{{under}}}"


def only_number(text: str) -> Number | None:
    """The number that the whole text is, if it is one."""
    text = DEGREES.sub("", text.strip()).removeprefix("\\$").removeprefix("$").strip()
    match = NUMBER.fullmatch(text) if len(text) <= LONGEST else None
    return _number(match) if match else None


def last_number(text: str) -> Number | None:
    """The last number of a text; None where that one is part of a formula, has no value or is absurdly long."""
    last = None
    for match in NUMBER.finditer(text):
        last = match
    if last is None or OPERAND_BEFORE.search(text[: last.start()]) or OPERAND_AFTER.match(text, last.end()):
        return None
    return _number(last)


def _number(match: re.Match[str]) -> Number | None:
    if len(match[0]) > LONGEST:
        return None
    over = match["over"] or match["over1"] or match["number"].replace(",", "")
    under = int(match["under"] or match["under1"] or match["slash"] or 1)
    exponent = match["exponent"] or match["power"] or "0"
    if under == 0 or len(exponent) > 5 or abs(int(exponent)) > LARGEST_EXPONENT:
        return None
    value = Fraction(over) / under * Fraction(10) ** int(exponent)
    undone = (int(over), under) if under != 1 and value.denominator == 1 and over.lstrip("-").isdigit() else None
    if match["whole"]:
        if not 0 < value < 1:
            return None
        value += int(match["whole"])
    return Number(-value if match["sign"] == "-" else value, bool(match["percent"]), undone)


def _close(a: Fraction, b: Fraction) -> bool:
    if a == b or (a.denominator == 1 and b.denominator == 1):
        return a == b
    return abs(a - b) <= min(SAME_DECIMALS, SAME_SIZE * max(abs(a), abs(b)))
