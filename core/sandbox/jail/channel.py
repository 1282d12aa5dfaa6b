"""Messages between two confined processes: plain values as tagged JSON, with limits on size and depth, never pickle.

Values of exact built-in types, and of some types of the standard library, cross as they are. Whatever else there is
stays where it is, and a number stands for it; both sides say how (`other`).
"""

from __future__ import annotations

import collections
import datetime
import decimal
import fractions
import functools
import json
import os
import struct
from collections.abc import Callable
from typing import Any

LARGEST = 16 << 20  # bytes of a message
DEPTH = 100  # of nested values
COUNT = 1_200_000  # values in a message
SAFE_INTEGER = 1 << 53
HEADER = struct.Struct(">I")


class Gone(BaseException):
    """The other process has ended, or does not keep to the protocol; no test that expects an Exception expects this."""


class Channel:
    """Sends and receives messages over a connected socket.

    Args:
        descriptor: of the socket.
        encode: what stands for a value that is not plain, as a JSON object.
        decode: the opposite.
    """

    def __init__(self, descriptor: int, encode: Callable[[Any], Any], decode: Callable[[dict[str, Any]], Any]) -> None:
        self._descriptor = descriptor
        self._encode = encode
        self._decode = decode

    def plain(self, value: Any) -> Any:
        """The JSON that stands for a value."""
        return encoded(value, self._encode)

    def value(self, data: Any) -> Any:
        """The value that a JSON stands for."""
        return decoded(data, self._decode)

    def send(self, message: Any) -> None:
        """Send JSON; ValueError where it is too large."""
        payload = json.dumps(message, separators=(",", ":")).encode()
        if len(payload) > LARGEST:
            raise ValueError("a value is too large to be handed over")
        data = memoryview(HEADER.pack(len(payload)) + payload)
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                raise Gone(str(error)) from None

    def receive(self) -> Any:
        """The next message's JSON; Gone where none comes, or none that keeps to the protocol."""
        (size,) = HEADER.unpack(self._read(HEADER.size))
        if size > LARGEST:
            raise Gone("a message is too large")
        try:
            return json.loads(self._read(size))
        except (ValueError, RecursionError) as error:
            raise Gone(str(error)) from None

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            try:
                part = os.read(self._descriptor, min(size, 1 << 16))
            except OSError as error:
                raise Gone(str(error)) from None
            if not part:
                raise Gone("it has ended")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def encoded(value: Any, other: Callable[[Any], Any]) -> Any:
    """A value as JSON; ValueError where there is too much of it."""
    left = COUNT

    def walk(value: Any, depth: int) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError("a value is too large to be handed over")
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -SAFE_INTEGER < value < SAFE_INTEGER else {"int": hex(value)}
        if kind is float:
            return value if value - value == 0 else {"float": repr(value)}
        if depth > DEPTH:
            return other(value)
        depth += 1
        if kind is list:
            return [walk(item, depth) for item in value]
        if kind in SEQUENCES:
            return {SEQUENCES[kind]: [walk(item, depth) for item in value]}
        if kind in MAPPINGS:
            return {MAPPINGS[kind]: [[walk(key, depth), walk(item, depth)] for key, item in value.items()]}
        if kind is collections.defaultdict:
            factory = value.default_factory
            name = factory.__name__ if factory in FACTORIES.values() else ""
            return {"default": [name, walk(dict(value), depth)]}
        if kind in ATOMS:
            return {ATOMS[kind][0]: ATOMS[kind][1](value)}
        fields = getattr(kind, "_fields", None) if issubclass(kind, tuple) else None
        if isinstance(fields, tuple):
            return {"record": [kind.__name__, list(fields), [walk(item, depth) for item in tuple(value)]]}
        return other(value)

    return walk(value, 0)


def decoded(data: Any, other: Callable[[dict[str, Any]], Any]) -> Any:
    """The value that JSON stands for; Gone where it stands for none."""
    if isinstance(data, list):
        return [decoded(item, other) for item in data]
    if not isinstance(data, dict):
        return data
    try:
        ((tag, content),) = data.items()
        if tag in DECODED_SEQUENCES:
            return DECODED_SEQUENCES[tag]([decoded(item, other) for item in content])
        if tag in DECODED_MAPPINGS:
            return DECODED_MAPPINGS[tag]([(decoded(key, other), decoded(item, other)) for key, item in content])
        if tag in DECODED_ATOMS:
            return DECODED_ATOMS[tag](content)
        if tag == "default":
            return collections.defaultdict(FACTORIES.get(content[0]), decoded(content[1], other))
        if tag == "record":
            name, fields, values = content
            return _record(str(name), tuple(map(str, fields)))(*[decoded(item, other) for item in values])
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise Gone(f"{type(error).__name__}: {error}") from None
    return other(data)


@functools.lru_cache(maxsize=64)
def _record(name: str, fields: tuple[str, ...]) -> Callable[..., Any]:
    """A named tuple; its names become source text where it is made, so that function refuses all but identifiers."""
    return collections.namedtuple(name, fields, rename=True)


SEQUENCES: dict[type, str] = {tuple: "tuple", set: "set", frozenset: "frozenset", collections.deque: "deque"}
DECODED_SEQUENCES: dict[str, Callable[[list[Any]], Any]] = {tag: kind for kind, tag in SEQUENCES.items()}
MAPPINGS: dict[type, str] = {
    dict: "dict",
    collections.OrderedDict: "ordered",
    collections.Counter: "counter",
}
DECODED_MAPPINGS: dict[str, Callable[[list[tuple[Any, Any]]], Any]] = {
    "dict": dict,
    "ordered": collections.OrderedDict,
    "counter": lambda items: collections.Counter(dict(items)),
}
FACTORIES: dict[str, type] = {kind.__name__: kind for kind in (int, float, str, bool, list, dict, set, tuple)}
# Types that cross as text or a few numbers: their tag, and how they are written.
ATOMS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    bytes: ("bytes", lambda value: value.decode("latin-1")),
    bytearray: ("bytearray", lambda value: value.decode("latin-1")),
    complex: ("complex", lambda value: [repr(value.real), repr(value.imag)]),
    range: ("range", lambda value: [hex(value.start), hex(value.stop), hex(value.step)]),
    fractions.Fraction: ("fraction", lambda value: [hex(value.numerator), hex(value.denominator)]),
    decimal.Decimal: ("decimal", str),
    datetime.timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    datetime.date: ("date", datetime.date.isoformat),
    datetime.datetime: ("datetime", datetime.datetime.isoformat),
    datetime.time: ("time", datetime.time.isoformat),
    type(...): ("ellipsis", lambda value: None),
}
DECODED_ATOMS: dict[str, Callable[[Any], Any]] = {
    "int": lambda text: int(text, 16),
    "float": float,
    "bytes": lambda text: text.encode("latin-1"),
    "bytearray": lambda text: bytearray(text, "latin-1"),
    "complex": lambda parts: complex(*map(float, parts)),
    "range": lambda parts: range(*(int(part, 16) for part in parts)),
    "fraction": lambda parts: fractions.Fraction(*(int(part, 16) for part in parts)),
    "decimal": decimal.Decimal,
    "timedelta": lambda parts: datetime.timedelta(*parts),
    "date": datetime.date.fromisoformat,
    "datetime": datetime.datetime.fromisoformat,
    "time": datetime.time.fromisoformat,
    "ellipsis": lambda _: ...,
}
