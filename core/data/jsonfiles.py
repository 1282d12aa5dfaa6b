"""JSON Lines and JSON documents to rows.

A document is an array of objects, or an object with such an array under `data` or `rows`; it is parsed row by row
through a sliding window, so a file of any size fits in memory.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.data.batches import Batch, Findings, Place, Row, in_batches
from core.data.jsontext import SPACE, JsonWindow, NotJson, dump, explain, parse, spell_out

ROW_LISTS = ("data", "rows")
SHAPE = 'Write an array of objects, or {"data": [...]}; one object per line belongs in a .jsonl file.'


def read_jsonl(path: Path, name: str, text_columns: frozenset[str], findings: Findings) -> Iterator[Batch]:
    """One object per line; blank lines are skipped."""
    return in_batches(name, "line", _lines(path, name, text_columns, findings))


def read_json(path: Path, name: str, text_columns: frozenset[str], findings: Findings) -> Iterator[Batch]:
    """An array of objects, or an object that holds one under `data` or `rows`."""
    return in_batches(name, "item", _items(path, name, text_columns, findings))


def decoded(line: bytes, place: Place, findings: Findings) -> str | None:
    """A line of a file as text; None where it is none, which is noted."""
    if place.number == 1:
        line = line.removeprefix(codecs.BOM_UTF8)
    if b"\0" in line:
        findings.add(place, f"a NUL byte at byte {line.index(0) + 1}.", "Is the file UTF-16? Save it as UTF-8.")
        return None
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        wrong = f"not UTF-8: byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line."
        findings.add(place, wrong, "Save the file as UTF-8.")
        return None


def _lines(path: Path, name: str, texts: frozenset[str], findings: Findings) -> Iterator[tuple[int, int, Row]]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            place = Place(name, "line", number)
            text = decoded(line, place, findings)
            if text is None or not (text := text.strip(SPACE)):
                continue
            try:
                row = parse(text)
            except (ValueError, RecursionError) as error:
                cut = number == 1 and text in ("{", "[")
                mend = "An array or an indented object belongs in a .json file." if cut else "One object per line."
                findings.add(place, explain(error), mend)
                continue
            if _is_row(row, place, findings):
                spell_out(row, text, texts)
                yield number, len(line), row


def _is_row(value: Any, place: Place, findings: Findings) -> bool:
    if isinstance(value, dict):
        return True
    findings.add(place, f"{dump(value)[:40]} is no object.", 'A row is an object: {"task": ..., "prompt": ...}.')
    return False


def _items(path: Path, name: str, texts: frozenset[str], findings: Findings) -> Iterator[tuple[int, int, Row]]:
    number = 0
    with path.open("rb") as stream:
        window = JsonWindow(stream)
        try:
            for number, (value, text) in enumerate(_array(window), 1):
                if _is_row(value, Place(name, "item", number), findings):
                    spell_out(value, text, texts)
                    yield number, len(text), value
        except UnicodeDecodeError as error:
            wrong = f"not UTF-8: byte 0x{error.object[error.start]:02x} after line {window.position[0]}."
            findings.stop(Place(name, "item", number + 1), wrong, "Save the file as UTF-8.")
        except (ValueError, RecursionError) as error:
            line, character = window.position
            wrong = f"{explain(error)} (line {line}, character {character})"
            findings.stop(Place(name, "item", number + 1), wrong, SHAPE)


def _array(window: JsonWindow) -> Iterator[tuple[Any, str]]:
    """The items of a document, each with its text."""
    wrapped = window.peek() == "{"
    if wrapped:
        _enter_row_list(window)
    window.take("[")
    if window.peek() == "]":
        window.take("]")
    else:
        yield window.value()
        while window.take(",]") == ",":
            yield window.value()
    while wrapped and window.take(",}") == ",":
        _key(window)
        window.value()
    if window.peek():
        raise NotJson("something follows the end of the list.")


def _enter_row_list(window: JsonWindow) -> None:
    """Stand before the list of rows in an object that may say other things first."""
    window.take("{")
    while window.peek() == '"':
        key = _key(window)
        if key in ROW_LISTS and window.peek() == "[":
            return
        window.value()
        if window.take(",}") == "}":
            break
    raise NotJson(f"the object holds no list under {' or '.join(ROW_LISTS)}.")


def _key(window: JsonWindow) -> Any:
    key, _ = window.value()
    window.take(":")
    return key
