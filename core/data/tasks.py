"""The tasks of a dataset, counted on its Arrow column."""

from __future__ import annotations

from collections.abc import Iterable

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
    found: Iterable[pa.Array] = dataset.select_columns([name]).with_format("arrow")[:].column(name).chunks
    return pa.concat_arrays(list(found))
