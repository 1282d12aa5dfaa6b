"""Rows on disk: one Arrow file per source and mapping, made once, memory-mapped ever after.

A file is built in a scratch folder and renamed when it is whole, so neither a kill nor a second process leaves half of
one under the final name. While a column's kind is still widening, each new schema starts a new segment; where there
was more than one, the segments are written once more under the last schema.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash
from datasets import Dataset, DatasetInfo, Features

from core.cache import cache_dir
from core.data.batches import Batch, Findings, Values, as_python, places
from core.data.columns import NULL, Kinds, exact, to_arrow
from core.data.mapping import PLACE, PROMPT, PROMPT_HASH, PROMPT_LENGTH, TASK, Mapping
from core.data.rows import characters, checked_prompts, checked_tags
from core.data.tagging import Tagger
from core.errors import Problem, UserError

FORMAT = 2  # of the Arrow files; another number makes every cached file anew
ROWS_FILE = "rows.arrow"
SCRATCH = "building-"
SCRATCH_LIFE = 24 * 3600  # seconds after which a scratch folder belongs to a process that was killed


@dataclass(frozen=True)
class Source:
    """Rows that can be read again and again.

    Attributes:
        name: what messages about the whole of it call it.
        identity: what changes when the rows do, as JSON.
        read: the rows in batches; bad ones are noted in the findings.
        mapping: which column becomes which.
        complete: whether every column that the mapping names must be there, or just tags and prompts.
        size: bytes of all its text, where that is known.
    """

    name: str
    identity: Any
    read: Callable[[Findings], Iterable[Batch]]
    mapping: Mapping
    complete: bool = True
    size: int | None = None


def stored(source: Source) -> Dataset:
    """The rows of a source, with the hidden columns; read and checked only if that was not done before."""
    folder = cache_dir() / "data" / _key(source)
    if not folder.exists():
        try:
            _build(source, folder)
        except OSError as error:
            wrong = f"the cache cannot be written: {error.strerror or error}."
            raise UserError(Problem(str(folder.parent), wrong, "Free some space, or set SIGNALBOX_CACHE.")) from error
    return _open(folder / ROWS_FILE)


def _key(source: Source) -> str:
    tags = source.mapping.tags
    mapping = [source.mapping.named, sorted(source.mapping.text_columns), source.complete]
    mapping.append(None if tags is None else tags.model_dump(mode="json"))
    return hashlib.sha256(json.dumps([FORMAT, source.identity, mapping], sort_keys=True).encode()).hexdigest()[:32]


def _open(path: Path) -> Dataset:
    with pa.memory_map(str(path)) as file:
        features = Features.from_arrow_schema(pa.ipc.open_stream(file).schema)
    return Dataset.from_file(str(path), info=DatasetInfo(features=exact(features)))


def _build(source: Source, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f"{SCRATCH}*"):
        if time.time() - left.stat().st_mtime > SCRATCH_LIFE:
            shutil.rmtree(left, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=SCRATCH))
    try:
        _write(source, scratch)
        scratch.rename(folder)
    except OSError:
        if not folder.exists():  # else another process was faster
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(source: Source, scratch: Path) -> None:
    findings = Findings()
    kinds = Kinds(mixable=frozenset({TASK, PROMPT}))
    segments = Segments(scratch)
    tagger = None if source.mapping.tags is None else Tagger(source.mapping.tags)
    seen: dict[str, None] = {}
    file = None
    rows = 0
    for batch in source.read(findings):
        if batch.file != file:
            source.mapping.check(batch.columns, batch.file, findings)
            file = batch.file
        seen.update(dict.fromkeys(batch.columns))
        columns = _renamed(batch, source.mapping, findings)
        if tagger is not None:
            batch, columns = tagger.tagged(batch, columns, findings)
        rows += len(batch.numbers)
        arrays = _arrays(batch, columns, source.mapping, kinds, findings) if batch.numbers else {}
        if arrays and not findings:
            segments.write(pa.RecordBatch.from_pydict(arrays))
    if tagger is not None and source.complete:
        tagger.check_used([*seen, *source.mapping.named], findings)
    if not rows and not findings:
        findings.add(source.name, "there are no rows.", "Give it at least one.")
    if rows and source.complete:
        source.mapping.check_all_there(seen, findings)
    findings.check()
    segments.finish({name: pa.string() if kind == NULL else kind for name, kind in kinds.of.items()})


def _renamed(batch: Batch, mapping: Mapping, findings: Findings) -> dict[str, Values]:
    """The columns of a batch under their new names."""
    names = mapping.rename(batch.columns, batch.file, findings)
    return {name: batch.columns[column] for name, column in names.items()}


def _arrays(
    batch: Batch, columns: dict[str, Values], mapping: Mapping, kinds: Kinds, findings: Findings
) -> dict[str, pa.Array]:
    """The columns of a batch, tags and prompts checked, as arrays of all columns known so far."""
    labels = {name: mapping.named.get(name, name) for name in (*columns, TASK, PROMPT)}
    prompts = checked_prompts(columns.get(PROMPT), batch, labels[PROMPT], findings)
    columns[TASK] = checked_tags(columns.get(TASK), batch, labels[TASK], findings)
    columns[PROMPT] = prompts
    columns[PROMPT_HASH] = pa.array(map(_hash, prompts), pa.uint64())
    columns[PROMPT_LENGTH] = pa.array(map(characters, prompts), pa.int64())
    columns[PLACE] = places(batch)
    for name, values in columns.items():
        kinds.learn(name, values, batch, labels.get(name, name), findings)
    return {
        name: _array(columns.get(name), kind, batch, labels.get(name, name), findings)
        for name, kind in kinds.of.items()
    }


def _hash(prompt: Any) -> int:
    text = prompt if isinstance(prompt, str) else json.dumps(prompt, default=str)
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def _array(values: Values | None, kind: pa.DataType, batch: Batch, label: str, findings: Findings) -> pa.Array:
    try:
        return to_arrow(values, kind, len(batch.numbers))
    except (UnicodeEncodeError, TypeError):
        for row, value in enumerate(as_python(values, len(batch.numbers))):
            try:
                to_arrow([value], kind, 1)
            except UnicodeEncodeError as error:
                half = f"\\u{ord(error.object[error.start]):04x}"
                wrong = f"the text holds half of a surrogate pair, {half}, which no UTF-8 text can."
                findings.add(batch.place(row), wrong, "Remove it, or write the whole character.", label)
            except TypeError as error:
                findings.add(batch.place(row), f"{error}.", "Write text, numbers, lists or objects.", label)
        return to_arrow(None, kind, len(batch.numbers))


@dataclass
class Segments:
    """Arrow streams in a scratch folder, one per schema, that become one file."""

    folder: Path
    _paths: list[Path] = field(default_factory=list)
    _writer: pa.ipc.RecordBatchStreamWriter | None = None
    _schema: pa.Schema | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        if self._writer is None or batch.schema != self._schema:
            self._close()
            self._schema = batch.schema
            self._paths.append(self.folder / f"segment-{len(self._paths)}.arrow")
            self._writer = pa.ipc.new_stream(str(self._paths[-1]), batch.schema)
        self._writer.write_batch(batch)

    def finish(self, kinds: dict[str, pa.DataType]) -> None:
        """Leave nothing but the rows file, its columns of these kinds."""
        self._close()
        schema = pa.schema(list(kinds.items()))
        if len(self._paths) == 1 and self._schema == schema:
            self._paths[0].rename(self.folder / ROWS_FILE)
            return
        with pa.ipc.new_stream(str(self.folder / ROWS_FILE), schema) as writer:
            for batch in self._batches():
                there = batch.schema.names
                arrays = [
                    to_arrow(batch.column(name) if name in there else None, kind, batch.num_rows)
                    for name, kind in kinds.items()
                ]
                writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
        for path in self._paths:
            path.unlink()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for path in self._paths:
            with pa.memory_map(str(path)) as file:
                yield from pa.ipc.open_stream(file)

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
