"""Lines of metrics.jsonl into columns of numbers, many at once: Arrow parses them, numpy puts each number in its place.

A run of 20,000 steps has metrics of 150 MB: as Python objects they would take many seconds and gigabytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from numpy.typing import NDArray

from core.columns import Columns, Ints, Key
from core.records import is_record

# Under TRL's own names; what is not named here is not drawn.
TRAINER = (
    "loss",
    "grad_norm",
    "learning_rate",
    "kl",
    "entropy",
    "clip_ratio/low_mean",
    "clip_ratio/high_mean",
    "clip_ratio/region_mean",
    "sampling/sampling_logp_difference/mean",
)
PHASES = ("all", "generate", "score")
MEMORY = ("process_gb", "device_gb")
TASK = (
    "count",
    "groups",
    "share",
    "reward",
    "reward_std",
    "scored",
    "errors",
    "zero_std",
    "signal",
    "length",
    "clipped",
)
REWARD = ("weight", "mean", "std", "count", "errors")
BLOCK_BYTES = 1 << 23  # that Arrow parses at once; a record is far smaller


def _numbers(names: tuple[str, ...]) -> list[tuple[str, pa.DataType]]:
    return [(name, pa.float64()) for name in names]


SCHEMA = pa.schema(
    [
        ("step", pa.int64()),
        ("steps", pa.int64()),
        ("split", pa.string()),
        ("time", pa.float64()),
        ("reward", pa.float64()),
        ("seconds", pa.struct(_numbers(PHASES))),
        ("memory", pa.struct(_numbers(MEMORY))),
        ("trainer", pa.struct(_numbers(TRAINER))),
        (
            "tasks",
            pa.list_(
                pa.struct(
                    [
                        ("task", pa.string()),
                        *_numbers(TASK),
                        ("rewards", pa.list_(pa.struct([("reward", pa.string()), *_numbers(REWARD)]))),
                    ]
                )
            ),
        ),
    ]
)
PARSE = pa.json.ParseOptions(explicit_schema=SCHEMA, unexpected_field_behavior="ignore")
READ = pa.json.ReadOptions(block_size=BLOCK_BYTES)


def read_lines(lines: bytes, train: Columns, held_out: Columns) -> list[int]:
    """Append the records in whole lines to the columns of their split.

    Per step: `reward`, `seconds/<phase>`, `memory/<kind>` and TRL's own names. Per task: the fields in `TASK`. Per
    reward of a task: those in `REWARD`. A line that is no record is passed over: a disk that was full may leave one.

    Returns:
        the numbers of those that were passed over, from 0; blank ones are not told.
    """
    try:
        table, broken = _sound(_table(lines)), []
    except pa.ArrowInvalid:
        table = None
    if table is None or len(table) != lines.count(b"\n"):
        numbered = [(n, line) for n, line in enumerate(lines.split(b"\n")) if line.strip()]
        readable = {n for n, line in numbered if _is_record(line)}
        broken = [n for n, _ in numbered if n not in readable]
        if not readable:
            return broken
        table = _sound(_table(b"\n".join(line for n, line in numbered if n in readable)))
    is_train = table["split"].to_numpy(zero_copy_only=False) == "train"
    for columns, mask in ((train, is_train), (held_out, ~is_train)):
        if mask.any():
            _append(table.filter(pa.array(mask)).combine_chunks(), columns)
    return broken


def records(lines: bytes) -> Iterator[Mapping[str, Any]]:
    """The records in whole lines, the last one first; what is no record is passed over."""
    end = len(lines)
    while end > 0:
        start = lines.rfind(b"\n", 0, end - 1) + 1
        with suppress(ValueError):
            found = json.loads(lines[start:end])
            if is_record(found):
                yield found
        end = start


def _table(lines: bytes) -> pa.Table:
    return pa.json.read_json(pa.BufferReader(lines), READ, PARSE)


def _sound(table: pa.Table) -> pa.Table:
    """The objects that say which step they are of, and of which split."""
    return table.filter(pc.and_(table["step"].is_valid(), table["split"].is_valid()))


def _is_record(line: bytes) -> bool:
    """Whether a line is one by itself; tried only where not all of them are."""
    try:
        return len(_sound(_table(line))) == 1
    except pa.ArrowInvalid:
        return False


def _append(table: pa.Table, columns: Columns) -> None:
    """Records of one split, n of them."""
    first = columns.add_rows(table["step"].to_numpy())
    rows = first + np.arange(len(table))
    columns.put(Key("reward"), rows, _floats(table["reward"].combine_chunks()))
    for name, prefix in (("seconds", "seconds/"), ("memory", "memory/"), ("trainer", "")):
        _put_struct(columns, rows, table[name].combine_chunks(), prefix)
    tasks = table["tasks"].combine_chunks()
    entries = tasks.flatten()
    if len(entries):
        _put_tasks(columns, rows[_owners(tasks)], entries)


def _put_struct(columns: Columns, rows: Ints, struct: pa.StructArray, prefix: str) -> None:
    for name in (field.name for field in struct.type):
        values = _floats(pc.struct_field(struct, [name]))
        there = ~np.isnan(values)
        if there.any():
            columns.put(Key(prefix + name), rows[there], values[there])


def _put_tasks(columns: Columns, rows: Ints, entries: pa.StructArray) -> None:
    """Task records, each of the row that is named for it."""
    codes, names = _codes(entries, "task")
    values = {name: _floats(pc.struct_field(entries, [name])) for name in TASK}
    rewards = pc.struct_field(entries, ["rewards"])
    for code, task in enumerate(names):
        mine = np.flatnonzero(codes == code)
        for name in TASK:
            columns.put(Key(name, task), rows[mine], values[name][mine])
    if len(inner := rewards.flatten()):
        owners = _owners(rewards)
        _put_rewards(columns, rows[owners], codes[owners], names, inner)


def _put_rewards(columns: Columns, rows: Ints, task_codes: Ints, tasks: list[str], entries: pa.StructArray) -> None:
    codes, names = _codes(entries, "reward")
    values = {name: _floats(pc.struct_field(entries, [name])) for name in REWARD}
    pairs = task_codes * len(names) + codes
    found, first = np.unique(pairs, return_index=True)
    for pair in found[np.argsort(first)].tolist():
        mine = np.flatnonzero(pairs == pair)
        task, reward = tasks[pair // len(names)], names[pair % len(names)]
        for name in REWARD:
            columns.put(Key(name, task, reward), rows[mine], values[name][mine])


def _codes(entries: pa.StructArray, name: str) -> tuple[Ints, list[str]]:
    """A text column as numbers into its distinct texts, in the order in which they came."""
    encoded = pc.struct_field(entries, [name]).dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()


def _owners(lists: pa.ListArray) -> Ints:
    """For each entry of the flattened lists, which list it came from."""
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    return np.repeat(np.arange(len(lists)), lengths)


def _floats(values: pa.Array) -> NDArray[np.float64]:
    """Null becomes NaN."""
    found: NDArray[np.float64] = values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return found
