"""What a run would make of a preview: checked against batches that a run's own parts draw, resample and weigh."""

import math

import numpy as np
import pytest

from core.advantages import unscaled
from core.metrics import ScoredBatch
from core.mixing import shares
from core.mixture import Mixture
from core.preview import Group, Preview
from core.preview_mix import TaskInRun, at_first, tasks_in_run
from core.resampling import Choice
from core.routing import RoutingTable
from core.scores import Scores
from core.spec import parse_draft

SIZE = 4  # completions of a group
COUNTS = {"a": 20, "b": 40, "c": 60}


def draft(places=8, **parts):
    """A draft whose run samples so many prompts at once."""
    rewards = {task: [{"name": "exact_match"}, {"name": "number", "weight": 2.0}] for task in COUNTS}
    batches = {"num_generations": SIZE, "per_device_train_batch_size": SIZE * places}
    return parse_draft({"rewards": rewards, "grpo": batches, **parts}, "test")


def previewed(groups, made=None, keys=("exact_match", "number"), errors=None):
    """A preview of groups: the task of each, and of each completion its score, or a score by each reward."""
    made = made or draft()
    tasks = [task for task, scores in groups for _ in scores]
    given = [score if isinstance(score, tuple) else (score, 0.0) for _, scores in groups for score in scores]
    values = np.array(given, dtype=float)[:, : len(keys)]
    table = RoutingTable(made.rewards)
    weights = np.array([[next(r.weight for r in table.of(task) if r.key == key) for key in keys] for task in tasks])
    scores = Scores(tuple(tasks), keys, values, weights, errors or {}, np.full(values.shape, math.nan))
    index = np.repeat(np.arange(len(groups)), [len(scores) for _, scores in groups])
    places = np.concatenate([np.arange(len(scores)) for _, scores in groups])
    there = tuple(Group({"task": task}, ("x",) * len(scores)) for task, scores in groups)
    return Preview(there, scores, index, places, {}, table)


def in_run(found, counts, made):
    return {task.task: task for task in tasks_in_run(counts, made, found)}


def trained(found, counts, made, places, batches):
    """What batches of a run come to, drawn and weighed by what a run draws and weighs with; its groups are the samples.

    Returns:
        of each task: its mean part of a batch's summed |advantage|, and the share of its groups that are trained on
        without spread; and the groups sampled in the place of others, as a part of the batch.
    """
    rng = np.random.default_rng(7)
    tags = [task for task, rows in counts.items() for _ in range(rows)]
    own = {task: [n for n, group in enumerate(found.groups) if group.fields["task"] == task] for task in counts}
    mixture = Mixture(tags, shares(counts, made.mixing, made.tasks), made.mixing, made.normalisation, seed=3)
    parts, more, silent = [], 0, {task: [] for task in counts}
    for _ in range(batches):
        sampled = [batch(found, [rng.choice(own[tags[row]]) for row in mixture.draw(places)], made)]
        choice, left = Choice(sampled[0], SIZE), int(made.mixing.resample * places)
        while left > 0 and (tasks := choice.without_signal[:left]):
            left, more = left - len(tasks), more + len(tasks)
            sampled.append(batch(found, [rng.choice(own[task]) for task in tasks], made))
            choice.offer(sampled[-1])
        weighed = mixture.weigh(choice.joined(sampled))
        strength = np.abs(weighed.advantages[weighed.order])
        names = np.array(weighed.scores.tasks)[weighed.order]
        if strength.sum() > 0:
            parts.append([strength[names == task].sum() / strength.sum() for task in counts])
        for task, size in zip(names[::SIZE], strength.reshape(-1, SIZE).sum(axis=1), strict=True):
            silent[task].append(size < 1e-9)
    mean = dict(zip(counts, np.mean(parts, axis=0), strict=True))
    return mean, {task: np.mean(found) for task, found in silent.items()}, more / places / batches


def batch(found, rows, made):
    """The groups of a preview with these numbers as one batch, as it was sampled."""
    members = np.concatenate([np.flatnonzero(found.index == row) for row in rows])
    scores, groups = found.scores.of(members.tolist()), np.repeat(np.arange(len(rows)), SIZE)
    texts, count = ("",) * len(members), len(members)
    pushes = unscaled(scores, groups, made.normalisation)
    return ScoredBatch(texts, texts, scores, groups, pushes, np.ones(count, np.int64), np.zeros(count, np.bool_))


nan = math.nan
FLAT = (1, 1, 1, 1)
SAMPLES = (
    *(("a", (0, 1, 0, 1)), ("a", FLAT), ("a", ((1, 0), (0, 1), (0, 0), (1, 1)))),
    *(("b", (0, 100, 0, 0)), ("b", (10, 20, 30, 40)), ("b", FLAT), ("b", FLAT), ("b", FLAT)),
    *(("c", (0.5, nan, 0.1, (nan, nan))), ("c", (0.2, 0.3, 0.2, 0.2)), ("c", FLAT)),
)
ERRORS = {(3, 0): "no gold answer", (41, 1): "no gold answer"}  # nobody knows these completions' totals
FORMULAS = (
    {},
    {"scale_rewards": "batch"},
    {"scale_rewards": "none"},
    {"multi_objective_aggregation": "normalize_then_sum"},
    {"multi_objective_aggregation": "normalize_then_sum", "objective_weights": "spread"},
    {"multi_objective_aggregation": "normalize_then_sum", "conflict": 1},
)


@pytest.mark.parametrize("task_scale", ["none", "batch", "running"])
@pytest.mark.parametrize(
    ("formula", "places"),
    [*((formula, 4) for formula in FORMULAS), (FORMULAS[0], 32), (FORMULAS[3], 16)],
    ids=lambda value: str(value) if isinstance(value, int) else " ".join(map(str, value.values())) or "group",
)
def test_parts_of_the_signal_are_those_of_batches_that_a_run_would_draw(formula, task_scale, places):
    made = draft(places, mixing={"strategy": "natural"}, normalisation={**formula, "task_scale": task_scale})
    found = previewed(SAMPLES, made, errors=ERRORS)
    expected, flat, _ = trained(found, COUNTS, made, places, batches=1600 // places)
    told = in_run(found, COUNTS, made)
    assert {task: one.signal for task, one in told.items()} == pytest.approx(expected, abs=0.06)
    assert {task: one.flat_share for task, one in told.items()} == pytest.approx(flat, abs=0.06)


@pytest.mark.parametrize(
    ("places", "budget", "flat"),
    [
        (4, 0.1, (0.5, 0.5, 0.5)),  # less than one prompt
        (4, 1, (0.5, 0.5, 0.5)),
        (4, 3, (1.0, 0.1, 0.0)),  # what is always flat uses all of it
        (16, 0.3, (0.9, 0.2, 0.0)),
        (16, 2, (1.0, 0.0, 0.0)),
        (16, 4, (0.8, 0.9, 0.1)),
    ],
)
def test_what_resampling_leaves_and_takes_is_what_it_does_in_training(places, budget, flat):
    made = draft(places, mixing={"resample": budget})
    groups = [
        (task, FLAT if n < 10 * part else (0, 1, 0, 1))
        for task, part in zip("abc", flat, strict=True)
        for n in range(10)
    ]
    found = previewed(groups, made)
    expected, silent, more = trained(found, COUNTS, made, places, batches=2400 // places)
    told = in_run(found, COUNTS, made)
    assert {task: one.flat_share for task, one in told.items()} == pytest.approx(silent, abs=0.06)
    assert {task: one.signal for task, one in told.items()} == pytest.approx(expected, abs=0.04)
    assert sum(one.resampled for one in told.values()) == pytest.approx(more, abs=0.04 * max(1, more))


def test_groups_of_one_completion_and_of_other_sizes_count_as_the_groups_of_a_run_would():
    made = draft(mixing={"resample": 8})
    even = previewed([("a", FLAT), ("a", (0, 1, 0, 1)), ("b", (0, 1, 0, 1))], made)
    uneven = previewed([("a", (0,)), ("a", (1,) * 16), ("a", (0, 1, 0, 1)), ("b", (0, 1, 0, 1))], made)
    counts = {"a": 10, "b": 10}
    assert in_run(uneven, counts, made) == in_run(even, counts, made)
    assert in_run(previewed([("a", (0,)), ("b", (0, 1))], made), counts, made)["a"].signal is None


@pytest.mark.parametrize(
    ("parts", "least"),
    [
        ({}, 0.5),
        ({"mixing": {"adapt": "worst", "floor": 0.4}}, 0.2),
        ({"mixing": {"adapt": "progress"}, "convergence": {"freeze": True}}, 0.025),
        ({"convergence": {"freeze": True}}, 0.05),
    ],
)
def test_what_moves_shares_says_how_far_down(parts, least):
    told = in_run(previewed(SAMPLES), {"a": 10, "b": 10}, draft(**parts))
    assert [(one.share, one.least) for one in told.values()] == [(0.5, pytest.approx(least))] * 2


def test_a_task_alone_keeps_all_of_the_batches():
    made = draft(mixing={"adapt": "worst"}, convergence={"freeze": True})
    assert in_run(previewed(SAMPLES[:2]), {"a": 10}, made)["a"].least == 1


def test_tasks_without_samples_have_a_share_and_no_signal_and_samples_without_rows_are_left_out():
    told = in_run(previewed(SAMPLES), {"a": 10, "d": 30}, draft(mixing={"strategy": "natural"}))
    assert (told["d"].share, told["d"].signal, told["d"].flat_share, told["d"].fair) == (0.75, None, None, None)
    assert (told["a"].signal, told["a"].fair) == (1, 1)
    assert set(told) == {"a", "d"}


def test_no_task_has_a_signal_where_nothing_has_spread():
    flat = previewed([("a", (1, 1)), ("b", (0, 0))])
    assert [one.signal for one in in_run(flat, {"a": 1, "b": 1}, draft()).values()] == [None, None]


@pytest.mark.parametrize(("signal", "drowned"), [(0.16, True), (0.17, False), (0.0, False), (None, False)])
def test_below_a_third_of_its_fair_part_a_task_is_drowned(signal, drowned):
    assert TaskInRun("a", 1, 0.1, 0.1, signal=signal, scaled=0.4, fair=0.5).is_drowned == drowned


def test_a_task_is_drowned_by_the_scale_of_another_or_by_groups_without_spread():
    loud = draft(normalisation={"scale_rewards": "none"})
    counts = {"a": 10, "b": 10, "c": 980}  # without samples: it has no part in what is compared
    told = in_run(previewed([("a", (0, 1)), ("b", (0, 100))]), counts, loud)
    assert (told["a"].is_drowned, told["a"].is_drowned_by_scale) == (True, True)
    assert not told["b"].is_drowned
    silent = in_run(previewed([*[("a", FLAT)] * 9, ("a", (0, 1)), ("b", (0, 1))]), counts, draft(places=4))
    assert (silent["a"].is_drowned, silent["a"].is_drowned_by_scale) == (True, False)


def test_the_first_step_counts_with_the_weights_it_begins_with():
    later = {"kind": "step", "at": 10, "start": 0.25}
    gate = {"kind": "gate", "reward": "exact_match", "above": 0.5}
    routes = {
        "a": [{"name": "exact_match"}, {"name": "number", "weight": 2.0, "schedule": gate}],
        "default": [{"name": "exact_match", "weight": 3.0, "schedule": later}, {"name": "number"}],
    }
    made = draft(rewards=routes)
    found = previewed([("a", (0, 1)), ("b", (0, 1))], made)
    assert at_first(found).scores.weights[[0, 2]].tolist() == [[1.0, 0.0], [0.25, 1.0]]
    plain = previewed([("a", (0, 1))], keys=("exact_match",))
    assert at_first(plain) is plain
