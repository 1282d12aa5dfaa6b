"""A penalty for saying the same again: repeated n-grams anywhere, and a loop at the end.

A penalty, from -1 to 0, not a score: who says little repeats little, and an empty completion, which costs nothing here,
must earn nothing. The share of n-grams that repeat an earlier one is as in Yeo et al. and Open R1, with two changes.
Ordinary text repeats some of its phrases, and more of them the longer it is, so a share of them is free. And in scripts
without spaces, such as Chinese, Japanese or Thai, the n-grams are of characters, not of words.

A model that falls into a loop writes until it is cut off. A completion that ends in the same words or marks again and
again therefore earns -1, however good its beginning. Loops are looked for in code too, where the n-grams may be left
out.

What is not seen: saying the same in other words, and counting up, where each line differs by its number. As every
penalty for repetition it favours short answers a little; TRL's own, by tokens, is `get_repetition_penalty_reward`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from rewards.declaration import Example, reward
from rewards.text import outside_fences

# Thai to Burmese, Khmer, Chinese and Japanese, without their punctuation; Korean has spaces.
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
UNSPACED += "\U00020000-\U0003ffff"
MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"  # parts of words, not \w
WORD = rf"(?:(?![{UNSPACED}])[\w{MARKS}])"
# A character of such a script; or a word, in pieces where it is endless; or a mark, where up to 80 alike are one rule.
UNIT = re.compile(rf"[{UNSPACED}]|{WORD}{{1,30}}+|(?P<mark>[^\w\s])(?P=mark){{0,79}}+")
IS_CHARACTER = re.compile(f"[{UNSPACED}]")
IS_WORD = re.compile(rf"[\w{MARKS}]")

LOOP_UNITS = 20  # words, characters or marks; refrains and rows of a table are shorter
LINE = "I think the answer is four.\n"
POEM = "Roses are red, violets are blue, sugar is sweet, and so are you."


@reward(
    title="Repetition penalty",
    family="length",
    range=(-1.0, 0.0),
    examples=[
        Example(POEM, 0.0, note="nothing is said twice"),
        Example(LINE * 4, -1.0, note="ends in a loop"),
        Example(LINE * 4 + "So it is four.", -5 / 9, note="said four times, then an end: 15 of 25, less what is free"),
        Example("", 0.0, note="empty: costs nothing here, and must earn nothing elsewhere"),
        Example("I THINK the answer is four! (I think: the answer is four.)", -7 / 27, note="marks do not hide it"),
        Example(f"{POEM}\n" * 2, -10 / 23, params={"allowed": 0.0}, note="twice is no loop"),
        Example("我觉得答案是四。" * 3, -0.5, params={"allowed": 0.0}, note="characters: 7 of 14"),
        Example("ha! " * 30, -1.0, note="one word again and again"),
        Example(f"```\n{LINE * 3}```", 0.0, params={"ignore_code": True}, note="code left out"),
        Example(LINE * 4, -5 / 7, params={"loop_repeats": 0, "allowed": 0.0}, note="n-grams alone"),
    ],
    source="Yeo et al. 2025, arXiv 2502.03373, appendix C.2, and Open R1's penalty; the loop is ours",
)
def repetition(
    completion: str,
    *,
    ngram: Annotated[int, Field(ge=1, le=100, description="Words per n-gram")] = 4,
    ngram_characters: Annotated[
        int, Field(ge=1, le=100, description="Characters per n-gram in scripts without spaces")
    ] = 8,
    allowed: Annotated[float, Field(ge=0, lt=1, description="Share of repeated n-grams that costs nothing")] = 0.1,
    loop_repeats: Annotated[
        int, Field(ge=0, le=1000, description="Times that an end must repeat to be a loop; 0: loops are not looked for")
    ] = 4,
    ignore_code: Annotated[bool, Field(description="Leave fenced code blocks out of the n-grams")] = False,
) -> float:
    """Minus the share of n-grams that repeat an earlier one, above what is allowed; -1 where the end is a loop.

    `repetition("a b c d e a b c d e")` is about -0.21: two of its seven 4-grams repeat. Case, marks and white space
    count for nothing in n-grams. A loop is an end of at least 20 words (or characters, or marks) that is one phrase at
    least `loop_repeats` times over, the last of which may be cut off.
    """
    if loop_repeats and _loops(_units(completion), loop_repeats):
        return -1.0
    text = outside_fences(completion) if ignore_code else completion
    words = [unit for unit in _units(text) if IS_WORD.match(unit)]
    characters = sum(1 for word in words if IS_CHARACTER.match(word))
    share = _repeated(words, ngram_characters if 2 * characters > len(words) else ngram)
    return (allowed - share) / (1 - allowed) if share > allowed else 0.0


def _units(text: str) -> list[str]:
    return [match[0] for match in UNIT.finditer(text.casefold())]


def _repeated(words: Sequence[str], n: int) -> float:
    """The share of n-grams that are like an earlier one."""
    total = len(words) - n + 1
    return 1 - len({tuple(words[i : i + n]) for i in range(total)}) / total if total > 0 else 0.0


def _loops(units: Sequence[str], repeats: int) -> bool:
    """Whether a text ends in one phrase over and over.

    Tried with its last unit, without it (a word is often cut off) and without all marks after its last word.
    """
    end = len(units)
    while end and not IS_WORD.match(units[end - 1]):
        end -= 1
    return any(_periodic(units[:n][::-1], repeats) for n in sorted({len(units), max(0, len(units) - 1), end}))


def _periodic(units: Sequence[str], repeats: int) -> bool:
    """Whether a text, given backwards, begins with a phrase `repeats` times over, of 20 units or more in all.

    `border[i]` is the length of the longest proper prefix of the first i + 1 units that is also their suffix (Knuth,
    Morris and Pratt): these units then repeat every i + 1 - border[i].
    """
    border = [0] * len(units)
    k = 0
    for i in range(1, len(units)):
        while k and units[i] != units[k]:
            k = border[k - 1]
        k += units[i] == units[k]
        border[i] = k
        if i + 1 >= max(LOOP_UNITS, repeats * (i + 1 - k)):
            return True
    return False
