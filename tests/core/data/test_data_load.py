import subprocess
import sys
from pathlib import Path

import pytest

from core.data import ReadingCancelled, batches, load_data
from core.data.files import READERS
from core.spec import DataSpec

ROOT = Path(__file__).parents[3]


def test_reading_data_loads_no_training_library():
    heavy = ("torch", "transformers", "trl", "peft", "gradio")
    code = f"import sys, core.data; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


@pytest.mark.parametrize("extension", READERS)
def test_every_format_is_documented(extension):
    assert f"`{extension}`" in (ROOT / "docs" / "data.md").read_text()


def test_files_of_every_format_make_one_dataset(write, load, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    write("data/1.jsonl", [{"task": "m", "prompt": "1"}])
    write("data/2.json", '[{"task": "m", "prompt": "2"}]')
    write("data/3.csv", "prompt,task\n3,m\n")
    write("data/4.tsv", "prompt\ttask\n4\tm\n")
    pq.write_table(pa.table({"prompt": ["5"], "task": ["m"]}), tmp_path / "data" / "5.parquet")
    assert load(str(tmp_path / "data")).train["prompt"][:] == list("12345")


def test_rows_can_be_mapped_shuffled_and_sent_to_another_process(write, load):
    import pickle

    rows = [{"task": "m", "prompt": [{"role": "user", "content": str(n)}], "x": {f"k{n}": n}} for n in range(5)]
    train = load(write("a.jsonl", rows)).train
    assert pickle.loads(pickle.dumps(train.select([3]))).to_list() == [rows[3]]
    assert sorted(train.shuffle(seed=1).to_list(), key=str) == sorted(rows, key=str)


def test_progress_tells_rows_and_part_of_every_source_that_is_read(write, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_ROWS", 4)
    rows = [{"task": "m", "prompt": f"p{n}"} for n in range(10)]
    spec = DataSpec(path=(write("a.jsonl", rows), write("b.jsonl", [{"task": "m", "prompt": "x" * 400}])))
    told = []
    load_data(spec, told.append)
    assert [(reading.rows, reading.file) for reading in told] == [
        (4, "a.jsonl"),
        (8, "a.jsonl"),
        (10, "a.jsonl"),
        (11, "b.jsonl"),
    ]
    assert [reading.part for reading in told] == sorted(reading.part for reading in told)
    assert told[0].part < 0.4
    assert told[-1].part == pytest.approx(1, abs=0.01)
    told.clear()
    load_data(spec, told.append)
    assert told == [], "rows that are stored are not read again"


def test_a_cancelled_reading_leaves_nothing_behind(write, cache, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_ROWS", 1)
    path = write("a.jsonl", [{"task": "m", "prompt": f"p{n}"} for n in range(10)])
    told = []
    with pytest.raises(ReadingCancelled):
        load_data(DataSpec(path=path), told.append, cancelled=lambda: len(told) == 3)
    assert len(told) == 3
    assert list((cache / "data").iterdir()) == []
    assert len(load_data(DataSpec(path=path)).train) == 8
