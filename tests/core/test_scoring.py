import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.reward_calls import PoolBroke
from core.routing import RoutingTable
from core.scoring import Scorer, score
from core.spec import Route

nan = math.nan
PROJECT = Path(__file__).resolve().parents[2]


def table(**routes):
    return RoutingTable({task: tuple(Route(**line) for line in lines) for task, lines in routes.items()})


SHORT = {"name": "length", "params": {"unit": "characters", "maximum": 2, "margin": 0}}
TABLE = table(
    math=[{"name": "math_answer"}, {**SHORT, "label": "short", "weight": 0.5}],
    city=[{"name": "exact_match", "weight": 2}],
    watched=[SHORT, {"name": "exact_match", "weight": 0}],
    tokens=[{"name": "get_repetition_penalty_reward", "params": {"ngram_size": 2}}],
    gap=[{"name": "get_cosine_scaled_reward", "params": {"max_len": 10}}, {**SHORT, "label": "short"}],
    default=[SHORT],
)


@pytest.fixture(scope="module")
def scorer():
    with Scorer(TABLE) as made:
        yield made


@pytest.fixture(scope="module")
def scored(scorer):
    """Scores of rows given as (completion, task, columns)."""

    def _scored(*rows):
        columns = [{"prompt": "?", "task": task, **fields} for _, task, fields in rows]
        return scorer.score(columns, [completion for completion, *_ in rows])

    return _scored


def cells(scores, key):
    """One reward's column, None where there is no number."""
    return [None if math.isnan(value) else value for value in scores.values[:, scores.keys.index(key)]]


def reasons(scores):
    return {(i, scores.keys[k]): reason for (i, k), reason in scores.errors.items()}


def test_each_task_is_scored_by_its_own_rewards_in_the_order_of_the_rows(scored):
    found = scored(
        ("Paris", "city", {"answer": "Paris"}),
        ("42", "math", {"answer": "42"}),
        ("hello", "poetry", {}),
        ("Lyon", "city", {"answer": "Paris"}),
        ("it is 41", "math", {"answer": "42"}),
    )
    assert found.tasks == ("city", "math", "poetry", "city", "math")
    assert cells(found, "exact_match") == [1, None, None, 0, None]
    assert cells(found, "math_answer") == [None, 1, None, None, 0]
    assert cells(found, "short") == [None, 1, None, None, 0]
    assert cells(found, "length") == [None, None, 0, None, None]


def test_totals_are_weighted_and_leave_out_what_no_route_leads_to(scored):
    found = scored(("42", "math", {"answer": "42"}), ("Paris", "city", {"answer": "Paris"}))
    assert found.totals.tolist() == [1.5, 2.0]
    assert found.routed.sum(axis=1).tolist() == [2, 1]


def test_hundreds_of_completions_come_back_in_order(scored):
    answers = [str(n) for n in range(100)]
    rows = [(answer, "city" if n % 3 else "math", {"answer": str(n)}) for n, answer in enumerate(answers)]
    wrong = [(f"not {text}", task, fields) for text, task, fields in rows]
    found = scored(*(row for pair in zip(rows, wrong, strict=True) for row in pair))
    exact = [value for value, task in zip(cells(found, "exact_match"), found.tasks, strict=True) if task == "city"]
    assert exact == [1, 0] * 66
    assert not found.errors


def test_an_error_is_an_error_with_its_reason_and_never_a_0(scored):
    found = scored(("4", "math", {"answer": "the moon"}))
    assert cells(found, "math_answer") == [None]
    assert "the moon" in reasons(found)[0, "math_answer"]


def test_an_error_in_one_reward_leaves_the_completion_without_a_total(scored):
    found = scored(("4", "math", {"answer": "the moon"}))
    assert cells(found, "short") == [1.0]
    assert (math.isnan(found.totals[0]), found.failed.tolist()) == (True, [True])


def test_an_error_touches_only_its_own_completion(scored):
    found = scored(*(("4", "math", {"answer": "the moon" if n == 5 else "4"}) for n in range(20)))
    assert list(reasons(found)) == [(5, "math_answer")]
    assert np.flatnonzero(np.isnan(found.totals)).tolist() == [5]


def test_a_failed_reward_of_weight_0_never_costs_a_total(scored):
    found = scored(("ab", "watched", {}))
    assert list(reasons(found)) == [(0, "exact_match")]
    assert (found.totals.tolist(), found.failed.tolist()) == ([1.0], [False])


def test_a_watched_reward_is_scored_but_not_added(scored):
    found = scored(("ab", "watched", {"answer": "ab"}))
    assert (cells(found, "exact_match"), found.totals.tolist()) == ([1.0], [1.0])


def test_not_applicable_is_no_error_and_the_other_rewards_make_the_total(scored):
    found = scored(("ab", "gap", {"solution": "", "completion_ids": [1]}))
    assert (cells(found, "get_cosine_scaled_reward"), found.errors) == ([None], {})
    assert found.totals.tolist() == [1.0]


@pytest.mark.parametrize("empty", [{}, {"answer": None}], ids=["absent", "null"])
def test_a_column_that_some_rows_lack_costs_those_rows_an_error(scored, empty):
    found = scored(("Paris", "city", {"answer": "Paris"}), ("Paris", "city", empty))
    assert reasons(found) == {(1, "exact_match"): "the row has no 'answer'"}
    assert found.totals[0] == 2.0


def test_a_column_that_a_trl_function_needs_may_be_missing_in_some_rows_too(scored):
    rows = [("x", "tokens", {"completion_ids": [5, 5, 5, 5, 5]}), ("x", "tokens", {})]
    found = scored(*rows, ("x", "tokens", {"completion_ids": [1, 2]}))
    assert cells(found, "get_repetition_penalty_reward") == [-0.75, None, 0.0]
    assert list(reasons(found)) == [(1, "get_repetition_penalty_reward")]


@pytest.mark.parametrize("name", ["prompts", "completions", "prompt"])
def test_a_column_cannot_take_the_place_of_what_trl_hands_over(scored, name):
    found = scored(("x", "tokens", {"completion_ids": [5, 5, 5], name: "mine"}))
    assert (cells(found, "get_repetition_penalty_reward"), found.errors) == ([-0.5], {})


def test_a_value_nested_too_deep_to_hand_over_costs_its_own_completion_an_error(scored):
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    found = scored(("Paris", "city", {"answer": deep}), ("Paris", "city", {"answer": "Paris"}))
    assert reasons(found) == {(0, "exact_match"): "its columns cannot be handed to a reward (RecursionError)"}
    assert found.totals[1] == 2.0


def test_no_rows_give_no_scores(scorer):
    found = scorer.score([], [])
    assert (found.values.shape, found.totals.tolist()) == ((0, len(TABLE.keys)), [])


def test_scores_are_the_same_with_processes_of_their_own(scored):
    rows = [{"prompt": "?", "task": "math", "answer": "42"}, {"prompt": "?", "task": "math", "answer": "moon and sun"}]
    own = score(rows, ["42", "7"], TABLE)
    shared = scored(*((text, "math", row) for text, row in zip(["42", "7"], rows, strict=True)))
    assert own.values == pytest.approx(shared.values, nan_ok=True)
    assert own.errors == shared.errors


# --- rewards that misbehave ------------------------------------------------------------------------------------------

# A library of its own in a temporary folder: scoring processes import `rewards` afresh, so nothing can be patched.
HOSTILE = '''
"""Rewards that do to their process what the completion says."""
import asyncio, ctypes, os, sys, threading
from rewards.declaration import Example, RewardError, reward, trl_reward

class Mute(Exception):
    def __str__(self):
        raise KeyError("nothing to say")

class TwoPart(RewardError):
    def __init__(self, one, two):
        super().__init__(one)

def act(word):
    if word == "hang": threading.Event().wait()
    if word == "spin":
        while True: pass
    if word == "exit": os._exit(3)
    if word == "segfault": ctypes.string_at(0)
    if word == "quit": sys.exit("bye")
    if word == "interrupt": raise KeyboardInterrupt
    if word == "cancel": raise asyncio.CancelledError
    if word == "raise": raise ValueError("no good")
    if word == "mute": raise Mute
    if word == "two": raise TwoPart("part one", "part two")
    if word == "local": raise RewardError(lambda: 0)
    if word == "hog": return float(len(bytearray(1 << 40)))
    return {"nan": float("nan"), "text": "1.0", "yes": True, "none": None}.get(word, 1.0)

@reward(title="Single", examples=[], timeout_s=1.0)
def single(completion):
    """Does what it is told."""
    return act(completion)

@trl_reward(title="Batch", examples=[], timeout_s=1.0)
def batch():
    """Does what it is told, all at once."""
    def function(completions, **columns):
        scores = [act(c[0]["content"]) for c in completions]
        return scores[1:] if completions[0][0]["content"] == "few" else scores
    return function
'''
SCRIPT = """
import json, sys
from core.routing import RoutingTable
from core.scoring import Scorer
from core.spec import Route

def main():
    calls = json.load(sys.stdin)
    table = RoutingTable({name: (Route(name=name),) for name in ("single", "batch")})
    found = []
    with Scorer(table) as scorer:
        for reward, words in calls:
            scores = scorer.score([{"task": reward, "prompt": "?"} for _ in words], words)
            k = scores.keys.index(reward)
            numbers = [None if value != value else value for value in scores.values[:, k]]
            found.append([scores.errors.get((i, k), number) for i, number in enumerate(numbers)])
    print(json.dumps(found))

if __name__ == "__main__":
    main()
"""
EXPECTED = {
    "hang": "no score within 1 s",
    "spin": "no score within 1 s",
    "exit": "the scoring process died",
    "segfault": "the scoring process died",
    "quit": "the reward ended with SystemExit",
    "interrupt": "the reward ended with KeyboardInterrupt",
    "cancel": "the reward ended with CancelledError",
    "mute": "the reward ended with KeyError",
    "raise": "ValueError: no good",
    "two": "part one",
    "local": "<function act.<locals>.<lambda>",
    "hog": "MemoryError",
    "nan": "must be finite",
    "text": "a score is a number or None",
    "yes": "a score is a number or None",
    "none": None,
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Outcomes of every hostile call, from one run in a process with a reward library of its own."""
    folder = tmp_path_factory.mktemp("library")
    shutil.copytree(PROJECT / "core", folder / "core", ignore=shutil.ignore_patterns("__pycache__", "data"))
    (folder / "rewards").mkdir()
    for name in ("__init__.py", "declaration.py", "outcome.py", "blame.py"):
        shutil.copy(PROJECT / "rewards" / name, folder / "rewards")
    (folder / "rewards" / "hostile.py").write_text(HOSTILE)
    (folder / "script.py").write_text(SCRIPT)
    mixed = [word for misdeed in EXPECTED for word in ("fine", misdeed)]
    calls = [["single", [*mixed, "fine"]]]
    calls += [["batch", words] for words in (["fine", "none"], ["raise", "fine"], ["exit"], ["hang"], ["few", "fine"])]
    calls += [["single", ["fine"] * 40]]
    done = subprocess.run(
        [sys.executable, "script.py"],
        input=json.dumps(calls),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    single, *batches, last = json.loads(done.stdout)
    return {
        "single": dict(zip(mixed[1::2], single[1::2], strict=True)),
        "fine": single[::2],
        "batch": batches,
        "last": last,
    }


@pytest.mark.parametrize("misdeed", EXPECTED)
def test_a_reward_that_misbehaves_costs_its_own_completion_an_error(hostile, misdeed):
    outcome, expected = hostile["single"][misdeed], EXPECTED[misdeed]
    assert outcome is expected or outcome.startswith(expected) or expected in outcome


def test_the_neighbours_of_a_misbehaving_completion_get_their_scores(hostile):
    assert hostile["fine"] == [1.0] * (len(EXPECTED) + 1)


def test_a_trl_function_that_fails_costs_its_batch_an_error_and_no_more(hostile):
    fine, raised, died, hung, few = hostile["batch"]
    assert fine == [1.0, None]
    assert raised == ["ValueError: no good", 1.0], "the completion at which it raises is found by trying each alone"
    assert died[0].startswith("the scoring process died")
    assert hung == ["no score within 1 s"]
    assert few == ["returned 1 scores for 2 completions"] * 2


def test_the_scorer_goes_on_after_all_of_that(hostile):
    assert hostile["last"] == [1.0] * 40


class TestScoring:
    """Completions that come one after another, in any order."""

    ROWS = (
        ("12", {"task": "math", "prompt": "?", "answer": "12"}),
        ("Paris", {"task": "city", "prompt": "?", "answer": "Paris"}),
        ("a a a", {"task": "tokens", "prompt": "?", "completion_ids": [1, 1, 1]}),
        ("13", {"task": "math", "prompt": "?", "answer": "12"}),
        ("b", {"task": "tokens", "prompt": "?", "completion_ids": [2]}),
    )

    def scored(self, scorer, order, busy=False):
        scoring = scorer.begin([row["task"] for _, row in self.ROWS], busy)
        for part in order:
            scoring.add({i: (self.ROWS[i][1], self.ROWS[i][0]) for i in part})
        return scoring.scores()

    @pytest.mark.parametrize("order", [[[0, 1, 2, 3, 4]], [[4], [0], [2, 1], [3]], [[], [3, 2, 1, 0], [4], []]])
    @pytest.mark.parametrize("busy", [False, True])
    def test_the_order_in_which_they_come_changes_nothing(self, scorer, order, busy):
        whole = scorer.score([row for _, row in self.ROWS], [text for text, _ in self.ROWS])
        found = self.scored(scorer, order, busy)
        np.testing.assert_array_equal(found.values, whole.values)
        np.testing.assert_array_equal(found.weights, whole.weights)
        assert found.errors == whole.errors

    def test_what_has_not_come_yet_is_known(self, scorer):
        scoring = scorer.begin(["math", "city"])
        assert scoring.missing == [0, 1]
        scoring.add({1: (self.ROWS[1][1], "Paris")})
        assert scoring.missing == [0]

    def test_programs_with_limited_time_wait_until_the_processor_is_free(self, monkeypatch):
        routes = table(code=[{"name": "python_tests"}, SHORT])
        row = {"task": "code", "prompt": "?", "tests": ["assert x is not None"]}
        for busy, at_once in ((True, ["length"]), (False, ["python_tests", "length"])):
            with Scorer(routes) as scorer:
                sent = []
                submit = scorer.submit
                monkeypatch.setattr(
                    scorer,
                    "submit",
                    lambda route, batch, sent=sent, submit=submit: (sent.append(route.name), submit(route, batch))[1],
                )
                scoring = scorer.begin(["code"], busy)
                scoring.add({0: (row, f"x = {busy}")})
                assert sent == at_once
                assert cells(scoring.scores(), "python_tests") == [1.0]

    def test_a_pool_that_breaks_on_the_way_loses_no_completion(self, monkeypatch):
        with Scorer(TABLE) as scorer:
            submit, calls = scorer.submit, []

            def breaks_once(route, batch):
                calls.append(route)
                if len(calls) == 2:
                    raise PoolBroke("the pool is broken")
                return submit(route, batch)

            monkeypatch.setattr(scorer, "submit", breaks_once)
            found = self.scored(scorer, [[0], [1, 2], [3, 4]])
            whole = scorer.score([row for _, row in self.ROWS], [text for text, _ in self.ROWS])
        np.testing.assert_array_equal(found.values, whole.values)
        assert not np.isnan(found.totals[:2]).any()
