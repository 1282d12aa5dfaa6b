"""Every reward does what its worked examples say, and survives what a model may write."""

import pytest

from rewards import registry
from rewards.declaration import Batch, Example, Outcome, Reward, RewardError

REWARDS = list(registry().values())
EXAMPLES = [pytest.param(r, e, id=f"{r.name}-{i}-{e.note}") for r in REWARDS for i, e in enumerate(r.examples)]
NOISE = {
    "empty": "",
    "200 kB of one letter": "x" * 200_000,
    "200 kB of brackets": "([{" * 66_000,
    "200 kB of backslashes and dollars": "\\boxed{$" * 25_000,
    "200 kB of digits": "9" * 200_000,
    "200 kB of lines and fences": "```\n1 + 1\n" * 20_000,
    "200 kB of tags": "<answer><think>" * 13_000,
    "not ASCII": "答案是四十二。 Ответ: сорок два 🙂 ٤٢",
    "NUL characters": "4\x002\x00",
    "a lone surrogate": "\ud800",
}


def score(reward: Reward, example: Example) -> Outcome:
    columns = {name: [value] for name, value in example.columns.items()}
    return reward.score(Batch([[{"role": "user", "content": "?"}]], [example.completion], columns), example.params)[0]


@pytest.mark.parametrize(("reward", "example"), EXAMPLES)
def test_an_example_earns_its_score(reward, example):
    outcome = score(reward, example)
    if example.error:
        assert isinstance(outcome, RewardError)
        assert example.error in str(outcome)
    else:
        assert outcome == (None if example.score is None else pytest.approx(example.score))


@pytest.mark.parametrize("reward", REWARDS, ids=lambda r: r.name)
@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_noise_earns_a_score_within_the_range(reward, noise):
    example = reward.examples[0]
    outcome = score(reward, Example(noise, None, example.columns, example.params))
    assert isinstance(outcome, float)
    low, high = reward.range
    assert low is None or low <= outcome
    assert high is None or outcome <= high


@pytest.mark.parametrize("reward", [r for r in REWARDS if r.columns], ids=lambda r: r.name)
def test_a_missing_column_is_an_error_that_names_it_and_never_0(reward):
    good = reward.examples[0]
    for column in reward.columns:
        for columns in (
            {name: value for name, value in good.columns.items() if name != column},
            {**good.columns, column: None},
        ):
            outcome = score(reward, Example(good.completion, None, columns, good.params))
            assert isinstance(outcome, RewardError)
            assert repr(column) in str(outcome)


@pytest.mark.parametrize("reward", REWARDS, ids=lambda r: r.name)
def test_a_reward_explains_itself(reward):
    assert reward.title
    assert reward.help
    assert reward.examples
