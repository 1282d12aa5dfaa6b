"""Tool calls: the functions that a model wants called, and with which arguments, against those of the row.

Calls are read as the common chat models write them, the first of these that a completion has:

- `<tool_call>{"name": ..., "arguments": {...}}</tool_call>` (Hermes, Qwen)
- `[TOOL_CALLS] [{"name": ..., "arguments": {...}}]` (Mistral, older models)
- nothing but JSON: one call, a list of calls, or several one after another (Llama 3, with `parameters`)
- fenced blocks that hold such JSON

What a model thinks is no call: all before the first `</think>`, and all after a `<think>` that it does not close. A
block between call tags that cannot be read is a call that was made, and wrong. JSON in the midst of a sentence is no
call, as no program that runs calls would take it for one; nor are formats that are not JSON (Qwen3-Coder's XML, newer
Mistral's `name[ARGS]{...}`, calls written as Python).

Calls are paired with expected ones so that much is right, and the sum is divided by the larger of the two counts. So
calling everything there is, or the same twice, costs as much as a call left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from rewards.declaration import Example, RewardError, reward
from rewards.text import by_name, fenced_blocks, from_json, parse_json, same_json, same_text, shown

THINK, END_OF_THINKING = "<think>", "</think>"
HERMES = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
MISTRAL = "[TOOL_CALLS]"
LLAMA = "<|python_tag|>"
END_OF_TEXT = re.compile(r"(?:</s>|<\|(?:im_end|eot_id|eom_id|endoftext)\|>)\s*\Z")
BETWEEN = re.compile(r"[\s;,]*")
ARGUMENTS = ("arguments", "parameters")

WEATHER = {"name": "weather", "arguments": {"city": "Paris", "days": 3}}
ONE = {"answer": [WEATHER]}
TWO = {"answer": [WEATHER, {"name": "time", "arguments": {}}]}
WEATHER_TEXT = json.dumps(WEATHER)
TIME_TEXT = '{"name": "time", "arguments": {}}'


@dataclass(frozen=True)
class Call:
    """A function to call; an argument of null is the same as one left out."""

    name: str
    arguments: Mapping[str, Any]


Made = Call | None  # None: what is no call that can be read, where one was made


@reward(
    title="Tool calls",
    family="tools",
    examples=[
        Example(f"<tool_call>\n{WEATHER_TEXT}\n</tool_call>", 1.0, ONE, note="as Hermes and Qwen write it"),
        Example("<tool_call>{}</tool_call>", 0.0, ONE, note="a call without a name"),
        Example("", 0.0, ONE, note="empty"),
        Example(WEATHER_TEXT, None, note="the row expects nothing, not even no call", error="no 'tool_calls'"),
        Example(WEATHER_TEXT.replace("3", "5"), 2 / 3, ONE, note="name and one of two arguments right"),
        Example(WEATHER_TEXT.replace("3", "5"), 0.0, ONE, {"credit": "calls"}, "a call is right or wrong"),
        Example(f"[{TIME_TEXT}, {WEATHER_TEXT}]", 1.0, TWO, note="in any order"),
        Example(f"[{TIME_TEXT}, {WEATHER_TEXT}]", 0.5, TWO, {"ordered": True}, "only one in its place"),
        Example(f"[{WEATHER_TEXT}, {WEATHER_TEXT}]", 0.5, ONE, note="calling it twice does not help"),
        Example(
            '{"name": "weather", "parameters": {"city": "Paris", "days": 3.0}}', 1.0, ONE, note="Llama 3; 3 is 3.0"
        ),
        Example("I can answer that myself: 4.", 1.0, {"answer": []}, note="no call expected, none made"),
        Example(f"```json\n{TIME_TEXT}\n```", 0.0, {"answer": []}, note="no call expected, one made"),
        Example("{}", None, {"answer": [{"name": "time"}]}, note="a malformed row", error="call 1"),
    ],
    source="Name and argument matching after ToolRL (Qian et al. 2025, arXiv 2504.13958), as a share of what is right",
)
def tool_calls(
    completion: str,
    tool_calls: Any = None,
    answer: Any = None,
    *,
    credit: Annotated[
        Literal["arguments", "calls", "all"],
        Field(description="What counts: every name and argument, only whole calls, or only all calls together"),
    ] = "arguments",
    ordered: Annotated[bool, Field(description="Calls must come in the row's order")] = False,
    ignore_case: Annotated[bool, Field(description="Treat Paris and PARIS alike in arguments")] = False,
) -> float:
    """How much of the expected tool calls was made, with the right arguments, and nothing else, 0 to 1.

    `tool_calls('{"name": "f", "arguments": {"a": 1}}', answer=[{"name": "f", "arguments": {"a": 2}}])` is 0.5: the name
    is right, the argument is not. Column `tool_calls`, else `answer`, holds a list of
    `{"name": ..., "arguments": {...}}`, of OpenAI's `{"type": "function", "function": {...}}`, or JSON text of these;
    an empty list expects no call.

    A call of the right name earns (1 + right arguments) / (1 + arguments of either side); one of another name nothing.
    Numbers are equal by value (1 and 1.0), true is not 1, lists and objects must be equal as a whole. In any order,
    pairs are taken from the best down; in order, so that the sum is largest. A row that expects no call is right with
    silence, too: give it a reward for what is said.
    """
    expected = _expected(answer, "answer") if tool_calls is None else _expected(tool_calls, "tool_calls")
    made = _made(completion)
    if not expected or not made:
        return float(not expected and not made)

    def right(wanted: Call, call: Made) -> float:
        share = _right(wanted, call, ignore_case)
        return share if credit == "arguments" else float(share == 1)

    total = (_in_order if ordered else _in_any_order)(expected, made, right)
    score = total / max(len(expected), len(made))
    return float(score == 1) if credit == "all" else score


def _right(wanted: Call, made: Made, ignore_case: bool) -> float:
    """The share of a call that is right, its name being one part and each argument another."""
    if made is None or not same_text(made.name, wanted.name):
        return 0.0
    asked, given = by_name(wanted.arguments), by_name(made.arguments)
    if len(given) < len(made.arguments):  # an argument is given twice, in two spellings
        return 0.0
    names, both = asked.keys() | given.keys(), asked.keys() & given.keys()
    right = sum(same_json(given[name], asked[name], ignore_case) for name in both)
    return (1 + right) / (1 + len(names))


Right = Callable[[Call, Made], float]


def _in_any_order(expected: Sequence[Call], made: Sequence[Made], right: Right) -> float:
    """The sum over pairs, each call in one at most, the best pairs first."""
    pairs = [(right(wanted, call), i, j) for i, wanted in enumerate(expected) for j, call in enumerate(made)]
    total, used, met = 0.0, set(), set()
    for share, i, j in sorted(pairs, reverse=True):
        if i not in met and j not in used:
            total += share
            met.add(i)
            used.add(j)
    return total


def _in_order(expected: Sequence[Call], made: Sequence[Made], right: Right) -> float:
    """The largest sum over pairs that do not cross: a longest common subsequence, weighted."""
    best = [0.0] * (len(made) + 1)
    for wanted in expected:
        row = [0.0]
        for j, call in enumerate(made):
            row.append(max(best[j] + right(wanted, call), best[j + 1], row[j]))
        best = row
    return best[-1]


def _expected(column: Any, name: str) -> list[Call]:
    """The calls that a row expects, or what is wrong with it."""
    if column is None:
        raise RewardError("the row has no 'tool_calls' and no 'answer'; give the calls, or [] where none is expected")
    listed = from_json(column, name)
    listed = [listed] if isinstance(listed, Mapping) else listed
    if not isinstance(listed, list | tuple):
        raise RewardError(f"column {name!r} holds {shown(column)}; give a list of calls, [] where none is expected")
    calls = [(_call(from_json(item, name)), item) for item in listed]
    for number, (call, item) in enumerate(calls, 1):
        if call is None:
            raise RewardError(
                f"call {number} of column {name!r} is {shown(item)}; "
                'give {"name": <text>, "arguments": {<name>: <value>}}, with {} for no arguments'
            )
    return [call for call, _ in calls if call is not None]


def _made(completion: str) -> list[Made]:
    """The calls that a completion makes."""
    text = _said(completion)
    if blocks := HERMES.findall(text):
        return [call for block in blocks for call in _calls(block) or [None]]
    if MISTRAL in text:
        return _calls(text.partition(MISTRAL)[2]) or [None]
    return _calls(text.removeprefix(LLAMA)) or [call for block in fenced_blocks(text) for call in _calls(block)]


def _said(completion: str) -> str:
    """What comes after the thinking, without the mark of the end."""
    _, thought, rest = completion.partition(END_OF_THINKING)
    text = rest if thought else completion.partition(THINK)[0]
    return END_OF_TEXT.sub("", text).strip()


def _calls(text: str) -> list[Made]:
    """The calls that a text consists of; none where it is no JSON, or JSON without a single call."""
    try:
        values = _json_values(text)
    except ValueError:
        return []
    calls = [_call(item) for value in values for item in (value if isinstance(value, list) else [value])]
    return calls if any(calls) else []


def _json_values(text: str) -> list[Any]:
    """All JSON values of a text that consists of them; ValueError for any other text."""
    decoder = json.JSONDecoder()
    values: list[Any] = []
    start = _next(text, 0)
    while start < len(text):
        try:
            _, end = decoder.raw_decode(text, start)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        values.append(parse_json(text[start:end]))  # which refuses a key given twice, and NaN
        start = _next(text, end)
    return values


def _next(text: str, start: int) -> int:
    match = BETWEEN.match(text, start)
    return match.end() if match else start


def _call(value: Any) -> Made:
    """The call that a JSON value is, OpenAI's form unwrapped."""
    inner = value.get("function") if isinstance(value, Mapping) else None
    value = inner if isinstance(inner, Mapping) else value
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str) or not value["name"]:
        return None
    given = [value[key] for key in ARGUMENTS if value.get(key) is not None]
    if len(given) > 1 or not any(key in value for key in ARGUMENTS):
        return None
    arguments = given[0] if given else {}
    if isinstance(arguments, str):
        try:
            arguments = parse_json(arguments)
        except ValueError:
            return None
    if not isinstance(arguments, Mapping):
        return None
    return Call(value["name"], {name: argument for name, argument in arguments.items() if argument is not None})
