"""Per-task metrics of a batch of scored completions: what metrics.jsonl holds and every curve shows.

Pure: scored completions in, one record a task out. A value that does not exist is None, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.advantages import without_signal
from core.scores import Scores, join

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ScoredBatch:
    """n completions with everything known of them.

    Attributes:
        prompts: prompt texts (n).
        completions: completion texts (n).
        scores: their scores.
        groups: the group of each (n): completions of one row share a number.
        advantages: the training signal (n).
        lengths: completion lengths, tokens (n).
        clipped: whether the length limit cut it off (n).
        trained: the rows that are trained on, in their order, where that is not all: groups without signal may have
            given way to others of their task.
    """

    prompts: tuple[str, ...]
    completions: tuple[str, ...]
    scores: Scores
    groups: NDArray[np.int64]
    advantages: Floats
    lengths: NDArray[np.int64]
    clipped: NDArray[np.bool_]
    trained: NDArray[np.int64] | None = None

    @property
    def order(self) -> NDArray[np.int64]:
        """The rows that are trained on, in their order."""
        return np.arange(len(self.prompts)) if self.trained is None else self.trained


def join_batches(batches: Sequence[ScoredBatch]) -> ScoredBatch:
    """Several batches as one; groups of different batches stay apart."""
    offsets = np.cumsum([0, *(batch.groups.max() + 1 for batch in batches)])
    starts = np.cumsum([0, *(len(batch.prompts) for batch in batches)])
    orders = [batch.order + start for batch, start in zip(batches, starts, strict=False)]
    return ScoredBatch(
        prompts=tuple(text for batch in batches for text in batch.prompts),
        completions=tuple(text for batch in batches for text in batch.completions),
        scores=join([batch.scores for batch in batches]),
        groups=np.concatenate([batch.groups + start for batch, start in zip(batches, offsets, strict=False)]),
        advantages=np.concatenate([batch.advantages for batch in batches]),
        lengths=np.concatenate([batch.lengths for batch in batches]),
        clipped=np.concatenate([batch.clipped for batch in batches]),
        trained=np.concatenate(orders) if any(batch.trained is not None for batch in batches) else None,
    )


def task_records(batch: ScoredBatch, order: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One record per task of the batch, in the given order; tasks that it does not name come last.

    A record: task, count (completions), groups, resampled (groups sampled in the place of others without signal), share
    (of the completions that are trained on); reward and reward_std (of the totals); scored (completions with a total);
    errors (failed cells); zero_std (share of groups in which every advantage is 0, TRL's frac_reward_zero_std: no
    signal); signal (share of the batch's summed |advantage|); length (mean, tokens); clipped (share cut off by the
    length limit); rewards (see `reward_records`). What is counted and averaged is all that was sampled, so that a
    reward does not look better than it is where groups without signal have given way to others.
    """
    strength = np.abs(batch.advantages)
    tasks = np.array(batch.scores.tasks)
    return [
        _task_record(batch, task, np.flatnonzero(tasks == task), strength)
        for task in dict.fromkeys([*order, *tasks.tolist()])
        if (tasks == task).any()
    ]


def _task_record(batch: ScoredBatch, task: str, rows: NDArray[np.intp], strength: Floats) -> dict[str, Any]:
    totals = batch.scores.totals[rows]
    silent = without_signal(strength[rows], batch.groups[rows])
    rewards = reward_records(batch.scores, rows)
    whole = strength.sum()
    trained = np.isin(rows, batch.order).sum()
    return {
        "task": task,
        "count": len(rows),
        "groups": len(silent),
        "resampled": len(silent) - len(np.unique(batch.groups[np.intersect1d(rows, batch.order)])),
        "share": float(trained / len(batch.order)),
        "reward": mean(totals),
        "reward_std": std(totals),
        "scored": int((~np.isnan(totals)).sum()),
        "errors": sum(reward["errors"] for reward in rewards),
        "zero_std": float(silent.mean()),
        "signal": float(strength[rows].sum() / whole) if whole > 0 else None,
        "length": float(batch.lengths[rows].mean()),
        "clipped": float(batch.clipped[rows].mean()),
        "rewards": rewards,
    }


def reward_records(scores: Scores, rows: NDArray[np.intp]) -> list[dict[str, Any]]:
    """One record per reward routed to these rows: reward, weight, mean, std, count, errors, not_applicable, reasons.

    `reasons` maps each error message to how often it came, the three most frequent.
    """
    return [_reward_record(scores, k, rows) for k in range(len(scores.keys)) if scores.routed[rows, k].any()]


def _reward_record(scores: Scores, k: int, rows: NDArray[np.intp]) -> dict[str, Any]:
    values = scores.values[rows, k]
    reasons = [scores.errors[i, k] for i in rows.tolist() if (i, k) in scores.errors]
    count = int((~np.isnan(values)).sum())
    routed = int(scores.routed[rows, k].sum())
    return {
        "reward": scores.keys[k],
        "weight": mean(scores.weights[rows, k]),
        "mean": mean(values),
        "std": std(values),
        "count": count,
        "errors": len(reasons),
        "not_applicable": routed - count - len(reasons),
        "reasons": most_frequent(reasons),
    }


def most_frequent(reasons: Sequence[str], limit: int = 3) -> Mapping[str, int]:
    """The commonest messages with their counts."""
    counts = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:limit])


def mean(values: Floats) -> float | None:
    """Mean of what is known; None where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def std(values: Floats) -> float | None:
    """Sample standard deviation of what is known; None for fewer than two numbers."""
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if known.size > 1 else None
