"""JSON that a program can read: any at all (`json_valid`), or of the form that a JSON Schema describes (`json_schema`).

What is looked at is the last fenced block, or the whole completion where there is none: a program downstream takes one
text, and nobody can hedge with a second. As in `json_fields`, a key given twice, NaN, Infinity, text around the value
and a number of more than 4300 digits are no JSON.

Both look at the form alone, and a model finds the cheapest value of the right form: `{}` is valid JSON, empty texts and
zeros satisfy most schemas. Add a reward for what the value says, such as `json_fields`, and let the schema ask for
`minLength`, `enum` and the like.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Annotated, Any, Literal

import regex  # type: ignore[import-untyped]
from pydantic import AfterValidator, Field

from rewards.declaration import Example, RewardError, reward
from rewards.text import Part, fenced_blocks, parse_json, part_of, shown

KINDS: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
PATTERN_S = 1.0  # that a pattern may take on one text
MOST_LEVELS = 20  # of a value that runs into Python's limit: a deeper one is at fault itself, else the schema loops

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "minLength": 1}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


@reward(
    title="Valid JSON",
    family="JSON",
    examples=[
        Example('{"name": "Ada"}', 1.0, note="one object"),
        Example('{"name": "Ada",}', 0.0, note="a trailing comma"),
        Example("", 0.0, note="empty"),
        Example('Here it is:\n```json\n{"name": "Ada"}\n```', 1.0, note="in the last fenced block"),
        Example('{"name": "Ada"} Hope this helps!', 0.0, note="text after the value"),
        Example('{"name": "Ada"} {"name": "Bob"}', 0.0, note="two values are not one"),
        Example('<think>I write {}</think>\n{"name": "Ada"}', 1.0, params={"part": "answer"}, note="after a thought"),
        Example("42", 0.0, params={"kind": "object"}, note="a number is valid JSON, but no object"),
    ],
    source="RFC 8259, without duplicate keys",
)
def json_valid(
    completion: str,
    *,
    part: Part = "all",
    kind: Annotated[
        Literal["any", "object", "array", "string", "number", "boolean", "null"],
        Field(description="What the value must be; any takes a bare number or word in quotes, too"),
    ] = "any",
) -> float:
    """1 if the completion, or its last fenced block, is one JSON value, else 0.

    `json_valid("[1, 2]", kind="array")` is 1.0. What the value says does not count: `{}` is valid.
    """
    try:
        value = parse_json(_json_text(part_of(completion, part)))
    except ValueError:
        return 0.0
    return float(kind == "any" or (isinstance(value, KINDS[kind]) and isinstance(value, bool) == (kind == "boolean")))


def _json_text(completion: str) -> str:
    blocks = fenced_blocks(completion)
    return blocks[-1] if blocks else completion


def _checked_parameter(schema: str | dict[str, Any]) -> str | dict[str, Any]:
    """So that a malformed schema is found before a run."""
    try:
        if schema != "":
            _validator(_schema_text(schema, "default_schema"), "default_schema")
    except RewardError as error:
        raise ValueError(str(error)) from None
    return schema


@reward(
    title="JSON Schema",
    family="JSON",
    examples=[
        Example('{"name": "Ada", "age": 36}', 1.0, {"schema": PERSON}, note="valid"),
        Example('{"name": "Ada", "age": "36"}', 0.0, {"schema": PERSON}, note="text where a number must be"),
        Example("", 0.0, {"schema": PERSON}, note="empty"),
        Example('{"name": "Ada"}', None, error="no 'schema'", note="neither the row nor the parameter has a schema"),
        Example('{"name": "Ada"}', 0.5, {"schema": PERSON}, {"partial_credit": True}, "one of two required is valid"),
        Example(
            '{"name": "Ada", "age": 36, "x": 1}', 2 / 3, {"schema": PERSON}, {"partial_credit": True}, "a key too many"
        ),
        Example("```json\n[1, 2]\n```", 1.0, params={"default_schema": '{"items": {"type": "integer"}}'}),
        Example("<think>Hm</think>[1]", 1.0, {"schema": {"type": "array"}}, {"part": "answer"}, "after a thought"),
        Example("{}", 0.0, {"schema": PERSON}, {"partial_credit": True}, "an empty object is no way out"),
        Example("{}", None, {"schema": {"type": "objet"}}, note="a malformed schema", error="at $.type"),
        Example("{}", None, {"schema": {"$ref": "https://example.com/a"}}, error="nothing is fetched"),
    ],
    source="JSON Schema, Draft 2020-12 and older; jsonschema 4.26",
)
def json_schema(
    completion: str,
    schema: Any = None,
    *,
    part: Part = "all",
    default_schema: Annotated[
        str | dict[str, Any],
        AfterValidator(_checked_parameter),
        Field(description="Schema, as an object or JSON text, of rows that have no column 'schema'"),
    ] = "",
    partial_credit: Annotated[
        bool, Field(description="For an invalid object, the share of required top-level properties that are valid")
    ] = False,
) -> float:
    """1 if the completion, or its last fenced block, is JSON that is valid against a schema, else 0.

    `json_schema("[1]", schema={"items": {"type": "string"}})` is 0.0. The schema is the row's, an object or JSON text;
    Draft 2020-12, unless its `$schema` names another. References are followed within it, and never fetched; `format` is
    a note, not a rule, as that draft has it.

    With partial credit an object gets the share of the schema's top-level `required` properties that are there and
    valid. Where all n of them are, but another rule is broken, such as `additionalProperties`, it gets n / (n + 1). A
    rule about several properties at once (`anyOf`) counts as such another rule. A schema that requires nothing, and a
    value that is no object, have no parts: 1 or 0.

    A `pattern` that takes more than a second on some text is an error of that completion; so is `uniqueItems` on
    thousands of objects, by the time limit of the scoring process.
    """
    if schema is None and default_schema == "":
        raise RewardError("the row has no 'schema'; add the column, or set default_schema")
    where, given = ("default_schema", default_schema) if schema is None else ("column 'schema'", schema)
    validator = _validator(_schema_text(given, where), where)
    try:
        value = parse_json(_json_text(part_of(completion, part)))
    except ValueError:
        return 0.0
    try:
        if not partial_credit:
            return float(validator.is_valid(value))
        errors = list(validator.iter_errors(value))
    except OverflowError:  # a number too large for the arithmetic of `multipleOf`, such as 1e999
        return 0.0
    except RecursionError:
        if _levels(value) > MOST_LEVELS:
            return 0.0
        raise RewardError(f"{where} refers to itself without end; give every loop of $ref a way out") from None
    return _share(validator.schema, value, errors) if errors else 1.0


def _share(schema: Mapping[str, Any], value: Any, errors: Sequence[Any]) -> float:
    """The score of an invalid value by its parts, below 1."""
    required = schema.get("required")
    if not isinstance(required, list) or not required or not isinstance(value, dict):
        return 0.0
    wrong = {error.absolute_path[0] for error in errors if error.absolute_path}
    right = sum(name in value and name not in wrong for name in required)
    return right / len(required) if right < len(required) else right / (right + 1)


def _levels(value: Any) -> int:
    """How deeply lists and objects are nested."""
    levels, inside = 0, [value]
    while inside:
        levels += 1
        nested = [item for item in inside if isinstance(item, dict | list)]
        inside = [child for item in nested for child in (item.values() if isinstance(item, dict) else item)]
    return levels


def _schema_text(schema: Any, where: str) -> str:
    """A schema as JSON text, which is what compiled ones are kept by."""
    if isinstance(schema, str):
        return schema
    if not isinstance(schema, Mapping):
        raise RewardError(f"{where} holds {shown(schema)}; give a JSON Schema as an object or its JSON text")
    try:
        return json.dumps(schema)
    except (TypeError, ValueError, RecursionError) as error:
        raise RewardError(f"{where} holds an object that is not JSON: {error}; give it as JSON text") from None


@lru_cache(maxsize=256)
def _validator(text: str, where: str) -> Any:
    """A jsonschema validator that fetches nothing, or what is wrong with the schema and at which place."""
    from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]

    try:
        schema = parse_json(text)
    except ValueError as error:
        raise RewardError(f"{where} is not valid JSON: {shown(text)}: {error}") from None
    if not isinstance(schema, dict):
        raise RewardError(f"{where} holds {shown(schema)}; give a JSON Schema as an object or its JSON text")
    dialect = _dialect(schema, where)
    try:
        problem = _malformed(dialect, schema) or _unresolved(dialect, schema)
    except RecursionError:
        problem = "it is nested too deeply"
    if problem:
        name = dialect.__name__.removesuffix("Validator")
        raise RewardError(f"{where} is no JSON Schema that can be used ({name}): {problem}")
    return _with_limit(dialect)(schema, registry=REGISTRY)  # any other registry would fetch what it does not know


@cache
def _with_limit(dialect: Any) -> Any:
    """The same draft, whose patterns have a time limit: those of `re` have none."""
    from jsonschema.validators import extend

    return extend(dialect, {"pattern": _pattern})


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[Any]:
    from jsonschema.exceptions import ValidationError

    if not isinstance(value, str):
        return
    try:
        found = regex.search(pattern, value, timeout=PATTERN_S)
    except TimeoutError:
        raise RewardError(f"the schema's pattern {shown(pattern)} takes over {PATTERN_S:g} s on this text") from None
    if not found:
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _dialect(schema: Mapping[str, Any], where: str) -> Any:
    """The jsonschema class of the draft that a schema names."""
    from jsonschema.validators import Draft202012Validator, validator_for

    if "$schema" not in schema:
        return Draft202012Validator
    named = schema["$schema"]
    found = validator_for(schema, default=None) if isinstance(named, str) else None
    if found is None:
        raise RewardError(
            f"{where} has the unknown $schema {shown(named)}; leave it out, or name a draft, such as "
            "https://json-schema.org/draft/2020-12/schema or http://json-schema.org/draft-07/schema#"
        )
    return found


def _malformed(dialect: Any, schema: Any) -> str:
    """What is wrong in a schema by its draft's own schema, and where; empty where nothing is."""
    from jsonschema.exceptions import best_match
    from jsonschema_specifications import REGISTRY

    rules = dialect(dialect.META_SCHEMA, format_checker=dialect.FORMAT_CHECKER, registry=REGISTRY)
    error = best_match(rules.iter_errors(schema))
    if error is None:
        return ""
    hint = "where a table added empty keys, keep schemas as JSON text" if error.instance is None else "mend it there"
    return f"at {error.json_path}: {error.message:.200}; {hint}"


def _unresolved(dialect: Any, schema: dict[str, Any]) -> str:
    """The first reference that leads nowhere or to no schema; empty where there is none.

    All are tried, since otherwise only the completions that come to such a reference would be errors.
    """
    from jsonschema_specifications import REGISTRY
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import specification_with

    specification = specification_with(dialect.ID_OF(dialect.META_SCHEMA))
    root = specification.create_resource(schema)
    left = [(root, REGISTRY.resolver_with_root(root))]
    seen = set()
    while left:
        resource, resolver = left.pop()
        part = resource.contents
        if not isinstance(part, Mapping) or id(part) in seen:
            continue
        seen.add(id(part))
        for reference in (part[word] for word in REFERENCES if word in part):
            try:
                found = resolver.lookup(reference)
            except (Unresolvable, ValueError):  # ValueError: an address that is none
                return (
                    f"the reference {shown(reference)} leads to no part of it; put that under $defs: nothing is fetched"
                )
            if problem := _malformed(dialect, found.contents):
                return f"the reference {shown(reference)} leads to no schema: {problem}"
            left.append((specification.create_resource(found.contents), found.resolver))
        left += [(inner, resolver.in_subresource(inner)) for inner in resource.subresources()]
    return ""
