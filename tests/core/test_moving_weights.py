"""How far weights with a schedule have come: from what a run wrote, not from what it should have done."""

import pytest
from toy_runs import lines, record, reward_entry, task_entry

from core.moving_weights import moving_weights
from core.series import Series
from core.spec import parse_spec

GATE = {"kind": "gate", "reward": "format", "above": 0.8}


def spec(**schedules):
    routes = [{"name": "json_valid", "label": "format"}, {"name": "number", "weight": 2.0}]
    for route in routes:
        if schedule := schedules.get(route.get("label", route["name"])):
            route["schedule"] = schedule
    return parse_spec({"data": {"path": "rows.jsonl"}, "rewards": {"default": routes}}, "test")


def series(weights, formats=None):
    """A step for each weight of `number`; the mean of `format` beside it."""
    formats = formats or [0.5] * len(weights)
    records = [
        record(
            n,
            [
                task_entry("math", 0.5)
                | {"rewards": [reward_entry("format", good), reward_entry("number", 1, weight=w)]}
            ],
        )
        if w is not None
        else record(n)
        for n, (w, good) in enumerate(zip(weights, formats, strict=True), 1)
    ]
    return Series.of(lines(records))


def one(schedule, *args):
    (found,) = moving_weights(spec(number=schedule), series(*args))
    return found


def test_a_run_without_schedules_has_none():
    assert moving_weights(spec(), series([2.0])) == []


def test_the_weight_of_the_last_batch_is_told_and_the_step_that_brought_the_whole_one():
    half = one({"kind": "linear", "begin": 1, "end": 3}, [0.0, 1.0])
    assert (half.task, half.reward, half.now, half.own, half.since) == ("math", "number", 1.0, 2.0, None)
    whole = one({"kind": "linear", "begin": 1, "end": 3}, [0.0, 1.0, 2.0, None, 2.0])
    assert (whole.now, whole.since) == (2.0, 3)


def test_a_weight_that_is_whole_from_the_first_step_on_came_with_it():
    assert one({"kind": "step", "at": 1}, [2.0, 2.0]).since == 1


def test_a_gate_tells_the_mean_that_it_waits_for_once_there_are_five_batches():
    formats = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert one(GATE, [0.0] * 4, formats[:4]).seen is None
    assert one(GATE, [0.0] * 6, formats).seen == pytest.approx(0.4)
    assert one({"kind": "step", "at": 9}, [0.0] * 6, formats).seen is None


def test_a_weight_that_came_back_after_it_was_whole_is_not_whole():
    assert one(GATE, [2.0, 0.0]).since is None


def test_nothing_is_known_before_the_first_batch():
    found = Series.of(lines([record(0, {"math": 0.5}, split="held_out")]))
    (weight,) = moving_weights(spec(number=GATE), found)
    assert (weight.now, weight.since, weight.seen) == (None, None, None)
