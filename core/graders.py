"""OpenAI's graders in and out: a grader as a route of a task, a task's routes as a grader.

In: the reward `openai_grader` scores any grader as it is. Out: only what scores the same on that service; anything else
is an error that names it, since a grader that scores something else would be worse than none.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from core.errors import Problem, UserError
from core.sandbox import Limits, SandboxError, describe_function
from core.spec import Route
from rewards import declared
from rewards.declaration import RewardError
from rewards.expression import parse

# Parameters of text_match with which it is what string_check is, for answers that are one text.
STRICT = {
    "ignore_space": False,
    "part": "all",
    "longest": 0,
    "whole_words": False,
    "ignore_punctuation": False,
    "pattern": "",
}
OPERATIONS = {("equals", False): "eq", ("contains", False): "like", ("contains", True): "ilike"}  # by `ignore_case`
# What a formula of that service may hold, beside numbers and names.
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.BinOp, ast.UnaryOp, ast.Call, ast.Constant)
FUNCTIONS = {"min", "max", "abs", "floor", "ceil", "exp", "sqrt", "log"}
MEND = "Exported are openai_grader, text_match with equals or contains, custom with grade(), and formula over these."


@dataclass(frozen=True)
class _Exported:
    """Graders by their name, and the formula over them that gives the score."""

    graders: Mapping[str, Mapping[str, Any]]
    formula: str


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
        raise UserError(Problem(place, f"{detail['msg']}.", "See docs/graders.md for what is read.")) from None
    except RewardError as error:
        raise UserError(Problem("grader", f"{error}.", "See docs/graders.md.")) from None
    return route


def to_openai(routes: Sequence[Route], name: str) -> dict[str, Any]:
    """A grader that scores as a task's routes do: one as it is, several as their weighted sum.

    Routes of weight 0 are left out: they are watched here, and nothing there.

    Raises:
        UserError: a route has no counterpart among OpenAI's graders.
    """
    counting = [route for route in routes if route.weight != 0]
    parts = [_exported(route.name, route.params, _key(route.key, n)) for n, route in enumerate(counting)]
    if not parts:
        raise UserError(Problem(name, "every route has weight 0.", "There is nothing to export."))
    graders = {key: grader for part in parts for key, grader in part.graders.items()}
    if len(counting) == 1 and counting[0].weight == 1 and parts[0].formula in graders:
        return {**graders[parts[0].formula], "name": name}
    formula = " + ".join(f"{route.weight!r} * ({part.formula})" for route, part in zip(counting, parts, strict=True))
    alone = len(counting) == 1 and counting[0].weight == 1
    return {
        "type": "multi",
        "name": name,
        "graders": graders,
        "calculate_output": parts[0].formula if alone else formula,
    }


def _key(label: str, n: int) -> str:
    """A name that a formula can hold, and no other route has."""
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', label)}_{n + 1}".lstrip("0123456789_") or f"route_{n + 1}"


def _exported(name: str, params: Mapping[str, Any], key: str) -> _Exported:
    try:
        settings = declared(name, params).parameters(**params).model_dump()
    except (ValidationError, RewardError) as error:
        raise UserError(Problem(f"reward {key!r}", f"{error}.", "Mend the route first.")) from None
    match name:
        case "openai_grader":
            grader = params["grader"]
            return _nested({**(json.loads(grader) if isinstance(grader, str) else grader), "name": key}, key)
        case "custom" if settings["function"] in ("", "grade") and _is_grade(settings["code"], settings["function"]):
            return _Exported({key: {"type": "python", "name": key, "source": settings["code"]}}, key)
        case "text_match" if all(settings[part] == STRICT[part] for part in STRICT):
            if operation := OPERATIONS.get((settings["how"], settings["ignore_case"])):
                check = {"input": "{{sample.output_text}}", "reference": "{{item.answer}}", "operation": operation}
                return _Exported({key: {"type": "string_check", "name": key, **check}}, key)
        case "formula":
            return _formula(settings, key)
    raise UserError(Problem(f"reward {key!r}", f"{name} with these parameters scores nothing that OpenAI's do.", MEND))


def _nested(grader: dict[str, Any], key: str) -> _Exported:
    """A grader of graders has its parts beside those of others: that service has only one level."""
    if grader["type"] != "multi":
        return _Exported({key: grader}, key)
    names = {name: f"{key}_{name}" for name in grader["graders"]}
    graders = {names[name]: {**part, "name": names[name]} for name, part in grader["graders"].items()}
    return _Exported(graders, _renamed(grader["calculate_output"].replace("^", "**"), names))


def _formula(settings: Mapping[str, Any], key: str) -> _Exported:
    expression = parse(settings["expression"])
    given = settings["parts"] or {}
    parts = {
        name: _exported(*_part(given.get(name), name), f"{key}_{n + 1}") for n, name in enumerate(expression.names)
    }
    graders = {name: grader for part in parts.values() for name, grader in part.graders.items()}
    return _Exported(graders, _renamed(expression.text, {name: f"({part.formula})" for name, part in parts.items()}))


def _part(given: Mapping[str, Any] | None, name: str) -> tuple[str, Mapping[str, Any]]:
    return (name, {}) if given is None else (given["reward"], given["params"])


def _renamed(text: str, names: Mapping[str, str]) -> str:
    """A formula with other names, in that service's signs; UserError where it holds more than that service knows."""
    tree = ast.parse(text.strip(), mode="eval").body
    for node in ast.walk(tree):
        call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in FUNCTIONS
        if isinstance(node, ast.expr | ast.operator | ast.unaryop) and (
            call or not isinstance(node, (*ARITHMETIC, ast.Name))
        ):
            what = f"{text!r:.80} holds {ast.unparse(node)!r:.40}, which their formulas do not know."
            raise UserError(Problem("formula", what, f"They know + - * / ^ and {', '.join(sorted(FUNCTIONS))}."))
    return re.sub(r"\b[A-Za-z_]\w*\b", lambda word: names.get(word[0], word[0]), text).replace("**", "^")


def _is_grade(code: str, function: str) -> bool:
    """Whether the function that `custom` calls is `grade(sample, item)`."""
    try:
        return describe_function(code, function, Limits()).contract == "grade"
    except SandboxError as error:
        raise UserError(Problem("custom", f"{error}.", "See docs/sandbox.md.")) from None
