"""How completions are cut into calls, and what is not asked twice."""

import pickle
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout

import numpy as np
import pytest

from core.reward_calls import (
    CHUNK,
    LARGEST_CHUNK,
    MEMORY,
    Call,
    Memory,
    Pace,
    batch_of,
    chunks,
    content_key,
    part,
    reward_of,
)
from core.routing import RoutingTable
from core.scoring import Scorer, ScoringCancelled
from core.spec import Route

LENGTH = Route(name="length", params={"maximum": 3, "margin": 1})
ROW = {"task": "a", "prompt": "?"}


@pytest.fixture(autouse=True)
def forgotten():
    """Nothing is remembered from other tests."""
    MEMORY.clear()
    yield
    MEMORY.clear()


class TestPace:
    def test_a_reward_of_unknown_pace_goes_in_small_chunks_and_is_remembered(self):
        assert Pace().chunk(LENGTH) == CHUNK
        assert Pace().is_slow(LENGTH)

    def test_quick_rewards_go_in_large_chunks_and_slow_ones_alone(self):
        pace = Pace()
        pace.note(LENGTH, 1000, 0.001)
        assert pace.chunk(LENGTH) == LARGEST_CHUNK
        assert not pace.is_slow(LENGTH)
        for _ in range(30):
            pace.note(LENGTH, 10, 10.0)
        assert pace.chunk(LENGTH) == 1
        assert pace.is_slow(LENGTH)

    def test_each_route_has_its_own(self):
        pace = Pace()
        pace.note(LENGTH, 1000, 0.001)
        assert pace.chunk(Route(name="exact_match")) == CHUNK


class TestMemory:
    def test_what_was_put_is_known_and_what_was_not_asked_for_the_longest_is_forgotten(self):
        memory = Memory(size=2)
        memory.put(b"a", 1.0)
        memory.put(b"b", None)
        assert memory.get(b"a") == (True, 1.0)
        memory.put(b"c", 0.5)
        assert memory.get(b"b") == (False, None)
        assert memory.get(b"a") == (True, 1.0)


class TestContentKey:
    def key(self, version="1", route=LENGTH, text="x", **columns):
        return content_key(version, route, batch_of(reward_of(route), [{**ROW, **columns}], [text]), 0)

    def test_the_same_content_has_the_same_key(self):
        assert self.key() == self.key()

    def test_whatever_a_score_depends_on_changes_it(self):
        other = Route(name="length", params={"maximum": 4, "margin": 1})
        match = Route(name="exact_match")
        keys = [
            self.key(),
            self.key(version="2"),
            self.key(route=other),
            self.key(text="y"),
            self.key(route=match, answer="1"),
            self.key(route=match, answer=1),
            self.key(route=match, answer="2"),
        ]
        assert len(set(keys)) == len(keys)

    def test_columns_that_it_does_not_read_change_nothing(self):
        assert self.key(other="1") == self.key(other="2")

    def test_content_that_cannot_be_told_has_none(self):
        assert self.key(route=Route(name="exact_match"), answer=lambda: 0) is None


def test_chunks_cover_all_numbers_in_order():
    assert [list(piece) for piece in chunks(range(5), 2)] == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []


def test_a_part_of_a_batch_keeps_rows_together():
    rows, texts = [{**ROW, "answer": n} for n in range(4)], [f"c{n}" for n in range(4)]
    batch = batch_of(reward_of(Route(name="exact_match")), rows, texts)
    some = part(batch, [3, 1])
    assert (some.completions, some.columns["answer"]) == (["c3", "c1"], [3, 1])


class TestNotTwice:
    """The same completions of a slow reward are scored once; quick ones are cheaper to score than to remember."""

    @pytest.fixture
    def scorer(self, monkeypatch):
        table = RoutingTable({"a": (Route(name="python_tests"),)})
        with Scorer(table) as scorer:
            self.sent = []
            submit = scorer.submit
            monkeypatch.setattr(
                scorer, "submit", lambda route, batch: (self.sent.extend(batch.completions), submit(route, batch))[1]
            )
            yield scorer

    def scored(self, scorer, *completions):
        rows = [{**ROW, "tests": ["assert x == 1"]}] * len(completions)
        return scorer.score(rows, list(completions))

    def test_within_a_batch(self, scorer):
        scores = self.scored(scorer, "x = 1", "x = 2", "x = 1", "x = 1")
        assert scores.values[:, 0].tolist() == [1.0, 0.0, 1.0, 1.0]
        assert sorted(self.sent) == ["x = 1", "x = 2"]

    def test_from_batch_to_batch_and_from_scorer_to_scorer(self, scorer):
        self.scored(scorer, "x = 1")
        with Scorer(scorer.table) as other:
            assert self.scored(other, "x = 1").values[:, 0].tolist() == [1.0]
        assert self.scored(scorer, "x = 1", "x = 3").values[:, 0].tolist() == [1.0, 0.0]
        assert self.sent == ["x = 1", "x = 3"]

    def test_but_a_program_that_failed_may_have_been_too_late(self, scorer):
        self.scored(scorer, "x = 3")
        self.scored(scorer, "x = 3")
        assert self.sent == ["x = 3", "x = 3"]

    def test_when_completions_come_one_after_another(self, scorer):
        scoring = scorer.begin(["a", "a", "a"])
        for i, text in enumerate(["x = 1", "x = 1", "x = 5"]):
            scoring.add({i: ({**ROW, "tests": ["assert x == 1"]}, text)})
        assert scoring.scores().values[:, 0].tolist() == [1.0, 1.0, 0.0]
        assert self.sent == ["x = 1", "x = 5"]

    def test_another_column_is_another_question(self, scorer):
        rows = [{**ROW, "tests": ["assert x == 1"]}, {**ROW, "tests": ["assert x == 2"]}]
        assert scorer.score(rows, ["x = 1", "x = 1"]).values[:, 0].tolist() == [1.0, 0.0]

    def test_an_error_is_given_to_every_copy(self, scorer):
        rows = [{**ROW, "tests": ["nothing"]}] * 3
        scores = scorer.score(rows, ["x = 1"] * 3)
        assert set(scores.errors) == {(0, 0), (1, 0), (2, 0)}
        assert np.isnan(scores.values).all()
        assert self.sent == ["x = 1"]
        scorer.score(rows[:1], ["x = 1"])
        assert self.sent == ["x = 1", "x = 1"], "what caused an error may be over"

    def test_another_version_of_the_library_asks_again(self, scorer):
        self.scored(scorer, "x = 1")
        scorer.processes.version = "another"
        self.scored(scorer, "x = 1")
        assert self.sent == ["x = 1", "x = 1"]


class TestProgress:
    def test_it_is_told_until_all_are_there(self):
        with Scorer(RoutingTable({"a": (LENGTH, Route(name="exact_match"))})) as scorer:
            told = []
            rows = [{**ROW, "answer": "x"}] * 100
            scorer.score(rows, [f"x{n}" for n in range(100)], progress=lambda done, whole: told.append((done, whole)))
        assert told == sorted(told)
        assert told[0] == (0, 200)
        assert told[-1] == (200, 200)
        assert {whole for _, whole in told} == {200}

    def test_it_is_told_where_all_is_known_already(self):
        table = RoutingTable({"a": (Route(name="python_tests"),)})
        rows = [{**ROW, "tests": ["assert x == 1"]}]
        with Scorer(table) as scorer:
            scorer.score(rows, ["x = 1"])
            told = []
            scorer.score(rows, ["x = 1"], progress=lambda done, whole: told.append((done, whole)))
        assert told == [(1, 1)]

    def test_what_it_raises_is_the_callers_own(self):
        def complain(done, whole):
            raise RuntimeError("of the caller")

        with Scorer(RoutingTable({"a": (LENGTH,)})) as scorer, pytest.raises(RuntimeError, match="of the caller"):
            scorer.score([ROW], ["x"], progress=complain)

    def test_who_cancels_does_not_wait_for_a_slow_reward_and_can_go_on(self):
        sleepy = "import time\ndef score(completion, row):\n    time.sleep(60 * (completion == 'slow'))\n    return 1.0"
        table = RoutingTable({"a": (Route(name="custom", params={"code": sleepy, "timeout_s": 60}),)})
        with Scorer(table) as scorer:
            looks = []
            with pytest.raises(ScoringCancelled):
                scorer.score([ROW], ["slow"], cancelled=lambda: looks.append(1) or len(looks) > 2)
            assert len(looks) == 3
            assert scorer.score([ROW], ["quick"]).values.tolist() == [[1.0]]


class TestSeconds:
    """What a score took, for the page that shows which reward is slow."""

    def test_a_call_is_shared_evenly_and_what_is_not_routed_took_nothing(self):
        match = Route(name="exact_match")
        with Scorer(RoutingTable({"a": (LENGTH,), "b": (match,)})) as scorer:
            rows = [{**ROW, "task": task, "answer": "x"} for task in "aaab"]
            seconds = scorer.score(rows, ["1", "22", "333", "x"]).seconds
        assert len(set(seconds[:3, 0])) == 1
        assert 0 < seconds[0, 0] < 1
        assert np.isnan(seconds[:3, 1]).all()
        assert np.isnan(seconds[3, 0])
        assert seconds[3, 1] > 0

    def test_what_is_remembered_or_asked_already_took_nothing(self):
        table = RoutingTable({"a": (Route(name="python_tests"),)})
        rows = [{**ROW, "tests": ["assert x == 1"]}] * 2
        with Scorer(table) as scorer:
            first, second = scorer.score(rows, ["x = 1"] * 2).seconds[:, 0]
            assert first > 0
            assert np.isnan(second)
            assert np.isnan(scorer.score(rows, ["x = 1"] * 2).seconds).all()

    def test_the_one_that_hangs_took_its_limit_and_its_neighbours_their_own_time(self):
        pool = HangsAt("slow")
        batch = batch_of(reward_of(LENGTH), [ROW] * 3, ["a", "slow", "b"])
        answer = Call(LENGTH, batch, pool).answer()
        assert list(answer.errors) == [1]
        assert answer.seconds.tolist() == [0.25, reward_of(LENGTH).timeout_s, 0.25]


class HangsAt:
    """In the place of the processes: what holds a word runs into its limit, the rest takes a quarter of a second."""

    def __init__(self, word):
        self.word = word

    def schedule(self, function, args, timeout):
        _, _, payload = args
        _, completions, _ = pickle.loads(payload)
        future = Future()
        if self.word in completions:
            future.set_exception(FutureTimeout())
        else:
            future.set_result((np.ones(len(completions)).tobytes(), {}, 0.25))
        return future
