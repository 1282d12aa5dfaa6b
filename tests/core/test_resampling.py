import math

import numpy as np
import pytest

from core.metrics import ScoredBatch, join_batches, task_records
from core.resampling import Choice
from core.scores import Scores

SIZE = 2


def batch(*groups):
    """Groups of two completions, each given as its task and its two totals."""
    values = np.array([total for _, *totals in groups for total in totals], dtype=float)
    tasks = tuple(task for task, *_ in groups for _ in range(SIZE))
    numbers = np.repeat(np.arange(len(groups)), SIZE)
    centred = values - np.repeat([np.mean(totals) for _, *totals in groups], SIZE)
    texts = tuple(f"{task} {value:g}" for task, value in zip(tasks, values, strict=True))
    table = values[:, None]
    scores = Scores(tasks, ("r",), table, np.ones(table.shape), {}, np.full(table.shape, math.nan))
    lengths = np.full(len(values), 3)
    return ScoredBatch(texts, texts, scores, numbers, centred, lengths, np.zeros(len(values), dtype=bool))


def trained(joined):
    return [joined.completions[row] for row in joined.order]


FIRST = batch(("a", 1, 1), ("b", 0, 1), ("a", 2, 3), ("b", 5, 5))


def test_only_places_without_signal_ask_for_another_of_their_task():
    assert Choice(FIRST, SIZE).without_signal == ["a", "b"]


def test_a_group_with_signal_takes_the_place_of_one_of_its_task_without():
    choice = Choice(FIRST, SIZE)
    second = batch(("a", 7, 8), ("b", 6, 6))
    choice.offer(second)
    assert choice.without_signal == ["b"]
    third = batch(("b", 9, 4))
    choice.offer(third)
    assert choice.without_signal == []
    joined = choice.joined([FIRST, second, third])
    assert trained(joined) == ["a 7", "a 8", "b 0", "b 1", "a 2", "a 3", "b 9", "b 4"], "places keep their tasks"
    assert len(joined.completions) == 14, "what gave way is not forgotten"


def test_what_was_sampled_in_vain_changes_nothing():
    choice = Choice(FIRST, SIZE)
    other = batch(("a", 4, 4), ("b", 3, 3))
    choice.offer(other)
    assert trained(choice.joined([FIRST, other])) == list(FIRST.completions)


def test_one_group_takes_one_place():
    choice = Choice(batch(("a", 1, 1), ("a", 2, 2)), SIZE)
    choice.offer(batch(("a", 0, 9)))
    assert choice.without_signal == ["a"]


def test_means_are_of_all_that_was_sampled_and_shares_of_what_is_trained_on():
    choice = Choice(FIRST, SIZE)
    other = batch(("a", 7, 8), ("b", 6, 6))
    choice.offer(other)
    records = {record["task"]: record for record in task_records(choice.joined([FIRST, other]))}
    assert [records[task]["share"] for task in "ab"] == [0.5, 0.5]
    assert [records[task]["groups"] for task in "ab"] == [3, 3]
    assert [records[task]["resampled"] for task in "ab"] == [1, 1]
    assert records["a"]["reward"] == pytest.approx(np.mean([1, 1, 2, 3, 7, 8]))


def test_batches_of_one_step_are_joined_with_what_is_trained_on_in_each():
    choice = Choice(FIRST, SIZE)
    other = batch(("a", 7, 8))
    choice.offer(other)
    joined = choice.joined([FIRST, other])
    both = join_batches([joined, FIRST])
    assert trained(both) == trained(joined) + list(FIRST.completions)
    assert join_batches([FIRST, FIRST]).trained is None
