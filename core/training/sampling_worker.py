"""The process behind core.sampler: `python -m core.training.sampling_worker IDLE_SECONDS`.

One JSON object a line on standard input and output; whatever libraries print goes to standard error. Requests:

```
{"id": 1, "do": "render", "model": {...}, "prompts": [messages]}   -> {"id": 1, "end": [{"text", "tokens"}]}
{"id": 2, "do": "count",  "model": {...}, "texts": [...]}          -> {"id": 2, "end": [[token ids]]}
{"id": 3, "do": "sample", "model": {...}, "prompts": [messages], "settings": {...}}
          -> {"id": 3, "done": 640, "whole": 2048} and {"id": 3, "row": 0, "group": [{"text", "ids", "clipped"}]} ...,
             then {"id": 3, "end": null}; with "stream": true also {"id": 3, "row": 0, "so_far": [texts]}
{"do": "cancel", "of": 3}                                          -> at once nothing more but its end
```

Instead of an end there may be `problems` (for the user) or a `bug` (a traceback); `{"state": ...}` comes unasked. The
main thread samples, one request after another. A second one answers what needs the tokenizer alone, so that a page does
not wait for a sampling. A third listens. The process ends when its input does, when nobody has asked for a while, and
when it is loading a model that nobody waits for any more: loading cannot be interrupted otherwise.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

from core.errors import Problem, UserError
from core.sampling import ModelChoice, SamplingSettings
from core.training.texts import Texts

if TYPE_CHECKING:
    from core.training.warm_model import SoFar, Stream, WarmModel

NICENESS = 5  # pages and training runs go first
POLL_S = 0.5  # between two looks whether the idle time is over
PROGRESS_S = 0.2  # between two reports of one sampling
STREAM_S = 0.1  # between two looks at texts that are being sampled
HALF = "\ufffd"  # what decoding gives for a character whose last bytes are not there yet

Message = Mapping[str, Any]


class _Cancelled(Exception):
    """Nobody wants this sampling any more."""


class Channel:
    """Messages to whoever started this process; safe from several threads."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """One line. A reader who is gone is noticed on standard input."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock, suppress(OSError):
            self._stream.write(line)
            self._stream.flush()


class SamplingWorker:
    """Answers requests until there are no more.

    Args:
        requests: lines of JSON.
        channel: where replies go.
        idle_s: seconds without a request after which `work` returns.
        leave: ends the process at once.
    """

    def __init__(self, requests: IO[bytes], channel: Channel, idle_s: float, leave: Callable[[], object]) -> None:
        self._requests, self._channel, self._idle_s, self._leave = requests, channel, idle_s, leave
        self._samplings: queue.Queue[Message] = queue.Queue()
        self._beside = ThreadPoolExecutor(1, "texts")
        self._texts: dict[str, Texts] = {}
        self._texts_lock = threading.Lock()
        self._model: WarmModel | None = None
        self._loading_for: int | None = None
        self._open: set[int] = set()
        self._cancelled: set[int] = set()
        self._heard = time.monotonic()

    def work(self) -> None:
        """Sample what is asked for; returns when nobody has asked for anything for the idle time."""
        threading.Thread(target=self._listen, name="requests", daemon=True).start()
        while self._open or time.monotonic() - self._heard < self._idle_s:
            with suppress(queue.Empty):
                self._answer(self._samplings.get(timeout=POLL_S), self._sample)

    def _listen(self) -> None:
        for line in self._requests:
            request: Message = json.loads(line)
            if "id" in request:
                self._open.add(request["id"])
            match request["do"]:
                case "sample":
                    self._samplings.put(request)
                case "render":
                    self._beside.submit(self._answer, request, self._render)
                case "count":
                    self._beside.submit(self._answer, request, self._count)
                case "cancel":
                    self._cancel(request["of"])
        self._leave()

    def _cancel(self, number: int) -> None:
        self._cancelled.add(number)
        if self._loading_for == number:
            self._leave()

    def _answer(self, request: Message, answer: Callable[[Message], Any]) -> None:
        """Do what is asked, and say how it ended."""
        number = request["id"]
        try:
            self._channel.send({"id": number, "end": answer(request)})
        except _Cancelled:
            pass
        except UserError as error:
            self._channel.send({"id": number, "problems": [asdict(problem) for problem in error.problems]})
        except Exception as error:  # the boundary: whoever asked gets to know, and the next request is answered
            from core.training.warm_model import out_of_memory

            reply = {"problems": [asdict(_memory())]} if out_of_memory(error) else {"bug": traceback.format_exc()}
            self._channel.send({"id": number, **reply})
        finally:
            self._heard = time.monotonic()
            self._cancelled.discard(number)
            self._open.discard(number)

    def _render(self, request: Message) -> list[dict[str, Any]]:
        texts, keywords = self._texts_of(request), request["model"]["chat_template_kwargs"]
        return [
            {"text": texts.rendered(messages, keywords), "tokens": len(texts.prompt_ids(messages, keywords))}
            for messages in request["prompts"]
        ]

    def _count(self, request: Message) -> list[list[int]]:
        return self._texts_of(request).ids(request["texts"])

    def _sample(self, request: Message) -> None:
        self._look(request["id"])
        model, texts = self._model_for(request), self._texts_of(request)
        self._say("busy", model.choice)
        try:
            self._send_groups(request, model, texts)
        finally:
            self._say("warm", model.choice)

    def _send_groups(self, request: Message, model: WarmModel, texts: Texts) -> None:
        keywords, settings = request["model"]["chat_template_kwargs"], SamplingSettings(**request["settings"])
        prompts = [texts.prompt_ids(messages, keywords) for messages in request["prompts"]]
        whole = len(prompts) * settings.num_generations * settings.max_completion_length
        stream = self._stream(request["id"], texts) if request.get("stream") else None
        for row, group in enumerate(model.sample(prompts, settings, self._watch(request["id"], whole), stream)):
            found = zip(texts.decoded(group), group, strict=True)
            items = [{"text": text, "ids": ids, "clipped": model.clipped(ids)} for text, ids in found]
            self._channel.send({"id": request["id"], "row": row, "group": items})

    def _watch(self, number: int, whole: int) -> Callable[[int], None]:
        """Reports how much of a sampling is done, now and then, and breaks it off when nobody wants it any more."""
        reported = 0.0

        def watch(done: int) -> None:
            nonlocal reported
            self._look(number)
            if done == whole or time.monotonic() - reported > PROGRESS_S:
                reported = time.monotonic()
                self._channel.send({"id": number, "done": done, "whole": whole})

        return watch

    def _stream(self, number: int, texts: Texts) -> Stream:
        """Sends the texts that are being sampled, now and then."""
        sent = 0.0

        def stream(so_far: SoFar) -> None:
            nonlocal sent
            if time.monotonic() - sent > STREAM_S:
                sent = time.monotonic()
                for row, group in so_far().items():
                    found = [text.rstrip(HALF) for text in texts.decoded(group)]
                    self._channel.send({"id": number, "row": row, "so_far": found})

        return stream

    def _look(self, number: int) -> None:
        if number in self._cancelled:
            raise _Cancelled

    def _model_for(self, request: Message) -> WarmModel:
        """The model that a request names; another one is let go of first, as both may not fit."""
        choice = ModelChoice(**request["model"])
        if self._model is not None and (self._model.holds(choice) or self._model.wear(choice)):
            return self._model
        self._model, self._loading_for = None, request["id"]
        self._say("loading", choice)
        try:
            self._model = self._loaded(choice)
        except Exception:
            self._say("off")
            raise
        finally:
            self._loading_for = None
        return self._model

    def _loaded(self, choice: ModelChoice) -> WarmModel:
        from core.training.warm_model import WarmModel, forget

        forget()
        model = WarmModel(choice, self._texts_for(choice.name))
        print(f"{choice.name}: sampling is {f'left to transformers: {model.reason}' if model.reason else 'ours'}")
        return model

    def _texts_of(self, request: Message) -> Texts:
        return self._texts_for(request["model"]["name"])

    def _texts_for(self, name: str) -> Texts:
        with self._texts_lock:
            if name not in self._texts:
                self._texts[name] = Texts(name)
            return self._texts[name]

    def _say(self, state: str, choice: ModelChoice | None = None) -> None:
        name, adapter = (choice.name, choice.adapter) if choice else (None, None)
        self._channel.send({"state": state, "model": name, "adapter": adapter})


def _memory() -> Problem:
    return Problem("sampling", "there is not enough memory.", "Take a smaller model, or fewer and shorter completions.")


def main(idle_s: float) -> None:
    """Take standard output for messages alone, then answer."""
    os.nice(NICENESS)
    channel = Channel(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)

    def leave() -> None:
        # Threads of torch and of tokenizers must not keep a process alive that nobody reads.
        os._exit(0)

    SamplingWorker(sys.stdin.buffer, channel, idle_s, leave).work()
    leave()


if __name__ == "__main__":
    main(float(sys.argv[1]))
