"""A page of rows to look at: of one task, with a text in their prompt, straight from the memory map."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from numpy.typing import NDArray

from core.data.jsontext import dump
from core.data.mapping import HIDDEN, PLACE, PROMPT, TASK
from core.data.tagging import as_texts
from core.data.tasks import column


@dataclass(frozen=True)
class Page:
    """Some of the rows that were looked for.

    Attributes:
        rows: column -> value; a row's place is under `__place__` (`core.data.mapping.PLACE`).
        total: how many rows there are to page through.
        offset: how many of them come before this page.
    """

    rows: tuple[dict[str, Any], ...]
    total: int
    offset: int


def browse(dataset: Dataset, task: str | None = None, text: str = "", offset: int = 0, limit: int = 20) -> Page:
    """The rows from `offset` on, at most `limit`, of those of a task whose prompt holds a text in any case.

    Args:
        dataset: `Data.traced_train` or `traced_held_out`; rows of others have no place.
        task: the task; None: all.
        text: what the prompt holds, in its text or the contents of its messages; empty: anything.
        offset: rows to pass over; past the end there are none left.
        limit: rows on a page.
    """
    found = np.arange(len(dataset))
    if task is not None and len(dataset):
        found = found[pc.equal(column(dataset, TASK), task).to_numpy(zero_copy_only=False)]
    if text and len(found):
        found = _holding(dataset, text, found)
    chosen = found[max(offset, 0) :][:limit]
    shown = dataset.remove_columns([name for name in HIDDEN if name != PLACE and name in dataset.column_names])
    rows = tuple(shown[int(row)] for row in chosen)
    return Page(rows, len(found), max(offset, 0))


def _holding(dataset: Dataset, text: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the rows whose prompt holds a text."""
    chosen = dataset._indices
    stored = rows if chosen is None else chosen.column(0).to_numpy()[rows]
    wanted = np.zeros(len(dataset.data), dtype=bool)
    wanted[stored] = True
    return rows[_found(dataset, text, wanted)[stored]]


def _found(dataset: Dataset, text: str, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each stored prompt holds a text, asked of the wanted ones only (stored rows)."""
    found = np.zeros(len(wanted), dtype=bool)
    for start, prompts in _pieces(dataset):
        asked = wanted[start : start + len(prompts)]
        if not asked.any():
            continue
        if isinstance(prompts, pa.ExtensionArray):
            holds = _in_json(prompts.storage, text, asked)
        else:
            holds = pc.match_substring(prompts, text, ignore_case=True).to_numpy(zero_copy_only=False)
        found[start : start + len(prompts)] = asked & holds
    return found


def _in_json(prompts: pa.Array, text: str, asked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether prompts stored as JSON hold a text; the few that could are decoded, as keys and roles are no text."""
    likely = pc.match_substring(prompts, dump(text)[1:-1], ignore_case=True).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(likely & asked)
    texts = as_texts([json.loads(prompt) for prompt in prompts.take(rows).to_pylist()])
    found = np.zeros(len(prompts), dtype=bool)
    found[rows] = pc.match_substring(texts, text, ignore_case=True).to_numpy(zero_copy_only=False)
    return found


def _pieces(dataset: Dataset) -> Iterator[tuple[int, pa.Array]]:
    start = 0
    for piece in dataset.data.column(PROMPT).chunks:
        yield start, piece
        start += len(piece)
