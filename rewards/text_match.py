"""A completion compared with accepted answers: equal, contained, at the start, at the end, or a regular expression.

Which text reward to use: `exact_match` for one answer with one spelling; `text_match` for several accepted answers,
for what must not be said, and where the answer may stand in a sentence; `choice` where the possible answers are known,
since it sees when a second one is named; `matches_format` for the form of the whole completion.

Looking inside a longer text invites a cheat: name every candidate, and one of them is right. A program cannot tell
such a list from a sentence. What helps, best together: `part: last_line`, `longest` a little above the longest honest
answer, and `whole_words`, without which 0123456789 contains every digit. `starts_with` is as open: "Yes. Or no."
The negative comparisons say nothing about what is right and need another reward beside them. An empty completion earns
0 under every comparison, as else it would be the easiest way not to say something.

OpenAI's string_check in these parameters, all with `ignore_space: false`: eq is equals, ne is not_equals, like is
contains, and ilike is contains with `ignore_case`.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, Literal

import regex  # type: ignore[import-untyped]  # its searches have a time limit, in any thread; those of re have none
from pydantic import BaseModel, Field

from rewards.choice import LETTER, NO_LETTER_AFTER, NO_LETTER_BEFORE
from rewards.declaration import Example, Reward, RewardError, reward
from rewards.exact_match import PUNCTUATION
from rewards.text import Part, one_spelling, part_of, shown, texts_of

SEARCH_S = 0.5  # for one pattern in one completion; a chunk of sixteen completions then stays within its own time limit

PARIS = {"answer": "Paris"}
CONTAINS = {"how": "contains"}
TESTS: Mapping[str, Callable[[str, str], bool]] = {
    "equals": operator.eq,
    "contains": operator.contains,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}


def _shaped(declared: Reward, parameters: BaseModel) -> Reward:
    """Without a pattern of its own it needs the column; a pattern that is wrong is found before a run."""
    settings = parameters.model_dump()
    if not settings["pattern"]:
        return replace(declared, columns=("answer",), optional_columns=())
    _patterns(None, settings["pattern"], settings["how"], settings["ignore_case"])
    return declared


@reward(
    title="Text match",
    family="text",
    examples=[
        Example("Paris", 1.0, PARIS, note="the same text"),
        Example("Lyon", 0.0, PARIS, note="another text"),
        Example("", 0.0, PARIS, note="empty"),
        Example("Paris", None, error="no 'answer'", note="the row has no answer"),
        Example("Paris, Lyon, Nice, Lille", 0.0, PARIS, note="naming many answers does not help"),
        Example("the USA", 1.0, {"answer": '["USA", "the USA"]'}, note="one of several, as JSON text"),
        Example("It is Paris, of course.", 1.0, PARIS, CONTAINS, "in a sentence"),
        Example("Lyon, Nice, Lille or Paris", 0.0, PARIS, {**CONTAINS, "longest": 20}, "a limit against long lists"),
        Example("14", 0.0, {"answer": 4}, {**CONTAINS, "whole_words": True}, "14 is no whole 4"),
        Example("Paris", None, {"answer": " "}, CONTAINS, "everything contains nothing", error="is empty"),
        Example("I am sorry, but no", 0.0, {"answer": "sorry"}, {"how": "not_contains"}, "what must not be said"),
        Example("", 0.0, {"answer": "sorry"}, {"how": "not_contains"}, "saying nothing is no way around"),
        Example("Or: Lyon\nPARIS", 1.0, PARIS, {"part": "last_line", "ignore_case": True}, "the last line"),
        Example("ID: AB-1234", 1.0, params={"how": "regex", "pattern": r"\b[A-Z]{2}-\d{4}\b"}, note="a pattern"),
        Example("x", None, params={"how": "regex", "pattern": "("}, error="no regular expression"),
    ],
    source="String checks as in OpenAI's graders (eq, ne, like, ilike), with lists of answers as in SQuAD",
)
def text_match(
    completion: str,
    answer: Any = None,
    *,
    how: Annotated[
        Literal["equals", "not_equals", "contains", "not_contains", "starts_with", "ends_with", "regex"],
        Field(description="How the completion is compared; with several answers: with any of them, not_: with none"),
    ] = "equals",
    pattern: Annotated[
        str, Field(description="For regex: what must be found in the completion; empty: the column 'answer' says it")
    ] = "",
    part: Part = "all",
    longest: Annotated[
        int, Field(ge=0, description="Characters above which what is compared earns 0, against lists; 0: no limit")
    ] = 0,
    whole_words: Annotated[
        bool, Field(description="The answer counts where it is no part of a longer word or number (not for regex)")
    ] = False,
    ignore_case: Annotated[bool, Field(description="Treat Paris and PARIS alike")] = False,
    ignore_space: Annotated[
        bool, Field(description="Ignore white space at both ends and, except for regex, how much of it is within")
    ] = True,
    ignore_punctuation: Annotated[
        bool, Field(description="Ignore punctuation and markdown stars at both ends (not for regex)")
    ] = False,
) -> float:
    """1 if the completion equals, contains or matches an accepted answer, as chosen, else 0.

    `text_match("It is Paris.", answer=["Paris", "Lutetia"], how="contains")` is 1.0. The answer is text, a number, or a
    list of these, also a list of texts as JSON text. Numbers and truth values are compared as a person would write
    them (4.0 as 4, true in lower case), composed and decomposed Unicode spellings are the same. An answer that is empty
    is an error: where an empty completion is right, use `exact_match`.

    A regular expression is searched for anywhere in the text; `^` and `$` bind it to the ends, `(?i)` and other flags
    may stand in front. It has Python's syntax, extended by the module regex (`\\p{L}` is a letter). One that takes over
    half a second on a completion, by repeats inside repeats such as `(a|aa)+$`, is that completion's error.
    """
    patterns = _patterns(answer, pattern, how, ignore_case)
    text = one_spelling(part_of(completion, part))
    if how == "regex":
        text = text.strip() if ignore_space else text
        return float(_worth_reading(text, longest) and any(_found(text, pattern) for pattern in patterns))

    def normalised(text: str) -> str:
        text = " ".join(text.split()) if ignore_space else text
        text = text.strip(PUNCTUATION) if ignore_punctuation else text
        return one_spelling(text, ignore_case)

    accepted = [normalised(one_spelling(text)) for text in texts_of(answer, "answer")]
    if not all(text.strip() for text in accepted):
        raise RewardError(f"column 'answer' holds {shown(answer)}, of which one answer is empty; give it text")
    found = normalised(text)
    if not _worth_reading(found, longest):
        return 0.0
    positive = how.removeprefix("not_")
    test = _as_word(positive) if whole_words and positive != "equals" else TESTS[positive]
    return float(any(test(found, text) for text in accepted) == (how == positive))


def _worth_reading(text: str, longest: int) -> bool:
    return bool(text.strip()) and (len(text) <= longest or not longest)


def _as_word(how: str) -> Callable[[str, str], bool]:
    """A test for the answer as a whole word; 1 is no part of 1.5 either."""

    def test(text: str, answer: str) -> bool:
        before = rf"{NO_LETTER_BEFORE}(?<!\d[.,])" if re.match(LETTER, answer[0]) else ""
        after = rf"{NO_LETTER_AFTER}(?![.,]\d)" if re.match(LETTER, answer[-1]) else ""
        start, end = (r"\A" if how == "starts_with" else ""), (r"\Z" if how == "ends_with" else "")
        return re.search(f"{start}{before}{re.escape(answer)}{after}{end}", text) is not None

    return test


def _patterns(answer: Any, pattern: str, how: str, ignore_case: bool) -> tuple[Any, ...]:
    """The compiled patterns for regex, nothing for other comparisons; RewardError where there is nothing to compare."""
    if pattern and how != "regex":
        raise RewardError(f"pattern {shown(pattern)} has no meaning for how {how!r}; set how to 'regex', or remove it")
    if pattern:
        return (_compiled(pattern, "the parameter pattern", ignore_case),)
    if answer is None:
        mend = "add the column, or set the parameter pattern" if how == "regex" else "add the column"
        raise RewardError(f"the row has no 'answer'; {mend}")
    if how != "regex":
        return ()
    return tuple(_compiled(text, "column 'answer'", ignore_case) for text in texts_of(answer, "answer"))


@lru_cache(maxsize=1024)
def _compiled(pattern: str, where: str, ignore_case: bool) -> Any:
    if not pattern:
        raise RewardError(f"{where} is empty, and an empty pattern matches everything; give a regular expression")
    try:
        return regex.compile(unicodedata.normalize("NFC", pattern), regex.IGNORECASE if ignore_case else 0)
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise RewardError(f"{where} holds {shown(pattern)}, which is no regular expression: {error}; mend it") from None


def _found(text: str, pattern: Any) -> bool:
    try:
        return pattern.search(text, timeout=SEARCH_S) is not None
    except TimeoutError:
        raise RewardError(
            f"the pattern {shown(pattern.pattern)} took over {SEARCH_S:g} s; avoid repeats in repeats, as in (a|aa)+"
        ) from None


# The decorator has no argument for this: a reward of one completion whose columns depend on its parameters.
text_match = replace(text_match, shaped=_shaped)
