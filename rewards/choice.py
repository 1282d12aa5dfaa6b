"""One label out of a list: for classification and multiple choice.

Right is to name exactly one label, the right one. Naming two or more earns nothing, else "positive or negative" would
be right every time; naming none earns nothing either. A label counts wherever it stands as a whole word, so small
models may answer in a sentence, but a negation is not understood: "not positive" names "positive".

A label of one letter is harder, because "a" and "I" are also words. Such a letter counts in either case wherever it
stands alone ("B", "(b)", "**B**", "the answer is b"), except that A and I do not count where they read as a word:
followed by another word, unless that is one such as "is" or "because", or "option", "answer" or "choice" comes right
before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field

from rewards.declaration import Example, RewardError, reward
from rewards.text import Part, as_text, from_json, one_spelling, part_of, shown, spellings

# Thai to Burmese, Chinese, Japanese, Korean: scripts in which neighbouring letters say nothing about where a word ends.
UNSPACED = "\u0e00-\u109f\u2e80-\ud7ff\uf900-\ufaff"
LETTER = rf"[^\W{UNSPACED}]"
NO_LETTER_BEFORE = rf"(?<!{LETTER})(?<!{LETTER}[-'’])"
NO_LETTER_AFTER = rf"(?!{LETTER})(?![-'’]{LETTER})"

WORDS = ("a", "i")
INTRODUCED = re.compile(r"\b(?:option|answer|choice|label)\s+$", re.IGNORECASE)
READS_ON = re.compile(r"['’]|\s+(?!(?:is|was|because|since|as|and|or|but|not)\b)[a-z]")

SENTIMENT = {"labels": ("positive", "negative")}
LETTERS = {"labels": ("A", "B", "C", "D")}


@reward(
    title="Choice of one label",
    family="text",
    examples=[
        Example("The review is positive.", 1.0, {"answer": "positive"}, SENTIMENT, "named in a sentence"),
        Example("Negative", 0.0, {"answer": "positive"}, SENTIMENT, "the other label"),
        Example("", 0.0, {"answer": "positive"}, SENTIMENT, "empty"),
        Example("positive", None, {}, SENTIMENT, "the row has no answer", error="no 'answer'"),
        Example("positive or negative", 0.0, {"answer": "positive"}, SENTIMENT, "naming both does not help"),
        Example("A good guess would be (b)", 1.0, {"answer": "B"}, LETTERS, "'A' is an article here"),
        Example("maybe", 0.0, {"answer": "yes", "choices": ["yes", "no"]}, note="labels from the row; none named"),
        Example("<think>Negative?</think> Positive", 1.0, {"answer": "positive"}, {**SENTIMENT, "part": "answer"}),
        Example("negative or posi\u200btive", 0.0, {"answer": "negative"}, SENTIMENT, "a space that nobody sees"),
        Example("neutral", 0.0, {"answer": "mixed"}, SENTIMENT, error="'mixed' is none of the labels"),
    ],
    source="Multiple choice by generated answer; the rule about naming several labels is ours",
)
def choice(
    completion: str,
    answer: Any,
    choices: Any = None,
    *,
    part: Part = "all",
    labels: Annotated[
        tuple[str, ...], Field(description="The labels to choose from; a row's own column 'choices' comes first")
    ] = (),
) -> float:
    """1 if exactly one label is named, as a whole word, and it is the answer; else 0.

    `choice("It is positive.", answer="positive", labels=("positive", "negative"))` is 1.0. Upper and lower case are the
    same. Where one label is part of another ("positive", "very positive") the longer one counts.
    """
    names = _labels(labels if choices is None else choices)
    gold = _key(as_text(answer, "answer"))
    if gold not in names:
        raise RewardError(
            f"answer {shown(answer)} is none of the labels {', '.join(dict.fromkeys(names.values()))}; "
            "mend the row or the labels"
        )
    return float({_key(names[key]) for key in _named(_plain(part_of(completion, part)), tuple(names))} == {gold})


def _labels(value: Any) -> dict[str, str]:
    """The key of each spelling of a label -> the label; or the reason why one cannot choose among them."""
    listed = from_json(value, "choices")
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        raise RewardError(f"column 'choices' holds {shown(value)}; give a list of labels")
    names = tuple(as_text(label, "choices").strip() for label in listed)
    if len({_key(name) for name in names} - {""}) < max(2, len(names)):
        raise RewardError(f"labels are {names!r:.80}; give two or more, all different, none empty")
    pairs = zip(listed, names, strict=True)
    return {_key(text): name for label, name in pairs for text in spellings(label, "choices")}


def _named(text: str, keys: tuple[str, ...]) -> set[str]:
    """The keys of the labels that a text names."""
    found = {_key(match[0]) for match in _pattern(keys).finditer(text) if not _reads_as_word(match)}
    folded = _key(text)  # in which STRASSE names straße; a letter reads as a word by the case of the next one
    return found | {match[0] for match in _pattern(keys).finditer(folded) if len(match[0]) > 1}


def _plain(text: str) -> str:
    """A text in one spelling, without characters that nobody sees: they would hide a label."""
    return one_spelling(text if text.isascii() else "".join(c for c in text if unicodedata.category(c) != "Cf"))


def _reads_as_word(match: re.Match[str]) -> bool:
    """Whether a letter is the article "a" or the pronoun "I" rather than a label."""
    if match[0].lower() not in WORDS or not READS_ON.match(match.string, match.end()):
        return False
    return not INTRODUCED.search(match.string[max(0, match.start() - 20) : match.start()])


@lru_cache(maxsize=256)
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the labels as a whole word, longer ones first."""
    return re.compile("|".join(map(_word, sorted(names, key=len, reverse=True))), re.IGNORECASE)


def _word(name: str) -> str:
    text = r"\s+".join(map(re.escape, name.split()))
    before = NO_LETTER_BEFORE if re.match(LETTER, name[0]) else ""
    after = NO_LETTER_AFTER if re.match(LETTER, name[-1]) else ""
    if name.isdigit():  # "1" is not named by "1.5"
        return rf"{before}(?<!\d[.,]){text}{after}(?![.,]\d)"
    return f"{before}{text}{after}"


def _key(label: str) -> str:
    """What makes two spellings the same label."""
    return " ".join(one_spelling(_plain(label), ignore_case=True).split())
