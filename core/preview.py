"""Preview: what a draft's rewards make of sample outputs, before a run starts.

Groups of completions are scored once, as the command `score` does it; weights and the normalisation can then change
without scoring again, because every route is scored, one of weight 0 too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.advantages import Floats, Ints, advantages
from core.completion_rows import CompletionRow, Tokenize, dump, parse_row, read_lines, routed, row_of, score_rows
from core.errors import Problem, UserError
from core.routing import RoutingTable, check_routes
from core.runs import write_atomically
from core.scores import Scores
from core.scoring import Scorer
from core.signal import TaskSignal, task_signals
from core.spec import COMPLETION_IDS, Draft, Normalisation, Plan

MOST_PROBLEMS = 20  # lines of a file that are named


@dataclass(frozen=True)
class Group:
    """One row with sampled outputs.

    Attributes:
        fields: `task`, `prompt` and the columns that rewards read.
        completions: the texts.
    """

    fields: Mapping[str, Any]
    completions: tuple[str, ...]

    @property
    def prompt(self) -> str:
        """What was asked, as text; chat messages as JSON."""
        prompt = self.fields.get("prompt") or ""
        return prompt if isinstance(prompt, str) else json.dumps(prompt, ensure_ascii=False)


@dataclass(frozen=True)
class Preview:
    """Scored groups; n completions of those that could be scored.

    Attributes:
        groups: all of them.
        scores: of the n completions.
        index: the number of each one's group (n).
        places: its place in that group (n).
        refused: number of a group -> why it could not be scored.
        table: the routes that scored; the weights that count are those of `scores`.
    """

    groups: tuple[Group, ...]
    scores: Scores
    index: Ints
    places: Ints
    refused: Mapping[int, str]
    table: RoutingTable

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Tasks with completions that were scored, in order of first appearance."""
        return tuple(dict.fromkeys(self.scores.tasks))

    def rows_of(self, task: str) -> Ints:
        """Which of the n completions are a task's own."""
        return self._rows.get(task, np.zeros(0, np.int64))

    @cached_property
    def _rows(self) -> dict[str, Ints]:
        names = np.array(self.scores.tasks)
        return {task: np.flatnonzero(names == task) for task in self.tasks}

    def reweighted(self, weights: Mapping[tuple[str, str], float]) -> Preview:
        """The same scores under other weights.

        Args:
            weights: (task, key of a reward) -> weight; what is not named stays as it is.

        Raises:
            UserError: a weight is no finite number, or no route leads from that task to that reward.
        """
        found = self.scores.weights.copy()
        for (task, key), weight in weights.items():
            rows = self.rows_of(task)
            k = self.scores.keys.index(key) if key in self.scores.keys else -1
            if k < 0 or not self.scores.routed[rows, k].any():
                mend = "Score the samples again with that route."
                raise UserError(Problem(f"task {task!r}", f"{key!r} has not scored its samples.", mend))
            if not math.isfinite(weight):
                raise UserError(Problem(f"task {task!r}", f"the weight of {key!r} is {weight}.", "Give a number."))
            found[rows, k] = weight
        return replace(self, scores=replace(self.scores, weights=found))

    def advantages(self, normalisation: Normalisation) -> Floats:
        """The training signal of each completion (n), all of them as one batch."""
        return advantages(self.scores, self.index, normalisation)

    def signals(self, normalisation: Normalisation) -> list[TaskSignal]:
        """Where the signal comes from, task by task."""
        return task_signals(self.scores, self.index, normalisation)


def preview(
    groups: Sequence[Group],
    plan: Plan | Draft,
    scorer: Scorer,
    tokenize: Tokenize | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Preview:
    """Score groups by the routes of a plan or draft.

    Args:
        groups: rows with their sampled outputs.
        plan: whose `rewards` score.
        scorer: whose processes do it; its own routes count for nothing.
        tokenize: texts -> token ids, for rewards that count tokens (`core.scored_file.needs_tokens`).
        progress: told how many scores are there, and how many there will be.
        cancelled: asked whether to give up.

    Raises:
        UserError: a route is wrong in itself.
        ScoringCancelled: `cancelled` said so.
    """
    problems = [problem for problem in check_routes(plan.rewards) if problem.severity == "error"]
    if problems:
        raise UserError(problems)
    table = RoutingTable(plan.rewards)
    rows = [routed(completion_row(group), table) for group in groups]
    found = score_rows(rows, scorer.with_table(table), tokenize, progress, cancelled)
    refused = {i: row.refusal for i, row in enumerate(rows) if row.refusal}
    return Preview(tuple(groups), found.scores, found.rows, found.places, refused, table)


def completion_row(group: Group) -> CompletionRow:
    """A group as the command `score` reads it."""
    return row_of({**group.fields, "completion": list(group.completions)}, group.completions)


def read_groups(path: Path) -> list[Group]:
    """The groups in a .jsonl file of rows that carry a `completion`: a text, or a list of texts.

    Raises:
        UserError: the file cannot be read or has no rows, or some lines are no such rows: each with its number.
    """
    rows = [parse_row(line) for line in read_lines(path)]
    problems = [
        Problem(f"{path.name} row {number}", f"{fault}.", 'Write {"task": ..., "prompt": ..., "completion": [...]}.')
        for number, row in enumerate(rows, 1)
        if (fault := row.refusal or _no_texts(row))
    ]
    if not rows:
        problems = [Problem(path.name, "there are no rows in this file.", "Write one JSON object a line.")]
    if problems:
        more = len(problems) - MOST_PROBLEMS
        rest = [Problem(path.name, f"{more} more rows are wrong.")] if more > 0 else []
        raise UserError([*problems[:MOST_PROBLEMS], *rest])
    return [Group(_fields_of_group(row), row.completions) for row in rows]


def _fields_of_group(row: CompletionRow) -> dict[str, Any]:
    """A row's fields as those of a group, which has a list of token ids for each completion."""
    fields = {name: value for name, value in row.fields.items() if name != "completion"}
    ids = fields.get(COMPLETION_IDS)
    return fields if row.is_group or ids is None else {**fields, COMPLETION_IDS: [ids]}


def _no_texts(row: CompletionRow) -> str:
    kinds = [type(text).__name__ for text in row.completions if not isinstance(text, str)]
    return f"a completion is {kinds[0]}, not text" if kinds else ""


def write_groups(path: Path, groups: Iterable[Group]) -> None:
    """Write groups as `read_groups`, and the command `score`, read them."""
    write_atomically(path, "".join(dump(completion_row(group).fields) + "\n" for group in groups))
