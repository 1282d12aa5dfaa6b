"""The kind of every column, found while reading, and its values as Arrow arrays.

A kind is an Arrow type. Plain values of one type, and lists of these, are stored as such; all else (objects, lists that
hold objects, lists or several types, integers beyond 64 bits, integers mixed with fractions) is stored as JSON text and
decoded where a row is read, so that it comes back exactly as it was written: an Arrow struct would add the keys of
every other row, an Arrow number would turn 4 into 4.0.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pyarrow as pa
from datasets import Features, Json

from core.data.batches import Batch, Findings, Place, Values
from core.data.jsontext import dump

JSON = pa.json_()
NULL = pa.null()
KINDS = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
SHAPES = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
INT64 = 1 << 63


class ExactJson(Json):
    """`datasets.Json` with the standard parser.

    Pandas' parser, which `Json` uses, rounds fractions and fails on long integers; and its encoder takes a text such as
    "5" for the number. On disk the two are the same, so any other program reads these files with `Json`.
    """

    def encode_example(self, example_data: Any) -> str | None:
        return None if example_data is None else dump(example_data)

    def decode_example(self, example_data: str | None, token_per_repo_id: Any = None) -> Any:
        return None if example_data is None else json.loads(example_data)


def exact(features: Features) -> Features:
    """The same features, JSON read exactly."""
    return Features({name: ExactJson() if isinstance(kind, Json) else kind for name, kind in features.items()})


@dataclass
class Kinds:
    """What is known of each column so far; columns only ever widen.

    Attributes:
        of: column -> Arrow type that holds all its values so far.
        mixable: columns that may hold text in one row and a list in another.
    """

    mixable: frozenset[str] = frozenset()
    of: dict[str, pa.DataType] = field(default_factory=dict)
    _first: dict[str, tuple[str, Place]] = field(default_factory=dict)

    def learn(self, name: str, values: Values, batch: Batch, label: str, findings: Findings) -> None:
        """Widen a column's kind by these values; note rows whose type is another than the first row's."""
        self._check_shape(name, values, batch, label, findings)
        kind = values.type if isinstance(values, pa.Array) else kind_of(values)
        self.of[name] = wider(self.of.get(name, NULL), kind)

    def _check_shape(self, name: str, values: Values, batch: Batch, label: str, findings: Findings) -> None:
        if name in self.mixable:
            return
        for row, shape in self._shapes(name, values):
            first, place = self._first.setdefault(name, (shape, batch.place(row)))
            if shape != first:
                mend = f"Write one type in every row, or list {label!r} in data.text_columns."
                findings.add(batch.place(row), f"{shape} here, {first} in {place}.", mend, label)

    def _shapes(self, name: str, values: Values) -> Iterator[tuple[int, str]]:
        """Row and shape of the values that say something new: the first of an array, any that is not null of a list."""
        if isinstance(values, pa.Array):
            first = next((row for row in range(len(values)) if values[row].is_valid), None)
            return iter(() if first is None else [(first, shape_of_type(values.type))])
        known = self._first.get(name)
        shapes = {shape_of(kind) for kind in set(map(type, values)) - {type(None)}}
        if known is not None and shapes <= {known[0]}:
            return iter(())
        return ((row, shape_of(type(value))) for row, value in enumerate(values) if value is not None)


def shape_of(kind: type) -> str:
    """What a user calls the values of a Python type."""
    return SHAPES.get(kind, f"a {kind.__name__}")


def shape_of_type(kind: pa.DataType) -> str:
    """What a user calls the values of an Arrow type."""
    if kind == pa.string():
        return "text"
    if pa.types.is_boolean(kind):
        return "a boolean"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return "a number"
    return "a list" if pa.types.is_list(kind) else f"a value of type {kind}"


def kind_of(values: Sequence[Any]) -> pa.DataType:
    """The narrowest kind that gives these values back as they are."""
    types = set(map(type, values)) - {type(None)}
    if not types:
        return NULL
    if types == {list}:
        inner = kind_of(list(chain.from_iterable(value for value in values if value is not None)))
        return JSON if pa.types.is_nested(inner) or inner == JSON else pa.list_(inner)
    if len(types) > 1 or not types <= KINDS.keys():
        return JSON
    if types == {int} and not all(value is None or -INT64 <= value < INT64 for value in values):
        return JSON
    return KINDS[types.pop()]


def wider(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    """The narrowest kind that holds both."""
    if one == other or other == NULL:
        return one
    if one == NULL:
        return other
    if pa.types.is_list(one) and pa.types.is_list(other) and NULL in (one.value_type, other.value_type):
        return pa.list_(wider(one.value_type, other.value_type))
    return JSON


def to_arrow(values: Values | None, kind: pa.DataType, rows: int) -> pa.Array:
    """Values as an array of a kind that holds them; nulls where there are none.

    Raises UnicodeEncodeError for text with half of a surrogate pair, TypeError for values that JSON has no word for.
    """
    if values is None:
        return pa.nulls(rows, pa.string()).cast(JSON) if kind == JSON else pa.nulls(rows, kind)
    if isinstance(values, pa.Array):
        if values.type == kind:
            return values
        if kind != JSON:
            return values.cast(kind)
        values = values.to_pylist()
    if kind != JSON:
        return pa.array(values, kind)
    return as_json([None if value is None else dump(value) for value in values])


def as_json(texts: Sequence[str | None]) -> pa.Array:
    return pa.ExtensionArray.from_storage(JSON, pa.array(texts, pa.string()))
