"""Workers of tests come from a process that has torch and TRL imported already: most of what a toy run costs.

They are forked from it, each in a session of its own as `core.launch` has them, and run the worker's module as its
command does. What they inherit beside the imports is the seed of hashes: where a test asks whether another process does
the same, it starts a worker by the command (`core.launch._spawn`).
"""

import atexit
import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

from core import launch
from core.runs import RunFolder

TESTS = Path(__file__).parent
PRELOADED = ["core.training.trainer", "core.training.worker"]


class Forked:
    """As much of `subprocess.Popen` as `core.launch` and the tests use."""

    def __init__(self, process):
        self._process = process
        self.pid = process.pid

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(launch.WORKER, timeout)
        return self._process.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)


def context():
    """Where workers are forked; its server starts with the first, and imports what all need."""
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(PRELOADED)
    return forks


def spawn(run: RunFolder) -> Forked:
    """In the place of `core.launch._spawn`."""
    process = context().Process(target=work, args=(launch.WORKER, str(run.path), launch.environment()))
    process.start()
    return Forked(process)


def work(module: str, path: str, environment: dict[str, str]) -> None:
    """What `python -m module path` does in that environment, from a forked process on."""
    os.setsid()
    log = os.open(RunFolder(Path(path)).log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(log, stream)
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    sys.argv = [module, path]
    importlib.invalidate_caches()
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
