"""What a run would make of a preview: checked against batches that are really drawn and resampled."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.advantages import unscaled
from core.metrics import ScoredBatch
from core.mixing import Mixer
from core.preview import Group, Preview
from core.preview_mix import at_first, favoured, tasks_in_run
from core.resampling import Choice
from core.routing import RoutingTable
from core.scores import Scores
from core.signal import task_signals
from core.spec import parse_draft

SIZE = 4  # completions of a group


def draft(**parts):
    return parse_draft({"rewards": {"a": [{"name": "exact_match"}], "b": [{"name": "exact_match"}]}, **parts}, "test")


def previewed(groups, keys=("exact_match",), made=None):
    """A preview of groups: the task of each, and the totals of its completions."""
    made = made or draft()
    tasks = [task for task, totals in groups for _ in totals]
    values = np.array([[float(total)] * len(keys) for _, totals in groups for total in totals])
    kept = {task: {route.key: route.weight for route in routes} for task, routes in made.rewards.items()}
    weights = np.array([[kept.get(task, kept.get("default", {})).get(key, 1.0) for key in keys] for task in tasks])
    scores = Scores(tuple(tasks), keys, values, weights, {}, np.full(values.shape, math.nan))
    index = np.repeat(np.arange(len(groups)), [len(totals) for _, totals in groups])
    places = np.concatenate([np.arange(len(totals)) for _, totals in groups])
    there = tuple(Group({"task": task}, ("x",) * len(totals)) for task, totals in groups)
    return Preview(there, scores, index, places, {}, RoutingTable(made.rewards))


def in_run(found, counts, made):
    return {task.task: task for task in tasks_in_run(counts, made, found.signals(made.normalisation))}


def batch(found, rows):
    """The groups of a preview with these numbers as one batch."""
    members = np.concatenate([np.flatnonzero(found.index == row) for row in rows])
    index = np.repeat(np.arange(len(rows)), [(found.index == row).sum() for row in rows])
    return found.scores.of(members.tolist()), index


SPREAD = ("a", (0, 1, 0, 1)), ("a", (1, 1, 1, 1)), ("b", (0, 100, 0, 0)), ("b", (10, 20, 30, 40)), ("b", (5, 5, 5, 5))


@pytest.mark.parametrize("strategy", ["equal", "natural", "temperature"])
@pytest.mark.parametrize("scale", ["none", "group", "batch"])
@pytest.mark.parametrize("aggregation", ["sum_then_normalize", "normalize_then_sum"])
@pytest.mark.parametrize("task_scale", ["none", "batch"])
def test_shares_of_the_signal_are_those_of_a_batch_that_is_drawn(strategy, scale, aggregation, task_scale):
    formula = {"scale_rewards": scale, "multi_objective_aggregation": aggregation, "task_scale": task_scale}
    made = draft(mixing={"strategy": strategy}, normalisation=formula)
    counts = {"a": 20, "b": 180}
    found = previewed(SPREAD, made=made)
    told = in_run(found, counts, made)
    mixer = Mixer([task for task, _ in SPREAD], seed=1)
    rows = mixer.draw({task: one.share for task, one in told.items()}, 12_000)
    drawn = {task.task: task.share for task in task_signals(*batch(found, rows), made.normalisation)}
    assert {task: one.signal for task, one in told.items()} == pytest.approx(drawn, abs=2e-3)


@settings(deadline=None, max_examples=25)
@given(
    flat=st.tuples(st.floats(0, 0.97), st.floats(0, 0.97)),
    share=st.floats(0.1, 0.9),
    budget=st.floats(0.1, 4),
)
def test_what_resampling_leaves_is_what_the_trainer_leaves(flat, share, budget):
    """The trainer's own choice of groups, with groups that are flat at random."""
    rng = np.random.default_rng(3)
    places = 3000
    counts = {"a": round(places * share), "b": places - round(places * share)}
    kinds = {task: max(1, round(100 * part)) / 100 for task, part in zip("ab", flat, strict=True)}
    groups = [
        (task, (0, 0, 0, 0) if n < 100 * kinds[task] else (0, 1, 0, 1)) for task in ("a", "b") for n in range(100)
    ]
    made = draft(mixing={"strategy": "natural", "resample": budget})
    told = in_run(previewed(groups, made=made), counts, made)

    def sampled(tasks):
        return drawn_batch(tasks, [rng.random() < kinds[task] for task in tasks])

    choice = Choice(sampled(rng.permutation(["a"] * counts["a"] + ["b"] * counts["b"]).tolist()), SIZE)
    left = int(budget * places)
    while left > 0 and (tasks := choice.without_signal[:left]):
        left -= len(tasks)
        choice.offer(sampled(tasks))
    for task, one in told.items():
        assert one.flat_share == pytest.approx(choice.without_signal.count(task) / counts[task], abs=0.06)
    more = sum(one.resampled for one in told.values())
    assert more == pytest.approx((int(budget * places) - left) / places, abs=0.12)


def drawn_batch(tasks, flat):
    """A batch of groups of these tasks, each with or without spread."""
    values = np.concatenate([np.zeros(SIZE) if one else np.tile([0.0, 1.0], SIZE // 2) for one in flat])[:, None]
    count, spread = len(values), np.full(values.shape, math.nan)
    names = tuple(task for task in tasks for _ in range(SIZE))
    scores = Scores(names, ("exact_match",), values, np.ones(values.shape), {}, spread)
    index = np.repeat(np.arange(len(tasks)), SIZE)
    pushes = unscaled(scores, index, draft().normalisation)
    blank = ("",) * count
    return ScoredBatch(blank, blank, scores, index, pushes, np.ones(count, np.int64), np.zeros(count, np.bool_))


def test_a_task_that_others_gain_by_resampling_loses_its_part_and_one_scale_keeps_it():
    groups = [("a", (0, 0, 0, 0)), ("a", (0, 1, 0, 1)), ("b", (0, 1, 0, 1))]
    counts = {"a": 10, "b": 10}
    plain, more = draft(), draft(mixing={"resample": 8})
    assert in_run(previewed(groups), counts, plain)["a"].signal == pytest.approx(1 / 3)
    assert in_run(previewed(groups), counts, more)["a"].signal == pytest.approx(1 / 2, abs=1e-3)
    scaled = draft(mixing={"resample": 8}, normalisation={"task_scale": "batch"})
    assert in_run(previewed(groups), counts, scaled)["a"].signal == pytest.approx(1 / 2)


def test_a_budget_of_one_batch_is_not_overdrawn_by_a_task_that_never_has_spread():
    groups = [("a", (0, 0, 0, 0)), ("b", (0, 1, 0, 1)), ("b", (1, 1, 1, 1))]
    made = draft(mixing={"resample": 1})
    told = in_run(previewed(groups), {"a": 10, "b": 10}, made)
    assert told["a"].flat_share == 1
    assert told["a"].signal == 0
    assert told["a"].resampled + told["b"].resampled <= 1 + 1e-9
    assert told["b"].flat_share < 0.25


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
    told = in_run(previewed(SPREAD), {"a": 10, "b": 10}, draft(**parts))
    assert [(one.share, one.least) for one in told.values()] == [(0.5, pytest.approx(least))] * 2


def test_a_task_alone_keeps_all_of_the_batches():
    made = draft(mixing={"adapt": "worst"}, convergence={"freeze": True})
    assert in_run(previewed(SPREAD[:2]), {"a": 10}, made)["a"].least == 1


def test_tasks_without_samples_have_a_share_and_no_signal_and_samples_without_rows_are_left_out():
    told = in_run(previewed(SPREAD), {"a": 10, "c": 30}, draft(mixing={"strategy": "natural"}))
    assert (told["c"].share, told["c"].signal, told["c"].flat_share) == (0.75, None, None)
    assert told["a"].signal == 1
    assert "b" not in told


def test_no_task_has_a_signal_where_nothing_has_spread():
    flat = previewed([("a", (1, 1)), ("b", (0, 0))])
    assert [one.signal for one in in_run(flat, {"a": 1, "b": 1}, draft()).values()] == [None, None]


def test_a_task_is_drowned_where_it_has_hardly_any_signal_for_its_part_of_the_batches():
    loud = draft(normalisation={"scale_rewards": "none"})
    groups = [("a", (0, 1)), ("b", (0, 100))]
    told = in_run(previewed(groups), {"a": 10, "b": 10}, loud)
    assert (told["a"].is_drowned, told["b"].is_drowned) == (True, False)
    even = draft(normalisation={"scale_rewards": "none", "task_scale": "batch"})
    assert not in_run(previewed(groups), {"a": 10, "b": 10}, even)["a"].is_drowned
    assert not in_run(previewed([("a", (1, 1)), ("b", (0, 1))]), {"a": 10, "b": 10}, loud)["a"].is_drowned


def test_the_first_step_counts_with_the_weights_it_begins_with():
    later = {"kind": "step", "at": 10, "start": 0.25}
    gate = {"kind": "gate", "reward": "exact_match", "above": 0.5}
    routes = {
        "a": [{"name": "exact_match"}, {"name": "number", "weight": 2.0, "schedule": gate}],
        "default": [{"name": "exact_match", "weight": 3.0, "schedule": later}, {"name": "number"}],
    }
    made = draft(rewards=routes)
    found = previewed([("a", (0, 1)), ("b", (0, 1))], ("exact_match", "number"), made)
    assert at_first(found).scores.weights[[0, 2]].tolist() == [[1.0, 0.0], [0.25, 1.0]]
    plain = previewed([("a", (0, 1))])
    assert at_first(plain) is plain


def answers(**completions):
    """A preview of one group a task, with these answers."""
    found = previewed([(task, (0,) * len(texts)) for task, texts in completions.items()])
    groups = tuple(Group({"task": task}, texts) for task, texts in completions.items())
    return replace(found, groups=groups)


@pytest.mark.parametrize(
    ("parts", "times"),
    [
        ({}, 3.0),
        ({"grpo": {"loss_type": "dr_grpo"}}, 3.0),
        ({"grpo": {"loss_type": "grpo"}}, None),
        ({"normalisation": {"task_tokens": "equal"}}, None),
    ],
)
def test_a_loss_that_adds_up_tokens_favours_long_answers(parts, times):
    told = favoured(answers(a=("x" * 40, "x" * 20), b=("x" * 5, "x" * 15), c=("x" * 20,)), draft(**parts), "abc")
    assert (told and (told.long, told.short, told.times)) == (times and ("a", "b", times))


def test_answers_of_about_one_length_tasks_without_rows_and_empty_answers_favour_none():
    assert favoured(answers(a=("x" * 19,), b=("x" * 10,)), draft(), "ab") is None
    assert favoured(answers(a=("x" * 90,), b=("x" * 10,)), draft(), "b") is None
    assert favoured(answers(a=("x" * 90,), b=("",)), draft(), "ab") is None
