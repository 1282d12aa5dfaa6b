"""OpenAI's graders as they are written: their types, and the templates in their texts.

`{{item.x}}` is the row's column x, `{{sample.output_text}}` the completion; `{{sample.output_json.a.b[0]}}` and
`{{item.a.b}}` reach into values.

Source: OpenAI's documentation of graders, and the types of its Python library 3.51.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from rewards.declaration import RewardError
from rewards.text import parse_json, shown

TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
PATH = re.compile(r"(item|sample)((?:\.\w+|\[\d+\])+)")
SAMPLE = ("output_text", "output_json")
STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


def _low_to_high(range_: tuple[float, float]) -> tuple[float, float]:
    low, high = range_
    if not low < high:
        raise ValueError(f"the range [{low:g}, {high:g}] runs from the lowest score to the highest: [0, 5]")
    return range_


class SampleFault(RewardError):
    """The completion lacks what the grader looks at: it is wrong, and must not get away with an error."""


class Grader(BaseModel):
    """What all graders have."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = ""


class StringCheck(Grader):
    """Equal, not equal, contains, contains in either case."""

    type: Literal["string_check"]
    input: str
    reference: str
    operation: Literal["eq", "ne", "like", "ilike"]


class TextSimilarity(Grader):
    """How much alike two texts are, 0 to 1."""

    type: Literal["text_similarity"]
    input: str
    reference: str
    evaluation_metric: Literal[
        "fuzzy_match", "bleu", "gleu", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l"
    ]


class Python(Grader):
    """`grade(sample, item)`."""

    type: Literal["python"]
    source: str


class Said(BaseModel):
    """A message to a judge."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    role: Literal["user", "assistant", "system", "developer"]
    content: str | dict[str, Any] | list[str | dict[str, Any]]

    @property
    def text(self) -> str:
        """Its text, or that of its parts."""
        parts = self.content if isinstance(self.content, list) else [self.content]
        return "\n".join(part if isinstance(part, str) else str(part.get("text", "")) for part in parts)


class SamplingParams(BaseModel):
    """How a judge is sampled."""

    model_config = ConfigDict(extra="allow", frozen=True)

    temperature: float | None = None
    max_completions_tokens: int | None = None


class ScoreModel(Grader):
    """A number from a judge."""

    type: Literal["score_model"]
    input: list[Said]
    model: str
    range: Annotated[tuple[float, float], AfterValidator(_low_to_high)] = (0.0, 1.0)
    sampling_params: SamplingParams = SamplingParams()


class LabelModel(Grader):
    """1 where a judge gives one of the passing labels, else 0."""

    type: Literal["label_model"]
    input: list[Said]
    model: str
    labels: list[str]
    passing_labels: list[str]
    sampling_params: SamplingParams = SamplingParams()


class Multi(Grader):
    """A formula over other graders."""

    type: Literal["multi"]
    graders: dict[str, AnyGrader]
    calculate_output: str


AnyGrader = Annotated[
    StringCheck | TextSimilarity | Python | ScoreModel | LabelModel | Multi, Field(discriminator="type")
]
Multi.model_rebuild()


def texts_of(grader: Any) -> list[str]:
    """All texts of a grader in which templates count."""
    match grader:
        case StringCheck() | TextSimilarity():
            return [grader.input, grader.reference]
        case ScoreModel() | LabelModel():
            return [message.text for message in grader.input]
        case Multi():
            return [text for part in grader.graders.values() for text in texts_of(part)]
    return []


def columns_of(grader: Any) -> tuple[str, ...]:
    """The columns that its templates name; RewardError where one is no template of OpenAI's."""
    found = {}
    for text in texts_of(grader):
        for place in TEMPLATE.findall(text):
            match = PATH.fullmatch(place)
            if match is None:
                raise RewardError(
                    f"{{{{{place}}}}} is no template; write {{{{item.column}}}} or {{{{sample.output_text}}}}"
                )
            name = STEP.findall(match[2])[0][0]
            if match[1] == "sample" and name not in SAMPLE:
                raise RewardError(f"{{{{{place}}}}} names no part of a sample that is known here: {', '.join(SAMPLE)}")
            if match[1] == "item" and name != "prompt":  # which every row has
                found[name] = True
    return tuple(found)


def filled(text: str, row: Mapping[str, Any], completion: str) -> str:
    """A text with its templates filled in, in one pass: what is filled in is never read as a template."""

    def value(match: re.Match[str]) -> str:
        place = PATH.fullmatch(match[1])
        assert place is not None  # `columns_of` has refused others
        found: Any = dict(row) if place[1] == "item" else _sample(completion, place[2])
        for name, index in STEP.findall(place[2]):
            try:
                found = found[name] if name else found[int(index)]
            except (KeyError, IndexError, TypeError):
                if place[1] == "sample":
                    raise SampleFault(f"there is no {match[1]} in this sample") from None
                raise RewardError(f"there is no {match[1]} in this row") from None
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)

    return TEMPLATE.sub(value, text)


def _sample(completion: str, path: str) -> dict[str, Any]:
    if not path.startswith(".output_json"):
        return {"output_text": completion}
    try:
        return {"output_json": parse_json(completion)}
    except ValueError:
        raise SampleFault(f"the completion is no JSON, which sample.output_json needs: {shown(completion)}") from None
