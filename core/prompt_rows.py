"""Rows found again by their prompt: so that sample outputs which kept nothing but a text get their answers back.

A prompt is known by its text as people and run folders see it, either as the data has it or as the model saw it, with
system prompt and template.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.data import column
from core.prompts import Message, as_messages, as_text, render
from core.spec import TaskSpec

if TYPE_CHECKING:
    from datasets import Dataset

BATCH_ROWS = 1000
BETWEEN = as_text([{"content": ""}] * 2)  # what stands between a system prompt and a prompt

Row = Mapping[str, Any]
Key = tuple[str, str]  # task, text of the prompt


@dataclass(frozen=True)
class Found:
    """What the rows of one prompt say.

    Attributes:
        row: the row as the model saw it, without empty columns; where several have the prompt, what all of them say.
        alike: whether all of them say the same.
    """

    row: Row
    alike: bool


def as_seen(row: Row, task: TaskSpec | None) -> Row:
    """A row with the prompt that the model sees under its task's settings; text where chat messages say no more."""
    messages = render(row, task)
    return {**row, "prompt": messages if len(messages) > 1 else _plain(messages[0])}


def _plain(message: Message) -> str | list[Message]:
    return str(message["content"]) if message == {**message, "role": "user"} and len(message) == 2 else [message]


def rows_by_prompt(
    wanted: Iterable[Key], datasets: Sequence[Dataset], tasks: Mapping[str, TaskSpec]
) -> dict[Key, Found]:
    """The rows of these prompts, of those that are there.

    Args:
        wanted: task and text of each prompt.
        datasets: where to look, each with `task`, `prompt` and further columns.
        tasks: settings by task.
    """
    texts: dict[str, set[str]] = {}
    for task, text in wanted:
        texts.setdefault(task, set()).add(text)
    found: dict[Key, Found] = {}
    for dataset in datasets:
        for task, prompts in texts.items() if len(dataset) else ():
            for row in _candidates(dataset, task, prompts, tasks.get(task)):
                seen = as_seen(row, tasks.get(task))
                for text in {_text(seen), _text(row)} & prompts:
                    found[task, text] = _joined(found.get((task, text)), seen)
    return found


def _text(row: Row) -> str:
    return as_text(as_messages(row["prompt"]))


def _joined(before: Found | None, row: Row) -> Found:
    if before is None or before.row == row:
        return Found(row, before is None or before.alike)
    return Found({name: value for name, value in before.row.items() if row.get(name) == value}, alike=False)


def _candidates(dataset: Dataset, task: str, prompts: Collection[str], spec: TaskSpec | None) -> Iterator[Row]:
    """Rows of a task that may have one of these prompts; the others are not made Python objects where that can be."""
    rows = dataset.select(_places(dataset, task, prompts, spec))
    for batch in rows.iter(batch_size=BATCH_ROWS):
        for values in zip(*batch.values(), strict=True):
            yield {name: value for name, value in zip(batch, values, strict=True) if value is not None}


def _places(dataset: Dataset, task: str, prompts: Collection[str], spec: TaskSpec | None) -> NDArray[np.int64]:
    """Indices. A template can hold any column, and chat messages are no text: then it may be every row of the task."""
    here = pc.equal(column(dataset, "task"), task).to_numpy(zero_copy_only=False)
    stored = dataset.data.column("prompt")
    if stored.type == pa.string() and (spec is None or spec.prompt_template is None):
        before = "" if spec is None or spec.system_prompt is None else spec.system_prompt + BETWEEN
        plain = pa.array(sorted({*prompts, *(text.removeprefix(before) for text in prompts)}), pa.string())
        # Chunk by chunk: all prompts as one array would be a copy, and past 2 GiB there is none.
        known = np.concatenate([pc.is_in(chunk, plain).to_numpy(zero_copy_only=False) for chunk in stored.chunks])
        here = here & (known if dataset._indices is None else known[dataset._indices.column(0).to_numpy()])
    return np.flatnonzero(here)
