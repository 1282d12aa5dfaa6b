"""What can be done with a run, by its state."""

import json
import os

import pytest
from toys import bare_spec, end_run, write_steps

from core.extension import extend
from core.run_actions import actions
from core.runs import create_run, record_worker, runs_root


@pytest.fixture
def run():
    return create_run(bare_spec())


def test_a_new_run_is_started(run):
    assert actions(run) == {"start", "duplicate"}


def test_a_waiting_run_is_moved_or_taken_out(run):
    (runs_root() / "queue.json").write_text(json.dumps({"at_once": 1, "runs": [run.id], "notes": []}))
    assert actions(run) == {"move", "cancel", "duplicate"}


def test_a_run_at_work_is_stopped_once_and_can_still_be_killed(run):
    worker = record_worker(run, os.getpid())
    assert actions(run) == {"stop", "kill", "duplicate"}
    run.stop_path.write_text(json.dumps({"attempt": worker.attempt}))
    assert actions(run) == {"kill", "duplicate"}


@pytest.mark.parametrize("reason", ["stopped", "failed", "lost"])
def test_a_run_that_ended_early_goes_on_or_gets_more_steps(run, reason):
    assert actions(end_run(write_steps(run, range(1, 4)), reason)) == {"resume", "extend", "duplicate"}


def test_a_run_without_a_checkpoint_is_resumed_from_its_beginning_and_not_extended(run):
    assert actions(end_run(run, "lost", 0)) == {"resume", "duplicate"}


def test_a_run_that_its_settings_made_fail_can_only_be_copied_and_edited(run):
    assert actions(end_run(write_steps(run, range(1, 4)), "failed", remedy="edit")) == {"duplicate"}


def test_a_finished_run_is_extended_and_then_resumed(run):
    end_run(write_steps(run, range(1, 7)), "finished", 6)
    assert actions(run) == {"extend", "duplicate"}
    extend(run, 2)
    assert actions(run) == {"resume", "extend", "duplicate"}
