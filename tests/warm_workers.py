"""Workers of tests come from a process that has torch and TRL imported already: most of what a toy run costs.

They are forked from it, each in a session of its own as `core.launch` has them, and run the worker's module as its
command does. They inherit the seed of hashes, though, which every process by command has anew: where a test asks
whether another process does the same, it starts workers by the command (the mark `by_command`).
"""

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from multiprocessing import forkserver
from pathlib import Path
from unittest.mock import patch

import numpy as np

from core import launch
from core.runs import PROJECT, RunFolder

TESTS = Path(__file__).parent
PRELOADED = ["core.training.trainer", "core.training.recorder", "core.training.engine", "core.check"]


class Forked:
    """As much of `subprocess.Popen` as `core.launch` and the tests use."""

    def __init__(self, process):
        self._process, self._asking = process, threading.Lock()
        self.pid = process.pid

    def poll(self):
        """Its exit status, None while it works. Whoever asks first reads it from a pipe, where it is found once."""
        with self._asking:
            return self._process.exitcode

    def wait(self, timeout=None):
        multiprocessing.connection.wait([self._process.sentinel], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(launch.WORKER, timeout)
        return status

    @property
    def returncode(self):
        return self.poll()

    def send_signal(self, number):
        os.kill(self.pid, number)

    def end(self):
        """Kill it and its processes, where it is still alive."""
        if self.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()


def server():
    """The process that is forked from, started with the first: it finds what it imports from its working folder."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(PRELOADED)
    with contextlib.chdir(PROJECT), patch.dict(os.environ, launch.ALLOCATOR):
        forkserver.ensure_running()
    return forks


def spawn(run: RunFolder) -> Forked:
    """In the place of `core.launch._spawn`."""
    process = server().Process(target=work, args=(launch.WORKER, str(run.path), launch.environment()))
    process.start()
    return Forked(process)


def work(module: str, path: str, environment: dict[str, str]) -> None:
    """What `python -m module path` does in that environment, from a forked process on."""
    os.setsid()
    log = os.open(RunFolder(Path(path)).log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
    assert "trl" in sys.modules, "the server of forks has imported nothing"
    np.random.seed()  # which would be the server's in every fork
    os.environ.clear()
    os.environ.update(environment)
    known = environment["PYTHONPATH"].split(os.pathsep)
    sys.path[:] = [*known, *(folder for folder in sys.path if folder not in ("", str(TESTS)))]
    sys.argv = [module, path]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
