"""The caller's side of the fork server: starts it, hands it jobs, and replaces it where it has died or hangs."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from core.sandbox.filters import filters

SERVER = Path(__file__).parent / "jail" / "server.py"
# Nothing of the user's gets in: no site packages, no folder of the caller's, no variables but one. Sets of texts come
# in the same order in every server, so that the same program does the same.
FLAGS = ("-P", "-s", "-S", "-B", "-X", "utf8")
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
# Threads of a user that may run beside those of a program: a limit counts all of a user's, and they come and go. Root
# is given up for a user who has none. What keeps programs from starting processes is the filter, not this limit.
OTHERS = 1024
START_S = 20.0  # that a server may take to start, on a busy machine
GRACE_S = 5.0  # beyond a job's own time, after which the server itself hangs
SERVERS = max(1, os.cpu_count() or 1)


WEAK = "SIGNALBOX_WEAK_SANDBOX"  # set to 1, programs run where no filter of system calls keeps them in


class SandboxError(Exception):
    """Nothing is known about the program: it could not be started, or the sandbox broke."""


@dataclass(frozen=True)
class Wanted:
    """Layers to use where this machine has them (tests leave some out), and whether to do without a filter at all."""

    seccomp: bool = True
    landlock: bool = True
    weak: bool = False


class Server:
    """One fork server: one job at a time.

    Attributes:
        layers: which layers it found to hold: "user" (not root), "landlock", "seccomp".
    """

    def __init__(self, wanted: Wanted) -> None:
        ours, theirs = socket.socketpair()
        both = filters() if wanted.seccomp else (b"", b"")
        settings = {
            "filter": both[0].hex(),
            "child_filter": both[1].hex(),
            "landlock": wanted.landlock,
            "others": 0 if os.getuid() == 0 else OTHERS,
        }
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, *FLAGS, str(SERVER), str(theirs.fileno()), json.dumps(settings)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    env=ENVIRONMENT,
                    start_new_session=True,
                    pass_fds=(theirs.fileno(),),
                )
            except OSError as error:
                ours.close()
                raise SandboxError(f"the sandbox cannot be started: {error}") from error
        self._socket = ours
        ours.settimeout(START_S)
        try:
            self.layers: dict[str, bool] = self._answer("start")
        except BaseException:
            self.close()
            raise
        on_space = bool(os.environ.get("SPACE_ID"))  # which strangers use: nobody may say so there
        said_so = os.environ.get(WEAK) == "1" and not on_space
        if not (self.layers["seccomp"] or wanted.weak or said_so):
            self.close()
            raise SandboxError(
                "this system cannot filter the system calls of a program, so it could read files and use the network; "
                f"set {WEAK}=1 to run programs nevertheless, on your own machine only"
            )

    def run(self, job: Mapping[str, Any], files: Mapping[str, IO[bytes]]) -> dict[str, Any]:
        """Hand over a job and wait for how it ended.

        Raises:
            SandboxError: the server died or hangs, or could not start the job. It is ended in the first two cases.
        """
        message = json.dumps({**job, "files": list(files)}).encode()
        self._socket.settimeout(job["wall_s"] + GRACE_S)
        try:
            socket.send_fds(self._socket, [message], [file.fileno() for file in files.values()])
        except OSError as error:
            self.close()
            raise SandboxError(f"the sandbox has ended: {error}") from error
        answer = self._answer("answer")
        if "error" in answer:
            raise SandboxError(f"the program could not be started: {answer['error']}")
        return answer

    def close(self) -> None:
        """End it, and with it whatever it runs."""
        self._socket.close()
        if self._process.returncode is None:  # else its number may be another's
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()

    @property
    def alive(self) -> bool:
        """Whether it can take a job."""
        return self._process.returncode is None and self._process.poll() is None

    def _answer(self, what: str) -> dict[str, Any]:
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            data = b""
        if data:
            answer: dict[str, Any] = json.loads(data)
            return answer
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        said = self._process.stderr.read().decode("utf-8", "replace").strip() if self._process.stderr else ""
        self.close()
        raise SandboxError(f"the sandbox did not {what}: {said.rpartition(chr(10))[2] or 'no reason given'}")


class Pool:
    """Servers that are kept for the next job, one for each caller at a time."""

    def __init__(self, wanted: Wanted = Wanted()) -> None:
        self._wanted = wanted
        self._idle: queue.SimpleQueue[Server] = queue.SimpleQueue()
        self._owner = os.getpid()

    @contextlib.contextmanager
    def server(self) -> Iterator[Server]:
        """A server to give one job to."""
        if os.getpid() != self._owner:  # a fork of the process that started them: they are not its own
            self._idle, self._owner = queue.SimpleQueue(), os.getpid()
        server = self._taken() or Server(self._wanted)
        try:
            yield server
        except SandboxError:  # it has answered, or is closed already
            self._give_back(server)
            raise
        except BaseException:  # a job may be under way, whose answer would be taken for that of the next
            server.close()
            raise
        self._give_back(server)

    def _give_back(self, server: Server) -> None:
        if server.alive and self._idle.qsize() < SERVERS:
            self._idle.put(server)
        else:
            server.close()

    def _taken(self) -> Server | None:
        while True:
            try:
                server = self._idle.get_nowait()
            except queue.Empty:
                return None
            if server.alive:
                return server
            server.close()

    def close(self) -> None:
        """End all idle servers; those of a process that this one is a fork of are not its own."""
        while os.getpid() == self._owner and (server := self._taken()) is not None:
            server.close()


def file_of(content: bytes = b"") -> IO[bytes]:
    """A file in memory that no other process finds; an unlinked one on disk where the system has none in memory."""
    try:
        file: IO[bytes] = _in_memory() if hasattr(os, "memfd_create") else tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        file.seek(0)
        return file
    except OSError as error:
        raise SandboxError(f"no temporary file for the program: {error}") from error


def _in_memory() -> IO[bytes]:
    return os.fdopen(os.memfd_create("signalbox"), "w+b", 0)


def tail(file: IO[bytes], size: int) -> str:
    """The end of what a program wrote, as text."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - size))
    return file.read(size).decode("utf-8", "replace")


POOL = Pool()
atexit.register(POOL.close)
