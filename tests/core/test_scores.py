"""Totals of completions, some of many scores, several batches as one."""

import math

import numpy as np
import pytest

from core.scores import Scores, join

nan = math.nan


def made(values, errors=None, weights=None):
    values = np.array(values, dtype=float)
    weights = np.ones_like(values) if weights is None else np.array(weights, dtype=float)
    return Scores(("t",) * len(values), ("a", "b"), values, weights, errors or {}, values * 0.01)


@pytest.mark.parametrize(
    ("values", "weights", "errors", "total"),
    [
        ([1, 2], [1, 0.5], {}, 2.0),
        ([1, nan], [1, 0.5], {}, 1.0),  # b does not apply
        ([1, nan], [1, nan], {}, 1.0),  # no route leads to b
        ([1, nan], [1, 0.5], {(0, 1): "broken"}, nan),
        ([1, nan], [1, 0], {(0, 1): "broken"}, 1.0),
        ([nan, nan], [1, 1], {}, nan),
        ([nan, 3], [1, 0], {}, nan),  # only a watched reward applies: nothing to learn from
        ([0, 0], [1, 1], {}, 0.0),
        ([1, 1], [1, -1], {}, 0.0),
    ],
)
def test_the_total_of_a_completion(values, weights, errors, total):
    assert made([values], errors, [weights]).totals.tolist() == pytest.approx([total], nan_ok=True)


def test_joined_scores_keep_their_order_and_the_places_of_their_errors():
    joined = join([made([[1, 2], [3, nan]], {(1, 1): "x"}), made([[nan, 6]], {(0, 0): "y"})])
    assert joined.values == pytest.approx(np.array([[1, 2], [3, nan], [nan, 6]]), nan_ok=True)
    assert joined.errors == {(1, 1): "x", (2, 0): "y"}
    assert joined.seconds == pytest.approx(joined.values * 0.01, nan_ok=True)


def test_some_of_the_scores_keep_their_values_and_their_errors_in_the_order_asked_for():
    whole = Scores(
        ("a", "b", "c"),
        ("r",),
        np.array([[1.0], [nan], [3.0]]),
        np.array([[1.0], [2.0], [3.0]]),
        {(1, 0): "broken"},
        np.array([[0.1], [0.2], [0.3]]),
    )
    some = whole.of([2, 1])
    assert some.tasks == ("c", "b")
    assert some.totals[0] == 9.0
    assert some.weights.tolist() == [[3.0], [2.0]]
    assert some.errors == {(1, 0): "broken"}
    assert some.seconds.tolist() == [[0.3], [0.2]]
    assert whole.of([]).values.shape == (0, 1)
