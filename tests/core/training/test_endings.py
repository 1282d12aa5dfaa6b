"""Runs that end badly: in words, with nothing lost, and with what can be done about it."""

import errno
import os
import resource
import shutil
from pathlib import Path

import pandas as pd
import pytest
from toys import bare_spec, end_run, steps, wait_for_step, write_steps

from core.errors import Problem, UserError
from core.launch import launch
from core.run_actions import actions
from core.runs import create_run, state
from core.training.endings import failure, no_room

TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture
def run():
    return create_run(bare_spec())


class TestFailure:
    @pytest.mark.parametrize(
        "error",
        [
            OSError(errno.ENOSPC, "No space left on device"),
            OSError(errno.EDQUOT, "Disk quota exceeded"),
            OSError(errno.EFBIG, "File too large"),
            RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
            Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
        ],
        ids=["disk", "quota", "limit", "torch", "safetensors"],
    )
    def test_a_full_disk_is_said_in_words_with_what_is_kept_and_the_run_is_resumed(self, run, error):
        end_run(write_steps(run, range(1, 5)))
        end = failure(run, error)
        assert (end.reason, end.step, end.traceback, end.remedy) == ("failed", 4, "", "resume")
        assert end.message.startswith("The disk is full, or a quota or a limit")
        assert "step 4 is the last that is whole" in end.message
        assert end.message.endswith("Make room, then resume.")

    def test_a_full_disk_behind_another_error_is_found(self):
        error = RuntimeError("cannot save")
        error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
        assert no_room(error)
        assert not no_room(RuntimeError("cannot save"))

    @pytest.mark.parametrize(
        ("where", "remedy"),
        [
            ("grpo.learning_rate", "edit"),
            ("rewards.math[0].name", "edit"),
            ("lora", "edit"),
            ("tasks.math.prompt_template", "edit"),
            ("data.path", "resume"),
            ("model: acme/one", "resume"),
            ("rows.jsonl line 3", "resume"),
            ("sandbox", "resume"),
            ("reward 'judge', task 'math', after step 3", "resume"),
        ],
    )
    def test_what_lies_in_the_settings_can_only_be_edited_in_a_copy(self, run, where, remedy):
        assert failure(run, UserError(Problem(where, "it is wrong."))).remedy == remedy

    def test_a_bug_keeps_its_traceback(self, run):
        def buggy():
            raise KeyError("x")

        with pytest.raises(KeyError) as caught:
            buggy()
        assert 'raise KeyError("x")' in failure(run, caught.value).traceback


class TestFullDisk:
    def test_each_write_that_fails_ends_it_in_words_and_at_last_no_step_is_missing_or_double(self, start, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", str(TESTS))
        monkeypatch.setenv("TOY_FULL", "metrics")
        with monkeypatch.context() as full:
            full.setattr("core.launch.WORKER", "toy_full_disk")
            run, process = start(max_steps=6, save_steps=2, eval_steps=1000)
            self.assert_full(run, process)
            for write in ("completions", "checkpoint", "mark"):
                full.setenv("TOY_FULL", write)
                self.assert_full(run, launch(run))
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert_whole(run, 6)

    def assert_full(self, run, process):
        assert process.wait(timeout=120) == 1
        assert state(run) == "failed", run.log_path.read_text()
        assert run.exit().message.startswith("The disk is full")
        assert "step 2 is the last that is whole" in run.exit().message
        assert {"resume", "extend"} <= actions(run)
        assert not run.reserve_path.exists()

    def test_a_limit_on_the_size_of_files_ends_it_in_words(self, start):
        run, process = start(max_steps=30, save_steps=100, eval_steps=1000)
        wait_for_step(run, process, 1)
        limit = run.metrics_path.stat().st_size + 2000  # two steps more, and the line after is torn
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        assert process.wait(timeout=120) == 1
        assert state(run) == "failed", run.log_path.read_text()
        assert "File too large" in run.exit().message
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert_whole(run, 30)


class TestDeletedFolder:
    def test_a_run_whose_folder_is_deleted_ends_in_words_and_does_not_make_it_anew(self, start):
        run, process = start(max_steps=500, save_steps=1, eval_steps=1000)
        wait_for_step(run, process, 2)
        log = os.open(run.log_path, os.O_RDONLY)  # of a file that has no name any more
        shutil.rmtree(run.path, ignore_errors=True)
        shutil.rmtree(run.path, ignore_errors=True)  # where a file came while it was being deleted
        assert process.wait(timeout=60) == 1
        assert "the run's folder was deleted while it ran" in os.read(log, 1 << 20).decode()
        os.close(log)
        assert not run.spec_path.exists()
        assert not run.exit_path.exists()


class TestTornFiles:
    def test_a_torn_line_is_dropped_by_a_resume_and_a_corrupt_one_is_named(self, start):
        run, process = start(max_steps=4, save_steps=2, eval_steps=1000)
        assert process.wait(timeout=120) == 0, run.log_path.read_text()
        end_run(run, "lost", 4)
        whole = run.metrics_path.read_bytes()
        lines = whole.splitlines(keepends=True)
        run.metrics_path.write_bytes(lines[0][:40] + b"\n" + b"".join(lines[1:]))
        assert launch(run).wait(timeout=60) == 1
        assert f"{run.metrics_path} line 1: this is no record" in run.exit().message
        run.metrics_path.write_bytes(whole + lines[1][:40])
        assert launch(run).wait(timeout=60) == 0, run.log_path.read_text()
        assert run.metrics_path.read_bytes() == whole


def assert_whole(run, count):
    assert steps(run) == list(range(1, count + 1))
    found = [int(pd.read_parquet(path)["step"].iloc[0]) for path in run.completions.glob("train-*.parquet")]
    assert sorted(found) == list(range(1, count + 1))
    assert list(run.completions.glob("*.tmp")) == []
