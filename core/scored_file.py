"""The command `score`: rows that carry completions in, the same rows with scores out, in order."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from core.advantages import advantages
from core.errors import Problem, UserError
from core.metrics import reward_records
from core.routing import RoutingTable, check_routes, sound
from core.scoring import Scorer, Scores, join
from core.signal import TaskSignal, task_signals
from core.spec import COMPLETION_IDS, DEFAULT_ROUTE, Normalisation, Plan, Route, RunSpec

BATCH_ROWS = 256
Tokenize = Callable[[str], Sequence[int]]


@dataclass
class Tally:
    """What a scored file amounts to, for the summary under it."""

    rows: int = 0
    completions: int = 0
    refused: int = 0
    parts: list[Scores] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)

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


@dataclass(frozen=True)
class _Row:
    """One line of the file: its fields, its completions, and why it cannot be scored, if it cannot."""

    fields: Mapping[str, Any]
    completions: tuple[Any, ...]
    is_group: bool
    refusal: str = ""


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
        tokenize: text -> token ids, for rewards that count tokens in rows that carry no `completion_ids`.
        progress: told, after each batch, how many rows are done.
    """
    problems = [problem for problem in check_routes(plan.rewards) if problem.severity == "error"]
    if problems:
        raise UserError(problems)
    table = RoutingTable(plan.rewards)
    tally = Tally()
    with Scorer(table) as scorer:
        rows = (_read(line, table) for line in _lines(source))
        while batch := list(islice(rows, BATCH_ROWS)):
            for scored in _score_rows(batch, scorer, plan, tokenize, tally):
                out.write(_dump(scored) + "\n")
            if progress is not None:
                progress(tally.rows)
    if not tally.rows:
        raise UserError(Problem(str(source), "there are no rows in this file.", "Write one JSON object a line."))
    return tally


def needs_tokens(plan: Plan | RunSpec) -> bool:
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


def _lines(source: Path) -> Iterator[bytes]:
    if source.suffix.lower() in (".csv", ".tsv", ".parquet"):
        mend = "Write one JSON object a line, with `task` and `completion`."
        raise UserError(Problem(str(source), "a .jsonl file is needed.", mend))
    try:
        with source.open("rb") as file:
            yield from (line for line in file if line.strip())
    except FileNotFoundError:
        raise UserError(Problem(str(source), "there is no such file.", "Check the path.")) from None
    except IsADirectoryError:
        raise UserError(Problem(str(source), "this is a folder.", "Name a .jsonl file.")) from None


def _read(line: bytes, table: RoutingTable) -> _Row:
    try:
        fields = json.loads(line, parse_constant=_refuse_constant, parse_float=_finite)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        return _Row({"line": text}, (), False, f"this line is not valid JSON: {error}")
    if not isinstance(fields, dict):
        return _Row({"line": fields}, (), False, "this line is no JSON object")
    completion = fields.get("completion")
    is_group = isinstance(completion, list)
    texts = tuple(completion) if isinstance(completion, list) else (completion,)
    return _Row(fields, texts, is_group, _refusal(fields, texts, table))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text:.40} is too large for a number")
    return value


def _dump(row: Mapping[str, Any]) -> str:
    """Readable UTF-8, but escapes where the text holds half a surrogate pair, which UTF-8 cannot."""
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(row, allow_nan=False)
    return text


def _task(fields: Mapping[str, Any]) -> str:
    """The row's tag; a row without one goes the default route."""
    return str(fields.get("task", DEFAULT_ROUTE))


def _refusal(fields: Mapping[str, Any], texts: tuple[Any, ...], table: RoutingTable) -> str:
    task = fields.get("task")
    if "completion" not in fields:
        return "the row has no 'completion'"
    if not texts:
        return "the group under 'completion' is empty"
    if not isinstance(task, str) and "task" in fields:
        return f"the tag under 'task' is {task!r:.40}, not text"
    if not table.of(_task(fields)):
        return f"no reward scores task {task!r}, and there is no default route"
    return ""


def _score_rows(
    batch: list[_Row], scorer: Scorer, plan: Plan, tokenize: Tokenize | None, tally: Tally
) -> list[dict[str, Any]]:
    """Score all completions of a batch in one call, then hand each row its own back."""
    places = [(i, j) for i, row in enumerate(batch) if not row.refusal for j in range(len(row.completions))]
    texts = [(i, j) for i, j in places if isinstance(batch[i].completions[j], str)]
    rows = [_scorable(batch[i], j, tokenize) for i, j in texts]
    scores = scorer.score(rows, [batch[i].completions[j] for i, j in texts])
    tally.groups += [tally.rows + i for i, _ in texts]
    tally.rows += len(batch)
    tally.completions += len(places)
    tally.refused += sum(bool(row.refusal) for row in batch) + len(places) - len(texts)
    if texts:
        tally.parts.append(scores)
    index = {place: n for n, place in enumerate(texts)}
    return [
        _written(row, [index.get((i, j)) for j in range(len(row.completions))], scores, plan)
        for i, row in enumerate(batch)
    ]


def _scorable(row: _Row, j: int, tokenize: Tokenize | None) -> dict[str, Any]:
    """The fields as rewards see them; token ids of a group are a list of lists."""
    ids = row.fields.get(COMPLETION_IDS)
    if ids is None and tokenize is not None:
        ids = tokenize(row.completions[j].encode("utf-8", "replace").decode())  # half a surrogate pair is no token
    elif ids is not None and row.is_group:
        ids = ids[j] if isinstance(ids, list) and j < len(ids) else None
    known = {name: value for name, value in row.fields.items() if name not in ("completion", COMPLETION_IDS)}
    prompt = row.fields.get("prompt") or ""
    if not isinstance(prompt, str) and not _is_chat(prompt):
        prompt = json.dumps(prompt)
    return {**known, "task": _task(row.fields), "prompt": prompt, COMPLETION_IDS: ids}


def _is_chat(prompt: Any) -> bool:
    return isinstance(prompt, list) and all(isinstance(turn, dict) and "content" in turn for turn in prompt)


def _written(row: _Row, indices: list[int | None], scores: Scores, plan: Plan) -> dict[str, Any]:
    """A row with its scores: plain values for one completion, lists for a group."""
    if row.refusal:
        return {**row.fields, "rewards": {}, "errors": {"row": row.refusal}, "total": None}
    keys = [route.key for route in RoutingTable(plan.rewards).of(_task(row.fields))]
    cells = {key: [_number(scores.values, i, scores.keys.index(key)) for i in indices] for key in keys}
    errors = {key: [_reason(scores, i, key, row, j) for j, i in enumerate(indices)] for key in keys}
    totals = [None if i is None else _number(scores.totals[:, None], i, 0) for i in indices]
    if not row.is_group:
        first = {key: reasons[0] for key, reasons in errors.items() if reasons[0]}
        return {
            **row.fields,
            "rewards": {key: cell[0] for key, cell in cells.items()},
            "errors": first,
            "total": totals[0],
        }
    found = {key: reasons for key, reasons in errors.items() if any(reasons)}
    return {
        **row.fields,
        "rewards": cells,
        "errors": found,
        "total": totals,
        "advantages": _advantages(scores, indices, plan.normalisation),
    }


def _advantages(scores: Scores, indices: list[int | None], normalisation: Normalisation) -> list[float | None]:
    """Advantages inside one group; null for a completion that has no total."""
    known = [i for i in indices if i is not None]
    found = dict(
        zip(known, advantages(scores.of(known), np.zeros(len(known), dtype=np.int64), normalisation), strict=True)
    )
    return [None if i is None or np.isnan(scores.totals[i]) else float(found[i]) for i in indices]


def _number(values: Any, i: int | None, k: int) -> float | None:
    return None if i is None or np.isnan(values[i, k]) else float(values[i, k])


def _reason(scores: Scores, i: int | None, key: str, row: _Row, j: int) -> str | None:
    if i is None:
        return f"the completion is {type(row.completions[j]).__name__}, not text"
    return scores.errors.get((i, scores.keys.index(key)))
