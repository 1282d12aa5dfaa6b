import math
import warnings

import numpy as np
import pytest
from toys import make_model

from core.advantages import EPSILON, advantages, contributions, group_spread
from core.scores import Scores
from core.spec import Normalisation

nan = math.nan
GROUP = Normalisation()
BATCH = Normalisation(scale_rewards="batch")
NONE = Normalisation(scale_rewards="none")
GDPO = Normalisation(multi_objective_aggregation="normalize_then_sum")
SPREAD = GDPO.model_copy(update={"objective_weights": "spread"})
HARD, SOFT = (GDPO.model_copy(update={"conflict": least}) for least in (1.0, 0.2))
SWITCHED = {"spread": SPREAD, "hard": HARD, "soft": SOFT, "both": SPREAD.model_copy(update={"conflict": 0.5})}
ALL = pytest.mark.parametrize("normalisation", [GROUP, BATCH, NONE, GDPO], ids=["group", "batch", "none", "gdpo"])
EACH = pytest.mark.parametrize(
    "normalisation", [GROUP, BATCH, NONE, GDPO, *SWITCHED.values()], ids=["group", "batch", "none", "gdpo", *SWITCHED]
)


def scores(values, weights=None, errors=()):
    """Scores of one task: a row of `values` for each completion, a weight for each reward."""
    table = np.array(values, dtype=float)
    table = table[:, None] if table.ndim == 1 else table
    weights = np.ones(table.shape[1]) if weights is None else np.array(weights, dtype=float)
    keys = tuple(f"r{k}" for k in range(table.shape[1]))
    given = np.tile(weights, (len(table), 1))
    failed = dict.fromkeys(errors, "broken")
    return Scores(("t",) * len(table), keys, table, given, failed, np.full(table.shape, np.nan))


def found(values, groups, normalisation, **more):
    return advantages(scores(values, **more), np.array(groups), normalisation)


# 1 and 3 around 2 with a sample deviation of sqrt(2); 0 and 4 around 2 with sqrt(8); all four: variance 10/3.
@pytest.mark.parametrize(
    ("normalisation", "expected"),
    [
        pytest.param(NONE, [-1, 1, -2, 2], id="less the group's mean"),
        pytest.param(
            GROUP,
            [-1 / (2**0.5 + 1e-4), 1 / (2**0.5 + 1e-4), -2 / (8**0.5 + 1e-4), 2 / (8**0.5 + 1e-4)],
            id="over the group's deviation",
        ),
        pytest.param(
            BATCH, [a / ((10 / 3) ** 0.5 + 1e-4) for a in (-1, 1, -2, 2)], id="over the deviation of the batch"
        ),
    ],
)
def test_two_groups_by_hand(normalisation, expected):
    assert found([1, 3, 0, 4], [0, 0, 1, 1], normalisation) == pytest.approx(expected, abs=1e-12)


def test_rewards_of_different_scale_count_alike_when_normalised_first():
    """Both columns become (-a, a) with a = 0.7071, so at weights 1 and 0.5 the sums are (-1.5a, 1.5a)."""
    a = 0.5 / (0.5**0.5 + EPSILON)
    b = 50 / (5000**0.5 + EPSILON)
    total = np.array([-a - b / 2, a + b / 2])
    expected = total / (total.std(ddof=1) + EPSILON)
    assert found([[0, 0], [1, 100]], [0, 0], GDPO, weights=[1, 0.5]) == pytest.approx(expected, abs=1e-12)


def test_weights_scale_the_sum():
    assert found([[1, 0], [0, 1]], [0, 0], NONE, weights=[1, 0.5]) == pytest.approx([0.25, -0.25])


def test_a_negative_weight_turns_a_reward_round():
    assert found([0, 1], [0, 0], NONE, weights=[-1]) == pytest.approx([0.5, -0.5])


@EACH
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1 / 3, 1e6 + 0.1])
def test_a_group_whose_rewards_are_all_the_same_has_no_signal_at_all(normalisation, value):
    assert found([value] * 3 + [0, 1, 2], [0, 0, 0, 1, 1, 1], normalisation)[:3].tolist() == [0.0, 0.0, 0.0]


@EACH
def test_a_group_of_one_has_no_signal(normalisation):
    assert found([5, 1, 3], [0, 1, 1], normalisation)[0] == 0.0


@EACH
def test_a_completion_that_failed_leaves_the_mean_and_the_deviation_of_its_group(normalisation):
    whole = found([1, 3, 0, 4], [0, 0, 1, 1], normalisation)
    masked = found([1, nan, 3, 0, 4], [0, 0, 0, 1, 1], normalisation, errors=[(1, 0)])
    assert masked[1] == 0.0
    assert masked[[0, 2, 3, 4]] == pytest.approx(whole)


@EACH
def test_one_failed_reward_masks_the_completion_although_another_scored_it(normalisation):
    whole = found([[1, 1], [3, 0]], [0, 0], normalisation)
    masked = found([[1, 1], [nan, 9], [3, 0]], [0, 0, 0], normalisation, errors=[(1, 0)])
    assert masked.tolist() == pytest.approx([whole[0], 0.0, whole[1]])


@EACH
def test_a_failed_reward_of_weight_0_masks_nothing(normalisation):
    watched = found([[1, nan], [3, 1]], [0, 0], normalisation, weights=[1, 0], errors=[(0, 1)])
    assert watched == pytest.approx(found([1, 3], [0, 0], normalisation))


@EACH
def test_a_completion_to_which_nothing_applies_is_left_out(normalisation):
    left_out = found([[1, 1], [nan, nan], [3, 0]], [0, 0, 0], normalisation)
    whole = found([[1, 1], [3, 0]], [0, 0], normalisation)
    assert left_out.tolist() == pytest.approx([whole[0], 0.0, whole[1]])


@EACH
def test_a_batch_of_nothing_but_errors_is_all_zero(normalisation):
    assert found([nan, nan], [0, 0], normalisation, errors=[(0, 0), (1, 0)]).tolist() == [0.0, 0.0]


@EACH
def test_the_order_of_groups_and_the_place_of_their_members_do_not_matter(normalisation):
    rng = np.random.default_rng(5)
    values, groups = rng.random((12, 2)), np.repeat([0, 1, 2], 4)
    values[3, 0] = values[7, 1] = nan
    order = rng.permutation(12)
    names = np.array([40, -7, 12])  # any integers
    whole = found(values, groups, normalisation)
    assert found(values[order], names[groups[order]], normalisation) == pytest.approx(whole[order])


@ALL
def test_one_groups_rewards_do_not_move_anothers_mean(normalisation):
    first = found([0, 1, 0, 1], [0, 0, 1, 1], normalisation)
    second = found([0, 1, 10, 11], [0, 0, 1, 1], normalisation)
    assert np.sign(second).tolist() == np.sign(first).tolist() == [-1, 1, -1, 1]


def test_the_spread_of_a_group_is_its_sample_deviation():
    spread = group_spread(np.array([0.0, 5.0, 1.0, nan, 9.0]), np.array([7, 8, 7, 8, 9]))
    assert spread == pytest.approx([0.5**0.5, 0, 0.5**0.5, 0, 0])


# --- TRL itself ------------------------------------------------------------------------------------------------------

GENERATIONS = 4
WEIGHTS = [1.0, 0.5, -0.25]
TABLE = [
    [1.0, 0.0, 3.0], [0.0, 10.0, 3.0], [0.5, None, 3.0], [1.0, 7.5, 3.0],  # one column without spread, one gap
    [0.3, 1.0, 1.0], [0.3, 1.0, 1.0], [0.3, 1.0, 1.0], [0.3, 1.0, 1.0],  # a group without spread
    [None, None, None], [0.1, 2.0, None], [0.9, 4.0, None], [0.2, None, None],  # a completion to which nothing applies
    [None, 5.0, 0.0], [None, 6.0, 1.0], [None, 7.0, 0.0], [1.0, None, 1.0],  # a reward that applies to one
]  # fmt: skip


def trl_advantages(model, folder, normalisation):
    """What TRL's own trainer makes of TABLE in one step: its advantages and the rewards that it saw."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    def column(k):
        def reward(completions, **_):
            return [row[k] for row in TABLE]

        reward.__name__ = f"r{k}"
        return reward

    arguments = GRPOConfig(
        output_dir=str(folder),
        max_steps=1,
        per_device_train_batch_size=len(TABLE),
        num_generations=GENERATIONS,
        max_completion_length=4,
        reward_weights=WEIGHTS,
        report_to="none",
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        **normalisation.model_dump(include={"multi_objective_aggregation", "scale_rewards"}),
    )
    rows = Dataset.from_list([{"prompt": f"{n}?"} for n in range(4)])

    class Exact(GRPOTrainer):
        """TRL's formulas in float64: what they say, not how they are rounded."""

        def _calculate_rewards(self, *arguments):
            return super()._calculate_rewards(*arguments).double()

    trainer = Exact(str(model), [column(k) for k in range(3)], arguments, train_dataset=rows)
    trainer.train()
    seen = np.array([list(values) for values in trainer._logs["rewards"].values()]).T
    return np.array(trainer._logs["advantages"]), seen


@pytest.fixture(scope="session")
def trl(tmp_path_factory):
    """TRL's advantages by our normalisation; what TRL and torch warn of is theirs."""
    folder = tmp_path_factory.mktemp("trl")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make_model(folder / "model")
        return {n.model_dump_json(): trl_advantages(model, folder, n) for n in (GROUP, BATCH, NONE, GDPO)}


@ALL
def test_the_advantages_are_those_of_trl(trl, normalisation):
    theirs, seen = trl[normalisation.model_dump_json()]
    table = np.array(TABLE, dtype=float)
    assert seen == pytest.approx(table, nan_ok=True, abs=1e-6), "TRL scored these completions in this order"
    ours = found(table, np.arange(len(TABLE)) // GENERATIONS, normalisation, weights=WEIGHTS)
    assert np.abs(theirs).max() > 0.5
    assert ours == pytest.approx(theirs, abs=1e-6)


class TestSpreadWeights:
    def test_a_reward_counts_by_its_spread_in_the_group_by_hand(self):
        """Spreads are 0.7071 and a tenth of it, so the weights are 10/11 and 1/11."""
        a, b = 0.5 / (0.5**0.5 + EPSILON), 0.05 / (0.005**0.5 + EPSILON)
        total = np.array([-10 * a + b, 10 * a - b]) / 11
        expected = total / (total.std(ddof=1) + EPSILON)
        assert found([[0, 0.1], [1, 0]], [0, 0], SPREAD) == pytest.approx(expected, abs=1e-12)

    def test_a_task_of_one_reward_is_as_gdpo_has_it(self):
        values, groups = [1, 3, 0, 4, 2, 2], [0, 0, 1, 1, 2, 2]
        assert found(values, groups, SPREAD) == pytest.approx(found(values, groups, GDPO), abs=1e-9)

    def test_a_group_of_loud_rewards_counts_no_more_than_one_of_a_single_reward(self):
        """Their weights add up to 1, so sums of many rewards that agree are no larger."""
        many = found([[0, 0, 0], [1, 1, 1]] * 2, [0, 0, 1, 1], SPREAD)
        assert many == pytest.approx(found([0, 1, 0, 1], [0, 0, 1, 1], GDPO), abs=1e-9)


class TestConflict:
    VALUES = ((1, 0), (0, 0), (1, 1), (0, 1))  # the first and the last are right by one reward and wrong by the other
    GROUPS = (0, 0, 0, 0)

    def test_completions_whose_rewards_cancel_are_left_out_and_the_rest_goes_on(self):
        assert found(self.VALUES, self.GROUPS, HARD).tolist() == pytest.approx(
            [0, -(0.5**0.5), (0.5**0.5), 0], abs=1e-3
        )

    def test_what_is_left_of_a_group_counts_by_the_share_that_is_left(self):
        clear = [[0, 0], [0, 0], [1, 1], [1, 1]]
        both = found([*self.VALUES, *clear], [0] * 4 + [1] * 4, HARD)
        alone = found([*self.VALUES, *clear], [0] * 4 + [1] * 4, GDPO)
        assert abs(both[2] / both[6]) == pytest.approx(0.5 * abs(alone[2] / alone[6]), abs=1e-6)

    def test_a_soft_filter_keeps_what_leans_clearly_to_one_side(self):
        values = [[1, 0], [0, 0], [0, 0], [0, 0.4]]
        weights = [1, 0.2]
        assert found(values, self.GROUPS, HARD, weights=weights)[0] == 0
        assert found(values, self.GROUPS, SOFT, weights=weights)[0] > 0

    def test_a_reward_of_weight_0_pulls_nobody(self):
        assert found(self.VALUES, self.GROUPS, HARD, weights=[1, 0]) == pytest.approx(
            found(self.VALUES, self.GROUPS, GDPO, weights=[1, 0])
        )

    def test_a_group_that_teaches_nothing_is_not_pushed_by_one_of_which_some_are_left_out(self):
        """What is left of the first group does not add up to 0: it must not be made to at the second's cost."""
        values = [[1, 0], [0, 1], [1, 1], [0.9, 0], *[[1, 1]] * 4]
        pushes = found(values, [0] * 4 + [1] * 4, HARD)
        assert pushes[:4].any()
        assert not pushes[4:].any()

    def test_where_all_conflict_nothing_is_learnt(self):
        assert not found([[1, 0], [0, 1]], [0, 0], HARD).any()


class TestContributions:
    @EACH
    @pytest.mark.parametrize("seed", range(20))
    def test_they_add_up_to_the_advantages_whatever_is_missing(self, normalisation, seed):
        draw = np.random.default_rng(seed)
        values = draw.choice([0.0, 1.0, 10.0, nan], size=(24, 3), p=[0.4, 0.3, 0.2, 0.1])
        errors = [(int(i), int(k)) for i, k in np.argwhere(np.isnan(values)) if draw.random() < 0.5]
        table = scores(values, weights=[1, 0.5, draw.choice([0, -2])], errors=errors)
        groups = np.repeat(np.arange(6), 4)
        parts = contributions(table, groups, normalisation)
        assert parts.sum(axis=1) == pytest.approx(advantages(table, groups, normalisation), abs=1e-9)

    @EACH
    def test_a_reward_that_is_the_same_for_all_adds_nothing(self, normalisation):
        parts = contributions(scores([[0, 7], [1, 7]]), np.array([0, 0]), normalisation)
        assert parts[:, 1].tolist() == [0, 0]
        assert abs(parts[:, 0]).min() > 0

    @pytest.mark.parametrize("normalisation", [GROUP, BATCH, NONE], ids=["group", "batch", "none"])
    def test_rewards_that_cancel_each_other_teach_nothing(self, normalisation):
        assert not contributions(scores([[0, 1], [1, 0]]), np.array([0, 0]), normalisation).any()

    def test_the_larger_scale_drowns_the_smaller_in_a_sum_and_not_when_normalised_first(self):
        table, groups = scores([[0, 100], [1, 0], [1, 100], [0, 0]]), np.zeros(4, dtype=int)
        small, large = abs(contributions(table, groups, GROUP)).sum(axis=0)
        assert small / (small + large) == pytest.approx(1 / 101)
        small, large = abs(contributions(table, groups, GDPO)).sum(axis=0)
        assert small / (small + large) == pytest.approx(0.5, abs=1e-3)

    @EACH
    def test_nothing_at_all_is_nothing(self, normalisation):
        assert contributions(scores(np.zeros((0, 2))), np.zeros(0, dtype=int), normalisation).shape == (0, 2)
