import json

import pytest

from core.data import jsontext

ROW = {"task": "math", "prompt": "2+2?", "answer": "4"}
LINE = json.dumps(ROW)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.jsonl", LINE, "one line without a line end"),
        ("a.jsonl", LINE + "\r\n\r\n", "Windows line ends and a blank line"),
        ("a.JSONL", LINE, "an extension in capitals"),
        ("a.jsonl", b"\xef\xbb\xbf" + LINE.encode(), "a byte order mark"),
        ("a.json", f"[{LINE}]", "an array"),
        ("a.json", b"\xef\xbb\xbf [" + LINE.encode() + b"]\n", "an array after a byte order mark"),
        ("a.json", f'{{"version": 1.5, "data": [{LINE}], "note": {{"by": "me"}}}}', "a list under data"),
        ("a.json", f'{{"data": {{}}, "rows": [{LINE}]}}', "a list under rows, data being something else"),
        ("a.json", json.dumps([ROW], indent=4), "an indented array"),
    ],
)
def test_a_row_reads_the_same_in_every_spelling(write, load, name, content, why):
    assert list(load(write(name, content)).train) == [ROW], why


@pytest.mark.parametrize(
    ("line", "said", "why"),
    [
        ('{"task": "a", "prompt": }', "a.jsonl line 2: broken JSON at character 25", "a value is missing"),
        ('{"task": "a", "prompt": "x', "a.jsonl line 2: broken JSON at character 25: Unterminated", "cut line"),
        ("[1, 2]", "a.jsonl line 2: [1, 2] is no object", "an array"),
        ("null", "a.jsonl line 2: null is no object", "null"),
        ('{"task": "a", "task": "b", "prompt": "x"}', "the key 'task' is there twice", "a duplicate key"),
        ('{"task": "a", "prompt": "x", "m": {"k": 1, "k": 2}}', "the key 'k' is there twice", "an inner one"),
        ('{"task": "a", "prompt": "x", "answer": NaN}', "NaN is not JSON; write null", "not a number"),
        ('{"task": "a", "prompt": "x", "m": ' + "[" * 100_000, "nested too deep", "a bomb of brackets"),
        ("1" * 5000, "a.jsonl line 2: broken JSON: Exceeds the limit", "an integer beyond Python's limit"),
        ('{"task": "a", "prompt": "x\x00"}', "a.jsonl line 2: a NUL byte at byte 27", "a NUL byte"),
        (b'{"task": "a", "prompt": "caf\xe9"}', "line 2: not UTF-8: byte 0xe9 at byte 29", "Latin-1"),
    ],
)
def test_a_bad_line_is_named(write, complaints, line, said, why):
    content = LINE.encode() + b"\n" + (line if isinstance(line, bytes) else line.encode()) + b"\n" + LINE.encode()
    (complaint,) = complaints(write("a.jsonl", content))
    assert said in complaint, why


def test_an_array_in_a_jsonl_file_is_sent_to_a_json_file(write, complaints):
    first, *_ = complaints(write("a.jsonl", json.dumps([ROW], indent=1)))
    assert "belongs in a .json file" in first


@pytest.mark.parametrize(
    ("content", "said", "why"),
    [
        (f"{LINE}\n{LINE}", "one object per line belongs in a .jsonl file", "JSON Lines in a .json file"),
        ('{"columns": {}}', "holds no list under data or rows", "an object without rows"),
        (f"[{LINE},\n {LINE[:-1]}, 5}}]", "a.json item 2: broken JSON: Expecting property name", "a broken item"),
        (f"[{LINE},\n {LINE[:-1]}, 5}}]", "(line 2, character 52)", "its place"),
        (f"[{LINE},]", "a.json item 2: broken JSON: Expecting value", "a trailing comma"),
        (f"[{LINE}", "a.json item 2: broken JSON: the file ends where , or ] must stand", "a file cut short"),
        (f"[{LINE} {LINE}]", "broken JSON: { stands where , or ] must", "a comma forgotten"),
        (f"[{LINE}] []", "something follows the end", "two documents"),
        (f"[{LINE}, 7]", "a.json item 2: 7 is no object", "an item that is no row"),
        ("7", "broken JSON: 7 stands where [ must", "no list at all"),
        ("[]", "there are no rows", "an empty list"),
        (b'[{"task": "a", "prompt": "caf\xe9"}]', "a.json item 1: not UTF-8: byte 0xe9", "Latin-1"),
        (f'[{LINE}, {{"task": "never closed]', "a.json item 2: broken JSON: Unterminated string", "an open quote"),
    ],
)
def test_a_bad_document_is_named(write, complaints, content, said, why):
    assert any(said in complaint for complaint in complaints(write("a.json", content))), why


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_a_document_reads_the_same_however_the_window_cuts_it(write, load, monkeypatch, chunk):
    rows = [{**ROW, "n": 123456, "x": [True, None, -1.5e3], "t": 'é"\\ 😀'}, {**ROW, "n": 7, "x": [], "t": ""}]
    content = json.dumps({"version": 123456, "ok": True, "data": rows}, indent=1)
    monkeypatch.setattr(jsontext, "CHUNK", chunk)
    assert list(load(write("a.json", content)).train) == rows


def test_the_place_of_a_broken_item_counts_what_the_window_dropped(write, complaints, monkeypatch):
    monkeypatch.setattr(jsontext, "CHUNK", 16)
    monkeypatch.setattr(jsontext, "LONGEST_TOKEN", 4)
    (complaint,) = complaints(write("a.json", f"[{LINE}, {LINE}, ?{' ' * 100}]"))
    assert f"a.json item 3: broken JSON: Expecting value. (line 1, character {2 * len(LINE) + 6})" in complaint
