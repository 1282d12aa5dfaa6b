"""A curve of any length becomes few points, and nothing that matters is lost."""

import numpy as np
import pytest

from core.downsampling import Curve, extremes, means, smoothed, within


def curve(values):
    return Curve(np.arange(1, len(values) + 1), np.asarray(values, dtype=float))


class TestExtremes:
    def test_few_points_stay(self):
        assert extremes(curve([1, 2, 3]), 10).values.tolist() == [1, 2, 3]

    def test_a_single_spike_in_20000_steps_is_kept_where_it_was(self):
        values = np.zeros(20_000)
        values[[777, 12_345]] = 5.0, -3.0
        found = extremes(curve(values), 300)
        assert len(found.steps) <= 300
        assert (found.values.max(), found.values.min()) == (5.0, -3.0)
        assert found.steps[found.values.argmax()] == 778

    def test_the_first_and_the_last_point_are_kept_and_steps_rise(self):
        found = extremes(curve(np.random.default_rng(0).normal(size=5000)), 100)
        assert (found.steps[0], found.steps[-1]) == (1, 5000)
        assert (np.diff(found.steps) > 0).all()


class TestMeans:
    def test_the_mean_of_all_stays_where_stretches_are_equal(self):
        values = np.random.default_rng(0).normal(size=1000)
        assert means(curve(values), 50).values.mean() == pytest.approx(values.mean())


class TestSmoothed:
    def test_the_first_value_counts_in_full(self):
        assert smoothed(curve([0.5]), 10).values.tolist() == [0.5]

    def test_a_constant_stays_what_it_is(self):
        assert smoothed(curve(np.full(5000, 0.3)), 100).values == pytest.approx([0.3] * 100)

    def test_it_lags_behind_a_step_up(self):
        found = smoothed(curve([0.0] * 10 + [1.0] * 3), 100).values
        assert 0 < found[10] < found[11] < found[12] < 1

    def test_noise_is_less_and_the_level_is_the_same(self):
        values = 1 + np.random.default_rng(0).normal(size=20_000)
        found = smoothed(curve(values), 150).values
        assert found.std() < 0.2
        assert found.mean() == pytest.approx(1, abs=0.05)

    def test_nothing_stays_nothing(self):
        assert len(smoothed(curve([]), 10).steps) == 0


def test_a_stretch_of_steps_is_cut_out_with_both_ends():
    assert within(curve([5, 6, 7, 8]), 2, 3).values.tolist() == [6, 7]
