"""JSON text to Python values with the strictness that training data needs, whole or through a sliding window.

The standard parser, not a faster one, because exactness costs little here: integers of any length, an object that
names a key twice is an error rather than a silent loss, and the literal spelling of a number is there where a column
is read as text.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection
from typing import IO, Any, NoReturn

CHUNK = 1 << 20  # bytes
LARGEST_VALUE = 256 << 20  # characters; past it an unclosed quote is likelier than a value
LONGEST_TOKEN = 16  # characters; a parser that fails this near the end of the window may only lack the rest
SPACE = " \t\r\n"


class NotJson(ValueError):
    """JSON that Python's parser takes and we do not."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise NotJson(
            f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice in one object."
        )
    return found


def _no_constant(literal: str) -> NoReturn:
    raise NotJson(f"{literal} is not JSON; write null, or leave the key out.")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_SPELLED = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_int=str, parse_float=str)
_ENCODER = json.JSONEncoder(ensure_ascii=False)


def parse(text: str) -> Any:
    """A value from text that holds nothing else; ValueError or RecursionError where it is broken."""
    return _DECODER.decode(text)


def dump(value: Any) -> str:
    """The JSON text of a value, other scripts as they are."""
    return _ENCODER.encode(value)


def explain(error: ValueError | RecursionError) -> str:
    """What a parser says, for a user."""
    if isinstance(error, json.JSONDecodeError):
        return f"broken JSON at character {error.colno}: {error.msg}."
    if isinstance(error, RecursionError):
        return "the JSON is nested too deep."
    return str(error) if isinstance(error, NotJson) else f"broken JSON: {error}."


def spell_out(row: dict[str, Any], text: str, columns: Collection[str]) -> None:
    """Turn these columns of a row into text, numbers as the row's own JSON text spells them: 4.50 stays 4.50."""
    wanted = [name for name in columns if row.get(name) is not None and not isinstance(row[name], str)]
    if not wanted:
        return
    spelled = _SPELLED.decode(text)
    for name in wanted:
        number = isinstance(row[name], int | float) and not isinstance(row[name], bool)
        row[name] = spelled[name] if number else dump(row[name])


class JsonWindow:
    """A UTF-8 JSON file read piece by piece; only the value at hand is in memory.

    What is broken raises ValueError or RecursionError, and the window then stands at the place.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        self._text = ""
        self._at = 0
        self._line, self._column = 1, 1  # where the text of the window starts in the file
        self._ended = False

    @property
    def position(self) -> tuple[int, int]:
        """Line and character in the file, from 1."""
        lines = self._text.count("\n", 0, self._at)
        if lines:
            return self._line + lines, self._at - self._text.rfind("\n", 0, self._at)
        return self._line, self._column + self._at

    def peek(self) -> str:
        """The next character that is not white space; empty at the end of the file."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in SPACE:
                    return self._text[self._at]
                self._at += 1
            if self._ended:
                return ""
            self._more()

    def take(self, expected: str) -> str:
        """Step over one of these characters; it is an error if another stands here."""
        found = self.peek()
        if not found:
            raise NotJson(f"broken JSON: the file ends where {' or '.join(expected)} must stand.")
        if found not in expected:
            raise NotJson(f"broken JSON: {found} stands where {' or '.join(expected)} must.")
        self._at += 1
        return found

    def value(self) -> tuple[Any, str]:
        """The value that starts here, and its text."""
        self.peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._ended or not self._may_be_cut(error):
                    self._at = error.pos
                    raise NotJson(f"broken JSON: {error.msg}.") from None
            else:
                # Of 123 the window may hold just 12; a bracket or a quote ends for certain.
                if self._ended or end < len(self._text) or self._text[end - 1] in '}]"':
                    text = self._text[self._at : end]
                    self._at = end
                    return found, text
            self._more()

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        if len(self._text) - self._at > LARGEST_VALUE:
            return False
        return error.msg.startswith("Unterminated string") or error.pos >= len(self._text) - LONGEST_TOKEN

    def _more(self) -> None:
        """Drop what was read and take in at least as much again, so that a long value is not parsed too often."""
        self._line, self._column = self.position
        rest = self._text[self._at :]
        chunk = self._stream.read(max(CHUNK, len(rest)))
        self._ended = not chunk
        self._text, self._at = rest + self._decode(chunk, final=self._ended), 0
