import os
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from core.data import batches, store

ROW = {"task": "m", "prompt": "x"}


@pytest.fixture
def built(monkeypatch):
    """How many times rows were read anew."""
    builds = []
    build = store._build
    monkeypatch.setattr(store, "_build", lambda source, folder: (builds.append(folder), build(source, folder)))
    return builds


def stored_folders(cache):
    return sorted((cache / "data").iterdir())


def test_the_same_data_is_read_once(write, load, built):
    path = write("a.jsonl", [ROW])
    assert list(load(path).train) == list(load(path).train) == [ROW]
    assert len(built) == 1


@pytest.mark.parametrize(
    ("content", "nanoseconds", "fields", "why"),
    [
        ([{"task": "m", "prompt": "longer", "a": 1}], 1, {}, "another size"),
        ([{"task": "m", "prompt": "y", "a": 1}], 2, {}, "another time, even by a nanosecond"),
        ([{"task": "m", "prompt": "x", "a": 1}], 1, {"columns": {"b": "a"}}, "another mapping"),
        ([{"task": "m", "prompt": "x", "a": 1}], 1, {"text_columns": ["a"]}, "another reading"),
    ],
)
def test_other_data_is_read_anew(write, load, built, content, nanoseconds, fields, why):
    load(write("a.jsonl", [{"task": "m", "prompt": "x", "a": 1}]))
    path = write("a.jsonl", content)
    os.utime(path, ns=(nanoseconds, nanoseconds))
    assert load(path, **fields).train[0]["prompt"] == content[0]["prompt"]
    assert len(built) == 2, why


def test_another_format_is_read_anew(write, load, built, monkeypatch):
    path = write("a.jsonl", [ROW])
    load(path)
    monkeypatch.setattr(store, "FORMAT", store.FORMAT + 1)
    load(path)
    assert len(built) == 2


def test_rows_stay_on_disk(write, load, cache):
    train = load(write("a.jsonl", [ROW])).train
    assert train.cache_files == [{"filename": str(stored_folders(cache)[0] / store.ROWS_FILE)}]


def test_nothing_but_the_rows_is_left_however_often_kinds_widened(write, load, cache, monkeypatch):
    monkeypatch.setattr(batches, "BATCH_ROWS", 1)
    load(write("a.jsonl", [{**ROW, "x": value} for value in (None, 1, 1.5, None)]))
    (folder,) = stored_folders(cache)
    assert [path.name for path in folder.iterdir()] == [store.ROWS_FILE]


def test_bad_data_leaves_nothing_behind(write, complaints, cache):
    complaints(write("a.jsonl", [ROW, {"task": "m", "prompt": ""}]))
    assert stored_folders(cache) == []


def test_a_faster_process_wins_quietly(write, load, monkeypatch):
    path = write("a.jsonl", [ROW])
    write_rows = store._write

    def while_another_finishes(source, scratch):
        monkeypatch.setattr(store, "_write", write_rows)
        store.stored(source)
        write_rows(source, scratch)

    monkeypatch.setattr(store, "_write", while_another_finishes)
    assert list(load(path).train) == [ROW]


KILLED = """
import os, signal, sys
from core.data import load_data, store
from core.spec import DataSpec
store.Segments.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
load_data(DataSpec(path=sys.argv[1]))
"""


def test_a_kill_leaves_no_half_file(write, load, cache):
    path = write("a.jsonl", [ROW])
    root = Path(__file__).parents[3]
    killed = subprocess.run([sys.executable, "-c", KILLED, path], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    assert killed.returncode == -9
    (left,) = stored_folders(cache)
    assert left.name.startswith(store.SCRATCH)
    assert list(load(path).train) == [ROW]


def test_scratch_of_a_killed_process_goes_after_a_day_and_not_before(write, load, cache):
    old, young = cache / "data" / f"{store.SCRATCH}old", cache / "data" / f"{store.SCRATCH}young"
    for folder in (old, young):
        folder.mkdir(parents=True)
    os.utime(old, times=(time.time() - 2 * store.SCRATCH_LIFE,) * 2)
    load(write("a.jsonl", [ROW]))
    assert not old.exists()
    assert young.exists()


def test_a_cache_that_cannot_be_written_is_named(write, complaints, cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store.Segments, "write", full)
    assert complaints(write("a.jsonl", [ROW])) == [
        f"{cache / 'data'}: the cache cannot be written: No space left on device. "
        "Free some space, or set SIGNALBOX_CACHE."
    ]


def test_memory_does_not_grow_with_the_file(write, load, monkeypatch):
    """What is read is handed on batch by batch: no batch is alive when the next but one is made."""
    monkeypatch.setattr(batches, "BATCH_ROWS", 10)
    made, alive = [], []
    make = batches._batch

    def remembered(*parts):
        alive.append(sum(batch() is not None for batch in made))
        batch = make(*parts)
        made.append(weakref.ref(batch))
        return batch

    monkeypatch.setattr(batches, "_batch", remembered)
    load(write("a.jsonl", [{"task": "m", "prompt": f"p{number}"} for number in range(200)]))
    assert len(alive) == 20
    assert max(alive) <= 1
