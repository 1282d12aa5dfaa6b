"""Rows that their rewards cannot score, found before a run: a few of each task are scored with an empty completion.

What a row must hold is only known to the reward that reads it: a schema that is none, tests that do not parse,
malformed tool calls. An empty completion earns next to nothing anywhere, but an error on it is the row's. Rewards of
whole batches are not tried: they ask a judge, load a model or run a user's code, which takes long, costs money or
blames the row.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.data.tasks import some_rows
from core.errors import Problem
from core.prompts import as_messages
from core.reward_calls import library_version
from core.routing import RoutingTable, sound
from core.scores import Scores
from core.scoring import Scorer, ScoringCancelled
from core.scoring_processes import ScoringProcesses
from core.spec import COMPLETION_IDS, DEFAULT_ROUTE, Route, Routes
from core.spec_errors import field_path

if TYPE_CHECKING:
    from datasets import Dataset

ROWS = 8  # tried of each task
LONGEST_S = 15.0  # that all of it may take, the start of a process on a busy machine included
REMEMBERED = 64  # checks: the app asks again after every change of a form
NOT_READ = {"prompt", COMPLETION_IDS}  # what says nothing about the row
SHOWN = 60  # characters of a prompt
# An exception that the reward did not mean to raise, a hang or a death: it may be the completion's fault.
NOT_THE_ROWS = re.compile(r"[A-Z]\w*(?:Error|Exception|Iteration): |no score within|the scoring process|ran out of")

_known: OrderedDict[tuple[str, ...], tuple[Problem, ...]] = OrderedDict()


def check_rows(routes: Routes, rows: Dataset) -> list[Problem]:
    """What rewards say against rows: an error where all of a task's tried rows fail, a warning where some do."""
    table = RoutingTable(routes)
    tried = {task: _tried(table.of(task)) for task in some_rows(rows, 1)}
    tried = {task: lines for task, lines in tried.items() if lines}
    if not tried:
        return []
    lines = [repr([(task, [route.model_dump_json() for route in some]) for task, some in tried.items()])]
    key = (library_version(), rows._fingerprint, *lines)
    if key in _known:
        return list(_known[key])
    problems, whole = _problems(routes, tried, rows)
    if whole:  # what took too long may take less when the machine is not busy
        _known[key] = tuple(problems)
        while len(_known) > REMEMBERED:
            _known.popitem(last=False)
    return problems


def _tried(lines: Sequence[Route]) -> tuple[Route, ...]:
    """Routes whose rewards look at a completion by itself, and at the row."""
    return tuple(
        route
        for route in lines
        if (reward := sound(route)) is not None
        and reward.per_completion
        and reward.deterministic
        and {*reward.columns, *reward.optional_columns} - NOT_READ
    )


def _problems(routes: Routes, tried: dict[str, tuple[Route, ...]], rows: Dataset) -> tuple[list[Problem], bool]:
    """What there is to say, and whether all that should be tried was."""
    chosen = {task: numbers for task, numbers in some_rows(rows, ROWS).items() if task in tried}
    seen = [row for numbers in chosen.values() for row in rows.select(numbers).to_list()]
    scores = _scored(tried, seen)
    if scores is None:
        what = (
            f"{len(seen)} of its rows were not tried: an empty completion of each takes over {LONGEST_S:g} s to score."
        )
        return [Problem("data", what, "Look at them with `python app.py probe`.", "warning")], False
    found: list[Problem] = []
    of_task: dict[str, list[int]] = {}
    for i, row in enumerate(seen):
        of_task.setdefault(str(row["task"]), []).append(i)
    for task, numbers in of_task.items():
        for route in tried[task]:
            part = task if task in routes else DEFAULT_ROUTE
            place = field_path(("rewards", part, list(RoutingTable(routes).of(task)).index(route)))
            found += _told(place, task, route, seen, numbers, scores)
    return found, True


def _scored(tried: dict[str, tuple[Route, ...]], rows: Sequence[Mapping[str, Any]]) -> Scores | None:
    """Empty completions of these rows; None where that takes too long."""
    deadline = time.monotonic() + LONGEST_S
    processes = ScoringProcesses(1)
    try:
        counted = [{**row, COMPLETION_IDS: []} for row in rows]
        scorer = Scorer(RoutingTable(tried), processes)
        return scorer.score(counted, [""] * len(rows), cancelled=lambda: time.monotonic() > deadline)
    except ScoringCancelled:
        return None
    finally:
        processes.close()


def _told(
    place: str,
    task: str,
    route: Route,
    rows: Sequence[Mapping[str, Any]],
    numbers: Sequence[int],
    scores: Scores,
) -> Iterator[Problem]:
    """What a reward said of a task's rows; those that lack a needed column are told of elsewhere."""
    reward, k = sound(route), scores.keys.index(route.key)
    needed = set(reward.columns) - NOT_READ if reward else set()
    whole = [i for i in numbers if all(rows[i].get(name) is not None for name in needed)]
    errors = {i: scores.errors[i, k] for i in whole if (i, k) in scores.errors}
    if not errors:
        return
    first = next(iter(errors))
    alone = reward is not None and not reward.by_batch  # what a formula cannot work out may be due to the completion
    sure = alone and len(errors) == len(whole) and not any(map(NOT_THE_ROWS.match, errors.values()))
    what = f"{route.key} cannot score {len(errors)} of {len(whole)} rows of task {task!r} that were tried, such as "
    what += f"the one with the prompt {_prompt(rows[first])}: {errors[first].rstrip('.')}."
    mend = "Mend the rows, or route the task to another reward."
    yield Problem(place, what, mend, "error" if sure else "warning", outside=True)


def _prompt(row: Mapping[str, Any]) -> str:
    text = " ".join(str(as_messages(row["prompt"])[-1]["content"]).split())
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")
