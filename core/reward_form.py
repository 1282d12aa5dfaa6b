"""A pydantic model as a flat form: its fields to draw, a document's values to fill them with, and back.

Made for the parameters of rewards; any model of options works the same. What a form cannot draw as a box, a list or a
switch (objects, choices between shapes) is text in YAML. Only what differs from the defaults is given back, so that a
spec says what somebody decided. Whether values make sense together is the model's own question, and `check_routes`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined, to_jsonable_python

from core.documents import parse_yaml
from core.errors import Problem, UserError, did_you_mean
from core.spec_errors import field_path

Kind = Literal["number", "integer", "text", "long_text", "choice", "switch", "list", "object", "code"]

SCALARS: dict[str, Kind] = {"number": "number", "integer": "integer", "string": "text", "boolean": "switch"}
# `Field(json_schema_extra={"format": ...})` says what kind of text a parameter is.
FORMATS: dict[str, Kind] = {"python": "code", "long": "long_text"}
MAY_BE_BLANK: tuple[Kind, ...] = ("text", "long_text", "code", "list")


@dataclass(frozen=True)
class Field:
    """One field of a form.

    Attributes:
        name: the parameter's.
        title: the name shown to people.
        help: one line.
        kind: what to draw. A list is one item a line, an object is text in YAML.
        default: what a document that does not name it gets; None where it is required.
        minimum, maximum: of a number, or of a list's length; the bound itself may be excluded, which the model checks.
        choices: of a choice.
        required: whether it has no default.
        optional: whether null is a value; a field left blank then means it.
    """

    name: str
    title: str
    help: str
    kind: Kind
    default: Any
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[Any, ...] = ()
    required: bool = False
    optional: bool = False


def fields(model: type[BaseModel]) -> list[Field]:
    """The fields of a model, in its order."""
    schema = model.model_json_schema()
    return [_field(model, name, schema) for name in model.model_fields]


def values(model: type[BaseModel], params: Mapping[str, Any]) -> dict[str, Any]:
    """What a form shows for a document's values: every field, defaults filled in, objects as YAML text."""
    return {field.name: _shown(field, params.get(field.name, field.default)) for field in fields(model)}


def read(model: type[BaseModel], given: Mapping[str, Any], where: str = "params") -> dict[str, Any]:
    """The values of a form as a document has them, those that differ from the defaults.

    Args:
        model: whose fields the form shows.
        given: field name -> what was entered: text will do for numbers and objects, lines for a list. A field that is
            not there keeps its default.
        where: names the place in messages.

    Raises:
        UserError: naming each field that cannot be read, or that the model refuses.
    """
    known = {field.name: field for field in fields(model)}
    entered: dict[str, Any] = {}
    problems: list[Problem] = []
    for name, value in given.items():
        try:
            if name not in known:
                raise UserError(Problem(f"{where}.{name}", "there is no such field.", did_you_mean(name, known)))
            if (found := _entered(known[name], value, f"{where}.{name}")) is not PydanticUndefined:
                entered[name] = found
        except UserError as error:
            problems += error.problems
    problems += _refused(model, entered, where, {problem.where for problem in problems})
    if problems:
        raise UserError(problems)
    return {name: value for name, value in _plain(model, entered, known).items() if _differs(model, name, value)}


def _field(model: type[BaseModel], name: str, schema: Mapping[str, Any]) -> Field:
    info = model.model_fields[name]
    node = schema["properties"][info.alias or name]
    shape, optional = _without_null(_followed(node, schema), schema)
    default = None if info.is_required() else to_jsonable_python(info.get_default(call_default_factory=True))
    kind = _kind({**shape, **{key: node[key] for key in ("format",) if key in node}}, default, schema)
    return Field(
        name=name,
        title=info.title or name.replace("_", " ").capitalize(),
        help=info.description or "",
        kind=kind,
        default=default,
        minimum=_bound(shape, "minimum", "exclusiveMinimum", "minItems"),
        maximum=_bound(shape, "maximum", "exclusiveMaximum", "maxItems"),
        choices=_choices(shape) if kind == "choice" else (),
        required=info.is_required(),
        optional=optional,
    )


def _kind(shape: Mapping[str, Any], default: Any, schema: Mapping[str, Any]) -> Kind:
    if _choices(shape):
        return "choice"
    if shape.get("type") == "array":
        return "list" if all(_is_scalar(_followed(item, schema)) for item in _items(shape)) else "object"
    kind = SCALARS.get(str(shape.get("type")), "object")
    if kind == "text":
        lines = isinstance(default, str) and "\n" in default
        return FORMATS.get(shape.get("format", ""), "long_text" if lines else "text")
    return kind


def _choices(shape: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(shape.get("enum", ())) or ((shape["const"],) if "const" in shape else ())


def _items(shape: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The shapes of an array's items."""
    fixed: Sequence[Mapping[str, Any]] = shape.get("prefixItems", ())
    return fixed or [shape.get("items", {})]


def _is_scalar(shape: Mapping[str, Any]) -> bool:
    return bool(_choices(shape)) or shape.get("type") in SCALARS


def _followed(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A node of a schema, or the one that it refers to."""
    reference = node.get("$ref")
    return schema["$defs"][reference.rsplit("/", 1)[-1]] if reference else node


def _without_null(node: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """What else a value may be, and whether it may be null; several other shapes stay as they are."""
    choices = node.get("anyOf", ())
    others = [choice for choice in choices if choice.get("type") != "null"]
    return (_followed(others[0], schema) if len(others) == 1 else node), len(others) < len(choices)


def _bound(shape: Mapping[str, Any], *names: str) -> float | None:
    return next((shape[name] for name in names if name in shape), None)


def _shown(field: Field, value: Any) -> Any:
    plain = to_jsonable_python(value)
    if field.kind != "object" or isinstance(plain, str):
        return plain
    if plain is None:
        return ""
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).removesuffix("...\n")


def _entered(field: Field, value: Any, where: str) -> Any:
    """What was entered, as the model takes it; undefined where the field was left as it is."""
    blank = value is None or (isinstance(value, str) and not value.strip())
    if blank and field.optional:
        return None
    if value is None or (blank and (field.required or field.kind not in MAY_BE_BLANK)):
        return PydanticUndefined
    if field.kind == "list" and isinstance(value, str):
        return [line.strip() for line in value.splitlines() if line.strip()]
    if field.kind == "object" and isinstance(value, str):
        return parse_yaml(value, where)
    return value


def _refused(model: type[BaseModel], entered: Mapping[str, Any], where: str, told: set[str]) -> list[Problem]:
    """What the model says, once for each field that nothing was said about yet."""
    try:
        model.model_validate(dict(entered))
    except ValidationError as error:
        found: dict[str, Problem] = {}
        for detail in error.errors():
            name = str(detail["loc"][0]) if detail["loc"] else ""
            place = f"{where}.{name}" if name else where
            if place not in told:
                found.setdefault(place, _problem(where, detail))
        return list(found.values())
    return []


def _problem(where: str, detail: Any) -> Problem:
    path = field_path(detail["loc"])
    place = f"{where}.{path}" if path else where
    if detail["type"] == "missing":
        return Problem(place, "this field is empty.", "Fill it in.")
    return Problem(place, f"{detail['msg'].removeprefix('Value error, ')} (found {detail['input']!r:.80}).")


def _plain(model: type[BaseModel], entered: Mapping[str, Any], known: Mapping[str, Field]) -> dict[str, Any]:
    """Values as a document has them: numbers that were text are numbers, objects stay as they were written."""
    read = model.model_validate(dict(entered))
    return {
        name: value if known[name].kind == "object" else to_jsonable_python(getattr(read, name))
        for name, value in entered.items()
    }


def _differs(model: type[BaseModel], name: str, value: Any) -> bool:
    info = model.model_fields[name]
    return info.is_required() or value != to_jsonable_python(info.get_default(call_default_factory=True))
