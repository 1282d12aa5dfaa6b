"""tool_calls: how calls are read, which arguments are equal, and what wrong, missing and extra calls cost."""

import json
import threading

import pytest

from rewards.tool_calls import tool_calls


def call(name, **arguments):
    return {"name": name, "arguments": arguments}


def text(*calls):
    return json.dumps(list(calls))


F = call("f", a=1, b="x")
G = call("g")
F_TEXT, G_TEXT = json.dumps(F), json.dumps(G)
OPENAI_F = {"type": "function", "id": "1", "function": {"name": "f", "arguments": json.dumps(F["arguments"])}}


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (f"<tool_call>{F_TEXT}</tool_call><tool_call>{G_TEXT}</tool_call>", "Hermes and Qwen"),
        (f"I look.\n<tool_call>\n{F_TEXT}\n</tool_call>\n<tool_call>\n{G_TEXT}\n</tool_call>\nDone.", "text around"),
        (f"<tool_call>{F_TEXT}</tool_call>\n<tool_call>{G_TEXT}", "the last tag is not closed"),
        (f"<tool_call>[{F_TEXT}, {G_TEXT}]</tool_call>", "a list between tags"),
        (f"<tool_call>{F_TEXT}\n{G_TEXT}</tool_call>", "two between tags"),
        (f"<tool_call>{F_TEXT}</tool_call><tool_call>{G_TEXT}</tool_call><|im_end|>\n", "the mark of the end"),
        (f"[TOOL_CALLS] [{F_TEXT}, {G_TEXT}]", "Mistral"),
        (f"I look.[TOOL_CALLS][{F_TEXT}, {G_TEXT}]</s>", "Mistral, with text and the mark of the end"),
        (f"[{F_TEXT}, {G_TEXT}]", "a bare list"),
        (f"{F_TEXT}\n{G_TEXT}", "one on each line"),
        (f"{F_TEXT}; {G_TEXT}", "Llama 3, several calls"),
        (
            '<|python_tag|>{"name": "f", "parameters": {"a": 1, "b": "x"}}; {"name": "g", "parameters": {}}<|eom_id|>',
            "Llama 3, with its marks",
        ),
        (
            '{"type": "function", "name": "f", "parameters": {"a": 1, "b": "x"}}\n{"name": "g", "parameters": null}',
            "type",
        ),
        (f"```json\n[{F_TEXT}, {G_TEXT}]\n```", "a fenced list"),
        (f"First:\n```json\n{F_TEXT}\n```\nthen\n```\n{G_TEXT}\n```", "two fenced blocks"),
        (f"```python\nprint(1)\n```\n```json\n[{F_TEXT}, {G_TEXT}]\n```", "a fenced block that is no call"),
        (json.dumps([OPENAI_F, {"function": G}]), "OpenAI"),
        (f"<think>I need f. <tool_call>{G_TEXT}</tool_call>?</think>\n[{F_TEXT}, {G_TEXT}]", "thinking before"),
        (f"I need f, not {G_TEXT}.</think>[{F_TEXT}, {G_TEXT}]", "thinking that the prompt opened"),
        (f"[{F_TEXT}, {G_TEXT}]<think>Was that right?", "thinking that never ends, after"),
    ],
)
def test_calls_are_read_as_chat_models_write_them(completion, reason):
    assert tool_calls.function(completion, [F, G]) == 1.0, reason


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (f"<tool_call>{F_TEXT}x</tool_call>", "text after the call, between the tags"),
        ("<tool_call>{'name': 'f', 'arguments': {'a': 1, 'b': 'x'}}</tool_call>", "Python, not JSON"),
        ("<tool_call><function=f><parameter=a>1</parameter></function></tool_call>", "XML"),
        ('<tool_call>{"name": "f", "name": "g", "arguments": {}}</tool_call>', "a name given twice"),
        (
            '<tool_call>{"name": "f", "arguments": {"a": 2, "a": 1, "b": "x"}}</tool_call>',
            "an argument given twice",
        ),
        ('<tool_call>{"name": "f", "arguments": {}, "parameters": {"a": 1, "b": "x"}}</tool_call>', "both words"),
        ('<tool_call>{"name": "f", "arguments": [1, "x"]}</tool_call>', "a list of arguments"),
        ('<tool_call>{"name": "f", "arguments": "a=1"}</tool_call>', "arguments as a text that is no JSON"),
        ('<tool_call>{"name": ["f", "g"], "arguments": {"a": 1, "b": "x"}}</tool_call>', "two names at once"),
        ('<tool_call>{"arguments": {"a": 1, "b": "x"}}</tool_call>', "no name"),
        ("<tool_call></tool_call>", "nothing between the tags"),
        ("<tool_call>" + "[" * 100_000 + "</tool_call>", "nested too deeply"),
        ("[TOOL_CALLS] f", "no JSON"),
    ],
)
def test_what_is_marked_as_a_call_and_cannot_be_read_is_a_wrong_call(completion, reason):
    assert tool_calls.function(completion, [F]) == 0.0, reason
    assert tool_calls.function(completion, []) == 0.0, reason


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("", "silence"),
        ("The answer is 42.", "text"),
        ('{"name": "Ada", "age": 36}', "JSON that is no call"),
        ("[1, 2, 3]", "a list of something else"),
        ("[]", "an empty list"),
        ("42", "a number"),
        ("```python\nf(a=1, b='x')\n```", "a program"),
        (f"One could write {F_TEXT} here.", "JSON in a sentence"),
        (f"<think>Shall I? <tool_call>{F_TEXT}</tool_call></think>No.", "a call that was only thought of"),
        (f"<think>Shall I? <tool_call>{F_TEXT}</tool_call>", "thinking that never ended"),
        ("[" * 100_000, "nested too deeply"),
        ("1 " * 100_000, "many values"),
        ("9" * 100_000, "a number too long to read"),
        ("\ud800", "half a character"),
    ],
)
def test_what_is_no_call_is_right_where_none_is_expected(completion, reason):
    assert tool_calls.function(completion, []) == 1.0, reason
    assert tool_calls.function(completion, [F]) == 0.0, reason


@pytest.mark.parametrize(
    "column",
    [
        [F],
        (F,),
        F,
        json.dumps([F]),
        json.dumps(F),
        [json.dumps(F)],
        [OPENAI_F],
        json.dumps([OPENAI_F]),
        [{"type": "function", "function": F}],
        [{"name": "f", "parameters": {"a": 1, "b": "x"}}],
        [{"name": "f", "arguments": json.dumps(F["arguments"])}],
        [{"name": "f", "arguments": {"a": 1, "b": "x", "c": None}, "parameters": None}],
    ],
    ids=lambda column: str(column)[:50],
)
def test_expected_calls_come_in_many_forms(column):
    assert tool_calls.function(F_TEXT, column) == 1.0
    assert tool_calls.function(F_TEXT, None, column) == 1.0
    assert tool_calls.function(G_TEXT, column) == 0.0


def test_the_column_tool_calls_comes_before_the_answer(score_one):
    assert score_one(tool_calls, F_TEXT, tool_calls=[F], answer="Paris") == 1.0
    assert score_one(tool_calls, F_TEXT, tool_calls=[G], answer=[F]) == 0.0
    assert score_one(tool_calls, F_TEXT, tool_calls=None, answer=[F]) == 1.0
    assert score_one(tool_calls, F_TEXT, answer="[]") == 0.0


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (None, "no 'tool_calls' and no 'answer'"),
        ("", "not valid JSON"),
        ("f(1)", "not valid JSON"),
        ("3", "give a list of calls"),
        (3, "give a list of calls"),
        (True, "give a list of calls"),
        ([F, {"name": "g"}], "call 2 of column 'tool_calls' is {'name': 'g'}"),
        ([{"name": "", "arguments": {}}], "call 1"),
        ([{"name": 3, "arguments": {}}], "call 1"),
        ([{"name": "f", "arguments": [1]}], "call 1"),
        ([{"name": "f", "arguments": "a=1"}], "call 1"),
        ([{"name": "f", "arguments": {}, "parameters": {"a": 1}}], "call 1"),
        ([[F]], "call 1"),
        ([None], "call 1"),
        (["f"], "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_row_that_cannot_be_read_is_an_error_that_names_the_call(column, message, score_one):
    assert message in str(score_one(tool_calls, F_TEXT, tool_calls=column))
    assert message.replace("column 'tool_calls'", "column 'answer'") in str(score_one(tool_calls, "", answer=column))


@pytest.mark.parametrize(
    ("found", "wanted", "params", "same"),
    [
        (1.0, 1, {}, True),
        (1, 1.0, {}, True),
        (0.30000000000000004, 0.3, {}, True),
        (True, 1, {}, False),
        (1, True, {}, False),
        ("1", 1, {}, False),
        ("paris", "Paris", {}, False),
        ("paris", "Paris", {"ignore_case": True}, True),
        ("STRASSE", "Straße", {"ignore_case": True}, True),
        (["paris"], ["Paris"], {"ignore_case": True}, True),
        ({"PARIS": 1}, {"Paris": 1}, {"ignore_case": True}, False),
        (" Paris", "Paris", {"ignore_case": True}, False),
        ([1, 2], [2, 1], {}, False),
        ({"a": 1, "b": [2.0]}, {"b": [2], "a": 1}, {}, True),
        ({"a": 1, "b": 2}, {"a": 1}, {}, False),
        (10**30, 10**30, {}, True),
        ("東京", "東京", {}, True),
    ],
)
def test_arguments_are_equal_by_value(found, wanted, params, same):
    score = tool_calls.function(text(call("f", a=found)), [call("f", a=wanted)], **params)
    assert score == (1.0 if same else 0.5)
    assert tool_calls.function(text(call("f", a=found)), [call("f", a=wanted)], credit="calls", **params) == float(same)


def test_the_case_of_names_always_counts():
    assert tool_calls.function(text(call("F", a=1)), [call("f", a=1)], ignore_case=True) == 0.0
    assert tool_calls.function(text(call("f", A=1)), [call("f", a=1)], ignore_case=True) == 1 / 3


def test_an_argument_of_null_is_one_left_out():
    assert tool_calls.function(text(call("f", a=1, b=None)), [call("f", a=1)]) == 1.0
    assert tool_calls.function(text(call("f", a=1)), [call("f", a=1, b=None)]) == 1.0
    assert tool_calls.function(text(call("f", a=None)), [call("f", a=1)]) == 0.5


@pytest.mark.parametrize(
    ("made", "expected", "by_argument", "by_call", "reason"),
    [
        ([call("f", a=1, b=2)], [call("f", a=1, b=2)], 1, 1, "right"),
        ([call("f", a=1, b=3)], [call("f", a=1, b=2)], 2 / 3, 0, "one argument wrong"),
        ([call("f", a=1)], [call("f", a=1, b=2)], 2 / 3, 0, "one argument missing"),
        ([call("f", a=1, b=2, c=3)], [call("f", a=1, b=2)], 3 / 4, 0, "one argument too many"),
        ([call("f")], [call("f", a=1, b=2)], 1 / 3, 0, "the name alone"),
        ([call("f", **{f"x{n}": n for n in range(97)})], [call("f", a=1, b=2)], 1 / 100, 0, "many arguments too many"),
        ([call("g", a=1, b=2)], [call("f", a=1, b=2)], 0, 0, "the right arguments to another function"),
        ([F], [F, G], 1 / 2, 1 / 2, "one call missing"),
        ([F, G], [F], 1 / 2, 1 / 2, "one call too many"),
        ([F, F, F, F], [F], 1 / 4, 1 / 4, "the same call again and again"),
        ([F], [F, F], 1 / 2, 1 / 2, "the same call is expected twice"),
        ([F, F], [F, F], 1, 1, "and made twice"),
        ([F, {"no": "call"}], [F], 1 / 2, 1 / 2, "something else in the list"),
        ([call("f", a=2), call("f", a=1)], [call("f", a=1), call("f", a=3)], 3 / 4, 1 / 2, "the best pair first"),
    ],
)
def test_every_part_of_every_call_counts(made, expected, by_argument, by_call, reason):
    assert tool_calls.function(text(*made), expected) == pytest.approx(by_argument), reason
    assert tool_calls.function(text(*made), expected, credit="calls") == pytest.approx(by_call), reason
    assert tool_calls.function(text(*made), expected, credit="all") == float(by_call == 1), reason


@pytest.mark.parametrize(
    ("made", "expected", "score", "reason"),
    [
        ("abc", "abc", 1, "the same order"),
        ("cab", "abc", 2 / 3, "two are in order"),
        ("cba", "abc", 1 / 3, "the other way round"),
        ("xabc", "abc", 3 / 4, "one before that nobody asked for"),
        ("bc", "abc", 2 / 3, "the first is missing"),
        ("", "abc", 0, "none"),
    ],
)
def test_order_counts_where_it_is_to(made, expected, score, reason):
    made, expected = text(*map(call, made)), list(map(call, expected))
    assert tool_calls.function(made, expected, ordered=True) == pytest.approx(score), reason
    assert tool_calls.function(made, expected, ordered=True, credit="all") == float(score == 1), reason


def test_order_does_not_count_otherwise():
    assert tool_calls.function(text(*map(call, "cba")), list(map(call, "abc")), credit="all") == 1.0


@pytest.mark.parametrize("ordered", [True, False])
def test_thousands_of_calls_are_worth_little_and_take_no_time(ordered):
    score = tool_calls.function(text(*[F] * 5000), [F, G] * 5, ordered=ordered)
    assert score == pytest.approx(5 / 5000)


def test_it_may_be_called_from_a_thread():
    scores = []
    thread = threading.Thread(target=lambda: scores.append(tool_calls.function(F_TEXT, [F])))
    thread.start()
    thread.join(timeout=10)
    assert scores == [1.0]


def test_names_and_texts_may_be_spelled_as_unicode_allows(score_one):
    answer = [{"name": "f", "arguments": {"cit\u00e9": "Ren\u00e9"}}]
    assert score_one(tool_calls, '{"name": "f", "arguments": {"cite\u0301": "Rene\u0301"}}', answer=answer) == 1.0
    twice = '{"name": "f", "arguments": {"cite\u0301": "x", "cit\u00e9": "Ren\u00e9"}}'
    assert score_one(tool_calls, twice, answer=answer) == 0.0
