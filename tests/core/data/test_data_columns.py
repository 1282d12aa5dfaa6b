import math

import pyarrow as pa
import pytest
from datasets import Dataset, Features, Json, Value

from core.data import batches
from core.data.columns import ExactJson, exact, kind_of, wider

LONG = 12345678901234567890123


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["a", "", None, "4", "null"], "text, also where it looks like JSON"),
        ([1, None, -(2**63)], "integers"),
        ([1, LONG, -LONG], "integers beyond 64 bits"),
        ([0.1, 4.0, 1e-300], "fractions"),
        ([4, 4.0, 4.5], "integers among fractions stay integers"),
        ([True, False, None], "booleans"),
        ([[1, 2], [], None, [None]], "lists of integers"),
        ([[1], [2.5]], "lists of integers beside lists of fractions"),
        ([["a"], ["b", None]], "lists of text"),
        ([[], []], "empty lists"),
        ([[1, "a", True, None]], "lists of several types"),
        ([[[1]], [["a"]]], "lists of lists"),
        ([{"a": 1}, {"b": {"c": [1, None]}}, {}], "objects with other keys"),
        ([[{"a": 1}], [{"b": None}], [1]], "lists of objects with other keys"),
        ([None, None], "nothing at all"),
        (["\u0000", "😀", "\u2028"], "odd characters"),
        ([{"x": 0.1234567890123456789, "y": LONG}], "numbers inside objects, to the last digit"),
    ],
)
@pytest.mark.parametrize("length", [1, 100])
def test_values_come_back_as_they_were_written(write, load, monkeypatch, values, why, length):
    monkeypatch.setattr(batches, "BATCH_ROWS", length)
    rows = [{"task": "m", "prompt": f"p{position}", "x": value} for position, value in enumerate(values)]
    read = load(write("a.jsonl", rows)).train["x"][:]
    assert read == values, why
    assert list(map(repr, read)) == list(map(repr, values)), why  # 4 == 4.0 == Decimal(4), and True == 1


def test_a_late_column_is_null_before_and_a_missing_one_after(write, load, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_ROWS", 2)
    extra = [{}, {}, {"late": {"a": 1}, "x": 1}, {}, {"x": 2}]
    rows = [{"task": "m", "prompt": f"p{position}", **more} for position, more in enumerate(extra)]
    train = load(write("a.jsonl", rows)).train
    assert train["late"][:] == [None, None, {"a": 1}, None, None]
    assert train["x"][:] == [None, None, 1, None, 2]


@pytest.mark.parametrize(
    ("here", "there", "said", "why"),
    [
        (1, "1", "text here, a number in a.jsonl line 2", "a number, then text"),
        ("1", 1.5, "a number here, text in a.jsonl line 2", "text, then a number"),
        (1, True, "a boolean here, a number in a.jsonl line 2", "a boolean is no number"),
        ("a", ["a"], "a list here, text in a.jsonl line 2", "text, then a list"),
        ([1], {"a": 1}, "an object here, a list in a.jsonl line 2", "a list, then an object"),
    ],
)
@pytest.mark.parametrize("length", [1, 100])
def test_two_types_in_one_column_are_named(write, complaints, monkeypatch, here, there, said, why, length):
    monkeypatch.setattr(batches, "BATCH_ROWS", length)
    rows = [{"task": "m", "prompt": f"p{position}", "x": value} for position, value in enumerate([None, here, there])]
    assert complaints(write("a.jsonl", rows)) == [
        f"a.jsonl line 3, column 'x': {said}. Write one type in every row, or list 'x' in data.text_columns."
    ], why


def test_two_types_across_files_are_named(write, complaints):
    paths = [write("a.csv", "task,prompt,x\nm,p,1\n"), write("b.jsonl", [{"task": "m", "prompt": "q", "x": 1}])]
    assert complaints(paths)[0].startswith("b.jsonl line 1, column 'x': a number here, text in a.csv line 2.")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_text_column_keeps_the_spelling_of_numbers(write, load, name):
    values = ["4", "4.50", "1e3", "-0", "true", "null", '"x"', '{"a": 4}', "[1, 2.5]", "12345678901234567890123"]
    rows = ", \n".join(f'{{"task": "m", "prompt": "{at}", "x": {value}}}' for at, value in enumerate(values))
    text = f"[{rows}]" if name == "a.json" else rows.replace(", \n", "\n")
    read = load(write(name, text), text_columns=["x"]).train["x"][:]
    assert read == [None if value == "null" else value.strip('"') for value in values]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ('"x": "a\\ud800"', "a.jsonl line 1, column 'x': the text holds half of a surrogate pair, \\ud800"),
        ('"x": {"\\udfff": 1}', "a.jsonl line 1, column 'x': the text holds half of a surrogate pair, \\udfff"),
        ('"\\ud800": 1', "a.jsonl: the column name '\\ud800' holds half of a surrogate pair"),
    ],
)
def test_half_of_a_surrogate_pair_is_named(write, complaints, field, said):
    assert complaints(write("a.jsonl", f'{{"task": "m", "prompt": "p", {field}}}'))[0].startswith(said)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.null(), pa.int64(), pa.int64()),
        (pa.int64(), pa.float64(), pa.json_()),
        (pa.list_(pa.null()), pa.list_(pa.string()), pa.list_(pa.string())),
        (pa.list_(pa.int64()), pa.list_(pa.string()), pa.json_()),
        (pa.json_(), pa.string(), pa.json_()),
    ],
)
def test_the_wider_kind_is_the_same_from_both_sides(one, other, both):
    assert wider(one, other) == both
    assert wider(other, one) == both


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_integers_beyond_64_bits_are_json(value):
    assert kind_of([value]) == pa.json_()


def test_exact_json_survives_map_where_json_takes_text_for_a_number():
    texts = ["5", '{"a": 1}', "plain"]
    table = {"x": texts}
    kept = Dataset.from_dict(table, features=Features({"x": ExactJson()}))
    lost = Dataset.from_dict(table, features=Features({"x": Json()}))
    assert kept["x"][:] == texts
    assert lost["x"][:] == [5, {"a": 1}, "plain"]  # why the class is there; remove it when this fails


def test_exact_replaces_json_alone():
    features = exact(Features({"a": Json(), "b": Value("string")}))
    assert features == {"a": ExactJson(), "b": Value("string")}


def test_a_fraction_of_a_parquet_file_may_be_not_a_number(load, tmp_path):
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"task": ["m"], "prompt": ["p"], "x": [math.nan]}), tmp_path / "a.parquet")
    assert math.isnan(load(str(tmp_path / "a.parquet")).train[0]["x"])
