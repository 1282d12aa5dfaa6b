"""Whether a task learns is told from its curve, and noise alone seldom says so."""

import numpy as np
import pytest
from toy_runs import lines, record, reward_entry, task_entry

from core.series import Series
from core.spec import parse_draft
from core.task_states import Goal, goals, noise, states, task_bounds, task_state


def curve(shape, steps=300, spread=0.05, seed=0):
    return shape(np.linspace(0, 1, steps)) + np.random.default_rng(seed).normal(0, spread, steps)


CURVES = {
    "learning": lambda x: 0.2 + 0.6 * x,
    "converged": lambda x: 0.2 + 0.6 * (1 - np.exp(-20 * x)),
    "stalled": lambda x: 0.3 + 0 * x,
    "regressing": lambda x: np.where(x < 0.5, 0.2 + 1.2 * x, 1.4 - 1.2 * x),
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", CURVES)
def test_each_shape_has_its_state(name, seed):
    assert task_state(curve(CURVES[name], seed=seed)).name == name


def test_nothing_is_said_of_a_few_steps():
    assert task_state(np.linspace(0, 1, 19)).name == "early"


def test_a_task_that_is_at_the_highest_total_from_the_start_has_converged_and_not_stalled():
    values = np.full(100, 0.99)
    assert task_state(values, top=1.0).name == "converged"
    assert task_state(values).name == "stalled"


def test_a_reward_of_another_scale_has_the_same_state():
    for factor in (1e-3, 1e3):
        assert task_state(factor * curve(CURVES["learning"])).name == "learning"
        assert task_state(factor * curve(CURVES["stalled"])).name == "stalled"


def test_flat_noise_raises_few_false_alarms():
    """100 runs of 200 steps, looked at after every tenth: at most 1 look in 100 says anything else."""
    rng = np.random.default_rng(1)
    runs = 0.4 + 0.1 * rng.standard_normal((100, 200))
    looks = [task_state(run[:steps]).name for run in runs for steps in range(20, 201, 10)]
    assert sum(name not in ("stalled", "early") for name in looks) / len(looks) < 0.01


@pytest.mark.parametrize(
    ("steps", "spread", "top", "name"),
    [
        pytest.param(30, 0.3, 1.0, "early", id="noise that a gain would be lost in"),
        pytest.param(30, 0.03, 1.0, "stalled", id="a gain would have been seen"),
        pytest.param(30, 0.03, 0.35, "early", id="but not one of the little that there is to gain"),
        pytest.param(99, 0.03, None, "early", id="how much there is to gain is not known"),
        pytest.param(100, 0.3, None, "stalled", id="it has had its time"),
    ],
)
def test_that_nothing_was_gained_is_said_where_a_gain_would_have_been_seen(steps, spread, top, name):
    assert task_state(curve(CURVES["stalled"], steps, spread), top).name == name


def test_a_look_that_is_too_early_for_noise_knows_its_means():
    values = curve(CURVES["stalled"], 30, 0.3)
    state = task_state(values, 1.0)
    assert (state.name, state.window, state.steps) == ("early", 10, 30)
    assert (state.start, state.now) == pytest.approx((values[:10].mean(), values[-10:].mean()))


def test_noise_is_measured_around_a_trend():
    assert noise(curve(CURVES["learning"], steps=5000)) == pytest.approx(0.05, rel=0.1)
    assert noise(np.zeros(1)) == 0


CODE = "def score(completion, row):\n    return 1.0"


@pytest.mark.parametrize(
    ("routes", "top"),
    [
        pytest.param([{"name": "exact_match"}], 1.0, id="one reward from 0 to 1"),
        pytest.param([{"name": "exact_match", "weight": 2}, {"name": "choice", "weight": -1}], 2.0, id="weights"),
        pytest.param([{"name": "length", "params": {"maximum": 5}}], 1.0, id="others do not move it"),
        pytest.param(
            [{"name": "get_cosine_scaled_reward", "params": {"max_len": 9, "max_value_correct": 3}}],
            3.0,
            id="a parameter that moves it",
        ),
        pytest.param([{"name": "custom", "params": {"code": CODE}}], None, id="no upper end"),
    ],
)
def test_the_highest_total_is_told_from_the_declared_ranges(routes, top):
    assert goals(parse_draft({"rewards": {"math": routes}}, "test"), ["math"])["math"].top == top


def test_a_task_without_routes_of_its_own_has_those_of_the_default():
    draft = parse_draft({"rewards": {"default": [{"name": "exact_match", "weight": 3}]}}, "test")
    assert goals(draft, ["math"]) == {"math": Goal(3.0, {"exact_match": 3.0})}


def test_the_bounds_of_a_total_add_up_its_rewards_each_by_its_weight():
    routes = [
        {"name": "exact_match", "weight": 2},
        {"name": "choice", "weight": -1},
        {"name": "custom", "weight": 0, "params": {"code": CODE}},
    ]
    draft = parse_draft({"rewards": {"math": routes, "code": [*routes[:2], {**routes[2], "weight": 1}]}}, "test")
    assert task_bounds(draft, ["math", "code"]) == {"math": (-1.0, 2.0), "code": None}


class TestWeightsThatChange:
    """A task whose rewards have schedules is judged since they last changed, and by its end once they are there."""

    SPEC = parse_draft(
        {
            "rewards": {
                "math": [
                    {"name": "exact_match", "label": "answer", "schedule": {"kind": "step", "at": 31}},
                    {"name": "length", "label": "format"},
                ]
            }
        },
        "test",
    )

    def state(self, answer, *totals):
        """Steps with the weight of the answer before and after the change, and their rewards."""
        records = []
        for weight, rewards in zip(answer, totals, strict=True):
            for reward in rewards:
                entries = [reward_entry("answer", 0.0, weight=weight), reward_entry("format", 1.0)]
                records.append(record(len(records) + 1, [{**task_entry("math", reward), "rewards": entries}]))
        return states(Series.of(lines(records)).train, ["math"], goals(self.SPEC, ["math"]))["math"]

    def test_a_task_that_has_gained_before_its_reward_is_switched_on_has_not_settled(self):
        values = curve(CURVES["converged"], steps=100)
        state = self.state([0.0], values)
        assert (state.name, state.settled) == ("converged", False)

    def test_what_came_before_the_change_is_forgotten(self):
        state = self.state([0.0, 1.0], np.full(40, 1.0), np.full(10, 0.2))
        assert (state.name, state.settled) == ("early", True)
        assert self.state([0.0, 1.0], np.full(40, 1.0), np.full(30, 2.0)).name == "converged", "its highest total"

    def test_the_highest_total_of_the_end_is_not_looked_for_before(self):
        assert self.state([3.0], np.full(100, 2.0)).name == "stalled"
