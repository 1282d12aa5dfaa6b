"""Procedural tasks of reasoning-gym: rows made here, with no file and no network.

A generator makes entry i of seed s from s + i, so two runs with seeds that are close share most of their questions;
seeds are therefore taken far apart, and no question is both in training and held out.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import warnings
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from core.data.batches import Batch, Findings, Row, in_batches
from core.data.mapping import PROMPT, TASK, Mapping
from core.data.store import Source
from core.errors import Problem, UserError, did_you_mean
from core.spec import DataSpec, ReasoningGym, ReasoningGymTask

NAME = "reasoning_gym"
HELD_OUT_SEED = 1_000_000_007  # added to the seed of training
ROUND_SEED = 10_000_019  # added for each further round of questions
ROUNDS = 10  # of as many entries as are wanted, after which a generator is taken to have no further questions


def gym_sources(spec: DataSpec, gym: ReasoningGym, mapping: Mapping) -> tuple[Source, Source]:
    """Rows to train on and rows to hold out (as many per task as the spec says, each question once)."""
    for position, task in enumerate(gym.tasks):
        _check(task, f"data.reasoning_gym.tasks[{position}]")
    mapping = dataclasses.replace(mapping, named={**mapping.named, TASK: TASK, PROMPT: PROMPT})
    per_task = spec.held_out.rows_per_task
    version = importlib.metadata.version("reasoning-gym")
    identity = [NAME, version, gym.model_dump(mode="json"), per_task]
    train = Source(NAME, [*identity, "train"], partial(_train_batches, gym, per_task), mapping)
    held_out = Source(NAME, [*identity, "held out"], partial(_held_out_batches, gym, per_task), mapping)
    return train, held_out


def generators() -> dict[str, Any]:
    """Name -> (generator class, config class) of all that are installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its packages leave files open and use outdated syntax on import
            from reasoning_gym.factory import DATASETS
    except ImportError as error:
        wrong = f"reasoning-gym cannot be imported: {error}."
        raise UserError(Problem("data.reasoning_gym", wrong, "Run: pip install reasoning-gym")) from error
    found: dict[str, Any] = DATASETS
    return found


def _check(task: ReasoningGymTask, where: str) -> None:
    """Fail early, with the name of what is wrong, where a generator would fail with a traceback."""
    known = generators()
    if task.name not in known:
        wrong = f"reasoning-gym has no generator {task.name!r}."
        raise UserError(Problem(f"{where}.name", wrong, did_you_mean(task.name, known)))
    settings = {field.name for field in dataclasses.fields(known[task.name][1])} - {"seed", "size"}
    for name in task.config:
        if name in ("seed", "size"):
            wrong = f"{name} is no setting of one generator's config."
            mend = "Set data.reasoning_gym.seed." if name == "seed" else "Set size beside config."
            raise UserError(Problem(f"{where}.config.{name}", wrong, mend))
        if name not in settings:
            wrong = f"{task.name} has no setting {name!r}."
            raise UserError(Problem(f"{where}.config.{name}", wrong, did_you_mean(name, settings)))
    try:
        _generator(task, seed=0, size=task.size)[0]
    except Exception as error:  # a stranger's code fails in its own way; its message is all there is to say
        wrong = f"{task.name} cannot make rows with this config: {str(error) or type(error).__name__}."
        raise UserError(Problem(f"{where}.config", wrong, "Change its settings.")) from error


def _generator(task: ReasoningGymTask, seed: int, size: int) -> Any:
    kind, settings = generators()[task.name]
    return kind(config=settings(seed=seed, size=size, **task.config))


def _rows(task: ReasoningGymTask, seed: int, size: int) -> Iterator[Row]:
    """Rows from seeds far apart, `size` from each."""
    for offset in range(0, ROUNDS * ROUND_SEED, ROUND_SEED):
        dataset = _generator(task, seed + offset, size)
        for position in range(size):
            entry = dataset[position]
            kept = {"question": entry["question"], "answer": entry["answer"], "metadata": entry["metadata"]}
            plain = json.loads(json.dumps(kept, default=_plain, skipkeys=True))
            yield {TASK: task.name, PROMPT: plain["question"], "answer": plain["answer"], "entry": plain}


def _plain(value: Any) -> Any:
    """JSON for what metadata holds besides JSON."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _held_out(gym: ReasoningGym, per_task: int) -> dict[str, dict[str, Row]]:
    """Task -> question -> row."""
    held: dict[str, dict[str, Row]] = {task.name: {} for task in gym.tasks}
    for task in gym.tasks if per_task else ():
        of_task = held[task.name]
        wanted = len(of_task) + per_task
        for row in _rows(task, gym.seed + HELD_OUT_SEED, per_task):
            if len(of_task) == wanted:
                break
            of_task.setdefault(row[PROMPT], row)
    return held


def _held_out_batches(gym: ReasoningGym, per_task: int, findings: Findings) -> Iterator[Batch]:
    for task, rows in _held_out(gym, per_task).items():
        yield from _batches(f"{NAME} {task} (held out)", rows.values())


def _train_batches(gym: ReasoningGym, per_task: int, findings: Findings) -> Iterator[Batch]:
    held = _held_out(gym, per_task)
    for task in gym.tasks:
        known = held[task.name]
        fresh = (row for row in _rows(task, gym.seed, task.size) if row[PROMPT] not in known)
        name = f"{NAME} {task.name}"
        made = 0
        for batch in _batches(name, islice(fresh, task.size)):
            made += len(batch.numbers)
            yield batch
        if made < task.size:
            wrong = (
                f"just {made} of {task.size} rows have a question that is not held out: it makes few different ones."
            )
            findings.stop(name, wrong, "Lower data.held_out.rows_per_task, or change its config.")


def _batches(name: str, rows: Iterable[Row]) -> Iterator[Batch]:
    return in_batches(name, "row", ((number, len(row[PROMPT]), row) for number, row in enumerate(rows, 1)))
