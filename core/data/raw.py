"""Rows and columns as files hold them, before any mapping or tag, and the rows that get no tag: what a page mends.

Everything here reads past what is wrong with single rows, and says what is wrong only where nothing can be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Literal

from core.data.batches import Batch, Findings, as_python
from core.data.columns import shape_of
from core.data.files import read_file
from core.data.load import data_sources
from core.data.mapping import Mapping
from core.data.paths import DataFile, data_files
from core.data.tagging import Tagger
from core.errors import UserError
from core.spec import DataSpec, Tags

Role = Literal["task", "prompt", "answer"]

# In the order in which they are preferred; written small, with _ between words.
ROLE_NAMES: dict[Role, tuple[str, ...]] = {
    "task": (
        *("task", "task_tag", "tag", "task_name", "task_type", "category", "domain", "type", "kind", "topic", "skill"),
        *("source", "subject"),
    ),
    "prompt": ("prompt", "messages", "question", "instruction", "problem", "query", "input", "text", "conversation"),
    "answer": ("answer", "solution", "target", "ground_truth", "gold", "label", "expected", "output", "response"),
}
# What such columns are called in other languages, and what a longer name may end in, such as correct_answer.
MORE_NAMES: dict[Role, tuple[str, ...]] = {
    "task": ("aufgabentyp", "kategorie", "tâche", "catégorie", "tarea", "categoría", "categoria", "任务", "类别"),
    "prompt": ("frage", "aufgabe", "consigne", "pregunta", "domanda", "pergunta", "вопрос", "问题", "質問"),
    "answer": ("antwort", "lösung", "réponse", "respuesta", "risposta", "resposta", "ответ", "答案", "回答"),
}
ENDINGS: dict[Role, tuple[str, ...]] = {
    "task": ("task", "category"),
    "prompt": ("prompt", "question", "instruction", "problem"),
    "answer": ("answer", "solution", "target"),
}
MANY_TASKS = 100  # different values past which a column is no tag, if most rows have one of their own
MOST_PASSED_OVER = 10_000  # bad rows to read past
EXAMPLES = 5
LOOKED_AT = 1000  # rows a file in which examples and kinds are looked for


@dataclass(frozen=True)
class RawRow:
    """A row as its file holds it.

    Attributes:
        place: where it is, such as `a.jsonl line 17`.
        fields: column of the file -> value.
    """

    place: str
    fields: dict[str, Any]


class Untagged(RawRow):
    """A row that gets no tag, from its task column or from `data.tags`."""


@dataclass(frozen=True)
class RawColumn:
    """A column of the files.

    Attributes:
        name: what the files call it.
        kind: what its first values are: text, a number, a list or text, ...; empty where there are none.
        examples: a few different values from the first rows.
        files: the files that have it.
        role: what it seems to be; at most one column has each role.
    """

    name: str
    kind: str
    examples: tuple[Any, ...]
    files: tuple[str, ...]
    role: Role | None = None


def raw_rows(spec: DataSpec, n: int = 20) -> list[RawRow]:
    """The first rows of the data, about as many of each file, at most n."""
    batches = list(_first_batches(spec))
    each = -(-n // max(len(batches), 1))
    return [RawRow(place, fields) for batch in batches for place, fields in _rows(batch, range(each))][:n]


def raw_columns(spec: DataSpec) -> list[RawColumn]:
    """The columns that the first rows of the files have, each with what it seems to be."""
    return columns_of(list(_first_batches(spec)))


def columns_of(batches: list[Batch]) -> list[RawColumn]:
    """The columns of these batches, in order of first appearance."""
    names = dict.fromkeys(name for batch in batches for name in batch.columns)
    columns = {name: _column(name, batches) for name in names}
    for role in ROLE_NAMES:
        name = _named(role, [name for name in names if role != "task" or _may_be_tag(name, batches)])
        if name is not None and columns[name].role is None:
            columns[name] = replace(columns[name], role=role)
    return list(columns.values())


def first_batches(files: Iterable[DataFile], text_columns: frozenset[str] = frozenset()) -> Iterator[Batch]:
    """The first rows of each file; `UserError` where one of them has none that can be read."""
    for file in files:
        findings = _patient()
        yield from islice(_readable(read_file(file.path, file.name, text_columns, findings), findings), 1)


def untagged(spec: DataSpec, most: int = 200, *, watch: Callable[[int], object] = lambda rows: None) -> list[Untagged]:
    """The rows to train on or to hold out that have no tag, at most so many, to be listed and given one.

    A tag that is no text counts as none. A row that one of `data.tags.drop` takes out has a tag.

    Args:
        spec: the data part of a run spec.
        most: how many to look for.
        watch: told after every batch how many rows were looked at; what it raises ends the search.
    """
    found: list[Untagged] = []
    seen = 0
    for source in filter(None, data_sources(spec, Mapping.of(spec))):
        findings = _patient()
        tagger = Tagger(spec.tags or Tags())
        for batch in _readable(source.read(findings), findings):
            names = source.mapping.named.items()
            columns = {name: batch.columns[column] for name, column in names if column in batch.columns}
            lost = [row for row, tag in enumerate(tagger.tags_of(batch, columns, findings).to_pylist()) if tag is None]
            found += [Untagged(place, fields) for place, fields in _rows(batch, lost[: most - len(found)])]
            if len(found) == most:
                return found
            seen += len(batch.numbers)
            watch(seen)
    return found


def _first_batches(spec: DataSpec) -> Iterator[Batch]:
    texts = frozenset(spec.text_columns)
    if spec.path is not None:
        return first_batches(data_files(spec.path), texts)
    bare = Mapping(named={}, text_columns=texts)
    source, _ = data_sources(spec.model_copy(update={"tags": None}), bare)
    findings = _patient()
    return islice(_readable(source.read(findings), findings), 1)


def _patient() -> Findings:
    return Findings(most=MOST_PASSED_OVER)


def _readable(batches: Iterable[Batch], findings: Findings) -> Iterator[Batch]:
    """The batches up to what nothing can be read after; if there is none before it, what is wrong is raised."""
    read = 0
    try:
        for batch in batches:
            read += 1
            yield batch
    except UserError:
        if not read:
            raise
    if not read:
        findings.check()


def _rows(batch: Batch, chosen: Iterable[int]) -> list[tuple[str, dict[str, Any]]]:
    """Place and fields of some rows of a batch."""
    rows = [row for row in chosen if row < len(batch.numbers)]
    fields = {
        name: as_python(values.take(rows) if rows else values[:0], 0)
        if hasattr(values, "take")
        else [values[row] for row in rows]
        for name, values in batch.columns.items()
    }
    return [
        (str(batch.place(row)), {name: values[at] for name, values in fields.items()}) for at, row in enumerate(rows)
    ]


def _column(name: str, batches: list[Batch]) -> RawColumn:
    values = [value for batch in batches for value in _sample(name, batch)]
    different = {repr(value): value for value in values if value is not None}
    return RawColumn(
        name,
        " or ".join(sorted({shape_of(type(value)) for value in different.values()})),
        tuple(islice(different.values(), EXAMPLES)),
        tuple(dict.fromkeys(batch.file for batch in batches if name in batch.columns)),
    )


def _sample(name: str, batch: Batch) -> list[Any]:
    return as_python(batch.columns[name][:LOOKED_AT], 0) if name in batch.columns else []


def _may_be_tag(name: str, batches: list[Batch]) -> bool:
    """Whether the values are text or whole numbers, and few."""
    values = [value for batch in batches for value in _sample(name, batch) if value is not None]
    if not all(type(value) in (str, int) for value in values):
        return False
    different = len(set(values))
    return different <= MANY_TASKS or 2 * different <= len(values)


def _named(role: Role, columns: Iterable[str]) -> str | None:
    """The column whose name says most clearly that it has this role."""
    plain = {re.sub(r"[\W_]+", "_", column.lower()).strip("_"): column for column in columns}
    whole = next((plain[name] for name in ROLE_NAMES[role] + MORE_NAMES[role] if name in plain), None)
    ends = (column for end in ENDINGS[role] for name, column in plain.items() if name.endswith(f"_{end}"))
    return whole or next(ends, None)
