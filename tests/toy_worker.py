"""Stands in for a worker in tests of whoever starts workers: `python -m toy_worker RUN_FOLDER` records itself, waits.

It ends as `stopped` at SIGTERM; where the run is called `quick` it ends as `finished` at once. Its attendant, which
`python -m toy_worker RUN_FOLDER attend` is, is core.queue's, but for the workers that it starts: toys again.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from core import launch, queue
from core.runs import Exit, RunFolder, record_worker, write_exit


def main(path: str) -> None:
    """Be the worker of a run."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    run = RunFolder(Path(path))
    with run.lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        worker = record_worker(run, os.getpid())
        subprocess.Popen([sys.executable, "-m", "toy_worker", path, "attend"], start_new_session=True)
        quick = run.spec().name == "quick"
        if not quick:
            signal.sigwait({signal.SIGTERM})
        reason = "finished" if quick else "stopped"
        write_exit(run, Exit(reason, "As told.", 1, attempt=worker.attempt))


def attend(path: str) -> None:
    """Be its attendant."""
    launch.WORKER = "toy_worker"
    queue.main(path)


if __name__ == "__main__":
    (attend if sys.argv[2:] else main)(sys.argv[1])
