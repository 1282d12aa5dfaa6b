"""The app as its own command serves it, and the end of what it has started."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from core.run_signals import kill
from core.runs import RunFolder, worker_process

PROJECT = Path(__file__).parents[1]


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def serve(home, port):
    """The app on a port, its runs in a folder; its process and its address, once it answers."""
    environment = {**os.environ, "SIGNALBOX_RUNS": str(home / "runs"), "SIGNALBOX_CACHE": str(home / "cache")}
    with (home / "app.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, str(PROJECT / "app.py"), "--port", str(port)],
            cwd=home,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return server, answering(f"http://127.0.0.1:{port}/", server)


def end_runs(served):
    """No run is alive or waits after this."""
    (served / "runs" / "queue.json").unlink(missing_ok=True)  # or the end of one run would be the start of the next
    for run in map(RunFolder, (served / "runs").glob("2*")):
        if worker_process(run):
            kill(run)


def answering(url, server, patience_s=60):
    """The address once the page answers."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=patience_s).close()
        except OSError:
            continue
        return url
    raise AssertionError("the app did not come up")
