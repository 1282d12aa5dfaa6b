"""Runs on disk: what a folder says about a run, whoever asks."""

import fcntl
import json
import os
import shutil
import time

import pytest

from core.errors import UserError
from core.runs import (
    Exit,
    RunFolder,
    all_runs,
    create_run,
    find_run,
    record_worker,
    runs_root,
    state,
    stop_requested,
    worker_process,
    write_atomically,
    write_exit,
)
from core.spec import parse_spec

SPEC = parse_spec({"name": "toy", "data": {"path": "rows.jsonl"}, "rewards": {"default": [{"name": "length"}]}}, "toy")


@pytest.fixture
def run(tmp_path):
    return create_run(SPEC, tmp_path / "a-run")


class TestCreate:
    def test_a_run_keeps_the_spec_it_was_started_with(self, run):
        assert run.spec() == SPEC

    def test_a_folder_that_exists_is_never_written_over(self, run):
        with pytest.raises(UserError, match=r"exists already.*resume"):
            create_run(SPEC, run.path)

    def test_a_folder_that_cannot_be_made_is_said_in_words(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="cannot be made: Not a directory"):
            create_run(SPEC, tmp_path / "file" / "run")

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

    def test_a_clock_that_is_put_forward_changes_nothing(self, run, worker):
        record_worker(run, worker.pid)
        recorded = json.loads(run.process_path.read_text())
        run.process_path.write_text(json.dumps({**recorded, "started": recorded["started"] - 3600}))
        assert state(run) == "running"

    def test_a_reused_pid_is_another_process(self, run, worker):
        record_worker(run, worker.pid)
        recorded = json.loads(run.process_path.read_text())
        run.process_path.write_text(json.dumps({**recorded, "ticks": recorded["ticks"] - 1}))
        assert worker_process(run) is None

    def test_a_worker_that_an_earlier_version_wrote_down_is_found_by_its_start_time(self, run, worker):
        record_worker(run, worker.pid)
        recorded = json.loads(run.process_path.read_text())
        run.process_path.write_text(json.dumps({name: recorded[name] for name in ("pid", "started", "attempt")}))
        assert state(run) == "running"

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

    def test_a_lost_run_is_lost_where_nothing_can_be_written(self, run, worker, monkeypatch):
        record_worker(run, worker.pid)
        worker.kill()
        worker.wait()

        def full(path, text):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("core.runs.write_atomically", full)
        assert state(run) == "lost"
        assert not run.exit_path.exists()

    def test_a_run_that_could_not_start_is_failed_without_ever_having_had_a_worker(self, run):
        write_exit(run, Exit("failed", "the worker could not start", 0))
        assert state(run) == "failed"

    @pytest.mark.parametrize("name", ["worker.json", "exit.json", "stop.json"])
    @pytest.mark.parametrize("text", ["", "{", "[]"])
    def test_a_file_that_somebody_broke_is_as_if_it_were_not_there(self, run, worker, name, text):
        record_worker(run, worker.pid)
        (run.path / name).write_text(text)
        assert state(run) == ("created" if name == "worker.json" else "running")
        assert not stop_requested(run)

    def test_corrupt_metrics_do_not_hide_what_state_a_run_is_in(self, run, worker):
        record_worker(run, worker.pid)
        worker.kill()
        worker.wait()
        run.metrics_path.write_text('{"split": "train", "step": 7}\n{"split": "train", "st\n')
        assert state(run) == "lost"
        assert run.exit().step == 7


class TestFinding:
    def test_the_newest_is_first_even_where_the_clock_was_put_back(self, monkeypatch):
        ahead = time.time_ns() + 3600 * 10**9
        with monkeypatch.context() as forward:
            forward.setattr("core.runs.time.time_ns", lambda: ahead)
            first = create_run(SPEC)
        second = create_run(SPEC, runs_root() / "second")
        third = create_run(SPEC, runs_root() / "a-third")
        assert [run.id for run in all_runs()] == [third.id, second.id, first.id]

    def test_a_run_is_found_by_its_id(self):
        run = create_run(SPEC)
        assert find_run(run.id) == run

    def test_a_run_whose_folder_was_deleted_is_said_to_be_none(self):
        run, other = create_run(SPEC, runs_root() / "one"), create_run(SPEC, runs_root() / "another")
        shutil.rmtree(run.path)
        with pytest.raises(UserError, match=r"there is no run 'one'"):
            find_run("one")
        assert all_runs() == [other]


class TestFiles:
    def test_what_cannot_be_written_leaves_the_old_file_and_no_scratch(self, tmp_path, monkeypatch):
        path = tmp_path / "file.json"
        write_atomically(path, "old")

        def full(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("core.runs.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            write_atomically(path, "new")
        assert path.read_text() == "old"
        assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["file.json"]

    def test_whole_checkpoints_come_in_the_order_of_their_steps(self, run):
        for step in (100, 20, 3):
            (run.checkpoints / f"checkpoint-{step}").mkdir(parents=True)
            (run.checkpoints / f"checkpoint-{step}" / "complete.json").touch()
        (run.checkpoints / "checkpoint-200").mkdir()
        assert [folder.name for folder in run.whole_checkpoints()] == [
            "checkpoint-3",
            "checkpoint-20",
            "checkpoint-100",
        ]


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
