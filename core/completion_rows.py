"""Rows that carry completions: read from JSON lines, scored, and written with their scores, as `app.py score` does it.

A row that cannot be scored is kept with its reason: one bad row never costs the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.advantages import Floats, Ints
from core.errors import Problem, UserError
from core.routing import RoutingTable
from core.scores import Scores
from core.scoring import Scorer
from core.spec import COMPLETION_IDS, DEFAULT_ROUTE

Tokenize = Callable[[Sequence[str]], Sequence[Sequence[int]]]  # texts -> token ids of each


@dataclass(frozen=True)
class CompletionRow:
    """One row with its completions.

    Attributes:
        fields: everything that the row says, `completion` too where it comes from a file.
        completions: what should be texts.
        is_group: whether they came as a list, so that scores go back as lists.
        refusal: why nothing of it can be scored; empty where it can.
    """

    fields: Mapping[str, Any]
    completions: tuple[Any, ...]
    is_group: bool
    refusal: str = ""


@dataclass(frozen=True)
class ScoredRows:
    """Scores of the n completions of some rows that are texts, in the rows' order.

    Attributes:
        scores: of the completions.
        rows: the number of each one's row (n).
        places: its place in that row (n).
    """

    scores: Scores
    rows: Ints
    places: Ints


def read_lines(source: Path) -> Iterator[bytes]:
    """The lines of a .jsonl file that are not blank; `UserError` where it cannot be read."""
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


def parse_row(line: bytes) -> CompletionRow:
    """A line of JSON as a row; refused where it is none."""
    try:
        fields = json.loads(line, parse_constant=_refuse_constant, parse_float=_finite)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        return CompletionRow({"line": text}, (), False, f"this line is not valid JSON: {error}")
    if not isinstance(fields, dict):
        return CompletionRow({"line": fields}, (), False, "this line is no JSON object")
    if "completion" not in fields:
        return CompletionRow(fields, (), False, "the row has no 'completion'")
    completion = fields["completion"]
    is_group = isinstance(completion, list) and not _is_message(completion[:1])
    return row_of(fields, map(_text, completion if is_group else [completion]), is_group)


def _is_message(value: Any) -> bool:
    """Whether a list begins with a chat message."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "role" in value[0]


def _text(completion: Any) -> Any:
    """The text of a completion that is one message of the assistant; whatever else it is."""
    message = completion[0] if _is_message(completion) and len(completion) == 1 else completion
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return completion
    content = message.get("content")
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
    strings = [text for text in texts if isinstance(text, str)]
    return "".join(strings) if texts and len(strings) == len(texts) else completion


def row_of(fields: Mapping[str, Any], completions: Iterable[Any], is_group: bool = True) -> CompletionRow:
    """A row from its parts; refused where it is empty or its tag is no text."""
    texts = tuple(completions)
    refusal = ""
    if not texts:
        refusal = "the group under 'completion' is empty"
    elif not isinstance(fields.get("task", ""), str):
        refusal = f"the tag under 'task' is {fields['task']!r:.40}, not text"
    return CompletionRow(fields, texts, is_group, refusal)


def routed(row: CompletionRow, table: RoutingTable) -> CompletionRow:
    """The row; refused where no route leads from its task."""
    if row.refusal or table.of(task_of(row.fields)):
        return row
    task = row.fields.get("task")
    return replace(row, refusal=f"no reward scores task {task!r}, and there is no default route")


def task_of(fields: Mapping[str, Any]) -> str:
    """The row's tag; a row without one goes the default route."""
    return str(fields.get("task", DEFAULT_ROUTE))


def score_rows(
    rows: Sequence[CompletionRow],
    scorer: Scorer,
    tokenize: Tokenize | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ScoredRows:
    """Score all completions of these rows in one call; see `Scorer.score`.

    Args:
        rows: those refused, and completions that are no text, are left out.
        scorer: with the routing table.
        tokenize: texts -> token ids, for rewards that count tokens in rows that carry no `completion_ids`.
        progress: told how many scores are there, and how many there will be.
        cancelled: asked whether to give up.
    """
    at = [
        (i, j)
        for i, row in enumerate(rows)
        if not row.refusal
        for j, text in enumerate(row.completions)
        if isinstance(text, str)
    ]
    counted = _counted(rows, at, tokenize)
    seen = [_seen(rows[i], j, counted.get((i, j))) for i, j in at]
    scores = scorer.score(seen, [rows[i].completions[j] for i, j in at], progress, cancelled)
    places = np.array(at, dtype=np.int64).reshape(-1, 2)
    return ScoredRows(scores, places[:, 0], places[:, 1])


def _counted(
    rows: Sequence[CompletionRow], at: Sequence[tuple[int, int]], tokenize: Tokenize | None
) -> dict[tuple[int, int], Sequence[int]]:
    """Token ids of the completions whose rows carry none, all counted in one call."""
    bare = [place for place in at if rows[place[0]].fields.get(COMPLETION_IDS) is None]
    if tokenize is None or not bare:
        return {}
    # Half a surrogate pair is no token.
    texts = [rows[i].completions[j].encode("utf-8", "replace").decode() for i, j in bare]
    return dict(zip(bare, tokenize(texts), strict=True))


def _seen(row: CompletionRow, j: int, counted: Sequence[int] | None) -> dict[str, Any]:
    """The fields as rewards see them; token ids of a group are a list of lists."""
    ids = row.fields.get(COMPLETION_IDS)
    if ids is None:
        ids = counted
    elif row.is_group:
        ids = ids[j] if isinstance(ids, list) and j < len(ids) else None
    known = {name: value for name, value in row.fields.items() if name not in ("completion", COMPLETION_IDS)}
    prompt = row.fields.get("prompt") or ""
    if not isinstance(prompt, str) and not _is_chat(prompt):
        prompt = json.dumps(prompt)
    return {**known, "task": task_of(row.fields), "prompt": prompt, COMPLETION_IDS: ids}


def _is_chat(prompt: Any) -> bool:
    return isinstance(prompt, list) and all(isinstance(turn, dict) and "content" in turn for turn in prompt)


def with_scores(
    row: CompletionRow, indices: Sequence[int | None], scores: Scores, table: RoutingTable, signal: Floats
) -> dict[str, Any]:
    """A row with its scores: plain values for one completion, lists and `advantages` for a group.

    Args:
        row: the row.
        indices: each of its completions' place among the scores; None where it is no text.
        scores: of n completions, its own among them.
        table: the routes.
        signal: the advantage of each of the n (n); it counts for a group alone.
    """
    if row.refusal:
        return {**row.fields, "rewards": {}, "errors": {"row": row.refusal}, "total": None}
    keys = [route.key for route in table.of(task_of(row.fields))]
    cells = {key: [_number(scores.values, i, scores.keys.index(key)) for i in indices] for key in keys}
    errors = {key: [_reason(scores, i, key, row, j) for j, i in enumerate(indices)] for key in keys}
    totals = [_number(scores.totals[:, None], i, 0) for i in indices]
    if not row.is_group:
        first = {key: reasons[0] for key, reasons in errors.items() if reasons[0]}
        return {
            **row.fields,
            "rewards": {key: cell[0] for key, cell in cells.items()},
            "errors": first,
            "total": totals[0],
        }
    found = {key: reasons for key, reasons in errors.items() if any(reasons)}
    known = zip(indices, totals, strict=True)
    strength = [None if i is None or total is None else float(signal[i]) for i, total in known]
    return {**row.fields, "rewards": cells, "errors": found, "total": totals, "advantages": strength}


def _number(values: Floats, i: int | None, k: int) -> float | None:
    return None if i is None or np.isnan(values[i, k]) else float(values[i, k])


def _reason(scores: Scores, i: int | None, key: str, row: CompletionRow, j: int) -> str | None:
    if i is None:
        return not_text(row.completions[j])
    return scores.errors.get((i, scores.keys.index(key)))


def not_text(completion: Any) -> str:
    """Why a completion cannot be scored that is no text."""
    if _is_message(completion):
        return f"the completion is a list of {len(completion)} messages; give its text, or one message of the assistant"
    return f"the completion is {type(completion).__name__}, not text"


def dump(row: Mapping[str, Any]) -> str:
    """Readable UTF-8, but escapes where the text holds half a surrogate pair, which UTF-8 cannot."""
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(row, allow_nan=False)
    return text


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text:.40} is too large for a number")
    return value
