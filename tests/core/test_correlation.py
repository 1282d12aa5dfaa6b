"""Correlation of two rewards inside groups."""

import math

import numpy as np
import pytest

from core.correlation import correlation

nan = math.nan


def found(first, second, groups=None):
    return correlation(np.array(first, float), np.array(second, float), np.array(groups or [0] * len(first)))


def test_scores_that_rise_together_correlate_and_that_fall_as_the_other_rises_do_so_negatively():
    assert found([1, 2, 3], [10, 20, 30]).pearson == pytest.approx(1)
    assert found([1, 2, 3], [3, 2, 1]).spearman == pytest.approx(-1)


def test_what_lies_between_groups_does_not_count():
    together = found([0, 1, 10, 11], [1, 0, 11, 10], [0, 0, 1, 1])
    assert together.pearson == pytest.approx(-1)


def test_the_order_alone_counts_for_spearman():
    bent = found([1, 2, 3, 4], [1, 10, 100, 1000])
    assert bent.spearman == pytest.approx(1)
    assert bent.pearson == pytest.approx(0.8237, abs=1e-3)


def test_equal_scores_share_the_middle_of_their_ranks():
    # Ranks 1.5 1.5 3 against 1 2 3.
    assert found([0, 0, 1], [1, 2, 3]).spearman == pytest.approx(0.8660, abs=1e-4)


def test_rounding_errors_are_no_order():
    tenths = [0.1 + 0.2, 0.3, 0.9]
    assert found(tenths, [2, 1, 3]).spearman == pytest.approx(found([0.3, 0.3, 0.9], [2, 1, 3]).spearman)
    huge = [1e15 * value for value in tenths]
    assert found(huge, [2, 1, 3]).spearman == pytest.approx(found([0.3, 0.3, 0.9], [2, 1, 3]).spearman)


def test_only_completions_that_both_score_count():
    some = found([1, nan, 2, 3, 9], [1, 5, 2, 3, nan])
    assert (some.count, some.pearson) == (3, pytest.approx(1))


@pytest.mark.parametrize(
    ("first", "second", "groups"),
    [
        ([], [], []),
        ([1, 2, 3], [5, 5, 5], None),
        ([1, 2], [1, 2], None),
        ([1, 2, 3], [1, 2, 3], [0, 1, 2]),
        ([nan, nan, 1], [1, 2, 3], None),
    ],
    ids=["nothing", "no spread", "two alone", "groups of one", "one in common"],
)
def test_it_is_not_known_where_it_is_undefined(first, second, groups):
    undefined = found(first, second, groups)
    assert (undefined.pearson, undefined.spearman) == (None, None)
