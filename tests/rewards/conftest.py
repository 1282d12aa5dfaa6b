"""What the tests of single rewards share."""

import pytest

from rewards import chat_endpoint
from rewards.declaration import Batch


@pytest.fixture
def score_one():
    """Scores one completion; the row's columns are given by name, parameters as a mapping."""

    def score(reward, completion, params=None, **columns):
        prompts = [[{"role": "user", "content": "?"}]]
        return reward.score(Batch(prompts, [completion], {k: [v] for k, v in columns.items()}), params or {})[0]

    return score


@pytest.fixture
def judge(monkeypatch):
    """An endpoint on this machine that plays a judge; nobody waits long before asking it again."""
    from pretend_judge import PretendJudge

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(chat_endpoint, "FIRST_WAIT", 0.01)
    with PretendJudge() as server:
        yield server
