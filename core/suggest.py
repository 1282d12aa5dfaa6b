"""A first run spec for an uploaded dataset: guessed columns, and for each task the reward that its columns allow.

A guess is a starting point to edit, never a silent decision: it is written out as a whole spec that the user sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from core.check import task_columns
from core.data import load_data
from core.data.batches import Findings
from core.data.files import read_file
from core.data.paths import data_files
from core.errors import UserError
from core.routing import TaskColumns
from core.spec import DEFAULT_ROUTE, DataSpec, Route, RunSpec

TASK_NAMES = ("task", "task_tag", "tag", "task_name", "task_type", "category", "domain", "type", "source", "subject")
PROMPT_NAMES = ("prompt", "messages", "question", "instruction", "problem", "query", "input", "text", "conversation")
ANSWER_NAMES = ("answer", "solution", "target", "ground_truth", "gold", "label", "expected", "output", "response")

# Where nothing says what is right: something to replace.
PLACEHOLDER = Route(name="length", params={"maximum": 100})
# Written out, so that whoever uploads sees what decides how long a run takes.
SMALL = {"max_steps": 50, "num_generations": 8, "max_completion_length": 128}

MOST_LABELS = 8
SAMPLED_ANSWERS = 200


def suggest_spec(paths: Sequence[str], name: str) -> RunSpec:
    """A run spec for data files. Where they cannot be read as they are, it is the spec to mend: `check` says how."""
    data = _guessed_data(paths)
    try:
        rows = load_data(data).train
        rewards = {task: (_route(task, found, rows),) for task, found in task_columns(rows).items()}
    except UserError:
        rewards = {DEFAULT_ROUTE: (PLACEHOLDER,)}
    return RunSpec(name=name, model="embedded", data=data, rewards=rewards, grpo=SMALL)


def _guessed_data(paths: Sequence[str]) -> DataSpec:
    try:
        columns = first_columns(paths)
    except UserError:
        columns = []
    answer = _first(ANSWER_NAMES, columns)
    return DataSpec(
        path=paths[0] if len(paths) == 1 else tuple(paths),
        task_column=_first(TASK_NAMES, columns) or "task",
        prompt_column=_first(PROMPT_NAMES, columns) or "prompt",
        columns={"answer": answer} if answer and answer != "answer" else {},
    )


def first_columns(paths: Sequence[str]) -> list[str]:
    """The column names of the first rows of the first file."""
    findings = Findings()
    file = data_files(paths)[0]
    batch = next(read_file(file.path, file.name, frozenset(), findings), None)
    findings.check()
    return list(batch.columns) if batch else []


def _first(candidates: Iterable[str], columns: Iterable[str]) -> str | None:
    by_lower = {column.lower(): column for column in columns}
    return next((by_lower[name] for name in candidates if name in by_lower), None)


def _route(task: str, columns: TaskColumns, rows: Any) -> Route:
    """The most telling reward that every row of the task has the columns for."""
    full = {name for name, empty in columns.empty.items() if empty == 0}
    for column, reward in (("tests", "python_tests"), ("entry", "reasoning_gym"), ("fields", "json_fields")):
        if column in full:
            return Route(name=reward)
    if "answer" not in full:
        return PLACEHOLDER
    if "choices" in full:
        return Route(name="choice")
    return _answer_route(_answers(task, rows))


def _answer_route(answers: Sequence[str]) -> Route:
    spellings = {" ".join(answer.casefold().split()): answer for answer in answers}
    labels = sorted(spellings.values())
    if all(map(_is_number, labels)):
        return Route(name="math_answer")
    if "" not in spellings and 2 <= len(labels) <= MOST_LABELS and len(answers) >= 4 * len(labels):
        return Route(name="choice", params={"labels": labels})
    return Route(name="exact_match")


def _answers(task: str, rows: Any) -> list[str]:
    """Some answers of a task, as text."""
    import pyarrow.compute as pc

    found: list[str] = []
    for table in rows.select_columns(["task", "answer"]).with_format("arrow").iter(batch_size=10_000):
        found += [str(value) for value in table.filter(pc.equal(table["task"], task))["answer"].to_pylist()]
        if len(found) >= SAMPLED_ANSWERS:
            break
    return found[:SAMPLED_ANSWERS]


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text.replace(",", "")))
    except ValueError:
        return False


def suggested_name(path: Path) -> str:
    """A file's name as a run's name: letters, digits, dots, dashes and underscores only."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in path.stem)[:80] or "run"
