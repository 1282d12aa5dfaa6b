"""What rewards share about text: a column's value as a person would write it, JSON inside a column, fenced blocks.

Data files hold answers as text, numbers or truth values, and CSV files hold lists and objects as JSON text; a reward
should not care which.
"""

from __future__ import annotations

import json
import math
import numbers
import re
import textwrap
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from rewards.declaration import RewardError

FENCE = "```"
PYTHON_TAGS = {"python", "python3", "py"}
# The opening of a block, perhaps as an item of a list.
OPENING = re.compile(r"(?P<indent>[ \t]*(?:(?:[-*+]|[0-9]{1,3}[.)])[ \t]+)?)(?P<fence>`{3,}|~{3,})(?P<tag>[^`]*)\Z")
EXPONENT = re.compile(r"e|\.0$")  # in a float too large or small for Python to write its digits
END_OF_THOUGHT = "</think>"
# Zero-width space and word joiner, soft hyphen, byte order mark; not the joiners that Persian and emoji need.
UNSEEN = dict.fromkeys(map(ord, "\u200b\u2060\u00ad\ufeff"))

Part = Annotated[
    Literal["all", "answer", "last_line"],
    Field(description="What is compared: all, what follows </think>, or the last line of that"),
]


def as_text(value: Any, column: str) -> str:
    """The text that a person would write for a column's value: 4.0 -> "4", 0.5 -> "0.5", True -> "true"."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, numbers.Integral):
        if abs(int(value)) < 10**1000:  # Python refuses to print more than 4300 digits
            return str(int(value))
    elif isinstance(value, numbers.Real) and math.isfinite(value):
        number = float(value)
        return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
    raise RewardError(f"column {column!r} holds {shown(value)} ({type(value).__name__}); give text or a finite number")


def spellings(value: Any, column: str) -> tuple[str, ...]:
    """The texts that people would write for a column's value: `as_text`, and 0.00001 beside 1e-05 and 1e-5."""
    text = as_text(value, column)
    if not isinstance(value, numbers.Real) or isinstance(value, numbers.Integral) or not EXPONENT.search(text):
        return (text,)
    number = Decimal(text).normalize()
    mantissa, _, exponent = f"{number:e}".partition("e")
    written = [f"{mantissa}e{int(exponent):{form}}" for form in ("d", "+d", "+03d")]
    return tuple(dict.fromkeys((text, f"{number:f}", *written)))


def from_json(value: Any, column: str) -> Any:
    """A column's value, read as JSON where it is text (a CSV file has nothing else)."""
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError as error:
        raise RewardError(f"column {column!r} is not valid JSON: {shown(value)}: {error}") from None


def parse_json(text: str, parse_int: Callable[[str], float] = int) -> Any:
    """The value that a JSON text holds; ValueError where it is not JSON, gives a key twice or holds NaN or Infinity."""
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=parse_int)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def one_spelling(text: str, ignore_case: bool = False) -> str:
    """A text with one spelling of what Unicode spells in several ways, such as é in one character or two.

    Characters that nobody sees count for nothing.
    """
    text = unicodedata.normalize("NFC", text.translate(UNSEEN))
    return unicodedata.normalize("NFC", text.casefold()) if ignore_case else text


def same_text(found: str, required: str, ignore_case: bool = False) -> bool:
    """Whether two texts are the same, however Unicode spells them."""
    return one_spelling(found, ignore_case) == one_spelling(required, ignore_case)


def by_name(values: Mapping[str, Any]) -> dict[str, Any]:
    """An object with its keys in one spelling."""
    return {one_spelling(str(name)): value for name, value in values.items()}


def same_json(found: Any, required: Any, ignore_case: bool = False) -> bool:
    """Whether two JSON values are equal; recursion is no deeper than the required value."""
    if isinstance(required, str):
        return isinstance(found, str) and same_text(found, required, ignore_case)
    if required is None or isinstance(required, bool):
        return found is required
    if isinstance(required, Mapping):
        return (
            isinstance(found, dict)
            and len(given := by_name(found)) == len(found)
            and given.keys() == (wanted := by_name(required)).keys()
            and all(same_json(given[key], value, ignore_case) for key, value in wanted.items())
        )
    if isinstance(required, int | float):
        return isinstance(found, int | float) and not isinstance(found, bool) and _same_number(found, required)
    return (
        isinstance(found, list)
        and len(found) == len(required)
        and all(same_json(a, b, ignore_case) for a, b in zip(found, required, strict=True))
    )


def _same_number(found: float, required: float) -> bool:
    """Equal by value; floats may differ by rounding in the last digits."""
    if isinstance(found, int) and isinstance(required, int):
        return found == required
    try:
        return math.isclose(found, required, rel_tol=1e-9)
    except OverflowError:  # an integer too large for a float
        return False


def texts_of(value: Any, column: str) -> tuple[str, ...]:
    """The texts that a column gives: its own, or each of a list, which may be JSON text.

    Text is read as a list only where it is a JSON list of texts: "[1, 2]" is an answer in itself.
    """
    listed = _listed(value) if isinstance(value, str) else value
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        return spellings(listed, column)
    if not listed:
        raise RewardError(f"column {column!r} holds an empty list; give at least one text")
    return tuple(text for item in listed for text in spellings(item, column))


def _listed(text: str) -> Any:
    if not text.lstrip().startswith("["):
        return text
    try:
        found = parse_json(text)
    except ValueError:
        return text
    return found if found and all(isinstance(item, str) for item in found) else text


def part_of(completion: str, part: str) -> str:
    """The part of a completion that `Part` names; nothing where a model never stopped thinking."""
    if part == "all":
        return completion
    _, end, answer = completion.rpartition("</think>")
    if not end and "<think>" in completion:
        answer = ""
    return answer if part == "answer" else answer.strip().rpartition("\n")[2]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def shown(value: Any) -> str:
    """A value as messages show it: its repr, at most 80 characters."""
    try:
        return f"{value!r:.80}"
    except ValueError:  # an integer above Python's limit of 4300 digits
        return "a huge number"


@dataclass(frozen=True)
class _Block:
    """A fenced code block.

    Attributes:
        tag: what follows the opening fence, in lower case.
        content: its lines, without the indentation of the fence.
        start: where its opening fence begins in the text.
        end: where its closing fence ends, before the line's own end; the end of the text where it is never closed.
    """

    tag: str
    content: str
    start: int
    end: int


def fenced_blocks(text: str) -> list[str]:
    """The contents of the fenced code blocks of a text, in order; see `tagged_blocks`."""
    return [content for _, content in tagged_blocks(text)]


def tagged_blocks(text: str) -> list[tuple[str, str]]:
    """The fenced code blocks of a text, in order: each its language tag in lower case ("" for none) and its content.

    Fences are of backticks or tildes, indented or after the mark of a list item, by which the content is indented less.
    A block that is never closed ends where the next one with a tag begins, where a thought ends (`</think>`), or at the
    end of the text: models often stop there.
    """
    return [(block.tag, block.content) for block in _blocks(text)]


def _blocks(text: str) -> list[_Block]:
    found: list[_Block] = []
    opened: re.Match[str] | None = None
    lines: list[str] = []
    start = place = 0

    def close(end: int) -> None:
        assert opened is not None
        found.append(_Block(opened["tag"].strip().lower(), "".join(lines), start, end))

    for line in text.splitlines(keepends=True):
        bare = line.rstrip()
        fence = OPENING.match(bare)
        if opened is not None:
            if bare.lstrip().startswith(END_OF_THOUGHT) or bare.endswith(END_OF_THOUGHT):
                close(place)
                opened = None
            elif _closes(bare, opened["fence"]):
                close(place + len(bare))
                opened = fence = None
            elif fence and fence["tag"].strip() and fence["fence"].startswith(opened["fence"]):
                close(place)
                opened = None
        if opened is not None:
            lines.append(_indented_less(line, len(opened["indent"])))
        elif fence:
            opened, lines, start = fence, [], place + len(fence["indent"])
        place += len(line)
    if opened is not None and (lines or not found):  # else a fence too many
        close(len(text))
    return found


def _closes(line: str, fence: str) -> bool:
    mark = line.strip()
    return len(mark) >= len(fence) and not mark.strip(fence[0])


def _indented_less(line: str, width: int) -> str:
    indented = len(line) - len(line.lstrip(" \t"))
    return line[min(width, indented) :]


def program_in(completion: str) -> str:
    """The Python program of a completion: the last block tagged python or py, else the last block, else all of it.

    All of it is what follows the thoughts. A program that is indented as a whole is moved to the left.
    """
    blocks = tagged_blocks(completion)
    tagged = [content for tag, content in blocks if tag.partition(" ")[0].strip("{}.") in PYTHON_TAGS]
    program = (tagged or [content for _, content in blocks] or [part_of(completion, "answer")])[-1]
    first = next((line for line in program.splitlines() if line.strip()), "")
    return textwrap.dedent(program) if first[:1] in (" ", "\t") else program


def outside_fences(text: str, kept: frozenset[str] = frozenset()) -> str:
    """A text without its fenced code blocks (`tagged_blocks`), except those whose language tag is one of these."""
    parts, place = [], 0
    for block in _blocks(text):
        inside = f"\n{block.content}" if block.tag in kept else ""
        parts += [text[place : block.start], inside.removesuffix("\n")]
        place = block.end
    return "".join([*parts, text[place:]])
