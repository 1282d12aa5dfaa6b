"""Fields of a JSON object: for extraction, tool arguments and other structured output.

Right is a field whose value equals the required one; the score is the share of required fields that are right, so
that a group learns the easy fields before the hard ones. A completion that is not one valid JSON object earns 0
whatever it contains, because a program reading it would fail. Refused for that reason, and so that nobody can hedge:
text before or after the object (unless the object is in the only fenced block), a key given twice, NaN and Infinity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from rewards.declaration import Example, RewardError, reward
from rewards.text import Part, by_name, fenced_blocks, from_json, parse_json, part_of, same_json, shown

ADA = {"fields": {"name": "Ada", "age": 36}}


@reward(
    title="JSON fields",
    family="JSON",
    examples=[
        Example('{"name": "Ada", "age": 36}', 1.0, ADA, note="both fields right"),
        Example('{"name": "Ada", "age": 63}', 0.5, ADA, note="one of two right"),
        Example("", 0.0, ADA, note="empty"),
        Example('{"name": "Ada"}', None, error="no 'fields'", note="the row has no fields"),
        Example('{"age": 35, "age": 36, "name": "Ada"}', 0.0, ADA, note="a key given twice is no way to hedge"),
        Example('Here:\n```json\n{"age": 36.0, "name": "Ada"}\n```', 1.0, ADA, note="in the only fenced block"),
        Example('{"name": "Ada", "age": 36} Hope this helps!', 0.0, ADA, note="text after the object"),
        Example('<think>{}</think>{"name": "Ada", "age": 36}', 1.0, ADA, {"part": "answer"}, "after a thought"),
        Example('{"name": "Rene\u0301"}', 1.0, {"fields": {"name": "Ren\u00e9"}}, note="é in one character or in two"),
        Example('{"ok": 1}', 0.0, {"fields": '{"ok": true}'}, note="1 is not true; fields as JSON text"),
    ],
    source="Field accuracy, as used for information extraction",
)
def json_fields(
    completion: str,
    fields: Any,
    *,
    part: Part = "all",
    all_or_nothing: Annotated[bool, Field(description="1 only if every field is right, else 0")] = False,
    allow_extra: Annotated[bool, Field(description="Allow keys that are not required; otherwise they earn 0")] = True,
    ignore_case: Annotated[bool, Field(description="Treat Paris and PARIS alike in values")] = False,
) -> float:
    """The share of required fields that a JSON object gets right, 0 to 1.

    `json_fields('{"name": "Ada", "age": 63}', fields={"name": "Ada", "age": 36})` is 0.5. Numbers are equal by value
    (36 and 36.0), true is not 1, null only equals null, lists and objects inside must be equal as a whole.
    """
    required = from_json(fields, "fields")
    if not isinstance(required, Mapping) or not required:
        raise RewardError(f"column 'fields' holds {shown(fields)}; give an object with at least one required field")
    required, found = by_name(required), _object(part_of(completion, part))
    if found is None or not (allow_extra or found.keys() <= required.keys()):
        return 0.0
    right = sum(key in found and same_json(found[key], value, ignore_case) for key, value in required.items())
    return float(right == len(required)) if all_or_nothing else right / len(required)


def _object(completion: str) -> dict[str, Any] | None:
    """The JSON object that a completion is, or that its only fenced block is."""
    blocks = fenced_blocks(completion)
    if len(blocks) > 1:
        return None
    text = blocks[0] if blocks else completion
    try:
        value = parse_json(text, _whole_number)
    except ValueError:
        return None
    named = by_name(value) if isinstance(value, dict) else {}
    return named if isinstance(value, dict) and len(named) == len(value) else None  # else a key is given twice


def _whole_number(digits: str) -> float:
    """An integer; what has more digits than Python reads (4300) equals nothing, so that only its own field is wrong."""
    try:
        return int(digits)
    except ValueError:
        return math.nan
