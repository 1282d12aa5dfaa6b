"""OpenAI's graders in and out: a grader as a route of a task, a task's routes as a grader.

In: the reward `openai_grader` scores any grader as it is. Out: what has a counterpart on that service; what has none is
an error that names it, since a grader that scores something else would be worse than none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from core.errors import Problem, UserError
from core.spec import Route
from rewards import declared
from rewards.declaration import RewardError
from rewards.rubric import PLACEHOLDER

SAMPLE = "{{sample.output_text}}"
SIMILAR = {"rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l"}
OPERATIONS = {"equals": "eq", "not_equals": "ne", "contains": "like"}
# Parameters of text_match with which it is what string_check is.
STRICT = {"ignore_space": False, "part": "all", "longest": 0, "whole_words": False, "ignore_punctuation": False}
POWER = re.compile(r"\*\*")


def from_openai(grader: Any, label: str | None = None) -> Route:
    """A route that scores as a grader says.

    Raises:
        UserError: it is no grader, or one that cannot be scored here.
    """
    route = Route(name="openai_grader", params={"grader": grader}, label=label)
    try:
        declared(route.name, route.params)
    except ValidationError as error:
        detail = error.errors()[0]
        place = ".".join(map(str, detail["loc"]))
        raise UserError(Problem(f"{place}", f"{detail['msg']}.", "See docs/graders.md for what is read.")) from None
    except RewardError as error:
        raise UserError(Problem("grader", f"{error}.", "See docs/graders.md.")) from None
    return route


def to_openai(routes: Sequence[Route], name: str) -> dict[str, Any]:
    """A grader that scores as a task's routes do: one as it is, several as their weighted sum.

    Raises:
        UserError: a route has no counterpart among OpenAI's graders.
    """
    if len(routes) == 1 and routes[0].weight == 1:
        return {**_exported(routes[0].name, routes[0].params, routes[0].key), "name": name}
    keys = [re.sub(r"\W", "_", route.key) for route in routes]
    pairs = list(zip(keys, routes, strict=True))
    return {
        "type": "multi",
        "name": name,
        "graders": {key: _exported(route.name, route.params, key) for key, route in pairs},
        "calculate_output": " + ".join(f"{route.weight:g} * {key}" for key, route in pairs),
    }


def _exported(name: str, params: Mapping[str, Any], key: str) -> dict[str, Any]:
    settings = declared(name, params).parameters(**params).model_dump()
    match name:
        case "openai_grader":
            grader = params["grader"]
            return {**(json.loads(grader) if isinstance(grader, str) else grader), "name": key}
        case "custom" if "def grade(" in settings["code"]:
            return {"type": "python", "name": key, "source": settings["code"]}
        case "text_match" if settings["how"] in OPERATIONS and all(settings[part] == STRICT[part] for part in STRICT):
            operation = OPERATIONS[settings["how"]]
            if settings["ignore_case"] and operation != "like":
                raise _no_counterpart(key, "string_check ignores case only where it looks for a part: ilike")
            return {
                "type": "string_check",
                "name": key,
                "input": SAMPLE,
                "reference": "{{item.answer}}",
                "operation": "ilike" if settings["ignore_case"] else operation,
            }
        case "rouge" if settings["measure"] == "fmeasure":
            return _similar(key, SIMILAR[settings["kind"]])
        case "fuzzy" if settings["kind"] == "ratio":
            return _similar(key, "fuzzy_match")
        case "bleu":
            return _similar(key, "bleu")
        case "llm_judge":
            return _judge(key, settings)
        case "formula":
            parts = settings["parts"] or {}
            names = _names(settings["expression"])
            found = {part: parts.get(part, {"reward": part, "params": {}}) for part in names}
            return {
                "type": "multi",
                "name": key,
                "graders": {part: _exported(one["reward"], one["params"], part) for part, one in found.items()},
                "calculate_output": POWER.sub("^", settings["expression"]),
            }
    mend = "Only openai_grader, text_match, custom with grade(), fuzzy, bleu, rouge, llm_judge and formula can."
    raise _no_counterpart(key, f"{name} with these parameters has no counterpart among OpenAI's graders", mend)


def _similar(key: str, metric: str) -> dict[str, Any]:
    return {
        "type": "text_similarity",
        "name": key,
        "input": SAMPLE,
        "reference": "{{item.reference}}",
        "evaluation_metric": metric,
    }


def _judge(key: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    text = PLACEHOLDER.sub(
        lambda place: SAMPLE if place[1] == "completion" else f"{{{{item.{place[1]}}}}}", settings["rubric"]
    )
    sampling = {"temperature": settings["temperature"], "max_completions_tokens": settings["max_tokens"]}
    return {
        "type": "score_model",
        "name": key,
        "model": settings["model"],
        "range": list(settings["scale"]),
        "input": [{"role": "user", "content": text}],
        "sampling_params": {name: value for name, value in sampling.items() if value is not None},
    }


def _names(expression: str) -> tuple[str, ...]:
    from rewards.expression import parse

    return parse(expression).names


def _no_counterpart(key: str, what: str, mend: str = "") -> UserError:
    return UserError(Problem(f"reward {key!r}", f"{what}.", mend))
