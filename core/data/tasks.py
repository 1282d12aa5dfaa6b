"""The tasks of a dataset, counted on its Arrow column, and a digest of its rows."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa
from datasets import Dataset

from core.data.mapping import TASK


def task_counts(dataset: Dataset) -> dict[str, int]:
    """How many rows each task has, in order of first appearance."""
    if not len(dataset):
        return {}
    encoded = column(dataset, TASK).dictionary_encode()
    counts = encoded.indices.value_counts()
    of = dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True))
    return {task: of[code] for code, task in enumerate(encoded.dictionary.to_pylist())}


def column(dataset: Dataset, name: str) -> pa.Array:
    """One column of a dataset as an Arrow array; no other column is touched."""
    whole = pa.concat_arrays(dataset.data.column(name).chunks)
    # Reading through the dataset would gather a selection row by row: 20 times slower, and it touches every page.
    chosen = dataset._indices
    return whole if chosen is None else whole.take(chosen.column(0).combine_chunks())


def some_rows(dataset: Dataset, per_task: int) -> dict[str, list[int]]:
    """Indices of at most so many rows of each task, evenly spread over it, tasks in order of first appearance."""
    if not len(dataset):
        return {}
    encoded = column(dataset, TASK).dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    found = {}
    for code, task in enumerate(encoded.dictionary.to_pylist()):
        rows = np.flatnonzero(codes == code)
        chosen = np.linspace(0, len(rows) - 1, min(per_task, len(rows))).round().astype(int)
        found[task] = rows[chosen].tolist()
    return found


def first_rows(dataset: Dataset) -> dict[str, int]:
    """The index of each task's first row, in order of first appearance."""
    if not len(dataset):
        return {}
    encoded = column(dataset, TASK).dictionary_encode()
    codes, first = np.unique(encoded.indices.to_numpy(zero_copy_only=False), return_index=True)
    names = encoded.dictionary.to_pylist()
    return {names[code]: int(row) for code, row in zip(codes, first, strict=True)}


def digest(*datasets: Dataset) -> str:
    """Changes with any value, column or order of rows; 64 hexadecimal digits, the same for the same rows elsewhere."""
    found = hashlib.sha256()
    for dataset in datasets:
        found.update(f"{len(dataset)} rows\n".encode())
        for table in dataset.with_format("arrow").iter(batch_size=1000):
            for row in table.to_pylist():
                found.update(json.dumps(row, sort_keys=True, default=repr).encode())
    return found.hexdigest()
