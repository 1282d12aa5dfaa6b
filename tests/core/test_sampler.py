"""The client of the process that samples: what comes back, what is said on the way, and what a death of it costs."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest
from toys import make_model

from core.errors import UserError
from core.sampler import Sampler
from core.sampling import ModelChoice, SamplingSettings
from core.spec import COMPLETION_IDS, TaskSpec

ROWS = [{"task": "a", "prompt": "One?", "answer": "1"}, {"task": "b", "prompt": "Two?", "answer": "2"}]
TASKS = {"a": TaskSpec(system_prompt="Be brief.", prompt_template="{prompt} Say {answer}.")}
SHORT = SamplingSettings(num_generations=3, max_completion_length=6, seed=5)
ENDLESS = SamplingSettings(num_generations=2, max_completion_length=100_000)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model that hardly ever ends a completion."""
    return ModelChoice(str(make_model(tmp_path_factory.mktemp("model"))))


@pytest.fixture(scope="module")
def sampler():
    one = Sampler()
    yield one
    one.close()


@pytest.fixture
def long_sampling(sampler, model):
    """A sampling without end in another thread, which has begun; cancelled by the event."""
    begun, cancel, found = threading.Event(), threading.Event(), []

    def sample():
        try:
            heard = sampler.sample(model, ROWS, TASKS, ENDLESS, lambda *_: begun.set(), cancel.is_set)
            found.append(heard)
        except UserError as error:
            found.append(error)

    thread = threading.Thread(target=sample)
    thread.start()
    assert begun.wait(60)
    yield cancel, thread, found
    cancel.set()
    thread.join()


def process(sampler):
    return sampler._worker._process.pid


class TestRender:
    def test_a_row_is_shown_as_the_model_reads_it_under_its_tasks_settings(self, sampler, model):
        with_settings, without = sampler.render(model, ROWS, TASKS)
        assert with_settings.text == "<|system|>Be brief.<|end|><|user|>One? Say 1.<|end|><|assistant|>"
        assert without.text == "<|user|>Two?<|end|><|assistant|>"
        assert without.tokens == len("Two?") + 3  # a byte a token, and three of the template's

    def test_token_ids_are_those_of_the_text_alone(self, sampler, model):
        assert list(map(len, sampler.token_ids(model, ["four", "", "\ud800"]))) == [4, 0, 1]

    def test_it_is_answered_while_a_sampling_goes_on(self, sampler, model, long_sampling):
        assert sampler.render(model, ROWS, TASKS)[1].tokens == 7
        assert sampler.state.what == "busy"

    def test_a_model_that_is_not_there_is_an_error_in_its_own_words(self, sampler):
        with pytest.raises(UserError, match="there is no such folder"):
            sampler.render(ModelChoice("./nowhere"), ROWS, TASKS)


class TestSample:
    def test_every_row_gets_its_group_of_completions(self, sampler, model):
        first, second = sampler.sample(model, ROWS, TASKS, SHORT)
        assert len(first.completions) == len(second.completions) == 3
        assert all(1 <= len(ids) <= 6 for group in (first, second) for ids in group.token_ids)
        assert all(
            cut == (len(ids) == 6 and ids[-1] != 256)
            for group in (first, second)
            for cut, ids in zip(group.clipped, group.token_ids, strict=True)
        )

    def test_a_group_for_scoring_has_the_rows_columns_and_the_prompt_that_the_model_saw(self, sampler, model):
        first, second = sampler.sample(model, ROWS, TASKS, SHORT)
        assert first.group.fields["answer"] == "1"
        assert [turn["role"] for turn in first.group.fields["prompt"]] == ["system", "user"]
        assert second.group.fields["prompt"] == "Two?"
        assert [tuple(ids) for ids in first.group.fields[COMPLETION_IDS]] == list(first.token_ids)

    def test_the_same_seed_gives_the_same_completions(self, sampler, model):
        other = SHORT.model_copy(update={"seed": 6})
        one, again, another = (sampler.sample(model, ROWS, TASKS, way) for way in (SHORT, SHORT, other))
        assert one == again
        assert one != another

    def test_progress_never_goes_back_and_ends_at_the_whole(self, sampler, model):
        told = []
        sampler.sample(model, ROWS * 8, TASKS, SHORT, lambda *done: told.append(done))
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert told[-1] == (16 * 3 * 6, 16 * 3 * 6)

    def test_texts_are_told_while_they_are_sampled_and_each_is_the_beginning_of_what_it_becomes(self, sampler, model):
        told = []
        long = SamplingSettings(num_generations=2, max_completion_length=400)
        (group,) = sampler.sample(model, ROWS[:1], TASKS, long, stream=lambda *said: told.append(said))
        assert {row for row, _ in told} == {0}
        for _, texts in told:
            assert all(whole.startswith(part) for whole, part in zip(group.completions, texts, strict=True))

    def test_a_cancelled_sampling_gives_what_was_whole_and_leaves_the_model_warm(self, sampler, model, long_sampling):
        cancel, thread, found = long_sampling
        before = process(sampler)
        cancel.set()
        thread.join(5)
        assert found == [[]]
        assert len(sampler.sample(model, ROWS, TASKS, SHORT)) == 2
        assert process(sampler) == before

    def test_a_reader_who_fails_does_not_leave_the_worker_sampling_for_nobody(self, sampler, model):
        def fail(done, whole):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            sampler.sample(model, ROWS, TASKS, ENDLESS, fail)
        assert len(sampler.sample(model, ROWS, TASKS, SHORT)) == 2

    def test_the_state_names_the_model_that_is_warm(self, sampler, model):
        sampler.sample(model, ROWS, TASKS, SHORT)
        assert (sampler.state.what, sampler.state.model) == ("warm", model.name)

    def test_a_model_that_cannot_be_loaded_is_an_error_and_leaves_none(self, sampler, tmp_path, model):
        for file in Path(model.name).iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes() if "safetensors" not in file.name else b"no weights")
        with pytest.raises(UserError, match=f"{tmp_path}: it cannot be loaded"):
            sampler.sample(ModelChoice(str(tmp_path)), ROWS, TASKS, SHORT)
        assert sampler.state.what == "off"

    def test_no_rows_are_no_completions(self, model):
        nothing = Sampler()
        assert nothing.sample(model, [], TASKS, SHORT) == nothing.render(model, [], TASKS) == []
        assert nothing.state.what == "off"


class TestEndings:
    def test_a_killed_worker_is_an_error_and_the_next_question_starts_another(self, sampler, model, long_sampling):
        _, thread, found = long_sampling
        before = process(sampler)
        os.kill(before, signal.SIGKILL)
        thread.join(10)
        assert "killed, most likely for want of memory" in str(found[0])
        assert sampler.state.what == "off"
        assert sampler.render(model, ROWS, TASKS)
        assert process(sampler) != before

    def test_a_worker_that_cannot_start_is_quoted(self, model, monkeypatch):
        monkeypatch.setattr("core.sampling_process.WORKER", "core.no_such_worker")
        with pytest.raises(UserError, match=r"status 1.*No module named core\.no_such_worker"):
            Sampler().render(model, ROWS, TASKS)

    def test_an_idle_worker_ends_and_the_next_question_starts_another(self, model):
        lazy = Sampler(idle_s=0.1)
        lazy.render(model, ROWS, TASKS)
        before = process(lazy)
        psutil.Process(before).wait(10)
        assert lazy.render(model, ROWS, TASKS)
        assert process(lazy) != before
        lazy.close()

    def test_closing_ends_the_process_and_whoever_waits_for_it(self, model):
        one, found = Sampler(), []

        def ask():
            try:
                one.sample(model, ROWS, TASKS, ENDLESS)
            except UserError as error:
                found.append(str(error))

        thread = threading.Thread(target=ask)
        thread.start()
        while one.state.what != "busy":
            assert thread.is_alive(), "it failed before it began"
            time.sleep(0.05)
        pid = process(one)
        one.close()
        thread.join(10)
        assert found == ["sampling: the process that samples was ended. Try again."]
        assert not psutil.pid_exists(pid)


def test_the_embedded_model_answers(monkeypatch):
    monkeypatch.delenv("SIGNALBOX_CACHE")  # where `make` has converted it already
    own = Sampler()
    row = {"task": "math", "prompt": "What is 3 + 4? Reply with only the number."}
    (group,) = own.sample(ModelChoice(), [row], {}, SamplingSettings(temperature=0, num_generations=2))
    own.close()
    assert "7" in group.completions[0]
    assert group.completions[0] == group.completions[1]
    assert group.clipped == (False, False)
    assert json.dumps(group.group.fields)


class TestHalfALine:
    def test_a_worker_that_dies_in_the_middle_of_a_reply_is_noticed_and_replaced(self, tmp_path, monkeypatch, model):
        folder = tmp_path / "path"
        folder.mkdir()
        (folder / "torn_worker.py").write_text("import sys; print('{\"id\": 1, \"en', end='', flush=True)")
        monkeypatch.setenv("PYTHONPATH", str(folder))
        monkeypatch.setattr("core.sampling_process.WORKER", "torn_worker")
        sampler = Sampler()
        with pytest.raises(UserError, match="ended"):
            sampler.token_ids(model, ["four"])
        monkeypatch.undo()
        assert list(map(len, sampler.token_ids(model, ["four"]))) == [4]
        sampler.close()
