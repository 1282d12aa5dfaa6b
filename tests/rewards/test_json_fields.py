"""json_fields: which texts are one JSON object, and which values are equal."""

import pytest

from rewards.json_fields import json_fields


@pytest.mark.parametrize(
    ("completion", "fields", "params", "expected", "reason"),
    [
        ("[1]", {"a": 1}, {}, 0.0, "a list is no object"),
        ('{"a": 1,}', {"a": 1}, {}, 0.0, "a trailing comma is not JSON"),
        ("{'a': 1}", {"a": 1}, {}, 0.0, "single quotes are not JSON"),
        ('{"a": NaN}', {"a": 1}, {}, 0.0, "NaN is not JSON"),
        ('{"a": 1} {"a": 2}', {"a": 1}, {}, 0.0, "two objects"),
        ('```json\n{"a": 1}\n```\n```json\n{"a": 2}\n```', {"a": 1}, {}, 0.0, "two blocks"),
        ('```\n{"a": 1}', {"a": 1}, {}, 1.0, "a fence that is not closed"),
        ("[" * 100_000, {"a": 1}, {}, 0.0, "nested too deeply"),
        ('{"a":' * 100_000, {"a": 1}, {}, 0.0, "objects nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", {"a": 1}, {}, 0.0, "a number too long to read"),
        ('{"b": 1, "a": ' + "9" * 5000 + "}", {"a": 1, "b": 1}, {}, 0.5, "and the other field is right"),
        ('{"a": ' + "9" * 400 + "}", {"a": 0.5}, {}, 0.0, "a number too large for a float"),
        ('{"a": 1e999}', {"a": 1}, {}, 0.0, "infinite"),
        ('{"a": 0.30000000000000004}', {"a": 0.3}, {}, 1.0, "rounding"),
        ('{"a": true}', {"a": 1}, {}, 0.0, "true is not 1"),
        ('{"a": "1"}', {"a": 1}, {}, 0.0, "text is not a number"),
        ('{"a": null}', {"a": None}, {}, 1.0, "null is a value"),
        ("{}", {"a": None}, {}, 0.0, "a missing key is not null"),
        ('{"a": "PARIS"}', {"a": "Paris"}, {}, 0.0, "case counts"),
        ('{"a": "PARIS"}', {"a": "Paris"}, {"ignore_case": True}, 1.0, "unless it is not to"),
        ('{"a": [1, {"b": 2}]}', {"a": [1.0, {"b": 2}]}, {}, 1.0, "equal inside"),
        ('{"a": [1, {"b": 2, "c": 3}]}', {"a": [1, {"b": 2}]}, {}, 0.0, "an object inside has a key too many"),
        ('{"a": 1, "b": 2}', {"a": 1, "b": 3}, {"all_or_nothing": True}, 0.0, "all or nothing"),
        ('{"a": 1, "x": 2}', {"a": 1}, {}, 1.0, "extra keys are allowed"),
        ('{"a": 1, "x": 2}', {"a": 1}, {"allow_extra": False}, 0.0, "unless they are not to be"),
    ],
)
def test_the_share_of_right_fields(completion, fields, params, expected, reason):
    assert json_fields.function(completion, fields, **params) == expected, reason


@pytest.mark.parametrize("fields", [{}, [], "{", '{"a": NaN}', 3, "[1]"])
def test_required_fields_that_are_no_object_are_an_error(fields, score_one):
    assert "column 'fields'" in str(score_one(json_fields, "{}", fields=fields))
