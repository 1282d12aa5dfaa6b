import pytest

from core.data import batches
from core.data.batches import Findings, Place, in_batches
from core.errors import UserError


def test_a_batch_ends_at_its_length_or_at_its_size(monkeypatch):
    monkeypatch.setattr(batches, "BATCH_ROWS", 3)
    monkeypatch.setattr(batches, "BATCH_BYTES", 100)
    rows = [(number, size, {"a": number}) for number, size in enumerate([1, 1, 1, 60, 60, 1], 1)]
    assert [list(batch.numbers) for batch in in_batches("f", "line", rows)] == [[1, 2, 3], [4, 5], [6]]


def test_problems_come_in_the_order_of_files_and_rows():
    findings = Findings()
    for file, number in [("b", 9), ("b", 2), ("a", 1)]:
        findings.add(Place(file, "line", number), "wrong.")
    with pytest.raises(UserError) as caught:
        findings.check()
    assert str(caught.value) == "b line 2: wrong.\nb line 9: wrong.\na line 1: wrong."


def test_reading_goes_on_past_known_problems():
    findings = Findings()
    findings.add("f", "wrong.")
    findings.check(since=1)
    with pytest.raises(UserError):
        findings.check()


def test_twenty_problems_end_the_reading(write, complaints):
    said = complaints(write("a.jsonl", [{"task": "", "prompt": ""}] * 15))
    assert len(said) == 21
    assert said[0].startswith("a.jsonl line 1, column 'prompt'")
    assert said[-1] == "a.jsonl: reading stopped after 20 problems; there may be more. Mend these first."


def test_problems_of_several_kinds_are_collected_at_once(write, complaints):
    lines = ['{"task": "m", "prompt": "x", "n": 1}', "{", '{"task": "", "prompt": "x", "n": "1"}']
    assert [complaint.split(":")[0] for complaint in complaints(write("a.jsonl", "\n".join(lines)))] == [
        "a.jsonl line 2",
        "a.jsonl line 3, column 'task'",
        "a.jsonl line 3, column 'n'",
    ]
