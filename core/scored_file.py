"""The command `score`: rows that carry completions in, the same rows with scores out, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from core.advantages import Floats, advantages
from core.completion_rows import (
    CompletionRow,
    ScoredRows,
    Tokenize,
    dump,
    not_text,
    parse_row,
    read_lines,
    routed,
    score_rows,
    with_scores,
)
from core.errors import Problem, UserError
from core.metrics import reward_records
from core.routing import RoutingTable, check_routes, sound
from core.scores import Scores, join
from core.scoring import Scorer
from core.signal import TaskSignal, task_signals
from core.spec import COMPLETION_IDS, Draft, Normalisation, Plan, Route

BATCH_ROWS = 256


@dataclass
class Tally:
    """What a scored file amounts to, for the summary under it.

    Attributes:
        rows: lines of the file that are not blank.
        completions: those of rows that could be read and have a route.
        refused: rows, and completions of other rows, that no reward has seen.
        parts: the scores, batch by batch.
        groups: the number of the row of each completion that was scored.
        reasons: why rows and completions were refused -> how often.
    """

    rows: int = 0
    completions: int = 0
    refused: int = 0
    parts: list[Scores] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Sequence[CompletionRow], found: ScoredRows) -> None:
        """Count further rows and keep their scores."""
        taken = sum(len(row.completions) for row in rows if not row.refusal)
        self.groups += (self.rows + found.rows).tolist()
        self.rows += len(rows)
        self.completions += taken
        self.refused += sum(bool(row.refusal) for row in rows) + taken - len(found.rows)
        for row in rows:
            bad = [text for text in row.completions if not isinstance(text, str)]
            # Where in a line its JSON breaks is told in its row.
            self.reasons.update([row.refusal.partition(": ")[0]] if row.refusal else map(not_text, bad))
        if len(found.rows):
            self.parts.append(found.scores)

    def signals(self, normalisation: Normalisation) -> list[TaskSignal]:
        """What the rows that hold a group of two or more would teach, as one batch."""
        groups = np.array(self.groups, dtype=np.int64)
        rows = np.flatnonzero(np.bincount(groups)[groups] > 1) if groups.size else groups
        return task_signals(join(self.parts).of(rows.tolist()), groups[rows], normalisation) if rows.size else []

    def table(self) -> list[tuple[str, dict[str, Any]]]:
        """(task, reward record) for every task and reward."""
        if not self.parts:
            return []
        scores = join(self.parts)
        tasks = np.array(scores.tasks)
        return [
            (task, record)
            for task in dict.fromkeys(scores.tasks)
            for record in reward_records(scores, np.flatnonzero(tasks == task))
        ]


def score_file(
    source: Path,
    plan: Plan,
    out: TextIO,
    tokenize: Tokenize | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tally:
    """Score every row of a .jsonl file and write it back with its scores.

    Each row needs a `completion` (a text, or a list of texts that is one group), and a `task`.
    Rows get `rewards` {name: number|null}, `errors` {name: reason}, `total` and, for a group, `advantages`; a group's
    values are lists. A row that cannot be scored (a line that is no object, no completion, a task without a route) is
    written back with its reason under `errors.row`: one bad row never costs the others. Advantages are computed inside
    the row's own group; the trainer's also depend on the batch where the plan scales by batch or normalises then sums.

    Args:
        source: the .jsonl file.
        plan: the rewards.
        out: where scored rows go, one JSON object a line.
        tokenize: texts -> token ids, for rewards that count tokens in rows that carry no `completion_ids`.
        progress: told, after each batch, how many rows are done.
    """
    problems = [problem for problem in check_routes(plan.rewards) if problem.severity == "error"]
    if problems:
        raise UserError(problems)
    table = RoutingTable(plan.rewards)
    tally = Tally()
    with Scorer(table) as scorer:
        rows = (routed(parse_row(line), table) for line in read_lines(source))
        while batch := list(islice(rows, BATCH_ROWS)):
            for scored in _score(batch, scorer, plan, tokenize, tally):
                out.write(dump(scored) + "\n")
            if progress is not None:
                progress(tally.rows)
    if not tally.rows:
        raise UserError(Problem(str(source), "there are no rows in this file.", "Write one JSON object a line."))
    return tally


def needs_tokens(plan: Plan | Draft) -> bool:
    """Whether a reward of the plan counts tokens: it requires their ids, or could use them and a parameter says so."""
    return any(_counts_tokens(route) for routes in plan.rewards.values() for route in routes)


def _counts_tokens(route: Route) -> bool:
    reward = sound(route)
    if reward is None or COMPLETION_IDS in reward.columns:
        return reward is not None
    return COMPLETION_IDS in reward.optional_columns and _mentions(route.params, "tokens")


def _mentions(value: Any, word: str) -> bool:
    """Whether a word is a value somewhere in parameters; a formula's parts have their own."""
    if isinstance(value, Mapping):
        return any(_mentions(part, word) for part in value.values())
    if isinstance(value, list | tuple):
        return any(_mentions(part, word) for part in value)
    return bool(value == word)


def _score(
    batch: Sequence[CompletionRow], scorer: Scorer, plan: Plan, tokenize: Tokenize | None, tally: Tally
) -> list[dict[str, Any]]:
    """Score all completions of a batch in one call, then hand each row its own back."""
    found = score_rows(batch, scorer, tokenize)
    tally.add(batch, found)
    strength = _signal(found, plan.normalisation)
    index = {place: n for n, place in enumerate(zip(found.rows.tolist(), found.places.tolist(), strict=True))}
    return [
        with_scores(row, [index.get((i, j)) for j in range(len(row.completions))], found.scores, scorer.table, strength)
        for i, row in enumerate(batch)
    ]


def _signal(found: ScoredRows, normalisation: Normalisation) -> Floats:
    """Advantages, each row's group by itself (n)."""
    strength = np.zeros(len(found.rows))
    for own in np.split(np.arange(len(found.rows)), np.flatnonzero(np.diff(found.rows)) + 1):
        strength[own] = advantages(found.scores.of(own.tolist()), found.rows[own], normalisation)
    return strength
