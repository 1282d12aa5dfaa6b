"""A preview as a table for people to take away: one row a completion, as JSON lines, Parquet or CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from core.advantages import Floats
from core.completion_rows import CompletionRow, dump, routed, with_scores
from core.errors import Problem, UserError, did_you_mean
from core.preview import Preview, completion_row
from core.runs import write_atomically
from core.spec import Normalisation

FORMATS = (".jsonl", ".parquet", ".csv")
# What a spreadsheet takes for a formula at the start of a cell, also in its wide forms.
FORMULA = "^([=+\\-@\\t\\r\\n＝＋－＠])"


def table(preview: Preview, normalisation: Normalisation) -> pa.Table:
    """One row per completion that could be scored: task, prompt, group (its number), completion, then for each reward
    reward/<key> and error/<key> (both null where it does not apply), total and advantage (null where there is none),
    and seconds/<key> (null where the score took no call of its own)."""
    scores = preview.scores
    groups = [preview.groups[i] for i in preview.index.tolist()]
    texts = [group.completions[j] for group, j in zip(groups, preview.places.tolist(), strict=True)]
    columns: dict[str, pa.Array] = {
        "task": _texts(scores.tasks),
        "prompt": _texts([group.prompt for group in groups]),
        "group": pa.array(preview.index),
        "completion": _texts(texts),
    }
    for k, key in enumerate(scores.keys):
        columns[f"reward/{key}"] = _numbers(scores.values[:, k])
        columns[f"error/{key}"] = _texts([scores.errors.get((i, k)) for i in range(len(texts))])
    columns["total"] = _numbers(scores.totals)
    columns["advantage"] = _numbers(np.where(np.isnan(scores.totals), np.nan, preview.advantages(normalisation)))
    for k, key in enumerate(scores.keys):
        columns[f"seconds/{key}"] = _numbers(scores.seconds[:, k])
    return pa.table(columns)


def write_table(path: Path, preview: Preview, normalisation: Normalisation) -> None:
    """Write a preview in the format that the file's name ends with.

    .jsonl: a line for each group, those that could not be scored too, as the command `score` writes it; advantages are
    those of all groups as one batch. .parquet: `table`. .csv: `table`, with a `'` before every text that a spreadsheet
    would run as a formula: completions are a model's, and people open CSV by a click; the other formats are exact.

    Raises:
        UserError: the name ends otherwise.
    """
    ending = path.suffix.lower()
    if ending == ".jsonl":
        write_atomically(path, "".join(line + "\n" for line in json_lines(preview, normalisation)))
    elif ending == ".parquet":
        _written(path, lambda file: pq.write_table(table(preview, normalisation), file))
    elif ending == ".csv":
        _written(path, lambda file: pyarrow.csv.write_csv(_without_formulas(table(preview, normalisation)), file))
    else:
        raise UserError(Problem(path.name, f"a table is not written as {ending!r}.", did_you_mean(ending, FORMATS)))


def _written(path: Path, write: Callable[[Path], object]) -> None:
    """A file at its place once it is whole."""
    scratch = path.with_name(f".{path.name}.part")
    write(scratch)
    scratch.replace(path)


def json_lines(preview: Preview, normalisation: Normalisation) -> Iterable[str]:
    """Each group with its scores as a line of JSON."""
    signal = preview.advantages(normalisation)
    place = zip(preview.index.tolist(), preview.places.tolist(), strict=True)
    at = {where: n for n, where in enumerate(place)}
    for i, group in enumerate(preview.groups):
        row: CompletionRow = routed(completion_row(group), preview.table)
        indices = [at.get((i, j)) for j in range(len(group.completions))]
        yield dump(with_scores(row, indices, preview.scores, preview.table, signal))


def _numbers(values: Floats) -> pa.Array:
    return pa.array(values, from_pandas=True)  # NaN becomes null


def _texts(texts: Sequence[str | None]) -> pa.Array:
    """Texts as Arrow; a half of a surrogate pair, which UTF-8 cannot say, becomes a question mark."""
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([text and text.encode("utf-8", "replace").decode() for text in texts], pa.string())


def _without_formulas(found: pa.Table) -> pa.Table:
    for number, name in enumerate(found.column_names):
        if pa.types.is_string(found.schema.types[number]):
            safe = pc.replace_substring_regex(found.column(number), FORMULA, r"'\1")
            found = found.set_column(number, name, safe)
    return found
