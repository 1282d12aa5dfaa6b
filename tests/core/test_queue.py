"""The queue of runs, with workers that only wait to be ended."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest
from toys import bare_spec, end_run

from core import queue as module
from core.errors import UserError
from core.queue import (
    Queue,
    cancel,
    enqueue,
    move,
    place,
    read_queue,
    set_at_once,
    start_next,
    start_next_in_background,
)
from core.run_signals import kill, stop
from core.runs import create_run, runs_root, state

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def workers(monkeypatch, tmp_path):
    """Runs are worked on by the toy; none outlives its test."""
    monkeypatch.setattr("core.launch.WORKER", "toy_worker")
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    yield
    (runs_root() / "queue.json").unlink(missing_ok=True)
    for folder in runs_root().glob("*/worker.json"):
        worker = json.loads(folder.read_text())
        if psutil.pid_exists(worker["pid"]) and worker["pid"] != 1:
            os.killpg(worker["pid"], signal.SIGKILL)


def new_run(name="toy"):
    return create_run(bare_spec(name))


@pytest.fixture
def at_work():
    """A run that works."""
    run = new_run()
    enqueue(run)
    return run


def states(*runs):
    return [state(run) for run in runs]


def write_queue(*runs, at_once=1):
    """As if these had been put in, and nobody had noticed yet."""
    (runs_root() / "queue.json").write_text(
        json.dumps({"at_once": at_once, "runs": [run.id for run in runs], "notes": []})
    )


def wait_until(condition):
    """Looks again and again; fails after a while."""
    ticking = threading.Event()
    for _ in range(600):
        if condition():
            return
        ticking.wait(0.05)
    raise AssertionError("it did not come to pass")


class TestOrder:
    def test_a_run_starts_at_once_where_none_works(self, at_work):
        assert state(at_work) == "running"
        assert read_queue() == Queue()

    def test_the_next_waits_and_says_so(self, at_work):
        run = new_run()
        enqueue(run)
        assert (state(run), place(run), run.worker()) == ("queued", 1, None)

    def test_putting_a_run_in_twice_is_putting_it_in_once(self, at_work):
        run = new_run()
        enqueue(run)
        enqueue(run)
        assert read_queue().runs == (run.id,)

    @pytest.mark.parametrize(
        ("to", "order"),
        [(1, [2, 0, 1, 3]), (2, [0, 2, 1, 3]), (4, [0, 1, 3, 2]), (99, [0, 1, 3, 2]), (-1, [2, 0, 1, 3])],
    )
    def test_a_waiting_run_is_put_at_another_place(self, at_work, to, order):
        runs = [new_run() for _ in range(4)]
        for run in runs:
            enqueue(run)
        move(runs[2], to)
        assert read_queue().runs == tuple(runs[n].id for n in order)

    def test_a_run_that_has_had_its_turn_and_could_not_be_taken_out_is_not_started_again(self):
        run = new_run("quick")
        enqueue(run)
        wait_until(lambda: state(run) == "finished")
        document = {"at_once": 1, "runs": [run.id], "notes": [], "attempts": {run.id: 0}}
        (runs_root() / "queue.json").write_text(json.dumps(document))
        assert start_next() == []
        assert read_queue().runs == ()
        assert run.worker().attempt == 1

    def test_a_cancelled_run_is_what_it_was_before(self, at_work):
        created, stopped = new_run(), end_run(new_run())
        for run in (created, stopped):
            enqueue(run)
        assert states(created, stopped) == ["queued", "queued"]
        for run in (created, stopped):
            cancel(run)
        assert states(created, stopped) == ["created", "stopped"]

    @pytest.mark.parametrize("action", [cancel, lambda run: move(run, 1)], ids=["cancel", "move"])
    def test_what_does_not_wait_is_neither_cancelled_nor_moved(self, at_work, action):
        with pytest.raises(UserError, match="it is running, not queued"):
            action(at_work)

    def test_a_run_that_works_is_not_put_in(self, at_work):
        with pytest.raises(UserError, match="running already"):
            enqueue(at_work)

    def test_a_run_elsewhere_is_not_seen_by_the_queue(self, tmp_path):
        with pytest.raises(UserError, match="it lies in"):
            enqueue(create_run(bare_spec(), tmp_path / "elsewhere"))

    def test_a_file_that_is_no_queue_is_named_and_hides_no_runs(self, at_work):
        (runs_root() / "queue.json").write_text("{")
        assert state(at_work) == "running"
        with pytest.raises(UserError, match=r"queue\.json: this is no queue"):
            start_next()


class TestPlaces:
    def test_as_many_as_are_allowed_work_at_once(self, at_work):
        second, third = new_run(), new_run()
        enqueue(second)
        enqueue(third)
        set_at_once(2)
        assert states(at_work, second, third) == ["running", "running", "queued"]

    def test_none_at_once_is_refused(self):
        with pytest.raises(UserError, match="above 0"):
            set_at_once(0)

    def test_it_is_all_on_disk(self, at_work):
        run = new_run()
        enqueue(run)
        script = "from core.queue import read_queue; print(*read_queue().runs)"
        found = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=TESTS.parent
        )
        assert found.stdout.split() == [run.id]


class TestNext:
    @pytest.mark.parametrize("end", [stop, kill], ids=["stopped", "killed"])
    def test_the_attendant_of_a_run_that_ended_starts_the_next(self, at_work, end):
        first, second = new_run(), new_run()
        enqueue(first)
        enqueue(second)
        end(at_work)
        wait_until(lambda: state(first) == "running")
        assert state(second) == "queued"
        end(first)
        wait_until(lambda: (state(second), read_queue().runs) == ("running", ()))

    def test_a_row_of_runs_goes_through_without_anybody_looking(self, at_work):
        runs = [new_run("quick") for _ in range(3)]
        for run in runs:
            enqueue(run)
        stop(at_work)
        wait_until(lambda: states(*runs) == ["finished"] * 3)
        began = [ticks(run) for run in runs]
        assert began == sorted(began)

    def test_after_a_restart_of_the_machine_whoever_looks_first_starts_the_head(self):
        worked, waits = end_run(new_run()), new_run()
        worked.exit_path.unlink()  # the power went while it worked
        write_queue(waits)
        assert start_next() == [waits]
        assert states(worked, waits) == ["lost", "running"]

    def test_of_many_who_notice_at_once_one_starts_each_run_once(self):
        runs = [new_run() for _ in range(3)]
        write_queue(*runs, at_once=2)
        script = "from core import launch, queue; launch.WORKER = 'toy_worker'; print(len(queue.start_next()))"
        asking = [
            subprocess.Popen([sys.executable, "-c", script], cwd=TESTS.parent, stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        threads = [threading.Thread(target=start_next) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(process.wait(60) == 0 for process in asking)
        for process in asking:
            process.stdout.close()
        wait_until(lambda: states(*runs) == ["running", "running", "queued"])
        assert [run.worker().attempt for run in runs[:2]] == [1, 1]
        assert runs[0].log_path.read_text() == runs[1].log_path.read_text() == ""

    def test_a_start_whose_starter_died_is_not_made_twice(self, at_work):
        write_queue(at_work, at_once=9)
        start_next()
        assert (state(at_work), at_work.worker().attempt, read_queue().runs) == ("running", 1, ())
        assert read_queue().notes == ()

    def test_a_poll_starts_it_in_the_background(self):
        run = new_run()
        write_queue(run)
        start_next_in_background()
        wait_until(lambda: state(run) == "running")
        for thread in threading.enumerate():
            if thread.name == "start of the next run":
                thread.join()  # or it would look at the runs of the next test


class TestFailures:
    def test_a_run_that_cannot_start_says_why_and_the_one_behind_it_starts(self, at_work):
        broken, whole = new_run(), new_run()
        enqueue(broken)
        enqueue(whole)
        broken.log_path.mkdir()  # so that its worker has nowhere to write
        stop(at_work)
        wait_until(lambda: state(whole) == "running")
        assert state(broken) == "failed"
        assert "the worker could not start" in broken.exit().message
        assert broken.id in read_queue().notes[0]

    def test_a_run_whose_folder_was_deleted_is_left_out_and_noted(self, at_work):
        gone, whole = new_run(), new_run()
        enqueue(gone)
        enqueue(whole)
        shutil.rmtree(gone.path)
        set_at_once(2)
        assert state(whole) == "running"
        assert not gone.path.exists()
        assert read_queue().notes == (f"{gone.id}: its folder is gone, or was never a run. Start a new run.",)

    def test_a_bug_at_the_head_holds_up_nobody(self, at_work, monkeypatch):
        broken, whole = new_run(), new_run()
        for run in (broken, whole):
            enqueue(run)
        launch = module.launch_and_leave

        def buggy(run):
            if run.id == broken.id:
                raise KeyError("x")
            launch(run)

        monkeypatch.setattr(module, "launch_and_leave", buggy)
        set_at_once(2)
        assert states(broken, whole) == ["failed", "running"]
        assert "KeyError: 'x'" in broken.exit().message

    def test_a_full_disk_is_said_in_words_and_leaves_the_queue_as_it_was(self, at_work, monkeypatch):
        waits, other = new_run(), new_run()
        enqueue(waits)

        def full(path, text):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(module, "write_atomically", full)
        with pytest.raises(UserError, match="the queue cannot be written: No space left on device"):
            enqueue(other)
        assert read_queue().runs == (waits.id,)

    def test_a_bad_spec_fails_in_its_own_folder(self, monkeypatch):
        monkeypatch.setattr("core.launch.WORKER", "core.training.worker")
        broken = new_run()
        broken.spec_path.write_text("name: [")
        enqueue(broken)
        wait_until(lambda: state(broken) == "failed")
        assert "not valid YAML" in broken.exit().message


def ticks(run):
    return json.loads(run.process_path.read_text())["ticks"]
