"""TRL's rewards are declared with TRL's own names, defaults and scores."""

import inspect

import pytest
import trl.rewards

from rewards import trl_rewards
from rewards.declaration import Batch, RewardError


@pytest.mark.parametrize(
    "name", ["get_soft_overlong_punishment", "get_cosine_scaled_reward", "get_repetition_penalty_reward"]
)
def test_parameters_and_defaults_are_trls(name):
    ours = inspect.signature(getattr(trl_rewards, name).function).parameters
    theirs = inspect.signature(getattr(trl.rewards, name)).parameters
    assert {p.name: p.default for p in ours.values()} == {p.name: p.default for p in theirs.values()}


def test_scores_are_trls_for_a_whole_batch():
    ids = [[1, 2, 3], [4, 4, 4, 4], []]
    batch = Batch([[]] * 3, ["a", "b", "c"], {"completion_ids": ids})
    expected = trl.rewards.get_repetition_penalty_reward(2, -3.0)(ids)
    assert trl_rewards.get_repetition_penalty_reward.score(batch, {"ngram_size": 2, "max_penalty": -3}) == expected


def test_a_row_without_token_ids_is_an_error_and_the_others_are_scored():
    batch = Batch([[]] * 2, ["a", "b"], {"completion_ids": [None, [1] * 9]})
    first, second = trl_rewards.get_soft_overlong_punishment.score(
        batch, {"max_completion_len": 10, "soft_punish_cache": 2}
    )
    assert isinstance(first, RewardError)
    assert second == -0.5


def test_a_fall_that_starts_before_the_first_token_is_an_error(score_one):
    params = {"max_completion_len": 10, "soft_punish_cache": 11}
    outcome = score_one(trl_rewards.get_soft_overlong_punishment, "a", params, completion_ids=[1])
    assert "soft_punish_cache" in str(outcome)
