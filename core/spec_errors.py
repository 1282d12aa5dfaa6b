"""What pydantic finds wrong with a document, in the words of this project: which field, what it holds, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from core.errors import Problem, UserError, did_you_mean

# pydantic's words for shapes, in YAML's.
SHAPES = {
    "tuple_type": "a list: [...]",
    "dict_type": "a mapping of fields: {name: value}",
    "model_type": "a mapping of fields: {name: value}",
    "string_type": "text",
    "string_pattern_mismatch": "a name of letters, digits, dots, dashes and underscores, at most 80",
}
UNION_CHOICES = ("str", "tuple[str, ...]")  # parts of pydantic's place that are no fields of the document


def validated(model: type[BaseModel], document: Any, where: str) -> Any:
    """The model that a document is; `UserError` names each wrong field, with `where` before it."""
    if not isinstance(document, Mapping):
        found = "empty" if document is None else f"a {type(document).__name__}"
        raise UserError(Problem(where, f"the document is {found}, not a mapping of fields.", "See examples/*.yaml."))
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = [_problem(model, where, detail) for detail in error.errors()]
        # A union complains once for each of its choices: one problem a place is enough.
        one_a_place = {problem.where: problem for problem in reversed(problems)}
        raise UserError(reversed(one_a_place.values())) from None


def _problem(model: type[BaseModel], where: str, detail: Any) -> Problem:
    """One pydantic complaint in the words of this project."""
    loc = tuple(part for part in detail["loc"] if part not in UNION_CHOICES)
    place = f"{where}: {field_path(loc)}" if loc else where
    if detail["type"] == "extra_forbidden":
        known = _fields_at(model, detail["loc"][:-1])
        return Problem(place, "there is no such field.", did_you_mean(str(detail["loc"][-1]), known))
    if detail["loc"][-1:] == ("[key]",) or detail["type"] == "invalid_key":  # YAML reads 1, no, yes, on as no text
        parent = field_path(detail["loc"][:-2])
        what = f"the name {detail['input']!r:.80} is not text."
        return Problem(f"{where}: {parent}" if parent else where, what, "Put quotes around it.")
    if detail["type"] == "missing":
        return Problem(place, "this field is missing.", "Add it; docs/run-spec.md shows every field.")
    if shape := SHAPES.get(detail["type"]):
        return Problem(place, f"found {detail['input']!r:.80}, not {shape}.", "docs/run-spec.md shows every field.")
    value = "" if isinstance(detail["input"], Mapping) else f" (found {detail['input']!r:.80})"
    return Problem(place, f"{detail['msg'].removeprefix('Value error, ')}{value}.")


def form_faults(error: ValidationError) -> UserError:
    """What is wrong with the fields of a form that is drawn from a model."""
    return UserError(Problem(field_path(fault["loc"]), f"{fault['msg']}.") for fault in error.errors())


def field_path(loc: tuple[int | str, ...]) -> str:
    """`("rewards", "math", 0, "weight")` as `rewards.math[0].weight`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Names that the schema knows at a place, so that a mistyped one can be put right."""
    schema = model.model_json_schema()
    node: Any = schema
    for part in loc:
        node = _resolve(schema, node)
        node = (
            node.get("items", {})
            if isinstance(part, int)
            else node.get("properties", {}).get(part, node.get("additionalProperties", {}))
        )
    return list(_resolve(schema, node).get("properties", {}))


def _resolve(schema: Any, node: Any) -> Any:
    """Follow `$ref` and the non-null side of `anyOf`."""
    for choice in node.get("anyOf", ()):
        if "$ref" in choice:
            node = choice
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
    return node
