"""Estimates over prompts: pass@k against counting, intervals against what they promise."""

from itertools import combinations

import numpy as np
import pytest

from core.estimates import NOTHING, difference, mean, pass_at_k, rate, student, wilson


def counted(n, c, k):
    """The share of all ways to draw k of n completions that hold one of the c that pass."""
    draws = list(combinations([True] * c + [False] * (n - c), k))
    return sum(map(any, draws)) / len(draws)


class TestPassAtK:
    @pytest.mark.parametrize("n", range(1, 9))
    def test_it_is_the_share_of_draws_that_hold_a_pass(self, n):
        for c in range(n + 1):
            for k in range(1, n + 1):
                assert pass_at_k(n, c, k) == pytest.approx(counted(n, c, k), abs=1e-12)

    def test_it_is_unbiased_where_the_naive_estimate_is_not(self):
        """Over all outcomes of 5 completions that pass with chance 0.3, its mean is the true chance of pass@3."""
        n, k, p = 5, 3, 0.3
        outcomes = [(c, len(list(combinations(range(n), c))) * p**c * (1 - p) ** (n - c)) for c in range(n + 1)]
        assert sum(chance * pass_at_k(n, c, k) for c, chance in outcomes) == pytest.approx(1 - (1 - p) ** k)
        naive = sum(chance * (1 - (1 - c / n) ** k) for c, chance in outcomes)
        assert abs(naive - (1 - (1 - p) ** k)) > 0.01

    def test_fewer_completions_than_k_say_nothing(self):
        assert pass_at_k(3, 3, 4) is None
        assert pass_at_k(0, 0, 1) is None

    @pytest.mark.parametrize(("n", "c", "k"), [(2, 3, 1), (2, -1, 1), (2, 1, 0)])
    def test_what_cannot_be_is_a_bug(self, n, c, k):
        with pytest.raises(ValueError, match="completions pass"):
            pass_at_k(n, c, k)

    def test_large_counts_are_exact(self):
        assert pass_at_k(256, 1, 128) == 0.5
        assert 0 < pass_at_k(256, 255, 1) < pass_at_k(256, 255, 2) == 1.0


class TestRate:
    @pytest.mark.parametrize(
        ("passed", "n", "low", "high"),
        [  # as R's prop.test(correct = FALSE) and Newcombe 1998, table I, give them
            pytest.param(81, 263, 0.2553, 0.3662, id="81 of 263"),
            pytest.param(15, 148, 0.0624, 0.1605, id="15 of 148"),
            pytest.param(0, 20, 0.0, 0.1611, id="none"),
            pytest.param(29, 29, 1 - 0.1170, 1.0, id="all"),
        ],
    )
    def test_its_interval_is_wilsons(self, passed, n, low, high):
        found = rate([1.0] * passed + [0.0] * (n - passed))
        assert (found.value, found.prompts) == (pytest.approx(passed / n), n)
        assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))

    @pytest.mark.parametrize("values", [[1.0] * n for n in range(1, 60)] + [[0.1] * 7, [0.0] * 3])
    def test_the_mean_lies_in_its_interval_whatever_the_rounding(self, values):
        found = rate(values)
        assert 0 <= found.low <= found.value <= found.high <= 1

    def test_no_prompts_are_no_rate(self):
        assert rate([]) == mean([]) == NOTHING


class TestMean:
    @pytest.mark.parametrize("prompts", [2, 3, 5, 8, 40])
    def test_its_interval_covers_the_truth_as_often_as_it_says_on_few_prompts_too(self, prompts):
        drawn = np.random.default_rng(1)
        samples = [drawn.normal(0.3, 0.2, size=prompts).tolist() for _ in range(1000)]
        covered = sum(found.low <= 0.3 <= found.high for found in map(mean, samples))
        assert 0.93 <= covered / 1000 <= 0.97  # three standard errors around 0.95

    def test_rewards_between_0_and_1_are_covered_about_as_often(self):
        drawn = np.random.default_rng(1)
        samples = [drawn.beta(2, 5, size=12).tolist() for _ in range(1000)]
        covered = sum(found.low <= 2 / 7 <= found.high for found in map(mean, samples))
        assert 0.92 <= covered / 1000 <= 0.97

    def test_differences_that_are_alike_but_for_rounding_have_an_interval_of_no_width(self):
        found = difference([0.1, 0.2, 0.3], [0.2, 0.3, 0.4])
        assert found.low == found.high

    @pytest.mark.parametrize("values", [[0.0, 0.5], [0.5, 1.0], [0.1, 0.1 + 0.2, 0.3]])
    def test_it_ends_where_no_value_can_lie(self, values):
        found = mean(values, lowest=min(values), highest=max(values))
        assert min(values) <= found.low <= found.value <= found.high <= max(values)
        free = mean(values)
        assert (found.value, found.low >= free.low, found.high <= free.high) == (free.value, True, True)
        assert difference([0.0, 1.0], [1.0, 0.5], most=1.0).low == -1.0

    def test_one_prompt_has_a_mean_and_no_interval(self):
        found = mean([0.5])
        assert (found.value, found.low, found.high, found.prompts) == (0.5, None, None, 1)


# Newcombe (1998), Statistics in Medicine 17, table I: Wilson's interval without continuity correction.
@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_wilson_s(hits, of, low, high):
    assert wilson(hits / of, of) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


# Quantiles of 0.975 from the table of Student's distribution in NIST's handbook, 1.3.6.7.2.
@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (30, 2.042), (100, 1.984)],
)
def test_students_quantiles_are_those_of_the_table(freedom, quantile):
    assert student(freedom) == pytest.approx(quantile, rel=0.005)


class TestDifference:
    def test_it_is_taken_prompt_by_prompt(self):
        hard_and_easy = [0.0, 1.0] * 20
        found = difference(hard_and_easy, [value + 0.1 for value in hard_and_easy])
        assert (found.value, found.low, found.high) == (pytest.approx(0.1),) * 3
        apart = mean(hard_and_easy)
        assert apart.high - apart.low > 0.2  # the rewards themselves are that uncertain

    def test_prompts_that_one_side_knows_nothing_of_are_left_out(self):
        found = difference([0.0, None, 0.5], [1.0, 1.0, None])
        assert (found.value, found.prompts) == (1.0, 1)
        assert difference([None], [1.0]) == NOTHING
