"""Sample outputs from a file, each row checked, with the columns of the data's row that has the same prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from core.data import Data, task_counts
from core.data.batches import Batch, Findings, Place, as_python
from core.data.files import read_file
from core.data.mapping import Mapping as ColumnNames
from core.data.paths import data_files
from core.data.rows import wrong_prompt, wrong_tag
from core.errors import Problem, UserError
from core.preview import Group
from core.prompt_rows import Found, Key, rows_by_prompt
from core.prompts import as_messages, as_text
from core.samples import Samples, match_warnings, merged
from core.spec import COMPLETION_IDS, Draft

COMPLETION = "completion"
SCORED = ("rewards", "errors", "total", "advantages")  # what `app.py score` adds to a row
MOST_GROUPS = 2000  # a page is for looking at some
CELLS = (".csv", ".tsv")  # where an empty cell is how an empty completion is written


@dataclass(frozen=True)
class _Item:
    """A row of a file: where it stands, its fields without the completions, and these."""

    place: Place
    fields: dict[str, Any]
    completions: tuple[str, ...]


def read_samples(path: Path, draft: Draft | None = None, data: Data | None = None) -> Samples:
    """Completions from a file of rows with a `completion`: a text, or a list of texts, which is a group.

    JSON Lines, JSON, CSV, TSV and Parquet are read, as data is.
    Rows whose other columns are all the same are one group (see `core.samples.merged`). A row whose prompt is in the
    data gets the columns that the file lacks from there, and its task, if it has none.

    Args:
        path: the file.
        draft: says what the columns are called, and each task's prompts; without it, `task` and `prompt`.
        data: rows to find prompts in.

    Raises:
        UserError: names every bad row by its line.
    """
    findings = Findings()
    names = ColumnNames.of(draft.data) if draft is not None and draft.data is not None else ColumnNames({})
    items = [
        item
        for file in data_files(str(path))
        for batch in read_file(file.path, file.name, names.text_columns, findings)
        for item in _items(batch, names, findings)
    ]
    findings.check()
    if not items:
        raise UserError(Problem(path.name, "there are no rows in this file.", "Give every row a `completion`."))
    keys = _keys(items, data)
    found = _found(keys, draft, data)
    groups = merged([_group(item, of, found, findings) for item, of in zip(items, keys, strict=True)])
    findings.check()
    warnings = () if data is None else match_warnings(path.name, keys, found)
    if len(groups) > MOST_GROUPS:
        what = f"the first {MOST_GROUPS:,} of its {len(groups):,} groups are taken."
        mend = "Score the whole file with `python app.py score`."
        warnings = (*warnings, Problem(path.name, what, mend, "warning"))
    return Samples(groups[:MOST_GROUPS], warnings)


def _items(batch: Batch, names: ColumnNames, findings: Findings) -> Iterator[_Item]:
    columns = {name: as_python(values, len(batch.numbers)) for name, values in batch.columns.items()}
    if COMPLETION not in columns:
        findings.stop(batch.file, f"there is no column {COMPLETION!r}.", "It holds what the model said.")
    for name, label in names.named.items():
        if name not in columns and label in columns:
            columns[name] = columns.pop(label)
    for number, values in enumerate(zip(*columns.values(), strict=True)):
        row = {name: value for name, value in zip(columns, values, strict=True) if value is not None}
        yield _item(batch.place(number), row, findings)


def _item(place: Place, row: dict[str, Any], findings: Findings) -> _Item:
    said = row.pop(COMPLETION, "" if Path(place.file).suffix.lower() in CELLS else None)
    completions = tuple(said) if isinstance(said, list) else (said,)
    if not completions or not all(isinstance(text, str) for text in completions):
        wrong = "the list is empty." if not completions else f"found {said!r:.80}, not text or a list of texts."
        findings.add(place, wrong, "Write what the model said.", COMPLETION)
    if isinstance(row.get(COMPLETION_IDS), list) and not isinstance(said, list):
        row[COMPLETION_IDS] = [row[COMPLETION_IDS]]  # a group has a list for each completion
    if "prompt" in row and (problem := wrong_prompt(row["prompt"])):
        findings.add(place, *problem, "prompt")
    if "task" in row:
        row["task"] = str(row["task"]).strip() if isinstance(row["task"], str | int) else row["task"]
        if problem := wrong_tag(row["task"]):
            findings.add(place, *problem, "task")
    fields = {name: value for name, value in row.items() if name not in SCORED}
    return _Item(place, fields, completions)


def _keys(items: Sequence[_Item], data: Data | None) -> list[list[Key]]:
    """Under which task and prompt each row may be in the data: any task where it has none itself."""
    tasks = [] if data is None else list(task_counts(data.train))

    def keys(fields: Mapping[str, Any]) -> list[Key]:
        if data is None or "prompt" not in fields:
            return []
        text = as_text(as_messages(fields["prompt"]))
        return [(task, text) for task in ([fields["task"]] if "task" in fields else tasks)]

    return [keys(item.fields) for item in items]


def _found(keys: Sequence[Sequence[Key]], draft: Draft | None, data: Data | None) -> dict[Key, Found]:
    if data is None:
        return {}
    wanted = dict.fromkeys(chain.from_iterable(keys))
    return rows_by_prompt(wanted, (data.train, data.held_out), draft.tasks if draft is not None else {})


def _group(item: _Item, keys: Sequence[Key], found: Mapping[Key, Found], findings: Findings) -> Group:
    """With the columns of the data, where the prompt is in it; what the file says itself counts for more."""
    fields, there = item.fields, [key for key in keys if key in found]
    if len(there) == 1:
        row = found[there[0]].row
        return Group({**row, **fields, "task": there[0][0], "prompt": row["prompt"]}, item.completions)
    if "task" not in fields:
        tasks = ", ".join(task for task, _ in there)
        wrong = f"its prompt is in several tasks: {tasks}." if there else "the row has no task tag."
        findings.add(item.place, wrong, "Give every row one, or the prompt of a row of the data.", "task")
    return Group({"prompt": "", **fields}, item.completions)
