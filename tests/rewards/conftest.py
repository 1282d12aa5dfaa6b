"""What the tests of single rewards share."""

import pytest

from rewards.declaration import Batch


@pytest.fixture
def score_one():
    """Scores one completion; the row's columns are given by name, parameters as a mapping."""

    def score(reward, completion, params=None, **columns):
        prompts = [[{"role": "user", "content": "?"}]]
        return reward.score(Batch(prompts, [completion], {k: [v] for k, v in columns.items()}), params or {})[0]

    return score
