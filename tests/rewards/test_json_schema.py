"""json_valid and json_schema: which text is looked at, which schemas can be used, and what a part is worth."""

import json
import socket
import threading

import pytest
from pydantic import ValidationError

from rewards.json_schema import json_schema, json_valid

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TREE = {"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}
DRAFT_7 = "http://json-schema.org/draft-07/schema#"


@pytest.mark.parametrize(
    ("completion", "expected", "reason"),
    [
        ('{"a": 1}', 1.0, "an object"),
        ("  [1, 2]\n", 1.0, "a list, white space around"),
        ("0", 1.0, "a number"),
        ('"слово 🙂"', 1.0, "a text that is not ASCII"),
        ("null", 1.0, "null"),
        ("yes", 0.0, "a bare word"),
        ("{'a': 1}", 0.0, "single quotes"),
        ('{"a": NaN}', 0.0, "NaN"),
        ('{"a": 1, "a": 2}', 0.0, "a key given twice"),
        ("9" * 5000, 0.0, "a number too long to read"),
        ("[" * 100_000, 0.0, "nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, 0.0, "nested too deeply, but closed"),
        ('```json\n{"a": \n```\nOnce more:\n```json\n{"a": 1}\n```', 1.0, "the last block counts"),
        (
            '```json\n{"a": 1}\n```\nOr:\n```json\n{"a": \n```',
            0.0,
            "the last block counts, even if an earlier is valid",
        ),
        ('{"a": 1}\n```json\n{"a": \n```', 0.0, "a block hides what is before it"),
        ('```\n{"a": 1}', 1.0, "a fence that is not closed"),
        ("```json\n```", 0.0, "an empty block"),
        ('The answer is {"a": 1}', 0.0, "text before"),
    ],
)
def test_json_is_the_last_block_or_the_whole_completion(completion, expected, reason):
    assert json_valid.function(completion) == expected, reason
    assert json_schema.function(completion, {}) == expected, "an empty schema accepts all JSON"


@pytest.mark.parametrize("right", ["object", "array", "string", "number", "boolean", "null"])
def test_a_value_is_of_one_kind_alone(right):
    values = {"object": "{}", "array": "[]", "string": '""', "number": "1.5", "boolean": "true", "null": "null"}
    for kind, text in values.items():
        assert json_valid.function(text, kind=right) == float(kind == right), kind


def test_a_kind_that_json_does_not_have_is_refused():
    with pytest.raises(ValidationError):
        json_valid.parameters(kind="list")


@pytest.mark.parametrize("schema", [PERSON, json.dumps(PERSON)], ids=["object", "JSON text"])
def test_a_schema_may_come_from_the_row_or_the_parameter(schema):
    valid, invalid = '{"name": "Ada", "age": 36}', '{"name": "Ada", "age": 3.5}'
    assert json_schema.function(valid, schema) == 1.0
    assert json_schema.function(invalid, schema) == 0.0
    assert json_schema.function(valid, default_schema=schema) == 1.0
    assert json_schema.function(invalid, default_schema=schema) == 0.0


def test_the_row_comes_before_the_parameter():
    assert json_schema.function("1", {"type": "integer"}, default_schema={"type": "string"}) == 1.0
    assert json_schema.function('"a"', {"type": "integer"}, default_schema={"type": "string"}) == 0.0


def test_a_row_without_a_schema_is_an_error_where_the_parameter_has_none_either(score_one):
    assert "the row has no 'schema'" in str(score_one(json_schema, "{}"))
    assert "the row has no 'schema'" in str(score_one(json_schema, "{}", schema=None))
    assert score_one(json_schema, "{}", {"default_schema": "{}"}, schema=None) == 1.0


@pytest.mark.parametrize(
    ("schema", "valid", "invalid", "reason"),
    [
        ({"prefixItems": [{"type": "string"}]}, "[]", "[1]", "2020-12 without being named"),
        ({"items": {"type": "string"}}, '["a"]', '["a", 1]', "items of 2020-12 is all of them"),
        ({"$schema": DRAFT_7, "items": [{"type": "string"}]}, '["a", 1]', "[1, 1]", "items of draft 7 is one by one"),
        ({"$schema": DRAFT_7.rstrip("#"), "const": 1}, "1", "2", "draft 7 without the last sign"),
        (
            {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 1, "exclusiveMinimum": True},
            "2",
            "1",
            "exclusiveMinimum of draft 4 is true or false",
        ),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"const": 1}}}, '{"a": 1}', '{"a": 2}', "$ref"),
        (
            {"$id": "https://example.com/x/", "$ref": "b", "$defs": {"b": {"$id": "b", "const": 1}}},
            "1",
            "2",
            "a reference to a part by its address",
        ),
        ({"$ref": "https://json-schema.org/draft/2020-12/schema"}, "{}", '{"type": "objet"}', "a schema of schemas"),
        (TREE, "[[], [[]]]", "[[1]]", "a schema of trees"),
        ({"properties": {"$ref": {"const": 1}}}, '{"$ref": 1}', '{"$ref": 2}', "a property called $ref"),
        ({"enum": [{"$ref": "nowhere"}]}, '{"$ref": "nowhere"}', "1", "a value that looks like a reference"),
        ({"const": 1}, "1.0", "true", "1 is 1.0 and not true"),
        ({"type": "string", "format": "date"}, '"no date"', "1", "format is a note"),
        ({"pattern": "^é+$"}, '"éé"', '"ee"', "letters that are not ASCII"),
    ],
)
def test_schemas_mean_what_their_draft_says(schema, valid, invalid, reason):
    assert json_schema.function(valid, schema) == 1.0, reason
    assert json_schema.function(invalid, schema) == 0.0, reason


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "objet"}, "at $.type: 'objet'"),
        ({"properties": {"a": {"minimum": "1"}}}, "at $.properties.a.minimum: '1' is not of type 'number'"),
        ({"properties": {"a": None}}, "keep schemas as JSON text"),
        ({"pattern": "(a"}, "at $.pattern: '(a' is not a 'regex'"),
        ({"required": "name"}, "at $.required"),
        ({"$schema": DRAFT_7, "type": "objet"}, "(Draft7): at $.type"),
        ({"$schema": "https://json-schema.org/draft-07/schema#"}, "unknown $schema 'https://json-schema.org/draft-07"),
        ({"$schema": 7}, "unknown $schema 7"),
        ({"$ref": "#/$defs/x"}, "the reference '#/$defs/x' leads to no part of it"),
        ({"anyOf": [True, {"items": {"$ref": "#x"}}]}, "the reference '#x' leads to no part of it"),
        ({"$ref": "http://[x"}, "leads to no part of it"),
        ({"$ref": "#/title", "title": "x"}, "the reference '#/title' leads to no schema"),
        ({"$ref": "#/parts/x", "parts": {"x": {"type": "objet"}}}, "leads to no schema: at $.type: 'objet'"),
        ({"$ref": "#/parts/x", "parts": {"x": {"$ref": "#/parts/y"}}}, "the reference '#/parts/y' leads to no part"),
        ({"$ref": "#"}, "refers to itself without end"),
        ('{"properties": {"a": ' * 400 + "{}" + "}}" * 400, "nested too deeply"),
        ("{", "is not valid JSON"),
        ("", "is not valid JSON"),
        ("true", "give a JSON Schema as an object"),
        (True, "give a JSON Schema as an object"),
        (3.5, "give a JSON Schema as an object"),
        ([PERSON], "give a JSON Schema as an object"),
        ({"const": float("nan")}, "NaN is not JSON"),
        ({"const": {1, 2}}, "not JSON serializable"),
    ],
)
def test_a_schema_that_cannot_be_used_is_an_error_that_says_where(schema, message, score_one):
    for completion in ("{}", "[]", "no JSON" if "without end" not in message else "1"):
        outcome = str(score_one(json_schema, completion, schema=schema))
        assert outcome.startswith("column 'schema'")
        assert message in outcome


def test_a_pattern_that_takes_for_ever_is_an_error_that_names_it(score_one):
    schema = {"properties": {"name": {"type": "string", "pattern": "^(a|a)*$"}}}
    outcome = score_one(json_schema, json.dumps({"name": "a" * 40 + "!"}), schema=schema)
    assert "pattern '^(a|a)*$' takes over 1 s" in str(outcome)
    assert score_one(json_schema, json.dumps({"name": "aaa"}), schema=schema) == 1.0
    assert score_one(json_schema, json.dumps({"name": "b"}), schema=schema) == 0.0


def test_a_malformed_parameter_is_found_before_any_completion():
    with pytest.raises(ValidationError, match=r"default_schema.*at \$.type"):
        json_schema.parameters(default_schema='{"type": "objet"}')
    assert json_schema.parameters(default_schema="") == json_schema.parameters()


def test_no_reference_is_fetched(monkeypatch, score_one):
    def refuse(*args, **kwargs):
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("urllib.request.urlopen", refuse)
    for address in ("https://example.com/person.json", "http://localhost/x#/$defs/a", "file:///etc/hostname"):
        assert "nothing is fetched" in str(
            score_one(json_schema, "{}", schema={"properties": {"a": {"$ref": address}}})
        )
    for draft in ({"$schema": DRAFT_7}, {"$ref": DRAFT_7}):
        assert json_schema.function("{}", draft) == 1.0


@pytest.mark.parametrize(
    ("completion", "schema", "expected", "reason"),
    [
        ('{"name": "Ada", "age": 36}', PERSON, 1.0, "valid"),
        ('{"name": "Ada"}', PERSON, 1 / 2, "one is missing"),
        ('{"name": "Ada", "age": "36"}', PERSON, 1 / 2, "one is invalid"),
        ('{"name": 1, "age": "36"}', PERSON, 0.0, "both are invalid"),
        ('{"name": "Ada", "age": 36, "x": 1}', PERSON, 2 / 3, "both are valid, and one is too many"),
        ('{"x": 1}', PERSON, 0.0, "none is there"),
        ("{}", PERSON, 0.0, "an empty object"),
        ("[]", PERSON, 0.0, "no object"),
        ('{"name": "Ada"', PERSON, 0.0, "no JSON"),
        (
            '{"a": {"b": [1, "x"]}}',
            {"required": ["a"], "properties": {"a": {"properties": {"b": {"items": False}}}}},
            0,
            "",
        ),
        ('{"a": 1, "b": 1}', {"required": ["a"], "properties": {"b": False}}, 1 / 2, "what is wrong is not required"),
        ('{"a": 1}', {"required": ["a", "b"], "allOf": [{"properties": {"a": {"const": 1}}}]}, 1 / 2, "in allOf"),
        ('{"a": 2}', {"required": ["a", "b"], "allOf": [{"properties": {"a": {"const": 1}}}]}, 0.0, "wrong in allOf"),
        ('{"a": 1}', {"type": "array"}, 0.0, "a schema that requires nothing has no parts"),
        ('{"a": 1}', {"$schema": "http://json-schema.org/draft-03/schema#", "type": "array"}, 0.0, "draft 3"),
    ],
)
def test_partial_credit_is_the_share_of_required_properties_that_are_valid(completion, schema, expected, reason):
    assert json_schema.function(completion, schema, partial_credit=True) == pytest.approx(expected), reason
    assert json_schema.function(completion, schema) == float(expected == 1), reason


@pytest.mark.parametrize("partial_credit", [True, False])
@pytest.mark.parametrize(
    ("completion", "schema", "expected"),
    [
        ("[" * 900 + "]" * 900, TREE, 0.0),
        ("[" * 100 + "]" * 100, TREE, 1.0),
        ("1e999", {"multipleOf": 0.1}, 0.0),
        ("9" * 4000, {"multipleOf": 0.1}, 0.0),
        ("[" + ",".join(["0"] * 50_000) + "]", {"uniqueItems": True}, 0.0),
        ("[" + ",".join(['"x"'] * 5_000) + "]", {"items": {"type": "integer"}}, 0.0),
        ('{"\\ud800": 1}', PERSON, 0.0),
    ],
    ids=["too deep", "deep", "infinite", "huge", "long", "wrong many times", "half a character"],
)
def test_what_is_hard_to_validate_is_a_score(completion, schema, expected, partial_credit):
    assert json_schema.function(completion, schema, partial_credit=partial_credit) == expected


def test_a_schema_is_compiled_once_and_used_from_any_thread():
    scores = []
    threads = [
        threading.Thread(target=lambda: scores.append(json_schema.function('{"name": "Ada", "age": 1}', PERSON)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert scores == [1.0] * 8
