"""Equality with the gold answer: for answers that have one spelling, such as a name, a label or a code.

Right is the same text, character for character, after the normalisations chosen. Nothing is searched for inside a
longer completion: "The answer is Paris" is not "Paris". That is what makes it impossible to cheat by naming many
answers, and what makes it a hard reward for small models, which like to answer in sentences (use `choice` or
`math_answer` there).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from rewards.declaration import Example, reward
from rewards.text import Part, one_spelling, part_of, spellings

PUNCTUATION = " \t\r\n.,;:!?\"'`*。，！？「」"


@reward(
    title="Exact match",
    family="text",
    examples=[
        Example("Paris", 1.0, {"answer": "Paris"}, note="the same text"),
        Example("Lyon", 0.0, {"answer": "Paris"}, note="another text"),
        Example("", 0.0, {"answer": "Paris"}, note="empty"),
        Example("Paris", 0.0, error="no 'answer'", note="the row has no answer"),
        Example("Paris Lyon Nice", 0.0, {"answer": "Paris"}, note="naming many answers does not help"),
        Example(" 4\n", 1.0, {"answer": 4.0}, note="a number in the data, spaces around the answer"),
        Example("**paris**.", 1.0, {"answer": "Paris"}, {"ignore_case": True, "ignore_punctuation": True}),
        Example("<think>Lyon?</think> Paris", 1.0, {"answer": "Paris"}, {"part": "answer"}, "after a thought"),
        Example("0.00001", 1.0, {"answer": 0.00001}, note="a number as people write it"),
        Example("Paris", 0.0, {"answer": ["Paris"]}, error="give text", note="a list is no answer"),
    ],
    source="Exact match as in SQuAD (Rajpurkar et al. 2016), without its removal of articles",
)
def exact_match(
    completion: str,
    answer: Any,
    *,
    part: Part = "all",
    strip: Annotated[bool, Field(description="Ignore white space at both ends")] = True,
    ignore_case: Annotated[bool, Field(description="Treat Paris and PARIS alike")] = False,
    ignore_punctuation: Annotated[
        bool, Field(description="Ignore punctuation and markdown stars at both ends")
    ] = False,
) -> float:
    """1 if the completion equals the answer, else 0.

    `exact_match(" 4", answer=4.0)` is 1.0. A numeric or true/false answer is compared as a person would write it (4.0
    as 4, true in lower case; 1e-05 also as 0.00001). Composed and decomposed Unicode spellings of a character are the
    same.
    """

    def normalised(text: str) -> str:
        text = one_spelling(text, ignore_case)
        text = text.strip() if strip else text
        return text.strip(PUNCTUATION) if ignore_punctuation else text

    return float(normalised(part_of(completion, part)) in map(normalised, spellings(answer, "answer")))
