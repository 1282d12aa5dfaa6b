"""Which reader reads which file: a format is added by a module with a `read_*` function and one line here."""

from __future__ import annotations

import codecs
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
HEAD_BYTES = 4096
ZIP, UTF_16 = b"PK\x03\x04", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MANY_NULS = 20  # one byte in so many: fewer are a damaged line
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
        if path.suffix.lower() in TEXT_FORMATS and (wrong := _no_text(path)):
            findings.stop(name, *wrong)
        yield from READERS[path.suffix.lower()](path, name, text_columns, findings)
    except OSError as error:
        findings.stop(name, f"the file cannot be read: {error.strerror or error}.", "Check its permissions.")


def _no_text(path: Path) -> tuple[str, str] | None:
    """What a file is that is no text at all, and what to do: said once, and not of each of its lines."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(ZIP):
        return "this is a zip archive, as an Excel file is, and no text.", "Save it as CSV in UTF-8, or unpack it."
    if head.startswith(UTF_16):
        return "this file is in UTF-16.", "Save it as UTF-8."
    if head.count(0) > max(1, len(head) // MANY_NULS):
        return "this is no text file: it holds NUL bytes.", "Is it UTF-16, or a file of another kind? Save it as UTF-8."
    return None
