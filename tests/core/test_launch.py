"""Starting a worker: at once, or never."""

import json
import os
import shutil
import sys
import threading

import psutil
import pytest
from toys import bare_spec, end_run, write_steps

from core import launch as launching
from core.errors import UserError
from core.extension import extend
from core.launch import PROJECT, check_startable, launch, launch_and_leave, python_path
from core.runs import create_run, record_worker, state, write_atomically


@pytest.fixture
def run(tmp_path):
    return create_run(bare_spec(), tmp_path / "a-run")


class TestLaunch:
    def test_a_worker_that_cannot_start_is_said_in_words(self, run, monkeypatch):
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(UserError, match=r"could not start.*worker\.log"):
            launch(run)

    def test_what_it_said_last_is_quoted_and_what_an_earlier_one_said_is_not(self, run, monkeypatch):
        run.log_path.write_text("an earlier worker's last words\n")
        monkeypatch.setattr(launching, "WORKER", "no_such_module")
        with pytest.raises(UserError, match=r"could not start: .*No module named '?no_such_module'?"):
            launch(run)

    def test_a_pid_that_was_an_earlier_workers_is_not_taken_for_the_new_one(self, run, monkeypatch):
        """As in a container, where pids begin anew; here the new worker ends before it has written anything."""
        earlier = vars(record_worker(run, os.getpid()))
        spawn = launching._spawn

        def spawned(run):
            process = spawn(run)
            write_atomically(run.process_path, json.dumps({**earlier, "pid": process.pid}))
            return process

        end_run(run, "stopped")
        monkeypatch.setattr(launching, "_spawn", spawned)
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(UserError, match="could not start"):
            launch(run)

    def test_a_worker_that_nobody_waits_for_leaves_no_process_behind(self, run):
        launch_and_leave(run)  # its data is not there, so it ends at once
        waiting = next(thread for thread in threading.enumerate() if thread.name == f"end of {run.id}")
        waiting.join(60)
        assert state(run) == "failed"
        assert [child for child in psutil.Process().children() if child.status() == psutil.STATUS_ZOMBIE] == []

    def test_a_finished_run_is_not_started_again(self, run):
        end_run(run, "finished")
        with pytest.raises(UserError, match="finished already"):
            launch(run)

    @pytest.mark.parametrize("reason", ["stopped", "failed", "lost"])
    def test_every_other_ending_can_be_gone_on_from(self, run, reason):
        check_startable(end_run(run, reason))

    def test_a_finished_run_with_more_steps_is(self, run):
        extend(end_run(write_steps(run, range(1, 7)), "finished", 6), 2)
        check_startable(run)

    def test_a_folder_that_is_gone_is_said_in_words(self, run):
        shutil.rmtree(run.path)
        with pytest.raises(UserError, match="its folder is gone"):
            launch(run)
        assert not run.path.exists()


def test_a_worker_that_starts_a_worker_does_not_lengthen_its_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", f"{PROJECT}:/elsewhere")
    assert python_path() == [str(PROJECT), "/elsewhere"]
