"""Probes: what rewards give to answers that deserve nothing, found before a run learns to write them.

For some rows of each task the routing table scores the reference answer (gold) and answers that no model should be paid
for. One that earns as much as gold is a reward that can be gamed, and gold below the highest score is a reward that the
right answer cannot satisfy.

- gold: the row's reference, in the spelling that the task's rewards like best: as it is, in a box, in answer tags ...
- empty: nothing at all
- echo: the prompt
- wrong: another row's reference, in gold's spelling
- keywords: the references of several rows in a list, gold among them
- overlong: many words, then gold
- repeated: gold twenty times
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.advantages import Floats
from core.completion_rows import Tokenize
from core.errors import Problem
from core.metrics import mean
from core.prompts import as_messages
from core.routing import RoutingTable, total_bounds, weighted_range
from core.scores import SAME, Scores
from core.scoring import Scorer
from core.spec import COMPLETION_IDS

MOST_KEYWORDS = 8
MOST_REASONS = 5
MEND_ROWS = "Mend the rows or the reward."
GOLD = "gold"
# Columns that hold what is right, the first that a row has counts. `tests` and `entry` say no answer.
REFERENCES = ("canonical_solution", "solution", "reference", "answer", "fields", "tool_calls")
THOUGHT = "<think>\nI work it out step by step.\n</think>\n"
SPELLINGS: Mapping[str, Callable[[str, str], str]] = {
    "as it is": lambda prompt, gold: gold,
    "in a box": lambda prompt, gold: f"\\boxed{{{gold}}}",
    "in a code block": lambda prompt, gold: f"```python\n{gold}\n```",
    "after the prompt": lambda prompt, gold: prompt + gold,
    "after a thought": lambda prompt, gold: THOUGHT + gold,
    "in answer tags after a thought": lambda prompt, gold: f"{THOUGHT}<answer>\n{gold}\n</answer>",
    "in a box after a thought": lambda prompt, gold: f"{THOUGHT}\\boxed{{{gold}}}",
}
FILLER = "Let me think about this question once more before I say what the answer is. " * 120
REPEATS = 20
# What contains gold may earn as much as gold; that it earns more is the fault.
CONTAINS_GOLD = ("overlong", "repeated")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Probe:
    """One kind of answer in one task.

    Attributes:
        kind: see the module.
        total: mean of the totals; None where none is known.
        rewards: reward -> mean score, None where there is none.
        errors: completions whose total is unknown.
        wins: rows in which it earns as much as gold (more, if it contains gold); 0 for gold.
        rows: that were tried.
        example: one of the completions.
    """

    kind: str
    total: float | None
    rewards: Mapping[str, float | None]
    errors: int
    wins: int
    rows: int
    example: str


@dataclass(frozen=True)
class TaskProbes:
    """The probes of one task.

    Attributes:
        task: its name.
        spelling: how gold is written; empty where no row has a reference.
        highest: the total that the rewards' ranges allow; None where one has no bound.
        probes: gold first.
        problems: what would be learned that should not be, as warnings.
    """

    task: str
    spelling: str
    highest: float | None
    probes: tuple[Probe, ...]
    problems: tuple[Problem, ...]


def probe_task(task: str, rows: Sequence[Row], scorer: Scorer, tokenize: Tokenize | None = None) -> TaskProbes:
    """Score the probes of one task.

    Args:
        task: its name.
        rows: some of its rows.
        scorer: with the routing table.
        tokenize: texts -> token ids, for rewards that count tokens.
    """
    golds = [reference(row) for row in rows]
    spelling = _best_spelling(rows, golds, scorer, tokenize)
    texts = _texts(rows, golds, spelling)
    places = [(kind, i) for kind, found in texts.items() for i in found]
    scores = _scored(scorer, [rows[i] for _, i in places], [texts[kind][i] for kind, i in places], tokenize)
    of_kind = {kind: {i: n for n, (other, i) in enumerate(places) if other == kind} for kind in texts}
    gold = of_kind.get(GOLD, {})
    probes, problems = [], []
    for kind, at in of_kind.items():
        wins = [] if kind == GOLD else [i for i in at if i in gold and _wins(kind, scores, at[i], gold[i])]
        probes.append(_probe(kind, scores, list(at.values()), len(wins), next(iter(texts[kind].values()))))
        if wins:
            problems.append(_gamed(task, kind, scores, [at[i] for i in wins], [gold[i] for i in wins], len(at)))
    highest = total_bounds(task, scorer.table)[1]
    if gold:
        problems = [*_short_of(task, scores, list(gold.values()), highest, spelling, scorer.table), *problems]
    elif highest is not None:
        problems += [
            _paid_in_full(task, probe) for probe in probes if probe.total is not None and probe.total > highest - SAME
        ]
    if reasons := Counter(scores.errors.values()):
        problems = [*_failed(task, reasons, scores, list(gold.values())), *problems]
    return TaskProbes(task, spelling, highest, tuple(probes), tuple(problems))


def reference(row: Row) -> str | None:
    """What the row says is right, as a text; None where it does not say."""
    for name in REFERENCES:
        value = row.get(name)
        if value is None or value == "":
            continue
        if name in ("fields", "tool_calls"):
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        first = value[0] if isinstance(value, list) and value else value
        return first if isinstance(first, str) else json.dumps(first, ensure_ascii=False)
    return None


def _best_spelling(rows: Sequence[Row], golds: Sequence[str | None], scorer: Scorer, tokenize: Tokenize | None) -> str:
    """The way to write gold that earns most; the plainest of equals. Empty where there is no gold."""
    known = [(row, gold) for row, gold in zip(rows, golds, strict=True) if gold is not None]
    if not known:
        return ""
    texts = [write(_prompt(row), gold) for write in SPELLINGS.values() for row, gold in known]
    totals = _scored(scorer, [row for row, _ in known] * len(SPELLINGS), texts, tokenize).totals
    by_spelling = totals.reshape(len(SPELLINGS), len(known))
    sound_rows = by_spelling[:, ~np.isnan(by_spelling).all(axis=0)]  # a row that nothing can score says nothing
    if not sound_rows.size:
        return next(iter(SPELLINGS))
    means = np.nan_to_num(sound_rows, nan=-np.inf).mean(axis=1)
    return list(SPELLINGS)[int(np.argmax(means.round(9)))]


def _texts(rows: Sequence[Row], golds: Sequence[str | None], spelling: str) -> dict[str, dict[int, str]]:
    """Kind -> row -> completion; gold and what is made of it only for rows that have a reference."""
    found: dict[str, dict[int, str]] = {GOLD: {}} if spelling else {}
    found |= {"empty": dict.fromkeys(range(len(rows)), ""), "echo": {i: _prompt(row) for i, row in enumerate(rows)}}
    if not spelling:
        return found
    different = list(dict.fromkeys(gold for gold in golds if gold is not None))
    write = SPELLINGS[spelling]
    for i, gold in enumerate(golds):
        if gold is None:
            continue
        prompt, others = _prompt(rows[i]), [other for other in different if other != gold]
        found[GOLD][i] = written = write(prompt, gold)
        if others:
            found.setdefault("wrong", {})[i] = write(prompt, others[i % len(others)])
            found.setdefault("keywords", {})[i] = ", ".join(sorted([gold, *others[: MOST_KEYWORDS - 1]]))
        found.setdefault("overlong", {})[i] = FILLER + written
        found.setdefault("repeated", {})[i] = "\n".join([written] * REPEATS)
    return found


def _prompt(row: Row) -> str:
    return str(as_messages(row["prompt"])[-1]["content"])


def _scored(scorer: Scorer, rows: Sequence[Row], texts: Sequence[str], tokenize: Tokenize | None) -> Scores:
    if tokenize is not None:
        rows = [{**row, COMPLETION_IDS: ids} for row, ids in zip(rows, tokenize(texts), strict=True)]
    return scorer.score(rows, texts)


def _wins(kind: str, scores: Scores, probe: int, gold: int) -> bool:
    """Whether a probe earns what it should not; an unknown total earns nothing."""
    ahead = scores.totals[probe] - scores.totals[gold]
    return bool(ahead > SAME if kind in CONTAINS_GOLD else ahead > -SAME)


def _probe(kind: str, scores: Scores, at: Sequence[int], wins: int, example: str) -> Probe:
    some = scores.of(at)
    columns = [k for k in range(len(some.keys)) if some.routed[:, k].any()]
    rewards = {some.keys[k]: mean(some.values[:, k]) for k in columns}
    return Probe(kind, mean(some.totals), rewards, int(np.isnan(some.totals).sum()), wins, len(at), example)


def _gamed(task: str, kind: str, scores: Scores, probes: Sequence[int], golds: Sequence[int], rows: int) -> Problem:
    """What a probe earns that it should not, and from which reward."""
    probe, gold = scores.of(probes), scores.of(golds)
    ahead = _weighted(probe).mean(axis=0) - _weighted(gold).mean(axis=0)
    k = int(np.argmax(ahead))
    totals = f"{probe.totals.mean():.3g}, gold {gold.totals.mean():.3g}"
    cause = f"{scores.keys[k]} gives it {ahead[k]:.3g} more" if ahead[k] > SAME else "no reward tells them apart"
    what = f"in {len(probes)} of {rows} rows the probe {kind!r} earns {totals}: {cause}."
    mend = "Give that reward less weight, a gate, or parameters that it cannot satisfy."
    return Problem(f"task {task!r}", what, mend, "warning")


def _paid_in_full(task: str, probe: Probe) -> Problem:
    """A task without a reference says nothing about gold, but an answer of no worth should not earn all there is."""
    what = f"the probe {probe.kind!r} earns {probe.total:.3g}, the highest total of all."
    return Problem(f"task {task!r}", what, "Add a reward for what the answer says.", "warning")


def _failed(task: str, reasons: Counter[str], scores: Scores, golds: Sequence[int]) -> list[Problem]:
    """Why probes could not be scored, the most frequent reasons first; of gold `_short_of` tells already."""
    known = set(scores.of(golds).errors.values())
    return [
        Problem(f"task {task!r}", f"{count} of {len(scores.tasks)} probes are errors: {reason}.", MEND_ROWS, "warning")
        for reason, count in reasons.most_common(MOST_REASONS)
        if reason not in known
    ]


def _short_of(
    task: str, scores: Scores, golds: Sequence[int], highest: float | None, spelling: str, table: RoutingTable
) -> list[Problem]:
    """Gold below what the ranges allow, and the reward that keeps it there; or gold that cannot be scored."""
    gold = scores.of(golds)
    unknown = int(np.isnan(gold.totals).sum())
    if unknown:
        reason = next(iter(gold.errors.values()), "no reward applies")
        what = f"in {unknown} of {len(golds)} rows gold cannot be scored: {reason}."
        return [Problem(f"task {task!r}", what, MEND_ROWS, "warning")]
    if highest is None or gold.totals.mean() > highest - SAME:
        return []
    best = {route.key: weighted_range(route)[1] or 0.0 for route in table.of(task) if route.weight}
    missing = np.array([best.get(key, 0.0) for key in gold.keys]) - _weighted(gold).mean(axis=0)
    most = gold.keys[int(np.argmax(missing))]
    what = f"gold, {spelling}, earns {gold.totals.mean():.3g} of {highest:.3g}: {most} holds back most."
    return [Problem(f"task {task!r}", what, "Look whether the right answer can satisfy that reward.", "warning")]


def _weighted(scores: Scores) -> Floats:
    weighted: Floats = np.where(scores.counting, scores.values * scores.weights, 0.0)
    return weighted
