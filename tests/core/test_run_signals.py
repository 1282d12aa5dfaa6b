import fcntl
import os
import signal

import psutil
import pytest
from toys import bare_spec

from core.errors import UserError
from core.run_signals import kill, stop
from core.runs import create_run, record_worker


@pytest.fixture
def run(tmp_path):
    return create_run(bare_spec(), tmp_path / "a-run")


def test_stop_asks_politely(run, worker):
    record_worker(run, worker.pid)
    stop(run)
    assert worker.wait(timeout=10) == -signal.SIGTERM


def test_kill_does_not_ask(run, worker):
    record_worker(run, worker.pid)
    kill(run)
    assert worker.wait(timeout=10) == -signal.SIGKILL


def test_a_full_disk_does_not_keep_it_from_being_stopped(run, worker, monkeypatch):
    record_worker(run, worker.pid)

    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.run_signals.write_atomically", full)
    stop(run)
    assert worker.wait(timeout=10) == -signal.SIGTERM


@pytest.mark.parametrize("action", [stop, kill])
def test_there_is_nothing_to_end_in_a_run_that_does_not_run(run, action):
    with pytest.raises(UserError, match="created: there is nothing"):
        action(run)


@pytest.mark.parametrize(("action", "word"), [(stop, "stop"), (kill, "kill")])
def test_a_worker_that_is_not_to_be_seen_from_here_is_no_run_that_does_not_run(run, action, word):
    with run.lock_path.open("w") as lock:  # as a worker holds it in another container
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match=f"its worker is not to be seen from here: there is no way to {word} it"):
            action(run)


@pytest.mark.parametrize("action", [stop, kill])
def test_a_worker_that_ends_between_look_and_signal_is_no_error(run, worker, action, monkeypatch):
    record_worker(run, worker.pid)

    def gone(*_):
        raise ProcessLookupError

    monkeypatch.setattr(os, "killpg", gone)
    monkeypatch.setattr("psutil.Process.send_signal", lambda *_: (_ for _ in ()).throw(psutil.NoSuchProcess(0)))
    action(run)
