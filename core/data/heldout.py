"""Which rows are kept away from training: by task and by a hash of the prompt, never by the rows themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from core.data.columns import JSON, shape_of_type
from core.data.mapping import HIDDEN, PROMPT_HASH, TASK
from core.data.tasks import column
from core.errors import Problem, UserError

SEED = 42
LARGEST_PART = 5  # a fifth of a task's rows at most leave training

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """Rows to train on and rows to evaluate on; no prompt of a task is in both.

    Attributes:
        train: rows with `task`, `prompt` and the columns that rewards read.
        held_out: rows of the same kind that training never sees.
        warnings: what was left out, for the user to know.
        traced_train: the rows of `train` with the hidden columns: place, and hash and length of the prompt. For pages
            and statistics; rewards and TRL never get these.
        traced_held_out: the same of `held_out`.
    """

    train: Dataset
    held_out: Dataset
    warnings: tuple[Problem, ...]
    traced_train: Dataset
    traced_held_out: Dataset


@dataclass(frozen=True)
class TaskRows:
    """The rows of one task: where they are, and the hashes of their prompts."""

    task: str
    rows: Indices
    prompts: NDArray[np.uint64]

    def shuffled(self) -> np.random.Generator:
        """Random numbers started anew for each task, so that another task's rows change nothing here."""
        return np.random.default_rng(SEED)


def split(rows: Dataset, per_task: int) -> Data:
    """Hold out `per_task` random prompts of each task; every row with such a prompt leaves training.

    One row per prompt is held out and its copies are dropped. Copies count: a prompt is passed over where its rows
    would take more than a fifth of the task out of training.
    """
    held, gone = [], []
    warnings = []
    for task in _by_task(rows):
        chosen, dropped = _choose(task, per_task)
        held.append(chosen)
        gone += [chosen, dropped]
        warnings += _copies_dropped(task.task, len(dropped))
        if per_task and not len(chosen):
            wrong = f"task {task.task!r} has no held-out rows: one prompt is over a fifth of its {len(task.rows)} rows."
            warnings.append(_warning(wrong, "Add rows with other prompts, or name data.held_out.path."))
    train = np.setdiff1d(np.arange(len(rows)), np.concatenate(gone), assume_unique=True)
    return _data(rows.select(train), rows.select(np.sort(np.concatenate(held))), warnings)


def keep_apart(rows: Dataset, held_out: Dataset, per_task: int) -> Data:
    """Take at most `per_task` rows per task of the held-out ones, and drop training rows with their prompts."""
    _check_shapes(rows, held_out)
    chosen = {}
    prompts = {}
    for task in _by_task(held_out):
        picked = np.sort(task.shuffled().permutation(len(task.rows))[:per_task])
        chosen[task.task], prompts[task.task] = task.rows[picked], task.prompts[picked]
    keep, warnings = [], []
    for task in _by_task(rows):
        double = np.isin(task.prompts, prompts.get(task.task, []))
        if double.all():
            wrong = f"every training row of task {task.task!r} has a prompt that is held out too."
            raise UserError(Problem("data.held_out", wrong, "Name other rows, or lower data.held_out.rows_per_task."))
        keep.append(task.rows[~double])
        warnings += _copies_dropped(task.task, int(double.sum()))
    held = np.sort(np.concatenate(list(chosen.values())))
    return _data(rows.select(np.sort(np.concatenate(keep))), held_out.select(held), warnings)


def _check_shapes(rows: Dataset, held_out: Dataset) -> None:
    """Rewards must read one type, wherever the rows come from; JSON holds any, a column of nulls has none."""
    problems = []
    for name in held_out.column_names:
        if name not in rows.column_names:
            continue
        columns = [dataset.data.column(name) for dataset in (held_out, rows)]
        here, there = (shape_of_type(values.type) for values in columns)
        if here != there and not any(values.type == JSON or values.null_count == len(values) for values in columns):
            wrong = f"{here} here, {there} in the training rows."
            mend = f"Write one type in both, or list {name!r} in data.text_columns."
            problems.append(Problem(f"data.held_out, column {name!r}", wrong, mend))
    if problems:
        raise UserError(problems)


def _by_task(rows: Dataset) -> Iterator[TaskRows]:
    encoded = column(rows, TASK).dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    hashes = column(rows, PROMPT_HASH).to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes))[:-1]
    for task, positions in zip(encoded.dictionary.to_pylist(), np.split(order, ends), strict=True):
        yield TaskRows(task, positions, hashes[positions])


def _choose(task: TaskRows, per_task: int) -> tuple[Indices, Indices]:
    """Rows to hold out, and the further rows with the same prompts."""
    _, first, inverse, copies = np.unique(task.prompts, return_index=True, return_inverse=True, return_counts=True)
    left = len(task.rows) // LARGEST_PART
    chosen: list[int] = []
    for prompt in task.shuffled().permutation(len(first)):
        if len(chosen) == per_task or not left:
            break
        if copies[prompt] <= left:
            chosen.append(prompt)
            left -= copies[prompt]
    held = first[chosen]
    gone = np.isin(inverse, chosen)
    gone[held] = False
    return task.rows[held], task.rows[gone]


def _copies_dropped(task: str, dropped: int) -> list[Problem]:
    if not dropped:
        return []
    return [_warning(f"rows of task {task!r} that are left out of training, as their prompts are held out: {dropped}.")]


def _warning(what: str, mend: str = "") -> Problem:
    return Problem("data.held_out", what, mend, "warning")


def _data(train: Dataset, held_out: Dataset, warnings: list[Problem]) -> Data:
    shown, held_shown = (rows.remove_columns(list(HIDDEN)) for rows in (train, held_out))
    return Data(shown, held_shown, tuple(warnings), train, held_out)
