"""How two rewards go together inside groups, where alone their scores become a training signal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.advantages import Floats, Ints

DECIMALS = 9  # of centred scores, before they are ranked: rounding errors are no order


@dataclass(frozen=True)
class Correlation:
    """Between two rewards, over the completions that both score, each less its group's mean.

    Attributes:
        count: how many completions.
        pearson: of the scores; None where one has no spread, or where there are too few (fewer than two more than
            groups: each group's mean takes one away).
        spearman: of their ranks among all of these; None as for `pearson`.
    """

    count: int
    pearson: float | None
    spearman: float | None


def correlation(first: Floats, second: Floats, groups: Ints) -> Correlation:
    """The correlation of two rewards' scores of n completions.

    Args:
        first: scores (n), NaN where there is none.
        second: scores of the other (n).
        groups: the group of each (n).
    """
    both = ~np.isnan(first) & ~np.isnan(second)
    count = int(both.sum())
    _, index = np.unique(groups[both], return_inverse=True)
    if not count or count - (index.max() + 1) < 2:
        return Correlation(count, None, None)
    one, other = (_centred(values[both], index) for values in (first, second))
    return Correlation(count, _pearson(one, other), _pearson(_ranks(one), _ranks(other)))


def _centred(values: Floats, index: Ints) -> Floats:
    """Values less their group's mean, in parts of the largest value."""
    centred = values - (np.bincount(index, weights=values) / np.bincount(index))[index]
    return (centred / (np.abs(values).max() or 1.0)).round(DECIMALS)


def _pearson(first: Floats, second: Floats) -> float | None:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1].clip(-1, 1))


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the middle of theirs.

    >>> _ranks(np.array([0.5, 0.1, 0.5])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[index]
