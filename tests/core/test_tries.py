"""A conversation with base and adapter: streamed, scored by the task's rewards, of several turns, cancelled."""

import threading

import pytest

from core.errors import UserError
from core.run_adapters import find_adapter
from core.run_data import run_rows
from core.sampling import SamplingSettings
from core.services import Services
from core.tries import Tries

SHORT = SamplingSettings(max_completion_length=6, seed=3)
LONG = SamplingSettings(max_completion_length=100_000, temperature=0)  # a random model goes round and round


@pytest.fixture(scope="module")
def services():
    own = Services()
    yield own
    own.close()


@pytest.fixture
def tries(services, run):
    own = Tries(services)
    yield own
    own.cancel(run.id)
    if job := own.job(run.id):
        assert job.wait(30)


def asked(tries, run, settings=SHORT, row=None, **more):
    job = tries.ask(find_adapter(run), row or run_rows(run).held_out[0], settings, **more)
    assert job.wait(60)
    return tries.get(run.id)


def test_both_sides_answer_a_held_out_row_and_are_scored_by_its_tasks_rewards(tries, run):
    one = asked(tries, run)
    (turn,) = one.turns
    assert turn.question == run_rows(run).held_out[0]["prompt"]
    base, adapter = turn.answers["base"], turn.answers["adapter"]
    assert base.text != adapter.text
    for answer in (base, adapter):
        (cell,) = answer.cells
        assert answer.whole
        assert cell.key == "length"
        assert cell.value == answer.total is not None


def test_another_turn_is_asked_with_what_each_side_has_said_itself(tries, run):
    one = asked(tries, run)
    assert tries.go_on(run.id, "And now?").wait(60)
    assert [turn.question for turn in one.turns] == [run_rows(run).held_out[0]["prompt"], "And now?"]
    first, second = one.turns
    for side in ("base", "adapter"):
        roles = [(message["role"], message["content"]) for message in one.messages(side, run.spec())]
        assert roles[1:] == [("assistant", first.answers[side].text), ("user", "And now?")]
        assert second.answers[side].total is not None


def test_one_side_alone_answers_where_that_is_asked(tries, run):
    assert set(asked(tries, run, sides=("adapter",)).turns[0].answers) == {"adapter"}


def test_a_typed_question_that_the_rewards_cannot_judge_says_so_and_keeps_its_text(tries, run):
    one = asked(tries, run, row={"task": "nowhere", "prompt": "Hello?"})
    for answer in one.turns[0].answers.values():
        assert answer.text
        assert "no reward scores task 'nowhere'" in answer.unscored
        assert answer.total is None


def test_texts_can_be_read_while_they_are_sampled_and_stay_when_it_is_cancelled(tries, run):
    job = tries.ask(find_adapter(run), run_rows(run).held_out[0], LONG)
    one, grown = tries.get(run.id), threading.Event()
    while not grown.wait(0.02) and job.running:
        if one.turns[0].answers["base"].text:
            grown.set()
    with pytest.raises(UserError, match="an answer is being written"):
        tries.ask(find_adapter(run), run_rows(run).held_out[0], SHORT)
    tries.cancel(run.id)
    assert job.wait(30)
    base, adapter = (one.turns[0].answers[side] for side in ("base", "adapter"))
    assert base.text
    assert not base.whole
    assert adapter.text == ""
    with pytest.raises(UserError, match="broken off"):
        tries.go_on(run.id, "And now?")


def test_nothing_is_asked_with_no_text_or_without_a_conversation(tries, run):
    with pytest.raises(UserError, match="there is no text"):
        tries.ask(find_adapter(run), {"task": "short", "prompt": "  "}, SHORT)
    with pytest.raises(UserError, match="no conversation"):
        tries.go_on(run.id, "And now?")


def test_a_conversation_that_is_cleared_away_is_gone(tries, run):
    asked(tries, run)
    tries.forget(run.id)
    assert tries.get(run.id) is None
