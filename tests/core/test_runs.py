"""Runs on disk: what a folder says about a run, whoever asks."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from core.errors import UserError
from core.runs import (
    Exit,
    RunFolder,
    all_runs,
    create_run,
    kill,
    launch,
    launch_and_leave,
    record_worker,
    runs_root,
    state,
    stop,
    worker_process,
    write_exit,
)
from core.spec import parse_spec

SPEC = parse_spec({"name": "toy", "data": {"path": "rows.jsonl"}, "rewards": {"default": [{"name": "length"}]}}, "toy")


@pytest.fixture
def run(tmp_path):
    return create_run(SPEC, tmp_path / "a-run")


@pytest.fixture
def worker():
    """A process that stands in for a worker: it sleeps in a group of its own until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"],
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


class TestCreate:
    def test_a_run_keeps_the_spec_it_was_started_with(self, run):
        assert run.spec() == SPEC

    def test_a_folder_that_exists_is_never_written_over(self, run):
        with pytest.raises(UserError, match=r"exists already.*resume"):
            create_run(SPEC, run.path)

    def test_two_runs_of_one_second_get_two_folders(self):
        first, second = create_run(SPEC), create_run(SPEC)
        assert first.path != second.path
        assert {first.path.parent, second.path.parent} == {runs_root()}
        assert {found.path for found in all_runs()} == {first.path, second.path}

    def test_a_folder_without_a_spec_is_no_run(self, tmp_path):
        with pytest.raises(UserError, match="no run folder"):
            RunFolder(tmp_path).spec()


class TestState:
    def test_a_live_recorded_process_is_running(self, run, worker):
        record_worker(run, worker.pid)
        assert state(run) == "running"

    def test_a_worker_that_vanished_is_lost_and_the_folder_says_so(self, run, worker):
        record_worker(run, worker.pid)
        worker.kill()
        worker.wait()
        assert state(run) == "lost"
        assert json.loads(run.exit_path.read_text())["reason"] == "lost"

    def test_a_zombie_is_not_running(self, run, worker):
        record_worker(run, worker.pid)
        worker.kill()
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet reaped
        assert state(run) == "lost"

    def test_a_reused_pid_is_another_process(self, run, worker):
        record_worker(run, worker.pid)
        recorded = json.loads(run.process_path.read_text())
        run.process_path.write_text(json.dumps({**recorded, "started": recorded["started"] - 100}))
        assert worker_process(run) is None

    def test_a_run_that_was_never_started_is_created_and_not_lost(self, run):
        assert state(run) == "created"
        assert not run.exit_path.exists()

    def test_an_ending_is_known_after_its_process_is_gone(self, run, worker):
        attempt = record_worker(run, worker.pid).attempt
        write_exit(run, Exit("finished", "All 3 steps done.", 3, attempt=attempt))
        worker.kill()
        worker.wait()
        assert state(run) == "finished"

    def test_the_ending_of_an_earlier_attempt_says_nothing_about_the_next(self, run, worker):
        first = record_worker(run, worker.pid)
        write_exit(run, Exit("stopped", "Stopped on request.", 3, attempt=first.attempt))
        assert state(run) == "stopped"
        assert record_worker(run, worker.pid).attempt == 2
        assert state(run) == "running"

    def test_a_worker_that_holds_the_lock_is_running_even_where_its_pid_is_not_to_be_seen(self, run, worker):
        record_worker(run, worker.pid)
        worker.kill()
        worker.wait()
        with run.lock_path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert state(run) == "running"
        assert state(run) == "lost"

    def test_no_scratch_files_stay_behind(self, run):
        write_exit(run, Exit("lost", "gone", 0))
        assert sorted(path.name for path in run.path.iterdir()) == ["exit.json", "spec.yaml"]


class TestRecords:
    def test_a_torn_last_line_is_left_for_the_next_read(self, run):
        run.metrics_path.write_bytes(b'{"step": 1}\n{"step": 2')
        assert run.records() == [{"step": 1}]
        with run.metrics_path.open("ab") as file:
            file.write(b"}\n")
        assert run.records() == [{"step": 1}, {"step": 2}]

    def test_a_run_without_metrics_has_no_records(self, run):
        assert run.records() == []
        assert run.last_step() == 0


class TestLaunch:
    def test_a_worker_that_cannot_start_is_said_in_words(self, run, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(UserError, match=r"could not start.*worker\.log"):
            launch(run)

    def test_a_worker_that_nobody_waits_for_leaves_no_process_behind(self, run):
        launch_and_leave(run)  # its data is not there, so it ends at once
        waiting = next(thread for thread in threading.enumerate() if thread.name == f"end of {run.id}")
        waiting.join(60)
        assert state(run) == "failed"
        assert [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE] == []

    def test_a_finished_run_is_not_started_again(self, run, worker):
        attempt = record_worker(run, worker.pid).attempt
        write_exit(run, Exit("finished", "All 3 steps done.", 3, attempt=attempt))
        with pytest.raises(UserError, match="finished already"):
            launch(run)


class TestStop:
    def test_stop_asks_politely(self, run, worker):
        record_worker(run, worker.pid)
        stop(run)
        assert worker.wait(timeout=10) == -signal.SIGTERM

    def test_kill_does_not_ask(self, run, worker):
        record_worker(run, worker.pid)
        kill(run)
        assert worker.wait(timeout=10) == -signal.SIGKILL

    @pytest.mark.parametrize("action", [stop, kill])
    def test_there_is_nothing_to_end_in_a_run_that_does_not_run(self, run, action):
        with pytest.raises(UserError, match="created: there is nothing"):
            action(run)
