"""Resemblance to a reference as translation measures it: `chrf`, `bleu` and `ter`; see `rewards/references.py`."""

from __future__ import annotations

import math
from functools import cache
from typing import Annotated, Any, Literal

import regex  # type: ignore[import-untyped]
from pydantic import Field

from rewards.declaration import Example, RewardError, reward
from rewards.references import (
    BITTEN,
    DOG,
    FIX,
    HAN,
    MISSING,
    SPACELESS,
    AboveCopy,
    IgnoreCase,
    LengthFactor,
    References,
    references_of,
    scored,
)
from rewards.text import Part, part_of, shown

MOST_WORDS = 80  # of a reference for TER, whose search for moved words takes up to 3 s for that many


@reward(
    title="chrF",
    family="similarity",
    examples=[
        Example("The dog bit the man.", 1.0, DOG, note="the reference"),
        Example("A dog has bitten him.", 0.2466956, DOG, note="some of its characters"),
        Example("", 0.0, DOG, note="empty"),
        Example("The dog bit the man.", None, note="the row has no reference", error=MISSING),
        Example(f"The dog bit the man. {BITTEN}", 0.7530546, DOG, note="a second try lowers the score"),
        Example("man " * 100, 0.0, DOG, note="far longer than the reference"),
        Example(BITTEN, 1.0, {"answer": f'["The dog bit the man.", "{BITTEN}"]'}, note="several references"),
        Example("狗咬了人。", 1.0, {"reference": "狗咬了人。"}, note="any script"),
        Example("He go home early on Friday.", 0.0, FIX, {"above_copy": True}, "a copy out of the prompt"),
    ],
    source="chrF (Popović 2015), chrF++ with word_order 2 (Popović 2017); sacrebleu 2.6",
)
def chrf(
    completion: str,
    reference: Any = None,
    answer: Any = None,
    prompt: Any = None,
    *,
    char_order: Annotated[int, Field(ge=1, le=10, description="Longest run of characters compared")] = 6,
    word_order: Annotated[int, Field(ge=0, le=4, description="Longest run of words compared; 2 is chrF++")] = 0,
    beta: Annotated[int, Field(ge=1, le=10, description="How much more recall counts than precision; 1: alike")] = 2,
    ignore_case: IgnoreCase = False,
    part: Part = "all",
    length_factor: LengthFactor = 10.0,
    above_copy: AboveCopy = False,
) -> float:
    """How many runs of characters the completion shares with a reference, from 0 to 1 for the same text.

    `chrf("the cat", reference="the cat sat", beta=1)` is 0.67. White space does not count. With the usual `beta` of 2 a
    completion that says it twice in different words may score above either; with 1 it hardly can.
    """
    references = references_of(reference, answer)
    metric = _sacrebleu("CHRF", char_order=char_order, word_order=word_order, beta=beta, lowercase=ignore_case)

    def measure(text: str) -> float:
        return float(metric.sentence_score(text, references).score) / 100

    return scored(measure, part_of(completion, part), references, prompt, length_factor, above_copy)


@reward(
    title="BLEU of a sentence",
    family="similarity",
    examples=[
        Example("The dog bit the man.", 1.0, DOG, note="the reference"),
        Example(BITTEN, 0.0982037, DOG, note="its words, but only two in its order"),
        Example("", 0.0, DOG, note="empty"),
        Example("The dog bit the man.", None, note="the row has no reference", error=MISSING),
        Example("dog", math.exp(-5), DOG, note="one right word: brevity is punished"),
        Example("the the the the the the", 0.0811670, DOG, note="a frequent word repeated"),
        Example("狗咬了人", 0.7788008, {"reference": "狗咬了人。"}, {"tokenize": "zh"}, "Chinese, cut into characters"),
        Example("狗咬了人", None, {"reference": "狗咬了人。"}, note="one long word", error="tokenize"),
        Example("He go home early on Friday.", 0.0, FIX, {"above_copy": True}, "a copy out of the prompt"),
    ],
    source="BLEU (Papineni et al. 2002), smoothed (Chen and Cherry 2014); sacrebleu 2.6 with effective order",
)
def bleu(
    completion: str,
    reference: Any = None,
    answer: Any = None,
    prompt: Any = None,
    *,
    tokenize: Annotated[
        Literal["13a", "intl", "zh", "char", "none"],
        Field(description="How words are told apart; zh for Chinese, char for other scripts without spaces"),
    ] = "13a",
    smooth_method: Annotated[
        Literal["exp", "floor", "add-k", "none"],
        Field(description="What a missing run of words counts; none: 0 in all"),
    ] = "exp",
    max_ngram_order: Annotated[int, Field(ge=1, le=4, description="Longest run of words compared")] = 4,
    ignore_case: IgnoreCase = False,
    part: Part = "all",
    length_factor: LengthFactor = 10.0,
    above_copy: AboveCopy = False,
) -> float:
    """How many runs of words the completion shares with a reference, less for brevity, from 0 to 1 for the same text.

    `bleu("the dog bit the man", reference="the dog bit a man")` is 0.43. Made for whole corpora: of one sentence it is
    a coarse figure, and `chrf` tells more. Runs shared with any of several references count.
    """
    references = references_of(reference, answer)
    if tokenize != "char":
        _check_words(references, tokenize == "zh", "set tokenize to zh for Chinese or to char, or use chrf")
    metric = _sacrebleu(
        "BLEU",
        tokenize=tokenize,
        smooth_method=smooth_method,
        max_ngram_order=max_ngram_order,
        lowercase=ignore_case,
        effective_order=True,
    )

    def measure(text: str) -> float:
        try:
            return float(metric.sentence_score(text, references).score) / 100
        finally:
            _forget(metric.tokenizer)

    return scored(measure, part_of(completion, part), references, prompt, length_factor, above_copy)


@reward(
    title="Translation edit rate",
    family="similarity",
    examples=[
        Example("The dog bit the man.", 1.0, DOG, note="the reference"),
        Example("The dog bit a man.", 0.8, DOG, note="one of five words to change"),
        Example("bit the man. The dog", 0.8, DOG, note="words moved together are one change"),
        Example("", 0.0, DOG, note="empty"),
        Example("The dog bit the man.", None, note="the row has no reference", error=MISSING),
        Example("The dog bit the man. " * 2, 0.0, DOG, note="every word too many is a change"),
        Example(
            "狗咬了人", 0.75, {"reference": "狗咬了他"}, {"normalized": True, "asian_support": True}, "by characters"
        ),
        Example("狗咬了人", None, {"reference": "狗咬了人。"}, note="one long word", error="asian_support"),
    ],
    source="TER (Snover et al. 2006); sacrebleu 2.6",
    timeout_s=30.0,
)
def ter(
    completion: str,
    reference: Any = None,
    answer: Any = None,
    prompt: Any = None,
    *,
    normalized: Annotated[bool, Field(description="Set punctuation apart, as Tercom does")] = False,
    no_punct: Annotated[bool, Field(description="Remove punctuation")] = False,
    asian_support: Annotated[bool, Field(description="With normalized, cut Chinese into characters")] = False,
    ignore_case: IgnoreCase = True,
    part: Part = "all",
    length_factor: LengthFactor = 10.0,
    above_copy: AboveCopy = False,
) -> float:
    """1 less the share of words to change, insert, delete or move until the completion is a reference; at least 0.

    `ter("The dog bit a man.", reference="The dog bit the man.")` is 0.8. Words are what white space separates. With
    several references the fewest changes count, over the references' mean length. A reference may have 80 words: the
    search for moved words takes too long beyond.
    """
    references = references_of(reference, answer)
    _check_words(references, normalized and asian_support, "set normalized and asian_support for Chinese, or use chrf")
    metric = _sacrebleu(
        "TER",
        normalized=normalized,
        no_punct=no_punct,
        asian_support=asian_support,
        case_sensitive=not ignore_case,
    )
    lengths = [len(metric.tokenizer(text).split()) for text in references]
    if not 0 < min(lengths) <= max(lengths) <= MOST_WORDS:
        raise RewardError(
            f"references of {min(lengths)} to {max(lengths)} words; TER takes 1 to {MOST_WORDS}, chrf takes more"
        )

    def measure(text: str) -> float:
        try:
            # Each word more than a reference has is a change, so no search is needed to see that nothing is left.
            surplus = len(metric.tokenizer(text).split()) - max(lengths)
            if surplus * len(lengths) >= sum(lengths):
                return 0.0
            return max(0.0, 1 - float(metric.sentence_score(text, references).score) / 100)
        finally:
            _forget(metric.tokenizer)

    return scored(measure, part_of(completion, part), references, prompt, length_factor, above_copy)


@cache
def _sacrebleu(name: str, **options: Any) -> Any:
    """A metric of sacrebleu, made once for each set of options."""
    from sacrebleu import metrics

    return getattr(metrics, name)(**options)


def _forget(tokenizer: Any) -> None:
    """sacrebleu keeps the last 65,536 texts of each tokenizer, which for completions grows to gigabytes."""
    for cached in (tokenizer, getattr(tokenizer, "_post_tokenizer", None)):
        clear = getattr(type(cached).__call__, "cache_clear", None)
        if clear is not None:
            clear()


def _check_words(references: References, han_is_cut: bool, mend: str) -> None:
    """RewardError where a reference is in a script without spaces, so that a sentence would be one word."""
    uncut = SPACELESS if han_is_cut else HAN + SPACELESS
    for text in references:
        if 3 * len(regex.findall(f"[{uncut}]", text)) > len(regex.findall(r"\p{L}", text)):
            raise RewardError(f"reference {shown(text)} has no spaces between words; {mend}")
