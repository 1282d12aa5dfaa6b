"""The process behind core.sampler, seen from outside: requests in, replies out, and why it is no more.

Requests and replies are those of core.training.sampling_worker. One thread reads them and hands each to whoever asked.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Literal

from core.errors import Problem, UserError
from core.launch import ALLOCATOR, python_path

WORKER = "core.training.sampling_worker"
POLL_S = 0.1  # how long a request to cancel may go unheard
END_S = 3.0  # what a worker gets to end by itself
# Threads of libgomp spin while they wait, so beside other work they take the processor from one another: at a load of 3
# to 4 on two cores its default used four times the processor time of no spinning. Alone, no spinning is the slower one.
THREADS = {"GOMP_SPINCOUNT": "10000"}
QUOTED = 5  # last lines of a dead worker that its error repeats

Cancelled = Callable[[], bool]
Reply = dict[str, Any]


@dataclass(frozen=True)
class SamplerState:
    """What the worker is doing: `busy` is sampling; `model` is the one it holds or loads."""

    what: Literal["off", "loading", "warm", "busy"] = "off"
    model: str | None = None
    adapter: str | None = None


class EndedByItself(Exception):
    """The worker had been idle for too long, or was loading for somebody who did not want to wait."""


class SamplingProcess:
    """One process, its replies sorted by request.

    Attributes:
        state: what it is doing, as it last said.
        gone: whether it is no more.
        death: why it is no more.
    """

    def __init__(self, idle_s: float) -> None:
        self.state = SamplerState()
        self.gone = False
        self.death = Problem("sampling", "the process that samples runs.")
        self._closed = False
        self._ended_by_itself = False
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        self._process = subprocess.Popen(
            [sys.executable, "-m", WORKER, str(idle_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**ALLOCATOR, **THREADS, **os.environ, "PYTHONPATH": os.pathsep.join(python_path())},
            start_new_session=True,  # Ctrl-C ends the app, and the closed pipe then ends the worker
        )
        self._lock = threading.Lock()
        self._waiting: dict[int, queue.SimpleQueue[Reply | None]] = {}
        self._count = 0
        self._hearing = threading.Thread(target=self._hear, name="replies of the sampler", daemon=True)
        self._hearing.start()

    def ask(self, request: Reply, cancelled: Cancelled | None) -> Iterator[Reply]:
        """Replies up to the one that ends the request, or until it is cancelled.

        Raises:
            EndedByItself: the request can be put to another process.
            UserError: it cannot be answered, or the process has died.
            RuntimeError: a bug over there, with its traceback.
        """
        number, replies = self._send(request)
        ended = False
        try:
            while not ended and (reply := self._next(replies, cancelled)) is not None:
                ended = "end" in reply
                yield reply
        finally:
            with self._lock:
                self._waiting.pop(number, None)
                if not ended:  # cancelled, or whoever asked has failed: in both cases nobody reads on
                    self._write({"do": "cancel", "of": number})

    def _send(self, request: Reply) -> tuple[int, queue.SimpleQueue[Reply | None]]:
        replies: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        with self._lock:
            self._count += 1
            number = self._count
            self._waiting[number] = replies
            self._write({**request, "id": number})
            if self.gone:
                replies.put(None)
        return number, replies

    def _write(self, message: Reply) -> None:
        """Under the lock. A worker that is gone is noticed where replies are read."""
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def _next(self, replies: queue.SimpleQueue[Reply | None], cancelled: Cancelled | None) -> Reply | None:
        """The next reply; None where the request was cancelled. Whatever went wrong is raised."""
        while True:
            if cancelled is not None and cancelled():
                return None
            with suppress(queue.Empty):
                reply = replies.get(timeout=None if cancelled is None else POLL_S)
                break
        if reply is None:
            raise EndedByItself if self._ended_by_itself else UserError(self.death)
        if "problems" in reply:
            raise UserError(Problem(**problem) for problem in reply["problems"])
        if "bug" in reply:
            raise RuntimeError(f"the sampling worker failed:\n{reply['bug']}")
        return reply

    def _hear(self) -> None:
        """Hand every reply to whoever asked; at the end of the process, tell all that wait."""
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self._heard(json.loads(line))
        except ValueError:  # killed in the middle of a line
            self._process.kill()
        finally:
            self._end()

    def _heard(self, reply: Reply) -> None:
        if "state" in reply:
            self.state = SamplerState(reply["state"], reply["model"], reply["adapter"])
            return
        with self._lock:
            replies = self._waiting.get(reply["id"])
        if replies is not None:
            replies.put(reply)

    def _end(self) -> None:
        """The process is no more: keep its last words, and tell all that wait."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        status = self._process.wait()
        self.death = self._said_at_death(status)
        self._ended_by_itself = status == 0 and not self._closed
        self.state = SamplerState()
        self._process.stdout.close()
        with self._lock:
            self.gone = True
            with suppress(OSError):
                self._process.stdin.close()
            for replies in self._waiting.values():
                replies.put(None)
        self._stderr.close()

    def _said_at_death(self, status: int) -> Problem:
        """Why the process is no more, in its own last words."""
        if self._closed or status == 0:
            return Problem("sampling", "the process that samples was ended.", "Try again.")
        if status == -signal.SIGKILL:
            what = "the process that samples was killed, most likely for want of memory."
            return Problem("sampling", what, "Take a smaller model, or fewer and shorter completions.")
        what = f"the process that samples ended (status {status}). {self._last_words()}".strip()
        return Problem("sampling", what, "Try again; if it ends again, try another model.")

    def _last_words(self) -> str:
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - 4000))
        lines = self._stderr.read().decode("utf-8", "replace").splitlines()
        return "\n".join([line for line in lines if line.strip()][-QUOTED:])

    def close(self) -> None:
        """Close its input, on which it ends; kill it where it does not."""
        assert self._process.stdin is not None
        self._closed = True
        with self._lock, suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._hearing.join()
