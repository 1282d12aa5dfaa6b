"""Every alert comes where it should, with its numbers, and not where all is well."""

import numpy as np
import pytest
from toy_runs import START, lines, record, reward_entry, task_entry

from core.alert_texts import TITLES, TRY
from core.alerts import find_alerts, silence
from core.columns import Key
from core.series import Series
from core.task_states import Goal


def run(
    steps=120, entry=lambda step: {}, trainer=lambda step: {}, evaluations=(), reward=None, seed=0, stds=(), scored=64
):
    """A series of one task that learns, but for what the arguments change."""
    rng = np.random.default_rng(seed)
    rewards = reward or (lambda step: 0.2 + 0.5 * step / steps + rng.normal(0, 0.03))
    records = [
        record(step, [task_entry("math", rewards(step), **entry(step))], trainer=trainer(step), steps=steps)
        for step in range(1, steps + 1)
    ]
    held_out = [
        record(step, [task_entry("math", value, scored=scored, reward_std=std)], split="held_out", steps=steps)
        for (step, value), std in zip(evaluations, stds or [0.2] * len(evaluations), strict=True)
    ]
    return Series.of(lines(held_out + records))


def kinds(series, **options):
    return [alert.kind for alert in find_alerts(series, **options)]


def noisy(level, spread=0.03, seed=1):
    rng = np.random.default_rng(seed)
    return lambda step: level(step) + rng.normal(0, spread)


def test_damaged_metrics_are_told_with_the_line():
    found = Series.of(lines([record(1, {"math": 0.5})]) + b"half a li\n" + lines([record(3, {"math": 0.6})]))
    (alert,) = find_alerts(found)
    assert (alert.kind, alert.step) == ("unread", 3)
    assert "1 line is no record in metrics.jsonl, the first of them line 2; step 2 is not in it" in alert.reason
    found.add(b"{}\n")
    assert "2 lines are no records" in find_alerts(found)[0].reason


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([1, 2, 3], None),
        ([3, 4], "steps 1 to 2 are not in it: missing"),
        ([1, 2, 7, 9], "steps 3 to 6 are not in it, and more in 1 other place"),
    ],
)
def test_steps_that_are_missing_are_told(steps, says):
    found = find_alerts(Series.of(lines([record(step, {"math": 0.5}) for step in steps])))
    assert [alert.kind for alert in found] == (["unread"] if says else [])
    assert says is None or says in found[0].reason


def test_a_run_that_learns_raises_none():
    assert kinds(run()) == []
    assert kinds(Series()) == []


@pytest.mark.parametrize(
    ("kind", "series", "says"),
    [
        ("collapsed", run(reward=noisy(lambda n: 0.8 if n < 90 else 0.1 if n > 10 else 0.2)), "fell from 0.8"),
        ("collapsed", run(reward=noisy(lambda n: min(n / 60, 1.0) if n < 90 else 0.1)), "to 0."),
        ("stalled", run(steps=200, reward=noisy(lambda n: 0.3)), "mean reward 0.299 at the start and 0.298 now"),
        ("no_signal", run(reward=lambda n: 0.0, entry=lambda n: {"zero_std": 1.0}), "100% of the groups"),
        ("length", run(entry=lambda n: {"length": 20.0 + n, "clipped": 0.8}), "80% of them cut off"),
        ("kl", run(trainer=lambda n: {"kl": 0.05 if n < 110 else 4.0}), "KL 4, and 0.05"),
        ("gradient", run(trainer=lambda n: {"grad_norm": 0.5 if n < 110 else 80.0}), "gradient norm 80"),
        ("nan", run(trainer=lambda n: {"loss": None if n == 120 else 0.1}), "loss: not a finite number"),
    ],
)
def test_each_kind_is_found_with_its_numbers(kind, series, says):
    alerts = {alert.kind: alert for alert in find_alerts(series)}
    assert says in alerts[kind].reason
    assert alerts[kind].mend == TRY[kind]
    assert alerts[kind].step == series.step


@pytest.mark.parametrize(("rests", "found"), [([], ["stalled"]), (["math"], [])])
def test_a_task_that_rests_is_not_said_to_be_stalled(rests, found):
    reward = noisy(lambda n: 0.3)
    records = [record(step, {"math": reward(step)}, steps=200, frozen=rests) for step in range(1, 201)]
    assert kinds(Series.of(lines(records))) == found


def test_a_task_at_its_top_without_spread_is_saturated_and_neither_stalled_nor_without_signal():
    series = run(steps=200, reward=lambda n: 1.0, entry=lambda n: {"zero_std": 1.0})
    assert kinds(series, goals={"math": Goal(1.0, {})}) == ["saturated"]


def test_a_task_that_learned_all_there_is_is_saturated_although_its_top_is_unknown():
    series = run(
        reward=noisy(lambda n: min(0.2 + n / 50, 1.0), 0.01), entry=lambda n: {"zero_std": 1.0 if n > 60 else 0.2}
    )
    assert kinds(series) == ["saturated"]


def test_held_out_that_falls_while_train_rises_is_overfitting():
    evaluations = [(0, 0.2), (40, 0.7), (80, 0.6), (120, 0.4)]
    (alert,) = find_alerts(run(evaluations=evaluations))
    assert alert.kind == "overfitting"
    assert "held-out reward fell from 0.7 (step 40) to 0.4 while train rose" in alert.reason


def test_held_out_that_was_best_before_training_is_overfitting_too():
    (alert,) = find_alerts(run(evaluations=[(0, 0.85), (40, 0.6), (80, 0.4), (120, 0.3)]))
    assert alert.kind == "overfitting"
    assert "fell from 0.85 (step 0) to 0.3 while train rose" in alert.reason


def test_held_out_of_a_task_that_is_too_young_is_none():
    assert kinds(run(steps=6, evaluations=[(0, 0.2), (3, 0.7), (6, 0.1)])) == []


def test_an_evaluation_where_all_failed_alike_is_no_more_certain_than_the_others():
    evaluations = [(0, 0.5), (40, 0.6), (120, 0.3)]
    assert kinds(run(evaluations=evaluations, stds=[0.5, 0.5, 0.0], scored=8)) == []


def test_held_out_that_falls_by_less_than_its_noise_is_none():
    assert kinds(run(evaluations=[(0, 0.2), (40, 0.5), (120, 0.47)])) == []


def test_one_spike_of_the_gradient_is_none():
    assert kinds(run(trainer=lambda n: {"grad_norm": 80.0 if n == 119 else 0.5})) == []


def test_a_first_signal_after_none_is_no_explosion():
    assert kinds(run(trainer=lambda n: {"grad_norm": 0.0 if n < 110 else 0.02})) == []


def test_errors_above_5_percent_name_reward_and_reason():
    entry = task_entry("math", 0.5) | {
        "rewards": [reward_entry("exact", 0.5, count=6, errors=2, reasons={"no gold": 2}), reward_entry("brief", 0.5)]
    }
    (alert,) = find_alerts(Series.of(lines(record(step, [entry]) for step in (1, 2))))
    assert (alert.kind, alert.task, alert.reward) == ("errors", "math", "exact")
    assert alert.reason == "25% of the last scores failed: no gold"


def test_one_reward_may_collapse_while_the_total_does_not():
    def rewards(step):
        return [reward_entry("exact", 0.5 + step / 400), reward_entry("brief", 0.9 if step < 80 else 0.05)]

    rng = np.random.default_rng(0)
    records = [
        record(n, [task_entry("math", 0.2 + n / 200 + rng.normal(0, 0.02)) | {"rewards": rewards(n)}])
        for n in range(1, 121)
    ]
    (alert,) = find_alerts(Series.of(lines(records)))
    assert (alert.kind, alert.reward, alert.title) == ("collapsed", "brief", "Reward collapsed · math · brief")


class TestSilence:
    def test_a_worker_that_is_late_by_far_is_silent(self):
        series = run(steps=20)
        last = START + 40
        assert silence(series, last + 50, last - 500) is None
        alert = silence(series, last + 200, last - 500)
        assert "no record for 200 s; a step takes 2 s" in alert.reason

    def test_a_worker_that_has_just_been_resumed_is_not_silent_since_its_last_end(self):
        series = run(steps=20)
        last = START + 40
        assert silence(series, last + 9000, last + 8900) is None
        assert "no record for 400 s" in silence(series, last + 9000, last + 8600).reason

    def test_an_evaluation_may_take_as_long_as_the_one_before(self):
        series = run(steps=20, evaluations=[(0, 0.5)])
        series.held_out.put(Key("seconds/all"), np.array([0]), np.array([400.0]))
        last = START + 40
        assert silence(series, last + 700, 0.0) is None
        assert silence(series, last + 900, 0.0) is not None

    def test_before_the_first_step_nobody_knows(self):
        assert silence(Series(), 1e12, 0.0) is None


@pytest.mark.parametrize("seed", range(20))
def test_flat_noise_raises_no_alert_but_that_nothing_is_learned(seed):
    series = run(
        steps=150, reward=noisy(lambda n: 0.4, 0.1, seed), trainer=lambda n: {"grad_norm": 0.5 + 0.1 * (n % 7)}
    )
    assert set(kinds(series)) <= {"stalled"}


def test_every_kind_has_a_title_and_something_to_try():
    assert set(TITLES) == set(TRY)
