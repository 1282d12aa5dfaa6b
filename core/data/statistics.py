"""What the data holds, task by task, and what about it deserves a second look.

All is counted on Arrow columns: of the prompts just their stored hashes and lengths are read, and the text of at most
a hundred rows a task, to tell its language. A million rows take a few seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset
from numpy.typing import NDArray

from core.data.heldout import Data
from core.data.mapping import HIDDEN, PLACE, PROMPT, PROMPT_HASH, PROMPT_LENGTH, TASK
from core.data.tagging import as_texts
from core.data.tasks import column, some_rows, task_counts
from core.errors import Problem
from core.mixing import shares
from core.spec import Draft
from rewards.language import CERTAIN, USUAL

ANSWER = "answer"
LANGUAGE_ROWS = 100  # a task whose language is guessed; fewer where there are many tasks
LANGUAGE_ROWS_IN_ALL = 2000
LANGUAGE_CHARACTERS = 2000  # of a prompt that are read for it
FEWEST_LETTERS = 20  # below which a prompt's language is not guessed
VERY_LONG = 16_000  # characters, about 4,000 tokens
TIMES_SMALLER = 10
SMALL_PART = 0.01

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Lengths:
    """Characters: the middle, what 95 % of the rows stay below, the longest."""

    median: float
    p95: float
    longest: int


@dataclass(frozen=True)
class TaskStatistics:
    """What is known of the rows of one task.

    Attributes:
        task: its tag.
        rows: rows to train on.
        share: their part of all rows to train on, 0 to 1.
        mix: its part of the batches under the spec's mixing, 0 to 1.
        held_out: rows that training never sees.
        prompt: length of the prompts, of messages their contents.
        answer: length of the answers as text (as JSON where they are none); None where the task has no answers.
        duplicates: rows whose prompt an earlier row of the task has too.
        missing: column -> rows in which it is empty; columns that every row has are left out.
        language: ISO 639-1 code of the commonest language of a sample of the prompts; None where none could be told.
        language_share: part of the sample, of those that could be told, that is in it.
    """

    task: str
    rows: int
    share: float
    mix: float
    held_out: int
    prompt: Lengths
    answer: Lengths | None
    duplicates: int
    missing: dict[str, int]
    language: str | None
    language_share: float | None


@dataclass(frozen=True)
class _Grouped:
    """The rows to train on, task by task."""

    names: list[str]
    codes: Rows  # (rows,) each row's task, as its position among the names
    rows: list[Rows]  # each task's rows

    @classmethod
    def of(cls, dataset: Dataset) -> _Grouped:
        if not len(dataset):
            return cls([], np.array([], np.int64), [])
        encoded = column(dataset, TASK).dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        ends = np.cumsum(np.bincount(codes))[:-1]
        return cls(encoded.dictionary.to_pylist(), codes, np.split(np.argsort(codes, kind="stable"), ends))


def task_statistics(data: Data, spec: Draft) -> list[TaskStatistics]:
    """The statistics of every task with rows to train on, in order of first appearance."""
    train = data.traced_train
    grouped = _Grouped.of(train)
    counts = {name: len(rows) for name, rows in zip(grouped.names, grouped.rows, strict=True)}
    mix = shares(counts, spec.mixing, spec.tasks)
    held_out = task_counts(data.held_out)
    lengths, answers = column(train, PROMPT_LENGTH).to_numpy(), _answer_lengths(train)
    hashes, missing = column(train, PROMPT_HASH).to_numpy(), _missing(train, grouped)
    languages = _languages(train)
    return [
        TaskStatistics(
            task,
            len(rows),
            len(rows) / len(train),
            mix[task],
            held_out.get(task, 0),
            _lengths(lengths[rows]),
            _answered(answers, rows),
            len(rows) - len(np.unique(hashes[rows])),
            missing[task],
            *languages[task],
        )
        for task, rows in zip(grouped.names, grouped.rows, strict=True)
    ]


def data_problems(data: Data, spec: Draft) -> list[Problem]:
    """Warnings about the rows to train on: copies, very long prompts, tasks hardly seen, prompts held out elsewhere."""
    train = data.traced_train
    grouped = _Grouped.of(train)
    hashes, lengths = column(train, PROMPT_HASH).to_numpy(), column(train, PROMPT_LENGTH).to_numpy()
    problems = []
    for task, rows in zip(grouped.names, grouped.rows, strict=True):
        problems += _copies(task, rows, hashes, train)
        problems += _very_long(task, rows, lengths, train)
    problems += _imbalance({task: len(rows) for task, rows in zip(grouped.names, grouped.rows, strict=True)}, spec)
    return problems + _overlap(data, hashes)


def _copies(task: str, rows: Rows, hashes: NDArray[np.uint64], train: Dataset) -> list[Problem]:
    _, first, inverse = np.unique(hashes[rows], return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse] != np.arange(len(rows)))
    if not len(again):
        return []
    original = rows[first[inverse[again[0]]]]
    what = f"the prompt is that of {_place(train, original)} again; {len(again)} of the {len(rows)} rows of task "
    what += f"{task!r} repeat an earlier prompt."
    return [_warning(_place(train, rows[again[0]]), what, "Remove the copies, unless they are meant to weigh more.")]


def _very_long(task: str, rows: Rows, lengths: NDArray[np.int64], train: Dataset) -> list[Problem]:
    count = int((lengths[rows] > VERY_LONG).sum())
    if not count:
        return []
    longest = rows[np.argmax(lengths[rows])]
    what = (
        f"the prompt has {lengths[longest]:,} characters, the most of task {task!r}; {count} of its {len(rows)} rows "
    )
    what += f"have over {VERY_LONG:,}."
    return [_warning(_place(train, longest), what, "See that it fits the model and the memory, or shorten it.")]


def _imbalance(counts: Mapping[str, int], spec: Draft) -> list[Problem]:
    """Tasks that natural mixing leaves hardly any part of the batches."""
    if spec.mixing.strategy != "natural" or len(counts) < 2:
        return []
    mix = shares(counts, spec.mixing, spec.tasks)
    largest = max(mix, key=lambda task: mix[task])
    free = [task for task in mix if task not in spec.tasks or spec.tasks[task].share is None]
    mend = "Set mixing.strategy to equal, or give it a share under tasks."
    return [
        _warning(f"tasks.{task}", f"{mix[task]:.2%} of each batch, against {mix[largest]:.0%} of {largest!r}.", mend)
        for task in free
        if mix[task] < SMALL_PART or mix[task] * TIMES_SMALLER <= mix[largest]
    ]


def _overlap(data: Data, hashes: NDArray[np.uint64]) -> list[Problem]:
    """Held-out prompts that are trained on under another task; under its own none is left (`core.data.heldout`)."""
    if not len(data.held_out) or not len(hashes):
        return []
    held = column(data.traced_held_out, PROMPT_HASH).to_numpy()
    both = np.flatnonzero(np.isin(hashes, held))
    if not len(both):
        return []
    there = int(np.flatnonzero(held == hashes[both[0]])[0])
    tasks = [dataset[row][TASK] for dataset, row in ((data.train, int(both[0])), (data.held_out, there))]
    what = (
        f"the prompt is held out as {_place(data.traced_held_out, there)}: task {tasks[0]!r} here, {tasks[1]!r} there; "
    )
    what += f"{len(both)} rows have a prompt that another task holds out."
    return [_warning(_place(data.traced_train, both[0]), what, "Give both one tag, or remove one.")]


def _place(dataset: Dataset, row: Any) -> str:
    return str(dataset.select_columns([PLACE])[int(row)][PLACE])


def _warning(where: str, what: str, mend: str) -> Problem:
    return Problem(where, what, mend, "warning")


def _lengths(characters: NDArray[Any]) -> Lengths:
    median, p95 = np.percentile(characters, [50, 95])
    return Lengths(float(median), float(p95), int(characters.max()))


def _answered(answers: NDArray[np.float64] | None, rows: Rows) -> Lengths | None:
    found = np.array([]) if answers is None else answers[rows]
    found = found[~np.isnan(found)]
    return _lengths(found) if len(found) else None


def _answer_lengths(train: Dataset) -> NDArray[np.float64] | None:
    """The length of each answer in characters, NaN where there is none (rows)."""
    if ANSWER not in train.column_names:
        return None
    return _per_row(train, ANSWER, _text_lengths)


def _text_lengths(values: pa.Array) -> NDArray[np.float64]:
    texts = values.storage if isinstance(values, pa.ExtensionArray) else as_texts(values)
    lengths: NDArray[np.float64] = pc.utf8_length(texts).cast(pa.float64()).to_numpy(zero_copy_only=False)
    return lengths


def _missing(train: Dataset, grouped: _Grouped) -> dict[str, dict[str, int]]:
    """Task -> column -> rows in which it is empty."""
    found: dict[str, dict[str, int]] = {name: {} for name in grouped.names}
    for name in train.column_names:
        if name in HIDDEN or train.data.column(name).null_count == 0:
            continue
        empty = _per_row(train, name, lambda values: values.is_null().to_numpy(zero_copy_only=False))
        counts = np.bincount(grouped.codes[empty], minlength=len(grouped.names))
        for task, count in zip(grouped.names, counts.tolist(), strict=True):
            if count:
                found[task][name] = count
    return found


def _per_row(dataset: Dataset, name: str, measure: Any) -> NDArray[Any]:
    """A number for each row, measured on the stored column piece by piece: a selection of long texts is a copy."""
    whole = np.concatenate([measure(piece) for piece in dataset.data.column(name).chunks])
    chosen = dataset._indices
    return whole if chosen is None else whole[chosen.column(0).to_numpy()]


def _languages(train: Dataset) -> dict[str, tuple[str | None, float | None]]:
    """Each task's commonest language in a sample of its prompts, and its part of the prompts that could be told."""
    tasks = len(task_counts(train))
    sample = some_rows(train, min(LANGUAGE_ROWS, max(10, LANGUAGE_ROWS_IN_ALL // max(tasks, 1))))
    prompts = train.select_columns([PROMPT])
    return {task: _commonest(as_texts(prompts[rows][PROMPT]).to_pylist()) for task, rows in sample.items()}


def _commonest(texts: Sequence[str | None]) -> tuple[str | None, float | None]:
    told = Counter(code for text in texts if text is not None and (code := _language(text)) is not None)
    if not told:
        return None, None
    code, count = told.most_common(1)[0]
    return code, count / told.total()


def _language(text: str) -> str | None:
    text = text[:LANGUAGE_CHARACTERS]
    if sum(map(str.isalpha, text)) < FEWEST_LETTERS:
        return None
    code, probability = _identifier().classify(text)
    return str(code) if probability >= CERTAIN else None


@cache
def _identifier() -> Any:
    """About a second to load and 115 MB, once a process; one of its own, as its languages are narrowed down."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(USUAL.split())
    return identifier
