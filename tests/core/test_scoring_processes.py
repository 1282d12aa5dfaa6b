"""Processes stay warm from one routing table to the next, and threads that share them take turns."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.routing import RoutingTable
from core.scoring import Scorer, ScoringCancelled
from core.spec import Route

MATCH = RoutingTable({"a": (Route(name="exact_match"),)})
SHORT = RoutingTable({"a": (Route(name="length", params={"unit": "characters", "maximum": 2, "margin": 0}),)})
SLEEPY = "import time\ndef score(completion, row):\n    time.sleep(60)\n    return 1.0"
SLOW = RoutingTable({"a": (Route(name="custom", params={"code": SLEEPY, "timeout_s": 60}),)})
ROW = {"task": "a", "prompt": "?", "answer": "Paris"}
TEXTS = ["Paris", "ab"]


@pytest.fixture
def scorer():
    with Scorer(MATCH) as made:
        yield made


def processes():
    return {child.pid for child in multiprocessing.active_children()}


def test_another_routing_table_starts_no_processes(scorer):
    scorer.score([ROW] * 2, TEXTS)
    warm = processes()
    other = scorer.with_table(SHORT)
    assert other.score([ROW] * 2, TEXTS).values[:, 0].tolist() == [0.0, 1.0]
    assert scorer.score([ROW] * 2, TEXTS).values[:, 0].tolist() == [1.0, 0.0]
    assert processes() == warm != set()


def test_the_scorer_of_another_table_does_not_end_what_is_not_its_own(scorer):
    with scorer.with_table(SHORT) as other:
        other.score([ROW], ["ab"])
    assert scorer.score([ROW], ["Paris"]).totals.tolist() == [1.0]


def test_one_label_is_another_rewards_in_another_table(scorer):
    labelled = [RoutingTable({"a": (route[0].model_copy(update={"label": "x"}),)}) for route in
                (MATCH.of("a"), SHORT.of("a"))]  # fmt: skip
    found = [scorer.with_table(table).score([ROW] * 2, TEXTS).values[:, 0].tolist() for table in labelled]
    assert found == [[1.0, 0.0], [0.0, 1.0]]


def test_threads_that_score_at_once_each_get_their_own_scores(scorer):
    def score(n):
        table, expected = ((MATCH, [1.0, 0.0]), (SHORT, [0.0, 1.0]))[n % 2]
        return scorer.with_table(table).score([ROW] * 2, TEXTS).values[:, 0].tolist() == expected

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(score, range(40)))


def test_who_cancels_costs_the_next_in_line_no_score(scorer):
    started, enough = threading.Event(), threading.Event()

    def cancelled():
        started.set()
        return enough.is_set()

    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(scorer.with_table(SLOW).score, [ROW], ["x"], None, cancelled)
        started.wait(20)
        quick = threads.submit(scorer.score, [ROW] * 2, TEXTS)
        enough.set()
        with pytest.raises(ScoringCancelled):
            slow.result(20)
        assert quick.result(20).values[:, 0].tolist() == [1.0, 0.0]


def test_who_waits_for_a_turn_can_give_up(scorer):
    with scorer.processes.turn, pytest.raises(ScoringCancelled):
        scorer.score([ROW], ["x"], cancelled=lambda: True)
    assert scorer.score([ROW], ["Paris"]).totals.tolist() == [1.0], "the turn is free again"
