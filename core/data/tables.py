"""Arrow tables (Parquet files, datasets of the Hub) to batches.

Columns of one plain type stay Arrow arrays. Whatever is nested beyond a list of plain values becomes Python values and
later JSON, as JSON Lines would: the types of an Arrow struct would otherwise leak into rows that come from elsewhere.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.data.batches import BATCH_BYTES, BATCH_ROWS, Batch, Findings, Values, as_python
from core.data.jsontext import dump


def read_parquet(path: Path, name: str, text_columns: frozenset[str], findings: Findings) -> Iterator[Batch]:
    """Rows of a Parquet file; never more of it in memory than a batch and the row group it is cut from."""
    try:
        with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
            check_names(file.schema_arrow.names, name, findings)
            size = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
            rows = batch_length(size, file.metadata.num_rows)
            yield from table_batches(file.iter_batches(batch_size=rows), name, text_columns, findings)
    except pa.ArrowInvalid as error:
        findings.stop(name, f"not a Parquet file that can be read: {error}.", "Write it again.")


def batch_length(size: int, rows: int) -> int:
    """How many rows make a batch, for a table of so many bytes and rows."""
    return max(1, min(BATCH_ROWS, BATCH_BYTES * rows // max(size, 1)))


def check_names(names: list[str], table: str, findings: Findings) -> None:
    """Stop at a table with two columns of one name."""
    before = len(findings)
    for column, times in Counter(names).items():
        if times > 1:
            findings.add(table, f"{times} columns are called {column!r}.", "Give every column its own name.")
    findings.check(since=before)


def table_batches(
    batches: Iterable[pa.RecordBatch], name: str, text_columns: frozenset[str], findings: Findings
) -> Iterator[Batch]:
    """Arrow batches as ours; rows are counted from 1."""
    start = 1
    for arrow in batches:
        try:
            arrow.validate(full=True)  # text that is not UTF-8 would fail only where a row is read
        except pa.ArrowInvalid as error:
            findings.stop(name, f"broken values after row {start - 1}: {error}.", "Write it again.")
        numbers = range(start, start + arrow.num_rows)
        columns = {
            column: _as_text(values, column, name, findings) if column in text_columns else _plain(values)
            for column, values in zip(arrow.schema.names, arrow.columns, strict=True)
        }
        if arrow.num_rows:
            yield Batch(name, "row", numbers, columns)
        start += arrow.num_rows


def _plain(values: pa.Array) -> Values:
    """One Arrow type for every width of it; Python values where the type is nested."""
    kind = values.type
    if isinstance(values, pa.ExtensionArray):
        is_json = isinstance(kind, pa.JsonType)
        return [text and json.loads(text) for text in values.storage.to_pylist()] if is_json else _plain(values.storage)
    plain = plain_type(kind)
    if plain is None:
        found: list[Any] = values.to_pylist()
        return found
    return values if plain == kind else values.cast(plain)


def plain_type(kind: pa.DataType) -> pa.DataType | None:
    """The type that stands for all widths of one; None for what is nested."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = plain_type(kind.value_type)
        return pa.list_(inner) if inner is not None and not pa.types.is_nested(inner) else None
    return None if pa.types.is_nested(kind) else kind


def _as_text(values: pa.Array, column: str, table: str, findings: Findings) -> Values:
    plain = _plain(values)
    if isinstance(plain, pa.Array) and not pa.types.is_nested(plain.type):
        try:
            return pc.cast(plain, pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            findings.stop(table, f"{plain.type} cannot be read as text.", "Take it off data.text_columns.", column)
    python = as_python(plain, len(values))
    return [value if value is None or isinstance(value, str) else dump(value) for value in python]
