"""Which reader reads which file: a format is added by a module with a `read_*` function and one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from core.data.batches import Batch, Findings
from core.data.csvfiles import read_csv
from core.data.jsonfiles import read_json, read_jsonl
from core.data.tables import read_parquet

Reader = Callable[[Path, str, frozenset[str], Findings], Iterator[Batch]]

READERS: dict[str, Reader] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": partial(read_csv, delimiter=","),
    ".tsv": partial(read_csv, delimiter="\t"),
    ".parquet": read_parquet,
}
TEXT_FORMATS = READERS.keys() - {".parquet"}  # of which a batch says how many bytes it stands for


def read_file(path: Path, name: str, text_columns: frozenset[str], findings: Findings) -> Iterator[Batch]:
    """The rows of a file in batches.

    Args:
        path: the file; its extension says which reader.
        name: what to call it in messages.
        text_columns: columns of which JSON numbers keep their spelling as text.
        findings: where bad rows are noted; they are left out of the batches.
    """
    try:
        if path.stat().st_size == 0:
            findings.stop(name, "the file is empty.", "Give it rows, or leave it out.")
        yield from READERS[path.suffix.lower()](path, name, text_columns, findings)
    except OSError as error:
        findings.stop(name, f"the file cannot be read: {error.strerror or error}.", "Check its permissions.")
