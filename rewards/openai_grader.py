"""OpenAI's graders, as they are written in JSON, scored here: for people who bring theirs from that service.

`string_check`, `text_similarity`, `python`, `score_model`, `label_model`, and `multi` over any of these. In their texts
`{{item.x}}` is the row's column x and `{{sample.output_text}}` the completion; `{{sample.output_json.a.b[0]}}` and
`{{item.a.b}}` reach into values. A name that the row lacks is an error, never an empty text. A completion that lacks
what is looked at (no JSON, no such field, too long to be compared) gets the lowest score: an error would spare it.

What is different from the service: Python graders run in this project's sandbox (standard library only); similarities
are computed by rapidfuzz, sacrebleu, nltk and rouge-score, and may differ from theirs in later digits; `cosine` and
`meteor` need an embedding model and a dictionary, and are refused; a model grader asks the endpoint at `base_url`.

Source: OpenAI's documentation of graders, and the types of its Python library 3.51.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from rewards.chat_endpoint import (
    TIME_LIMIT,
    ApiKeyEnv,
    BaseUrl,
    Cache,
    Concurrency,
    Endpoint,
    Question,
    Retries,
    Timeout,
    ask,
)
from rewards.custom import LONGEST_S, custom
from rewards.declaration import Batch, BatchFunction, Example, Outcome, Reward, RewardError, trl_reward
from rewards.expression import parse
from rewards.grader_types import (
    TEMPLATE,
    AnyGrader,
    LabelModel,
    Multi,
    Python,
    Said,
    SampleFault,
    ScoreModel,
    StringCheck,
    TextSimilarity,
    columns_of,
    filled,
)
from rewards.llm_judge import read_score
from rewards.rubric import Parts, fenced, joined, plain, prompt_text
from rewards.text import parse_json, shown

LONGEST_SIMILAR = 20_000  # characters; the measures take time in their product


def _read(value: Any) -> Any:
    """A grader may come as JSON text."""
    return parse_json(value) if isinstance(value, str) else value


def _shaped(reward: Reward, parameters: BaseModel) -> Reward:
    """The columns that the grader names; what is wrong with it, before anything runs."""
    grader = dict(parameters)["grader"]
    _check(grader)
    kinds = [type(part) for part in _all(grader)]
    code, judges = kinds.count(Python), kinds.count(ScoreModel) + kinds.count(LabelModel)
    return replace(
        reward,
        columns=columns_of(grader),
        sandboxed=code > 0,
        timed=code > 0,
        deterministic=judges == 0,
        per_completion=not code and not judges,
        timeout_s=reward.timeout_s + code * LONGEST_S + judges * TIME_LIMIT,
    )


def _check(grader: Any) -> None:
    if isinstance(grader, Python):
        custom.of({"code": grader.source, "function": "grade"})
    if isinstance(grader, LabelModel) and not set(grader.passing_labels) <= set(grader.labels):
        raise RewardError("passing_labels must be among labels")
    if isinstance(grader, Multi):
        formula = _formula(grader)
        unknown = [name for name in formula.names if name not in grader.graders]
        if unknown:
            raise RewardError(
                f"calculate_output names {', '.join(unknown)}; the graders are {', '.join(grader.graders)}"
            )
        for part in grader.graders.values():
            _check(part)


def _all(grader: Any) -> list[Any]:
    """A grader and those in it."""
    parts = grader.graders.values() if isinstance(grader, Multi) else ()
    return [grader, *(one for part in parts for one in _all(part))]


def _formula(grader: Multi) -> Any:
    try:
        return parse(grader.calculate_output.replace("^", "**"))
    except ValueError as error:
        raise RewardError(f"calculate_output: {error}") from None


CITY = {"type": "string_check", "name": "city", "input": "{{sample.output_text}}", "reference": "{{item.answer}}"}
BOTH = {
    "type": "multi",
    "graders": {
        "city": {**CITY, "operation": "eq"},
        "close": {
            "type": "text_similarity",
            "input": "{{ sample.output_text }}",
            "reference": "{{ item.answer }}",
            "evaluation_metric": "fuzzy_match",
        },
    },
    "calculate_output": "0.5 * city + 0.5 * close ^ 2",
}
MODEL = {
    "type": "score_model",
    "model": "judge",
    "range": [1, 5],
    "input": [{"role": "user", "content": "Is {{sample.output_text}} the same as {{item.answer}}?"}],
}
PYTHON = "def grade(sample, item):\n    return float(sample['output_text'].strip() == item['answer'])"


def _params(grader: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"grader": {**grader, **more}}


@trl_reward(
    title="OpenAI grader",
    family="combined",
    range=(None, None),
    examples=[
        Example("Paris", 1.0, {"answer": "Paris"}, _params(CITY, operation="eq"), "string_check"),
        Example("It is paris.", 1.0, {"answer": "Paris"}, _params(CITY, operation="ilike"), "contains, in either case"),
        Example("", 0.0, {"answer": "Paris"}, _params(CITY, operation="eq"), "empty"),
        Example("Paris", None, {}, _params(CITY, operation="eq"), "the row has no answer", error="no item.answer"),
        Example("Paris", 1.0, {"answer": "Paris"}, {"grader": BOTH}, "multi: a formula over graders"),
        Example(" Rome", 1.0, {"answer": "Rome"}, {"grader": {"type": "python", "source": PYTHON}}, "python"),
        Example("Rome", 4.0, {"answer": "Rome"}, {"grader": MODEL, "dry_run": "Score: 4"}, "score_model: a judge"),
        Example("Paris Rome Bonn", 1.0, {"answer": "Rome"}, _params(CITY, operation="like"), "naming many: use eq"),
    ],
    source="OpenAI's graders",
    shaped=_shaped,
)
def openai_grader(
    *,
    grader: Annotated[AnyGrader, BeforeValidator(_read), Field(description="The grader, as JSON or as its text")],
    base_url: BaseUrl = "https://api.openai.com/v1",
    api_key_env: ApiKeyEnv = "OPENAI_API_KEY",
    model: Annotated[str, Field(description="Judge to ask instead of the one that the grader names")] = "",
    dry_run: Annotated[
        str | None, Field(description="A text to take for every judge's answer: asks nobody, to try without cost")
    ] = None,
    concurrency: Concurrency = 8,
    retries: Retries = 4,
    timeout: Timeout = 60.0,
    cache: Cache = True,
) -> BatchFunction:
    """The score of a grader written for OpenAI's service, such as string_check, text_similarity, python or multi.

    Where the grader asks a model, base_url says where. The completion is fenced off in what the judge reads.
    """
    usual = Endpoint(base_url, model, api_key_env, None, None, {}, concurrency, retries, timeout, cache)

    def scores(prompts: Sequence[Any], completions: Sequence[Any], **columns: Sequence[Any]) -> list[Outcome]:
        batch = Batch(prompts, [completion[0]["content"] for completion in completions], columns)
        return _scores(grader, batch, partial(_judged, usual, dry_run))

    return scores


Judge = Callable[[Any, Sequence[Parts | RewardError]], list[Outcome]]


def _judged(usual: Endpoint, dry_run: str | None, grader: Any, asked: Sequence[Parts | RewardError]) -> list[Outcome]:
    """What a judge says to each question; a question that could not be asked keeps its error."""
    read = partial(_number, grader.range) if isinstance(grader, ScoreModel) else partial(_label, grader)
    sampling = grader.sampling_params
    endpoint = replace(
        usual,
        model=usual.model or grader.model,
        temperature=sampling.temperature,
        max_tokens=sampling.max_completions_tokens,
        extra_body=dict(sampling.model_extra or {}),
    )
    ready = [parts for parts in asked if not isinstance(parts, RewardError)]
    questions = [Question(parts, read) for parts in ready]
    found = iter(ask(endpoint, questions) if dry_run is None else [_tried(read, dry_run)] * len(ready))
    lowest = grader.range[0] if isinstance(grader, ScoreModel) else 0.0
    unasked = [lowest if isinstance(parts, SampleFault) else parts for parts in asked]
    return [parts if isinstance(parts, RewardError | float) else next(found) for parts in unasked]


def _tried(read: Callable[[str], float], answer: str) -> Outcome:
    try:
        return read(answer)
    except RewardError as error:
        return error


def _number(scale: tuple[float, float], answer: str) -> float:
    """A score on the grader's own scale."""
    return scale[0] + (scale[1] - scale[0]) * read_score(answer, scale)


def _label(grader: LabelModel, answer: str) -> float:
    """1 for a passing label; the last line decides."""
    last = answer.strip().rpartition("\n")[2].rpartition(":")[2].strip(" \t*_`\"'.")
    if last not in grader.labels:
        raise RewardError(f"the judge's answer ends with none of the labels: {shown(last)}")
    return float(last in grader.passing_labels)


def _question(grader: Any, row: Mapping[str, Any], completion: str) -> Parts | RewardError:
    """All messages as one text, the completion fenced off, and the form of the answer."""
    if isinstance(grader, LabelModel):
        form = f"one of these labels: {', '.join(grader.labels)}. End with one line:\nLabel: ..."
    else:
        form = f"a score from {grader.range[0]:g} to {grader.range[1]:g}. End with one line:\nScore: N"
    try:
        texts = [_message(message, row, completion) for message in grader.input]
    except RewardError as error:
        return error
    return joined(*(part for text in texts for part in (text, "\n\n")), f"Give {form}")


def _message(message: Said, row: Mapping[str, Any], completion: str) -> Parts:
    """A message with its role before it, unless it is the user's."""
    pieces = TEMPLATE.split(message.text)  # text, place, text, place, ..., text
    texts: list[str | Parts] = []
    for n, piece in enumerate(pieces):
        if n % 2 == 0:
            texts.append(piece)
        elif piece.startswith("sample"):
            texts.append(fenced("completion", plain(filled(f"{{{{{piece}}}}}", row, completion))))
        else:
            texts.append(filled(f"{{{{{piece}}}}}", row, completion))
    return joined("" if message.role == "user" else f"{message.role}:\n", *texts)


def _scores(grader: Any, batch: Batch, judge: Judge) -> list[Outcome]:
    rows = [
        {"prompt": prompt_text(batch.prompts[i]), **{name: values[i] for name, values in batch.columns.items()}}
        for i in range(len(batch.completions))
    ]
    match grader:
        case Python():
            return custom.score(batch, {"code": grader.source, "function": "grade"})
        case Multi():
            parts = {name: _scores(part, batch, judge) for name, part in grader.graders.items()}
            return [_total(grader, {name: parts[name][i] for name in parts}) for i in range(len(rows))]
        case ScoreModel() | LabelModel():
            pairs = zip(rows, batch.completions, strict=True)
            return judge(grader, [_question(grader, row, completion) for row, completion in pairs])
    measure = _checked(grader.operation) if isinstance(grader, StringCheck) else _similarity(grader.evaluation_metric)
    found: list[Outcome] = []
    for row, completion in zip(rows, batch.completions, strict=True):
        try:
            if isinstance(grader, TextSimilarity) and len(completion) > LONGEST_SIMILAR:
                raise SampleFault("the completion is too long to be compared")
            found.append(measure(filled(grader.input, row, completion), filled(grader.reference, row, completion)))
        except SampleFault:
            found.append(0.0)
        except RewardError as error:
            found.append(error)
    return found


def _total(grader: Multi, outcomes: Mapping[str, Outcome]) -> Outcome:
    for name, outcome in outcomes.items():
        if not isinstance(outcome, float):
            return RewardError(f"{name}: {outcome or 'not applicable'}")
    try:
        return float(_formula(grader).value(outcomes))
    except (ArithmeticError, ValueError) as error:
        return RewardError(f"calculate_output has no value here: {error}")


def _checked(operation: str) -> Callable[[str, str], float]:
    tests: dict[str, Callable[[str, str], bool]] = {
        "eq": lambda given, reference: given == reference,
        "ne": lambda given, reference: given != reference,
        "like": lambda given, reference: reference in given,
        "ilike": lambda given, reference: reference.casefold() in given.casefold(),
    }
    return lambda given, reference: float(tests[operation](given, reference))


def _similarity(metric: str) -> Callable[[str, str], float]:
    """A measure of two texts, 0 to 1."""

    def measured(given: str, reference: str) -> float:
        if max(len(given), len(reference)) > LONGEST_SIMILAR:
            raise RewardError(f"texts of more than {LONGEST_SIMILAR} characters are not compared")
        return min(1.0, _measure(metric, given, reference))  # a rounding error above 1 is none

    return measured


def _measure(metric: str, given: str, reference: str) -> float:
    if metric == "fuzzy_match":
        from rapidfuzz import fuzz

        return float(fuzz.ratio(given, reference)) / 100
    if metric == "bleu":
        import sacrebleu

        return float(sacrebleu.sentence_bleu(given, [reference]).score) / 100
    if metric == "gleu":
        from nltk.translate.gleu_score import sentence_gleu

        return float(sentence_gleu([reference.split()], given.split())) if given.split() else 0.0
    from rouge_score.rouge_scorer import RougeScorer

    kind = "rougeL" if metric == "rouge_l" else f"rouge{metric[-1]}"
    return float(RougeScorer([kind]).score(reference, given)[kind].fmeasure)
