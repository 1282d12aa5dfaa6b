"""A child process of a job: runs to its end, is killed when the job is cancelled, and is quoted when it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from core.errors import Cancelled, Problem, UserError
from core.launch import python_path

POLL_S = 0.2
QUOTED = 3  # last lines of a failed process that its error repeats
QUOTED_BYTES = 4000


class ChildCancelled(Cancelled):
    """The job does not want it any more; the process is gone."""


def run_child(command: Sequence[str | Path], where: str, mend: str, cancelled: Callable[[], bool]) -> None:
    """Run a command, with our packages to import.

    Args:
        command: program and arguments.
        where: what to call it in an error.
        mend: what to do where it fails.
        cancelled: asked now and then.

    Raises:
        UserError: it failed; its last lines are quoted.
        ChildCancelled: `cancelled` said so.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(python_path()), "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                if cancelled():
                    raise ChildCancelled
                with suppress(subprocess.TimeoutExpired):
                    process.wait(POLL_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        if process.returncode:
            size = said.seek(0, os.SEEK_END)
            said.seek(max(0, size - QUOTED_BYTES))
            lines = [line for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
            words = " ".join(lines[-QUOTED:]) or "It said nothing."
            if process.returncode == -signal.SIGKILL:
                words = "It was killed, most likely for want of memory."
            raise UserError(Problem(where, f"it failed (status {process.returncode}). {words:.600}", mend))
