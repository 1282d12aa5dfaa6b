"""What rewards share about text: a column's value as a person would write it, JSON inside a column, fenced blocks.

Data files hold answers as text, numbers or truth values, and CSV files hold lists and objects as JSON text; a reward
should not care which.
"""

from __future__ import annotations

import json
import math
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from rewards.declaration import RewardError

FENCE = "```"
PYTHON_TAGS = {"python", "python3", "py"}
FENCED = re.compile(r"^ *```(?P<tag>[^\n`]*)$(?P<content>(?:\n(?! *```)[^\n]*)*)(?:\n *```[^\n]*)?", re.MULTILINE)


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


def same_json(found: Any, required: Any, ignore_case: bool = False) -> bool:
    """Whether two JSON values are equal; recursion is no deeper than the required value."""
    if isinstance(required, str):
        return isinstance(found, str) and (
            found.casefold() == required.casefold() if ignore_case else found == required
        )
    if required is None or isinstance(required, bool):
        return found is required
    if isinstance(required, Mapping):
        return (
            isinstance(found, dict)
            and found.keys() == required.keys()
            and all(same_json(found[key], value, ignore_case) for key, value in required.items())
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
        return (as_text(listed, column),)
    if not listed:
        raise RewardError(f"column {column!r} holds an empty list; give at least one text")
    return tuple(as_text(item, column) for item in listed)


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


def fenced_blocks(text: str) -> list[str]:
    """The contents of the fenced code blocks of a text, in order.

    A last fence that is never closed runs to the end: models often stop there.
    """
    return [content for _, content in tagged_blocks(text)]


def tagged_blocks(text: str) -> list[tuple[str, str]]:
    """The fenced code blocks of a text, in order: each its language tag in lower case ("" for none) and its content."""
    blocks: list[tuple[str, str]] = []
    tag = ""
    block: list[str] | None = None
    for line in text.splitlines(keepends=True):
        if not line.lstrip(" ").startswith(FENCE):
            if block is not None:
                block.append(line)
        elif block is None:
            tag, block = line.strip().strip("`").strip().lower(), []
        else:
            blocks.append((tag, "".join(block)))
            block = None
    return blocks if block is None else [*blocks, (tag, "".join(block))]


def program_in(completion: str) -> str:
    """The Python program of a completion: the last block tagged python or py, else the last block, else all of it."""
    blocks = tagged_blocks(completion)
    tagged = [content for tag, content in blocks if tag in PYTHON_TAGS]
    return (tagged or [content for _, content in blocks] or [completion])[-1]


def outside_fences(text: str, kept: frozenset[str] = frozenset()) -> str:
    """A text without its fenced code blocks, except those whose language tag is one of these.

    A last fence that is never closed runs to the end, as in `fenced_blocks`.
    """
    return FENCED.sub(lambda block: block["content"] if block["tag"].strip().lower() in kept else "", text)
