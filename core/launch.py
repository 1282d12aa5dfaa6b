"""Starts a run's worker: a process of its own, in a group of its own, that outlives whoever started it.

Pages and commands ask core.queue, which says when; only what must not wait launches by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from core.errors import Problem, UserError
from core.extension import wants_more
from core.runs import PROJECT, RunFolder, folder_state, locked, runs_root

START_POLL_S = 0.02
WORKER = "core.training.worker"
QUOTED_BYTES = 4000  # of the log, where a worker dies before it has put itself into the folder
# glibc gives every large block back to the kernel as soon as it is free, and the next step faults it in again, page by
# page. In pages of 2 MB, where the kernel leaves that to the program, it costs little; see docs/log.md.
ALLOCATOR = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def launch(run: RunFolder) -> subprocess.Popen[bytes]:
    """Start a run's worker in the background; it goes on from the last checkpoint where there is one.

    Returns as soon as the worker has put itself into the folder, so that whoever looks next sees it running.
    """
    check_startable(run)
    before = run.attempt
    said = run.log_path.stat().st_size if run.log_path.exists() else 0
    try:
        process = _spawn(run)
    except OSError as error:
        raise UserError(Problem(run.id, f"the worker could not start: {error.strerror or error}.")) from None
    try:
        while not _works_on(run, process.pid, before):
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=START_POLL_S)
                break
    except KeyboardInterrupt:  # a worker that nobody has heard of yet must not train unseen
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if process.poll() is not None and not _works_on(run, process.pid, before):
        raise UserError(Problem(run.id, f"the worker could not start{_last_line(run, said)}.", f"See {run.log_path}."))
    return process


def check_startable(run: RunFolder) -> None:
    """`UserError` where a run has nothing left to do, is at work, or is gone."""
    if not run.spec_path.exists():
        raise UserError(Problem(run.id, "its folder is gone, or was never a run.", "Start a new run."))
    now = folder_state(run)
    if now == "running" or locked(run):
        raise UserError(Problem(run.id, "this run is running already.", "Stop it first, or watch it."))
    if now == "finished" and not wants_more(run):
        raise UserError(
            Problem(run.id, "this run is finished already.", "Extend it by more steps, or start a new run.")
        )


def launch_and_leave(run: RunFolder) -> None:
    """Start a worker that nobody here waits for; once it has ended it leaves no process behind."""
    process = launch(run)
    threading.Thread(target=process.wait, name=f"end of {run.id}", daemon=True).start()


def python_path() -> list[str]:
    """The worker is started with -m from any working folder, so it must find the project's packages."""
    inherited = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", str(PROJECT))]
    return [str(PROJECT), *inherited]


def environment() -> dict[str, str]:
    """Of a worker, and of what it starts."""
    own = {"PYTHONPATH": os.pathsep.join(python_path()), "PYTHONUNBUFFERED": "1", "SIGNALBOX_RUNS": str(runs_root())}
    return {**ALLOCATOR, **os.environ, **own}


def _spawn(run: RunFolder) -> subprocess.Popen[bytes]:
    with run.log_path.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", WORKER, str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
        )


def _last_line(run: RunFolder, start: int) -> str:
    """What a worker printed last, from where the log ended before it, to put behind words; empty where nothing."""
    with run.log_path.open("rb") as log:
        log.seek(start)
        lines = log.read()[-QUOTED_BYTES:].decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1].rstrip('.'):.300}" if lines else ""


def _works_on(run: RunFolder, pid: int, before: int) -> bool:
    """Whether a process has put itself into the folder; a pid comes again, so an attempt before it is another's."""
    worker = run.worker()
    return worker is not None and worker.pid == pid and worker.attempt > before
