"""Resemblance to a reference for summaries, names and short texts: `rouge` and `fuzzy`; see `rewards/references.py`."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Literal

import regex  # type: ignore[import-untyped]
from pydantic import Field

from rewards.declaration import Example, RewardError, reward
from rewards.references import (
    BITTEN,
    DOG,
    HAN,
    LONGEST_SOUGHT,
    MISSING,
    SPACELESS,
    AboveCopy,
    IgnoreCase,
    LengthFactor,
    references_of,
    scored,
)
from rewards.text import Part, part_of, shown

# For ASCII text the words of rouge-score; of scripts without spaces each character is one.
WORD = regex.compile(rf"[{HAN}{SPACELESS}]\p{{M}}*|(?:(?![{HAN}{SPACELESS}])[\p{{L}}\p{{M}}\p{{N}}])+")


@reward(
    title="ROUGE",
    family="similarity",
    examples=[
        Example("The dog bit the man.", 1.0, DOG, note="the reference"),
        Example(BITTEN, 4 / 11, DOG, note="two words in order, of five and six"),
        Example("", 0.0, DOG, note="empty"),
        Example("The dog bit the man.", None, note="the row has no reference", error=MISSING),
        Example("dog", 1 / 3, DOG, note="one right word is not enough"),
        Example("the dog a cat bit saw the man boy", 5 / 7, DOG, note="listing words costs precision"),
        Example("the dog bit the man " * 11, 0.0, DOG, {"measure": "recall"}, "over ten times as long"),
        Example("a dog bites men", 6 / 7, {"reference": "dogs biting men"}, {"kind": "rouge1", "use_stemmer": True}),
        Example("Собака укусила его", 2 / 3, {"reference": "Собака укусила человека"}, note="other scripts"),
        Example(
            "狗咬了人", 0.75, {"reference": "狗咬了他"}, {"kind": "rouge1"}, "without spaces a character is a word"
        ),
        Example("!", None, {"reference": "..."}, note="no words", error="no word"),
    ],
    source="ROUGE (Lin 2004); rouge-score 0.1.2",
)
def rouge(
    completion: str,
    reference: Any = None,
    answer: Any = None,
    prompt: Any = None,
    *,
    kind: Annotated[
        Literal["rouge1", "rouge2", "rougeL"],
        Field(description="What is shared: words, pairs of words, or the longest sequence, with gaps"),
    ] = "rougeL",
    measure: Annotated[
        Literal["fmeasure", "precision", "recall"],
        Field(description="fmeasure weighs both; precision rewards saying little, recall saying much"),
    ] = "fmeasure",
    use_stemmer: Annotated[bool, Field(description="Count English word forms alike: dog, dogs")] = False,
    part: Part = "all",
    length_factor: LengthFactor = 10.0,
    above_copy: AboveCopy = False,
) -> float:
    """How many words the completion shares with a reference, in order for rougeL, from 0 to 1.

    `rouge("testing two", reference="testing one two")` is 0.8. Upper and lower case are the same, punctuation does not
    count. Of several references the one with the best F-measure counts. For ASCII text the figures are those of
    rouge-score; letters beyond ASCII, which that drops, are kept, and of scripts without spaces each character is a
    word.
    """
    references = references_of(reference, answer)
    tokenizer = _Words(use_stemmer)
    needed = 2 if kind == "rouge2" else 1
    if max(len(tokenizer.tokenize(text)) for text in references) < needed:
        raise RewardError(f"reference {shown(references[0])} has no word{' pair' if needed > 1 else ''} to share")

    def best(text: str) -> float:
        scores = [_rouge_score(kind, tokenizer, known, text) for known in references]
        return float(getattr(max(scores, key=lambda score: score.fmeasure), measure))

    return scored(best, part_of(completion, part), references, prompt, length_factor, above_copy)


@reward(
    title="Fuzzy match",
    family="similarity",
    examples=[
        Example("this is a test", 0.9655172413793103, {"reference": "this is a test!"}, note="one character off"),
        Example("something else", 12 / 29, {"reference": "this is a test!"}, note="other texts share letters, too"),
        Example("", 0.0, DOG, note="empty"),
        Example("The dog bit the man.", None, note="the row has no reference", error=MISSING),
        Example("wuzzy fuzzy was a bear", 1.0, {"answer": "fuzzy wuzzy was a bear"}, {"kind": "token_sort_ratio"}),
        Example("It says: this is a test", 1.0, {"answer": "this is a test"}, {"kind": "partial_ratio"}, "contained"),
        Example(
            "test", 4 / 9, {"answer": "this is a test"}, {"kind": "partial_ratio"}, "a part of it is not all of it"
        ),
        Example("kitten", 4 / 7, {"answer": "sitting"}, {"kind": "levenshtein"}, "three edits in seven letters"),
        Example("this is a test " * 20, 0.0, {"answer": "this is a test"}, {"kind": "partial_ratio"}, "far too long"),
    ],
    source="rapidfuzz 3.14: fuzz.ratio, partial_ratio, token_sort_ratio, Levenshtein.normalized_similarity",
)
def fuzzy(
    completion: str,
    reference: Any = None,
    answer: Any = None,
    prompt: Any = None,
    *,
    kind: Annotated[
        Literal["ratio", "partial_ratio", "token_sort_ratio", "levenshtein"],
        Field(description="Whole texts; the reference within the completion; words in any order; by edit distance"),
    ] = "ratio",
    ignore_case: IgnoreCase = False,
    part: Part = "all",
    length_factor: LengthFactor = 10.0,
    above_copy: AboveCopy = False,
) -> float:
    """How few characters must be changed to turn the completion into a reference, from 0 to 1 for the same text.

    `fuzzy("this is a test", reference="this is a test!")` is 0.97. How much white space there is does not matter.
    `partial_ratio` looks for the reference in the completion, never the reverse: a completion that is shorter is
    compared as a whole, since in rapidfuzz one right letter would earn 1. For the same reason its token_set_ratio and
    WRatio are not offered: one word in common is enough for them.
    """
    references = references_of(reference, answer)
    if kind == "partial_ratio" and max(map(len, references)) > LONGEST_SOUGHT:
        raise RewardError(
            f"a reference has {max(map(len, references))} characters; partial_ratio takes at most {LONGEST_SOUGHT}, "
            "ratio takes more"
        )

    def plain(text: str) -> str:
        text = " ".join(text.split())
        return text.casefold() if ignore_case else text

    def measure(text: str) -> float:
        return max(_fuzzy_score(kind, plain(known), plain(text)) for known in references)

    return scored(measure, part_of(completion, part), references, prompt, length_factor, above_copy)


class _Words:
    """A tokenizer for rouge-score, whose own keeps ASCII letters and digits alone."""

    def __init__(self, use_stemmer: bool) -> None:
        self._stem = _stem if use_stemmer else str

    def tokenize(self, text: str) -> list[str]:
        """The words of a text, in lower case; English ones of more than three letters stemmed, as rouge-score does."""
        words = WORD.findall(text.lower())
        return [self._stem(word) if len(word) > 3 and word.isascii() else word for word in words]


def _stem(word: str) -> str:
    return str(_stemmer().stem(word))


@cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


def _rouge_score(kind: str, tokenizer: _Words, reference: str, text: str) -> Any:
    """rouge-score's precision, recall and F-measure."""
    from rapidfuzz.distance import LCSseq
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.scoring import Score, fmeasure

    if kind != "rougeL":
        return RougeScorer([kind], tokenizer=tokenizer).score(reference, text)[kind]
    known, found = tokenizer.tokenize(reference), tokenizer.tokenize(text)
    # The same number as rouge-score's own table, which takes seconds for some thousand words.
    common = LCSseq.similarity(known, found)
    precision, recall = common / max(1, len(found)), common / max(1, len(known))
    return Score(precision, recall, fmeasure(precision, recall))


def _fuzzy_score(kind: str, reference: str, text: str) -> float:
    from rapidfuzz import fuzz
    from rapidfuzz.distance import Levenshtein

    if kind == "levenshtein":
        return Levenshtein.normalized_similarity(reference, text)
    if kind == "partial_ratio" and len(text) < len(reference):
        kind = "ratio"
    return float(getattr(fuzz, kind)(reference, text)) / 100
