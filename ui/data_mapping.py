"""Which column of the files is what, as changes of a draft; nothing is read here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.data.mapping import PROMPT, RESERVED, TASK
from core.data.raw import RawColumn
from core.spec import DEFAULT_ROUTE, DataSpec, Draft
from ui.data_edits import data_of, tags_of, with_data, with_tags

ANSWER = "answer"
ASIDE = "{}_in_file"  # what a column is called that is in the way of a mapped one


def choose_task_column(draft: Draft, column: str | None, columns: Sequence[RawColumn]) -> Draft:
    """Take tags from a column, or (None) from the names of the files; what named other tags is forgotten."""
    tags = tags_of(draft)
    having = next((found.files for found in columns if found.name == column), ())
    bare = [file for file in _files(columns) if file not in having]
    files = {file: tags.files.get(file) or task_name(file) for file in bare}
    rules = tuple(rule for rule in tags.rules if rule.within is None)
    default = None if tags.default in [task_name(file) for file in _files(columns)] else tags.default
    draft = with_tags(draft, files=files, rename={}, drop=(), rules=rules, default=default)
    return _out_of_the_way(with_data(draft, task_column=column or TASK), columns)


def choose_prompt_column(draft: Draft, column: str, columns: Sequence[RawColumn]) -> Draft:
    """Take prompts from a column."""
    return _out_of_the_way(with_data(draft, prompt_column=column), columns)


def choose_answer_column(draft: Draft, column: str | None, columns: Sequence[RawColumn]) -> Draft:
    """Let rewards read a column as `answer`, or none."""
    mapped = {name: of for name, of in data_of(draft).columns.items() if name not in (ANSWER, ASIDE.format(ANSWER))}
    if column is None:
        mapped |= {ASIDE.format(ANSWER): ANSWER} if any(found.name == ANSWER for found in columns) else {}
    elif column != ANSWER:
        mapped[ANSWER] = column
    return _out_of_the_way(with_data(draft, columns=mapped), columns)


def answer_column(data: DataSpec, columns: Sequence[RawColumn]) -> str | None:
    """The column that rewards read as `answer`."""
    if ANSWER in data.columns:
        return data.columns[ANSWER]
    there = any(found.name == ANSWER for found in columns)
    return ANSWER if there and ANSWER not in data.columns.values() else None


def name_column(draft: Draft, column: str, name: str) -> Draft:
    """Let rewards read a column under another name; an empty one is its own."""
    mapped = {new: of for new, of in data_of(draft).columns.items() if of != column}
    return with_data(draft, columns=mapped if name.strip() in ("", column) else {**mapped, name.strip(): column})


def read_as_text(draft: Draft, column: str, text: bool) -> Draft:
    """Read a column as text, or as what it is."""
    others = [name for name in data_of(draft).text_columns if name != column]
    return with_data(draft, text_columns=(*others, column) if text else tuple(others))


def _out_of_the_way(draft: Draft, columns: Sequence[RawColumn]) -> Draft:
    """Give columns another name whose own is taken, by a mapped column or by the trainer; take back what is not."""
    data = data_of(draft)
    names = [column.name for column in columns]
    kept = {new: of for new, of in data.columns.items() if new != ASIDE.format(of) or of == ANSWER}
    used = {data.task_column, data.prompt_column, *kept.values()}
    taken = {TASK, PROMPT, *kept, *RESERVED}
    aside = {ASIDE.format(name): name for name in names if name in taken and name not in used}
    return with_data(draft, columns={**kept, **aside}) if {**kept, **aside} != data.columns else draft


def tidied(data: DataSpec, columns: Sequence[RawColumn]) -> DataSpec:
    """Guessed data whose columns do not get in each other's way."""
    return data_of(_out_of_the_way(Draft(data=data), columns))


def _files(columns: Sequence[RawColumn]) -> list[str]:
    return list(dict.fromkeys(file for column in columns for file in column.files))


def task_name(file: str) -> str:
    """A task called like a file."""
    name = Path(file).stem.strip()
    return name if name and name != DEFAULT_ROUTE else "task"
