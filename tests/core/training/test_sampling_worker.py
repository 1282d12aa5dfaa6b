"""The process behind the sampler, in this one: how requests that go wrong are answered, and when it leaves."""

import io
import json
import os
import threading

import pytest
from toys import make_model

from core.training import warm_model
from core.training.sampling_worker import Channel, SamplingWorker
from core.training.texts import Texts

SETTINGS = {"num_generations": 2, "max_completion_length": 4}


@pytest.fixture
def folder(tmp_path):
    return str(make_model(tmp_path / "model"))


class Conversation:
    """A worker that works in a thread, and the two ends of its pipes."""

    def __init__(self):
        (into, self._out), (self._in, back) = os.pipe(), os.pipe()
        self.left = threading.Event()
        self._files = [os.fdopen(into, "rb"), os.fdopen(back, "wb")]
        self.requests, self.replies = os.fdopen(self._out, "wb"), os.fdopen(self._in, "rb")
        self.worker = SamplingWorker(self._files[0], Channel(self._files[1]), 60.0, self.left.set)
        self._thread = threading.Thread(target=self.worker.work)
        self._thread.start()

    def say(self, **request):
        self.requests.write(json.dumps(request).encode() + b"\n")
        self.requests.flush()

    def hear(self, *keys):
        """The next reply that has one of these keys."""
        return next(reply for reply in map(json.loads, self.replies) if set(keys) & reply.keys())

    def end(self):
        self.requests.close()
        assert self.left.wait(10)
        self.worker._idle_s = 0.0
        self._thread.join(10)
        for file in (*self._files, self.replies):
            file.close()


@pytest.fixture
def conversation():
    one = Conversation()
    yield one
    one.end()


def request(number, folder, do="sample"):
    model = {"name": folder, "adapter": None, "chat_template_kwargs": {}}
    return {"id": number, "do": do, "model": model, "prompts": [[{"role": "user", "content": "?"}]]}


def broken(error):
    def model(*_):
        raise error

    return model


@pytest.mark.parametrize(
    ("error", "key", "words"),
    [
        (MemoryError(), "problems", "there is not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "problems", "there is not enough memory"),
        (RuntimeError("a bug"), "bug", "RuntimeError: a bug"),
    ],
)
def test_what_goes_wrong_is_said_and_the_next_request_is_answered(conversation, folder, monkeypatch, error, key, words):
    monkeypatch.setattr(warm_model, "WarmModel", broken(error))
    conversation.say(**request(1, folder), settings=SETTINGS)
    reply = conversation.hear("problems", "bug", "end")
    assert words in str(reply[key])
    conversation.say(**request(2, folder, "render"))
    assert conversation.hear("problems", "bug", "end")["end"][0]["tokens"] == 4


def test_a_model_that_nobody_waits_for_any_more_is_not_loaded_to_its_end(conversation, folder, monkeypatch):
    loading = threading.Event()
    monkeypatch.setattr(warm_model, "WarmModel", lambda *_: loading.wait(10))
    conversation.say(**request(7, folder), settings=SETTINGS)
    assert conversation.hear("state")["state"] == "loading"
    conversation.say(do="cancel", of=7)
    assert conversation.left.wait(10)
    loading.set()


def test_a_request_cancelled_while_it_waits_is_not_begun(conversation, folder, monkeypatch):
    conversation.worker._cancelled.add(3)
    monkeypatch.setattr(warm_model, "WarmModel", broken(AssertionError("it was begun")))
    conversation.say(**request(3, folder), settings=SETTINGS)
    conversation.say(**request(4, folder, "render"))
    assert conversation.hear("problems", "bug", "end")["id"] == 4


def test_a_reader_who_is_gone_is_no_error():
    into, out = os.pipe()
    stream = os.fdopen(out, "wb", buffering=0)
    os.close(into)
    Channel(stream).send({"id": 1})
    stream.close()


def test_messages_of_several_threads_stay_whole():
    stream = io.BytesIO()
    channel = Channel(stream)
    threads = [threading.Thread(target=lambda: [channel.send({"id": "x" * 999}) for _ in range(50)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([json.loads(line) for line in stream.getvalue().splitlines()]) == 200


class TestTexts:
    def test_without_a_chat_template_a_model_reads_the_text_alone(self, tmp_path):
        folder = make_model(tmp_path / "model")
        (folder / "chat_template.jinja").unlink()
        texts = Texts(str(folder))
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "One?"}]
        assert texts.rendered(messages, {}) == "Be brief.\n\nOne?"
        assert len(texts.prompt_ids(messages, {})) == len("Be brief.\n\nOne?")

    def test_a_template_that_refuses_a_role_is_the_users_to_mend(self, tmp_path):
        folder = make_model(tmp_path / "model")
        (folder / "chat_template.jinja").write_text("{{ raise_exception('no system role') }}")
        with pytest.raises(warm_model.UserError, match="refuses messages of the roles system: no system role"):
            Texts(str(folder)).rendered([{"role": "system", "content": "Be brief."}], {})
