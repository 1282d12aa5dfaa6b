import datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data import tables


@pytest.fixture
def parquet(tmp_path):
    def _parquet(name="a.parquet", **columns):
        rows = len(next(iter(columns.values())))
        there = {"task": ["m"] * rows, "prompt": [f"p{row}" for row in range(rows)], **columns}
        pq.write_table(pa.table(there), tmp_path / name)
        return str(tmp_path / name)

    return _parquet


@pytest.mark.parametrize(
    ("column", "values", "why"),
    [
        (pa.array(["a", None], pa.large_string()), ["a", None], "large text"),
        (pa.array(["a", "a"]).dictionary_encode(), ["a", "a"], "a dictionary, as pandas' categories become"),
        (pa.array([1, None], pa.int8()), [1, None], "small integers"),
        (pa.array([2**64 - 1, 1], pa.uint64()), [2**64 - 1, 1], "integers beyond int64"),
        (pa.array([0.5, 2.0], pa.float32()), [0.5, 2.0], "small fractions"),
        (pa.array([[1], None], pa.large_list(pa.int16())), [[1], None], "lists"),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int64(), 2)), [[1, 2], [3, 4]], "lists of one length"),
        (pa.array([[["a"]], []]), [[["a"]], []], "lists of lists"),
        (pa.array([{"a": 1}, {"a": None}]), [{"a": 1}, {"a": None}], "structs"),
        (pa.array([[{"in": "1"}], []]), [[{"in": "1"}], []], "lists of structs"),
        (pa.array([datetime.date(2026, 1, 2), None]), [datetime.date(2026, 1, 2), None], "dates"),
        (pa.array([Decimal("4.50"), None]), [Decimal("4.50"), None], "decimals"),
        (pa.array([b"\xff", None]), [b"\xff", None], "bytes"),
    ],
)
def test_a_column_comes_back_as_python_values(parquet, load, column, values, why):
    assert load(parquet(x=column)).train["x"][:] == values, why


def test_chat_messages_are_read_from_structs(parquet, load):
    prompt = [{"role": "user", "content": "hi"}]
    assert load(parquet(prompt=[prompt])).train[0]["prompt"] == prompt


def test_a_table_of_many_batches_keeps_its_order(parquet, load, monkeypatch):
    monkeypatch.setattr(tables, "BATCH_ROWS", 3)
    assert load(parquet(x=list(range(10)))).train["x"][:] == list(range(10))


@pytest.mark.parametrize(
    ("values", "text", "why"),
    [
        ([4, None], ["4", None], "integers"),
        ([True, False], ["true", "false"], "booleans"),
        ([{"a": 1}, None], ['{"a": 1}', None], "objects"),
        ([[1, 2], None], ["[1, 2]", None], "lists"),
        (["a", "b"], ["a", "b"], "text"),
    ],
)
def test_a_text_column_is_read_as_text(parquet, load, values, text, why):
    assert load(parquet(x=values), text_columns=["x"]).train["x"][:] == text, why


def test_a_column_of_bytes_cannot_be_text(parquet, complaints):
    (complaint,) = complaints(parquet(x=[b"\xff"]), text_columns=["x"])
    assert "a.parquet, column 'x': binary cannot be read as text" in complaint


def test_a_duplicate_column_is_named(tmp_path, complaints):
    table = pa.Table.from_arrays([pa.array(["m"]), pa.array(["x"]), pa.array(["y"])], ["task", "prompt", "prompt"])
    pq.write_table(table, tmp_path / "a.parquet")
    assert complaints(str(tmp_path / "a.parquet")) == [
        "a.parquet: 2 columns are called 'prompt'. Give every column its own name."
    ]


def test_what_is_no_parquet_file_is_named(write, complaints):
    (complaint,) = complaints(write("a.parquet", "PAR1 it is not"))
    assert complaint.startswith("a.parquet: not a Parquet file")


def test_text_that_is_no_utf8_is_named(parquet, complaints):
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers())
    (complaint,) = complaints(parquet(x=broken))
    assert "UTF8" in complaint


def test_a_bad_row_is_named_by_its_number(parquet, complaints):
    (complaint,) = complaints(parquet(prompt=["x", "y", None]))
    assert complaint.startswith("a.parquet row 3, column 'prompt': the row has no prompt")


def test_a_table_without_rows_is_an_error(parquet, complaints):
    (complaint,) = complaints(parquet(x=pa.array([], pa.int64())))
    assert "there are no rows" in complaint
