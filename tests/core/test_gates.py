import json
import math

import numpy as np
import pytest

from core.gates import Gates, schedules_of
from core.routing import RoutingTable, check_routes
from core.scores import Scores
from core.spec import parse_draft
from core.weight_schedules import Gate, Linear, Step, weight_at

FORMAT, ANSWER = 0, 1
GATE = Gate(kind="gate", reward="format", above=0.8)


def scores(formats, task="a"):
    values = np.array([[value, 1.0] for value in formats])
    weights = np.tile([1.0, 2.0], (len(values), 1))
    return Scores((task,) * len(values), ("format", "answer"), values, weights, {}, np.full(values.shape, math.nan))


def gates(schedule=GATE):
    return Gates({("a", "answer"): schedule})


def weight(found, step=1, task="a"):
    return found.weighted(scores([0.5], task), step).weights[0].tolist()


class TestSchedules:
    @pytest.mark.parametrize(("step", "expected"), [(1, 0.5), (10, 0.5), (15, 1.25), (20, 2.0), (99, 2.0)])
    def test_a_line_goes_from_its_start_to_the_routes_weight(self, step, expected):
        assert weight_at(2.0, Linear(kind="linear", start=0.5, begin=10, end=20), step, False) == expected

    @pytest.mark.parametrize(("step", "expected"), [(1, 0.0), (49, 0.0), (50, 2.0), (51, 2.0)])
    def test_a_step_changes_at_its_step(self, step, expected):
        assert weight_at(2.0, Step(kind="step", at=50), step, False) == expected

    @pytest.mark.parametrize(
        ("schedule", "says"),
        [
            ({"kind": "linear", "begin": 20, "end": 10}, "not after it begins"),
            ({"kind": "step"}, "schedule.step.at"),
            ({"kind": "gate", "reward": "b", "above": "high"}, "above"),
            ({"kind": "cosine"}, "schedule"),
            ({"kind": "step", "at": 3, "until": 5}, "until"),
        ],
    )
    def test_one_that_cannot_be_is_named(self, schedule, says):
        with pytest.raises(Exception, match=says):
            parse_draft({"rewards": {"a": [{"name": "length", "schedule": schedule}]}}, "x")


class TestGates:
    def test_a_gate_opens_once_the_running_mean_is_there_and_stays_open(self):
        found = gates()
        assert weight(found) == [1.0, 0.0]
        for _ in range(30):
            found.see(scores([0.7, 0.7]))
        assert weight(found) == [1.0, 0.0]
        while weight(found) == [1.0, 0.0]:
            found.see(scores([1.0, 1.0]))
        found.see(scores([0.0, 0.0]))
        assert weight(found) == [1.0, 2.0]

    def test_one_good_batch_opens_none(self):
        found = gates()
        for batch in ([1.0, 1.0], [0.1, 0.1], [1.0, 1.0]):
            found.see(scores(batch))
            assert weight(found) == [1.0, 0.0]

    def test_it_opens_at_the_highest_score_there_is(self):
        found = gates(Gate(kind="gate", reward="format", above=1.0))
        found.see(scores([0.5, 0.5]))
        for _ in range(5):
            assert weight(found) == [1.0, 0.0]
            found.see(scores([1.0, 1.0]))
        assert weight(found) == [1.0, 2.0]

    def test_what_a_run_has_seen_is_told_with_the_weights_of_the_end(self):
        found = gates()
        now = found.weighted(scores([0.5]), 1)
        assert now.weights.tolist() == [[1.0, 0.0]]
        assert found.whole(now).weights.tolist() == [[1.0, 2.0]]

    def test_batches_without_a_score_and_other_tasks_change_nothing(self):
        found = gates()
        found.see(scores([math.nan, math.nan]))
        found.see(scores([1.0, 1.0], task="b"))
        assert weight(found) == [1.0, 0.0]
        assert weight(found, task="b") == [1.0, 2.0]

    def test_its_state_goes_through_json(self):
        found = gates()
        for _ in range(5):
            found.see(scores([0.9]))
        other = gates()
        other.restore(json.loads(json.dumps(found.state)))
        assert weight(other) == weight(found) == [1.0, 2.0]
        for one in (found, other):
            one.see(scores([0.2]))
        assert other.state == found.state

    def test_without_schedules_scores_are_as_they_were(self):
        given = scores([0.5])
        assert Gates({}).weighted(given, 7) is given


def table(**schedule):
    routes = [{"name": "length", "label": "format"}, {"name": "exact_match", "label": "answer", "schedule": schedule}]
    return parse_draft({"rewards": {"a": routes, "default": [{"name": "length"}]}}, "x").rewards


def test_a_gate_waits_for_another_reward_of_its_task():
    assert check_routes(table(kind="gate", reward="format", above=0.5)) == []
    (problem,) = check_routes(table(kind="gate", reward="answer", above=0.5))
    assert (problem.where, problem.severity) == ("rewards.a[1].schedule.reward", "error")
    assert "no other reward called 'answer'" in problem.what
    assert "Did you mean 'format'" in check_routes(table(kind="gate", reward="formal", above=0.5))[0].mend


@pytest.mark.parametrize(
    ("above", "severity", "says"),
    [
        (80, "error", "scores at most 1: the gate never opens at 80"),
        (1, "warning", "only when every score of format is 1"),
    ],
)
def test_a_gate_that_never_opens_or_hardly_is_said(above, severity, says):
    (problem,) = check_routes(table(kind="gate", reward="format", above=above))
    assert (problem.where, problem.severity) == ("rewards.a[1].schedule.above", severity)
    assert says in problem.what


def test_schedules_are_those_of_the_tasks_in_the_data():
    rewards = table(kind="step", at=5)
    assert list(schedules_of(RoutingTable(rewards), ["a", "b"])) == [("a", "answer")]
