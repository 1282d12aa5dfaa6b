r"""Plain numbers as people and models write them: 1,000, -0.5, 1/2, 3 1/2, \frac{1}{2}, 50%, 6e23, 3 \times 10^5.

The quick path of `math_answer`: exact fractions, no computer algebra. `point_decimals` rewrites what other countries
write, 1.000,5 and 1 000, so that the rest knows one notation.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from rewards.operands import is_operand

LONGEST = 400  # characters of one number
LARGEST_EXPONENT = 999
SAME_DECIMALS = Fraction(1, 2_000_000)  # half a unit of the sixth decimal, as math-verify rounds
SAME_SIZE = Fraction(1, 1000)  # so that 0.00000001 and 0.00000002 stay different
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}

DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
NUMBER = re.compile(
    rf"""
    (?<![A-Za-z0-9_.])(?<![0-9],)                           # not inside a word or a longer number
    (?P<sign>(?<![)\]}}])[-+])?
    (?: (?P<whole>[0-9]+)(?:[ \t]+(?=[0-9]+/[0-9])|[ \t]*(?=\\[dct]?frac)) )?      # a mixed number, 3 1/2
    (?:
        \\[dct]?frac\s*(?:\{{\s*(?P<over>-?[0-9]+)\s*\}}|(?P<over1>[0-9]))
            \s*(?:\{{\s*(?P<under>[0-9]+)\s*\}}|(?P<under1>[0-9])(?![0-9]))
      | (?P<once>[0-9]*\.[0-9]*)\\(?:overline|bar)\s*\{{\s*(?P<again>[0-9]+)\s*\}}     # 0.1666... as 0.1\overline{{6}}
      | 10\s*(?:\^|\*\*)\s*(?:(?P<ten>-?[0-9]+)|\{{\s*(?P<ten1>[-+]?[0-9]+)\s*\}}|\(\s*(?P<ten2>[-+]?[0-9]+)\s*\))
            (?![0-9]|\.[0-9])                                                           # a power of ten
      | (?P<number>{DIGITS})
        (?: \s?/\s?(?P<slash>[0-9]+)
          | [eE](?P<exponent>[-+]?[0-9]+)
          | \s*(?:\\times|\\cdot|[×·*x])\s*10\s*(?:\^|\*\*)\s*[{{(]?\s*(?P<power>[-+]?[0-9]+)\s*[)}}]?
        )?
    )
    (?P<percent>\s*(?:\\?%|(?i:per\ ?cent(?:age)?|pct)\b))?
    (?:\s*(?P<scale>(?i:thousand|million|billion|trillion))\b)?
    """,
    re.VERBOSE,
)
SAME_CHARACTERS = str.maketrans(
    "−–－﹣⁄％٪．٫，٬،（）：\u00a0\u2007\u2009\u202f",
    "----/%%..,,,():    ",
)
VULGAR = re.compile("[¼-¾⅐-⅞]")  # ½ and the like
RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱˣʸ"
LOWERED = str.maketrans(RAISED, "0123456789+-=()nixy")
SUPERSCRIPT = re.compile(rf"\s?[{RAISED}]+")
# After a letter it may be a unit's, as in 12 m², which is no formula.
SUPERSCRIPT_OF_NUMBER = re.compile(rf"(?<=[0-9)\]}}]){SUPERSCRIPT.pattern}")
ROOT = re.compile(r"√\s*(?:([0-9]+(?:\.[0-9]+)?|[a-z])|\(([^()]*)\))")
# A minus in words or set apart; at the start of a later line "- 42" is an item of a list, after a word a dash.
MINUS_WORD = re.compile(r"(?P<operand>[0-9)\]}%]\s*)?\b(?:minus|negative)\s+(?=\\?\$?[0-9.])", re.IGNORECASE)
MINUS_APART = re.compile(r"(\A\s*|[=:({$][ \t]*|\b(?:is|are|be|equals)[ \t]+)-[ \t]+(?=\\?\$?\.?[0-9])")
MINUS_MONEY = re.compile(r"(?<![0-9A-Za-z)\]}$])-\\?\$(?=\.?[0-9])")
DEGREES = re.compile(r"\s*(?:°\s?[CF]?|\^\s*(?:\\circ\b|\{\s*\\circ\s*\}))$")
COMMA = re.compile(r" ?\{ ?, ?\} ?|, ?\\! ?")  # of thousands, as LaTeX writes them
THIN_SPACE = re.compile(r"(?<=[0-9])\\[,;:](?=[0-9]{3}(?![0-9]))|\\!")
SPACING = re.compile(r"(?<!\\)(?:\\[,;: ]|\\q?quad)")
BOLD = re.compile(r"\\(?:mathbf|textbf|mathrm|mathit|text|boldsymbol|bm)\{(-?[0-9][0-9.,]*)\}")
# 1 000 and 1'000; 1.000,5 and 1.000.000; 1,00,000; 1,5
NOT_ENGLISH = re.compile(
    r"(?<![0-9A-Za-z_.,])(?:"
    r"([1-9][0-9]{0,2}(?:[ '’][0-9]{3})+)(?:[.,]([0-9]+))?"
    r"|([1-9][0-9]{0,2}(?:\.[0-9]{3})+),([0-9]+)"
    r"|([1-9][0-9]{0,2}(?:\.[0-9]{3}){2,}|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3})"
    r"|(?![1-9][0-9]{0,2},[0-9]{3}(?![0-9]))([0-9]+),([0-9]+)"
    r")(?![0-9]|[.,/][0-9])"
)
# What stands between two candidates: 41 or 42; 40, 41; x = 1 and x = 2.
BETWEEN = re.compile(
    r"[\s$*)\\]*(?:(?P<comma>[,;])\s*)?(?P<word>(?:or|and)\b)?[\s$*(\\]*(?:(?P<name>[A-Za-z])\s*=[\s$]*)?"
)
WINDOW = 200  # characters in which the last number is looked for first
LONGEST_MATCH = 100  # of a number that the window may have cut


@dataclass(frozen=True)
class Number:
    """A number that was written down.

    Attributes:
        value: its exact value; without the percent sign, 50 for 50%.
        percent: whether a percent sign follows it.
        undone: for a division that was left undone, such as 12/4, what is divided by what.
        scale: the power of ten that follows as a word: 1000 for "2 thousand", whose value is 2.
        decimals: how many digits after the point were written; None where it is no decimal.
    """

    value: Fraction
    percent: bool = False
    undone: tuple[int, int] | None = None
    scale: int = 1
    decimals: int | None = None

    def rounds(self, other: Number) -> bool:
        """Whether this is the other number, rounded to the decimals written: 3.14 rounds 22/7."""
        return self.decimals is not None and abs(self.value - other.value) * 2 * 10**self.decimals <= 1

    def matches(self, other: Number, tolerance: Fraction | None = None, unit: Fraction = Fraction(1)) -> bool:
        """Whether the other number says the same: 50% matches 50%, 50 and 0.5; 2 million matches 2 and 2000000.

        Args:
            other: a number that was found.
            tolerance: how far it may be off, as a share of this one.
            unit: how many of this one's units one of the other's makes.
        """
        for mine, theirs in self._readings(other):
            theirs *= unit
            if close(mine, theirs) or (tolerance and abs(mine - theirs) <= tolerance * abs(mine)):
                return True
        return False

    def _readings(self, other: Number) -> list[tuple[Fraction, Fraction]]:
        """What the two may mean, as pairs to compare: a sign or word on one side only may be left out."""
        if (self.percent, self.scale) == (other.percent, other.scale):
            return [(self.value, other.value)]
        factor, other_factor = self._factor, other._factor
        whole = [(self.value * factor, other.value * other_factor)]
        return whole if factor != 1 != other_factor else [(self.value, other.value), *whole]

    @property
    def _factor(self) -> Fraction:
        return self.scale * (Fraction(1, 100) if self.percent else Fraction(1))


def plain_text(text: str) -> str:
    r"""The text with one spelling of minus, digits, powers, ½ and √, no bold: `−１{,}000²` becomes `-1,000^{2}`."""
    if not text.isascii():
        text = raised_as_powers(text, SUPERSCRIPT_OF_NUMBER)
        text = "".join(map(_ascii_digit, text.translate(SAME_CHARACTERS)))
        text = ROOT.sub(lambda root: rf"\sqrt{{{root[1] or root[2]}}}", VULGAR.sub(_latex_fraction, text))
    if "\\" in text or "{" in text:
        text = SPACING.sub(" ", THIN_SPACE.sub("", COMMA.sub(",", text)))
        text = BOLD.sub(r"\1", text)
    text = MINUS_WORD.sub(lambda minus: f"{minus['operand']}- " if minus["operand"] else "-", text)
    return MINUS_MONEY.sub("-", MINUS_APART.sub(r"\1-", text)) if "-" in text else text


def raised_as_powers(text: str, raised: re.Pattern[str] = SUPERSCRIPT) -> str:
    """The text with raised digits, signs and letters as powers: `10⁻³` as `10^{-3}`."""
    return raised.sub(lambda power: f"^{{{power[0].strip().translate(LOWERED)}}}", text)


def point_decimals(text: str) -> str:
    """The text with the numbers of other notations as English ones: `1.000,5`, `1 000` and `1,5` as 1000.5, 1000, 1.5.

    What may be English stays: 1,000 is a thousand, and 1.000 is one.
    """
    return NOT_ENGLISH.sub(_english, text)


def _english(match: re.Match[str]) -> str:
    spaced, spaced_part, dotted, dotted_part, grouped, plain, plain_part = match.groups()
    whole = "".join(filter(str.isdigit, spaced or dotted or grouped or plain))
    decimals = spaced_part or dotted_part or plain_part
    return f"{whole}.{decimals}" if decimals else whole


def _ascii_digit(character: str) -> str:
    """A digit of any script, such as ٤ or ４, as one of 0 to 9; other characters as they are."""
    return str(unicodedata.decimal(character)) if character.isdecimal() else character


def _latex_fraction(vulgar: re.Match[str]) -> str:
    over, under = unicodedata.normalize("NFKC", vulgar[0]).split("⁄")
    return rf"\frac{{{over}}}{{{under}}}"


def only_number(text: str) -> Number | None:
    """The number that the whole text is, if it is one."""
    text = DEGREES.sub("", text.strip()).removeprefix("\\$").removeprefix("$").strip()
    match = NUMBER.fullmatch(text) if len(text) <= LONGEST else None
    return number_of(match) if match else None


def last_number(text: str) -> Number | None:
    """The last number of a text; None where that one is part of a formula, has no value or is absurdly long."""
    match = last_match(text)
    return number_of(match) if match else None


def last_match(text: str) -> re.Match[str] | None:
    """Where the last number of a text is; None where that one is part of a formula."""
    last = None
    for start in (max(0, len(text) - WINDOW), 0):
        for match in NUMBER.finditer(text, start):
            last = match
        if last is not None and (start == 0 or last.start() > start + LONGEST_MATCH):
            break
    return None if last is None or is_operand(text, *last.span()) else last


def is_listed(last: re.Match[str]) -> bool:
    """Whether the last number of a text is one of several candidates, as in `41 or 42` or `40, 41, 42`."""
    text, gaps, after = last.string, [], last
    for match in reversed(list(NUMBER.finditer(text, max(0, last.start() - WINDOW), last.start()))):
        gap = BETWEEN.fullmatch(text, match.end(), after.start())
        if gap is None or not (gap["comma"] or gap["word"]) or not _same_name(text[: match.start()], gap["name"]):
            break
        candidate, number = number_of(match), number_of(last)
        if candidate is None or number is None or not number.matches(candidate):
            gaps.append(gap)
        after = match
    # "Out of 100, 42 are red" has a comma, too, but is no list.
    return len(gaps) > 1 or any(gap["word"] for gap in gaps) or (len(gaps) == 1 and _ends(text, last.end()))


def _same_name(before: str, name: str | None) -> bool:
    """Whether a text ends in `x =`, where the candidate after it is introduced by `x =` as well."""
    return name is None or re.search(rf"{name}\s*=[\s$]*$", before[-20:]) is not None


def _ends(text: str, end: int) -> bool:
    return not text[end:].partition("\n")[0].strip(" .!*$)")


def number_of(match: re.Match[str]) -> Number | None:
    """What a match of NUMBER is worth; None where it has no value or is absurdly long."""
    if len(match[0]) > LONGEST:
        return None
    under = int(match["under"] or match["under1"] or match["slash"] or 1)
    ten = match["ten"] or match["ten1"] or match["ten2"]
    exponent = match["exponent"] or match["power"] or ten or "0"
    if under == 0 or len(exponent) > 5 or abs(int(exponent)) > LARGEST_EXPONENT:
        return None
    over = match["over"] or match["over1"] or (match["number"] or ("1" if ten else "")).replace(",", "")
    value = Fraction(over) if over else _repeating(match["once"], match["again"])
    if under != 1:
        value /= under
    if exponent != "0":
        value *= Fraction(10) ** int(exponent)
    undone = (int(over), under) if under != 1 and value.denominator == 1 and over.lstrip("-").isdigit() else None
    if match["whole"]:
        if not 0 < value < 1:
            return None
        value += int(match["whole"])
    decimals = len(over.partition(".")[2]) if match["number"] and under == 1 and exponent == "0" else None
    scale = SCALES[match["scale"].lower()] if match["scale"] else 1
    return Number(-value if match["sign"] == "-" else value, bool(match["percent"]), undone, scale, decimals)


def _repeating(once: str, again: str) -> Fraction:
    r"""The value of 0.1\overline{6}: what stands once, and the digits that go on for ever."""
    decimals = len(once.partition(".")[2])
    return Fraction(once + "0") + Fraction(int(again), (10 ** len(again) - 1) * 10**decimals)


def close(a: Fraction, b: Fraction) -> bool:
    """Whether two numbers are equal, or differ by rounding to six decimals where one is no whole number."""
    if a == b or (a.denominator == 1 and b.denominator == 1):
        return a == b
    return abs(a - b) <= min(SAME_DECIMALS, SAME_SIZE * max(abs(a), abs(b)))
