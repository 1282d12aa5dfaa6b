"""Stopping and killing a run: signals to its worker, which is found by what `core.processes` knows of it."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress

import psutil

from core.errors import Problem, UserError
from core.runs import RunFolder, locked, state, worker_process, write_atomically


def stop(run: RunFolder) -> None:
    """Ask a run to finish its step, write a checkpoint and end."""
    process = _reached(run, "stop")
    with suppress(OSError):  # a full disk must not keep a run from being stopped
        write_atomically(run.stop_path, json.dumps({"attempt": run.attempt}))
    with suppress(psutil.NoSuchProcess):  # it has just ended by itself
        process.send_signal(signal.SIGTERM)


def _reached(run: RunFolder, what: str) -> psutil.Process:
    """The worker of a run, to stop or kill it; `UserError` where there is none, or none to be seen from here."""
    process = worker_process(run)
    if process is None and locked(run):
        mend = "Do it where it was started, such as in its container or on its machine."
        raise UserError(Problem(run.id, f"its worker is not to be seen from here: there is no way to {what} it.", mend))
    if process is None:
        raise UserError(Problem(run.id, f"this run is {state(run)}: there is nothing to {what}."))
    return process


def kill(run: RunFolder) -> None:
    """End a run at once, with its whole process group; it resumes from its last checkpoint."""
    process = _reached(run, "kill")
    with suppress(OSError):  # a full disk must not keep a run from being killed
        write_atomically(run.stop_path, json.dumps({"killed": run.attempt}))
    with suppress(ProcessLookupError):  # it has just ended by itself
        os.killpg(process.pid, signal.SIGKILL)
