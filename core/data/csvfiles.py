"""CSV and TSV to rows: every cell is text, an empty one is null.

Quoting is the usual one: a cell may be in double quotes, which are doubled inside it, and may then hold line ends.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from core.data.batches import Batch, Findings, Place, Row, in_batches
from core.data.jsonfiles import decoded

LARGEST_CELL = 64 << 20  # characters; past it an unclosed quote is likelier than a cell
OTHER_DELIMITERS = ";\t,|"


def read_csv(
    path: Path, name: str, text_columns: frozenset[str], findings: Findings, *, delimiter: str
) -> Iterator[Batch]:
    """The first line names the columns; `text_columns` changes nothing, as every cell is text."""
    # One limit for the whole process, 128 KiB unless raised; never lowered, so that nobody else's reading breaks.
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_CELL))
    return in_batches(name, "line", _rows(path, name, findings, delimiter))


def _rows(path: Path, name: str, findings: Findings, delimiter: str) -> Iterator[tuple[int, int, Row]]:
    with path.open("rb") as stream:
        lines = (decoded(line, Place(name, "line", at), findings) or "\n" for at, line in enumerate(stream, 1))
        cells = csv.reader(lines, delimiter=delimiter, strict=True)
        header: list[str] | None = None
        start = 1
        try:
            for row in cells:
                if row and header is None:
                    header = _header(row, name, delimiter, findings)
                elif row and header is not None and _fits(row, header, Place(name, "line", start), findings):
                    values = {column: cell or None for column, cell in zip(header, row, strict=True)}
                    yield start, sum(map(len, row)), values
                start = cells.line_num + 1
        except csv.Error as error:
            findings.stop(Place(name, "line", start), *_explain(error, delimiter))


def _header(row: list[str], name: str, delimiter: str, findings: Findings) -> list[str]:
    place = Place(name, "line", 1)
    before = len(findings)
    for position, column in enumerate(row, 1):
        if not column.strip():
            findings.add(place, f"column {position} of the header has no name.", "Name it, or leave the column out.")
    for column, times in Counter(row).items():
        if column and times > 1:
            findings.add(place, f"the header names {column!r} {times} times.", "Give every column its own name.")
    others = [other for other in OTHER_DELIMITERS if other in row[0]]
    if len(row) == 1 and others:
        wrong = f"the header is one column, {row[0]!r}: the cells are not separated by {delimiter!r}."
        findings.add(place, wrong, f"Save with {delimiter!r} between the cells; here it seems to be {others[0]!r}.")
    findings.check(since=before)
    return row


def _fits(row: list[str], header: list[str], place: Place, findings: Findings) -> bool:
    if len(row) == len(header):
        return True
    wrong = f"{len(row)} cells, where the header names {len(header)} columns."
    findings.add(place, wrong, "Put a cell that holds the separator or a line end in double quotes.")
    return False


def _explain(error: csv.Error, delimiter: str) -> tuple[str, str]:
    said = str(error)
    if "unexpected end of data" in said or "field larger" in said:
        return "a quote is opened in this row and never closed.", "Close it, or double it if it is part of the text."
    if "expected after" in said:
        return f"text follows a closing quote before {delimiter!r}.", 'Double every quote inside a cell: "".'
    if "new-line character" in said:
        return "the lines end with a bare carriage return.", "Save the file with ordinary line ends."
    return f"broken row: {said}.", "Check its quotes."
