import json
import os
import subprocess
import sys

import numpy as np
import pytest

from core.metrics import ScoredBatch
from core.mixture import Mixture, save_state
from core.runs import PROJECT
from core.scores import Scores
from core.spec import Mixing, Normalisation
from core.weight_schedules import Gate

TAGS = np.repeat(["a", "b", "c"], [30, 10, 10]).tolist()
BASE = {"a": 0.5, "b": 0.25, "c": 0.25}
ADAPTIVE = Mixing(adapt="progress", floor=0.2)
RUNNING = Normalisation(scale_rewards="none", task_scale="running")
GROUP = 4


GATED = {("a", "r"): Gate(kind="gate", reward="r", above=0.45, start=0.5)}


def mixture(mixing=ADAPTIVE, seed=5, schedules=None, frozen=()):
    found = Mixture(TAGS, BASE, mixing, RUNNING, seed, schedules)
    found.frozen = frozenset(frozen)
    return found


def train(mixture, steps, start=0):
    """Rows drawn and advantages made; what a row scores depends on it and on the step, as with a model that learns."""
    drawn, made = [], []
    for step in range(start, start + steps):
        rows = mixture.draw(8)
        tasks = [TAGS[row] for row in rows for _ in range(GROUP)]
        draw = np.random.default_rng([step, *rows])
        values = draw.random((len(tasks), 1)) * np.array([[{"a": 1, "b": 10, "c": 100}[task]] for task in tasks])
        values[[task == "b" for task in tasks]] += 5 * (step % 7)
        scores = Scores(tuple(tasks), ("r",), values, np.ones(values.shape), {}, np.zeros(values.shape))
        groups = np.repeat(np.arange(8), GROUP)
        scores = mixture.weighted(scores, step)
        advantages = mixture.advantages(scores, groups)
        zeros = np.zeros(len(tasks), dtype=int)
        texts = ("",) * len(tasks)
        mixture.see(ScoredBatch(texts, texts, scores, groups, advantages, zeros, zeros.astype(bool)))
        drawn += rows
        made += advantages.tolist()
    return drawn, made


@pytest.mark.parametrize("adapt", ["none", "progress", "worst"])
@pytest.mark.parametrize("cut", [1, 9, 20])
def test_a_resumed_run_draws_and_weighs_exactly_as_an_unbroken_one(adapt, cut, tmp_path):
    mixing = Mixing(adapt=adapt, floor=0.2)
    whole = mixture(mixing, schedules=GATED, frozen={"c"})
    drawn, made = train(whole, 40)
    first = mixture(mixing, schedules=GATED, frozen={"c"})
    before = train(first, cut)
    save_state(first.state, tmp_path)
    train(first, 3, start=cut)  # steps after the checkpoint, lost in a crash
    second = mixture(mixing, schedules=GATED)
    second.go_on(tmp_path)
    after = train(second, 40 - cut, start=cut)
    assert before[0] + after[0] == drawn
    assert before[1] + after[1] == made
    assert second.state == whole.state
    assert second.state["frozen"] == ["c"]
    assert second.state["gates"][0][-1], "the gate has opened"


IN_A_PROCESS = """
import json, runpy, sys
here = runpy.run_path(sys.argv[1])
print(json.dumps(here["train"](here["mixture"](schedules=here["GATED"]), 20)))
"""


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_another_process_draws_and_weighs_the_same_whatever_its_hashes(hash_seed):
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", IN_A_PROCESS, __file__]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    drawn, made = train(mixture(schedules=GATED), 20)
    assert json.loads(ran.stdout) == [drawn, made]


def test_shares_follow_what_is_seen_and_leave_the_floor():
    moving = mixture()
    train(moving, 30)
    share = moving.shares
    assert share["b"] > BASE["b"], "the task whose reward moves"
    assert all(share[task] >= 0.2 * BASE[task] for task in BASE)
    rows, _ = train(moving, 20)
    assert sum(TAGS[row] == "b" for row in rows) / len(rows) > BASE["b"]


def test_the_state_is_json_and_small(tmp_path):
    one = mixture()
    train(one, 10)
    save_state(one.state, tmp_path)
    text = (tmp_path / "mixture.json").read_text()
    assert json.loads(text) == one.state
    assert len(text) < 2000


def test_tasks_of_any_scale_have_their_part_of_the_signal_over_a_few_batches():
    one = mixture(Mixing())
    train(one, 10)
    drawn, made = train(one, 30, start=10)
    strength = np.abs(np.array(made)).reshape(len(drawn), GROUP).sum(axis=1)
    tasks = np.array([TAGS[row] for row in drawn])
    for task, share in BASE.items():
        assert strength[tasks == task].sum() / strength.sum() == pytest.approx(share, abs=0.05)
