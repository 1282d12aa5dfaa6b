"""From scores to advantages: the training signal, as one pure function that preview and trainer share.

TRL's formulas (GRPO, arXiv 2402.03300; batch scaling, arXiv 2508.08221; no scaling, Dr. GRPO, arXiv 2503.20783;
normalize_then_sum, GDPO, arXiv 2601.05242), in float64. What is added: a completion that could not be scored, or to
which no reward applies, is left out of its group's mean and spread, and its advantage is 0; and the tasks may be
brought to one scale (core.task_scale). Two switches of GDPO, both off unless asked for:

- `objective_weights: spread`, after DVAO (arXiv 2605.25604): in each group a reward's weight is multiplied by the
  spread that it has there, and the weights are divided by their sum, so that what hardly differs does not count as much
  as what differs much. Scores of unlike scale count unalike then.
- `conflict`, GD2PO (arXiv 2606.16771): a completion whose rewards pull it in opposite directions teaches nothing where
  they nearly cancel, and what is left of its group counts by the part of it that is left. `conflict: 1` is the paper's
  hard filter, less is its soft one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core.scores import Scores
from core.spec import Normalisation
from core.task_scale import factors

EPSILON = 1e-4  # TRL's, added to every standard deviation
FLAT = 1e-8  # below this, a group's rewards are all the same (numpy's and TRL's absolute tolerance)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def advantages(
    scores: Scores, groups: Ints, normalisation: Normalisation, sizes: Mapping[str, float] | None = None
) -> Floats:
    """The advantage of each of n completions.

    Args:
        scores: scores of n completions.
        groups: the group of each completion (n), any integers.
        normalisation: which of TRL's formulas, and whether tasks are brought to one scale.
        sizes: of each task's advantages so far, where the scale is a running one; these completions' own without.

    Returns:
        n finite numbers; 0 where there is no total, and for a group whose rewards are all the same.
    """
    found = unscaled(scores, groups, normalisation)
    return found * _factors(found, scores, normalisation, sizes)


def unscaled(scores: Scores, groups: Ints, normalisation: Normalisation) -> Floats:
    """The advantages by TRL's formula alone (n)."""
    if normalisation.multi_objective_aggregation == "normalize_then_sum":
        found = _normalize_then_sum(scores, groups, normalisation)
    else:
        found = _sum_then_normalize(scores.totals, groups, normalisation.scale_rewards)
    return np.nan_to_num(found, nan=0.0)


def batch_values(scores: Scores, groups: Ints, normalisation: Normalisation) -> Floats | None:
    """The numbers (n) by whose spread in the whole batch a formula divides; NaN where a completion is left out, and
    None for a formula that looks at no more than a group."""
    if normalisation.multi_objective_aggregation == "normalize_then_sum":
        return _standardised(scores, groups, normalisation)[1]
    return scores.totals if normalisation.scale_rewards == "batch" else None


def contributions(scores: Scores, groups: Ints, normalisation: Normalisation) -> Floats:
    """What each reward adds to each advantage (n, k): the rows add up to `advantages` of these completions alone.

    A reward that does not apply adds its group's mean with the other sign, as a score of 0 would: that is what it does
    to the total. Where rewards cancel each other to the same total for the whole group, all of it is 0, since the group
    teaches nothing.
    """
    found = _unscaled_contributions(scores, groups, normalisation)
    return found * _factors(unscaled(scores, groups, normalisation), scores, normalisation)[:, None]


def _unscaled_contributions(scores: Scores, groups: Ints, normalisation: Normalisation) -> Floats:
    known = ~np.isnan(scores.totals)
    found = np.zeros(scores.values.shape)
    if not known.any():
        return found
    if normalisation.multi_objective_aggregation == "normalize_then_sum":
        parts, total = _standardised(scores, groups, normalisation)
        known = ~np.isnan(total)
        if not known.any():
            return found
        found[known] = parts[known] / (_spread(total) + EPSILON)
        return found
    centred, spread = _centred(scores.totals, groups)
    scale = _scale(scores.totals, spread, normalisation.scale_rewards)
    for k in range(len(scores.keys)):
        part = np.where(scores.counting[:, k], scores.values[:, k] * scores.weights[:, k], 0.0)
        mean, _ = _moments(np.where(known, part, np.nan), groups)
        found[:, k] = (part - mean) / scale
    found[np.nan_to_num(centred) == 0] = 0.0
    return found


def group_spread(totals: Floats, groups: Ints) -> Floats:
    """Standard deviation of the totals inside each completion's group (n); 0 for fewer than two numbers.

    >>> group_spread(np.array([0.0, 1.0, 5.0]), np.array([7, 7, 8])).round(3).tolist()
    [0.707, 0.707, 0.0]
    """
    return _moments(totals, groups)[1]


def without_signal(advantages: Floats, groups: Ints) -> NDArray[np.bool_]:
    """Which groups teach nothing: every advantage in them is 0. One value a group, groups in ascending order.

    >>> without_signal(np.array([0.0, 0.0, 1.0, -1.0]), np.array([3, 3, 5, 5])).tolist()
    [True, False]
    """
    names, index = np.unique(groups, return_inverse=True)
    silent: NDArray[np.bool_] = np.bincount(index, weights=np.abs(advantages) >= FLAT, minlength=len(names)) == 0
    return silent


def _factors(
    found: Floats, scores: Scores, normalisation: Normalisation, sizes: Mapping[str, float] | None = None
) -> Floats:
    if normalisation.task_scale == "none":
        return np.ones(len(found))
    return factors(found, scores.tasks, sizes if normalisation.task_scale == "running" else None)


def _sum_then_normalize(totals: Floats, groups: Ints, scale: str) -> Floats:
    centred, spread = _centred(totals, groups)
    return centred / _scale(totals, spread, scale)


def _scale(totals: Floats, spread: Floats, scale: str) -> Floats:
    """What each total less its group's mean is divided by (n)."""
    if scale == "none":
        return np.ones(len(totals))
    return (spread if scale == "group" else np.full(len(totals), _spread(totals))) + EPSILON


def _normalize_then_sum(scores: Scores, groups: Ints, normalisation: Normalisation) -> Floats:
    _, total = _standardised(scores, groups, normalisation)
    # TRL takes off the mean of the batch, which is 0 but for rounding, as each part's mean in its group is. Where
    # completions are left out it is not, and taking it off would push groups that have nothing to teach.
    found: Floats = total / (_spread(total) + EPSILON)
    return found


def _standardised(scores: Scores, groups: Ints, normalisation: Normalisation) -> tuple[Floats, Floats]:
    """Each reward standardised in its group, times its weight (n, k), 0 where there is no score; and their sums (n).

    A sum is NaN where the completion is left out.
    """
    weights, parts = np.nan_to_num(scores.weights), np.zeros(scores.values.shape)
    spreads = np.zeros(scores.values.shape)
    for k in range(len(scores.keys)):
        column = np.where(scores.failed, np.nan, scores.values[:, k])
        centred, spreads[:, k] = _centred(column, groups)
        parts[:, k] = np.nan_to_num(centred / (spreads[:, k] + EPSILON))
    if normalisation.objective_weights == "spread":
        weights = weights * spreads
        whole = np.abs(weights).sum(axis=1, keepdims=True)
        weights = np.divide(weights, whole, out=np.zeros_like(weights), where=whole > FLAT)
    parts *= weights
    total = np.where(np.isnan(scores.totals), np.nan, parts.sum(axis=1))
    return _agreed(parts, total, groups, normalisation.conflict) if normalisation.conflict else (parts, total)


def _agreed(parts: Floats, total: Floats, groups: Ints, least: float) -> tuple[Floats, Floats]:
    """The same without the completions whose parts nearly cancel, each group by the share of it that is left."""
    apart = (parts > FLAT).any(axis=1) & (parts < -FLAT).any(axis=1)
    # A sum of opposite signs is below the sum of sizes by more than rounding: at 1, all of them go.
    left_out = apart & (np.abs(parts.sum(axis=1)) < least * np.abs(parts).sum(axis=1))
    kept, _ = _moments(np.where(np.isnan(total), np.nan, ~left_out), groups)
    parts = np.where(left_out[:, None], 0.0, parts * np.nan_to_num(kept)[:, None])
    return parts, np.where(left_out, np.nan, total * kept)


def _centred(values: Floats, groups: Ints) -> tuple[Floats, Floats]:
    """Values less their group's mean, and the group's spread. Where all are the same, 0 and no rounding error of it."""
    mean, spread = _moments(values, groups)
    return np.where(spread < FLAT, 0.0, values - mean), spread


def _moments(values: Floats, groups: Ints) -> tuple[Floats, Floats]:
    """Mean and spread of each value's group, leaving out NaN; the mean of nothing is NaN."""
    _, index = np.unique(groups, return_inverse=True)
    known = ~np.isnan(values)
    count = np.bincount(index, weights=known)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(index, weights=np.nan_to_num(values)) / count
        squares = np.where(known, (values - mean[index]) ** 2, 0.0)
        variance = np.bincount(index, weights=squares) / (count - 1)
    spread = np.sqrt(np.where(count > 1, variance, 0.0))
    return mean[index], spread[index]


def _spread(values: Floats) -> float:
    """Sample standard deviation of what is known; 0 for fewer than two numbers."""
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if known.size > 1 else 0.0
