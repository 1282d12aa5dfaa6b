"""All runs in one line each."""

import json
import shutil

import pytest
from toys import bare_spec, end_run, write_steps

from core import run_list
from core.extension import extend
from core.run_list import TaskReward, run_lines
from core.runs import create_run, runs_root


@pytest.fixture
def run():
    return create_run(bare_spec("four-tasks"))


def evaluate(run, step, reward=0.5, elapsed=None, **tasks):
    """Append the record of an evaluation."""
    found = [{"task": task, "reward": value} for task, value in tasks.items()]
    record = {"split": "held_out", "step": step, "steps": 6, "reward": reward, "tasks": found, "elapsed": elapsed}
    with run.metrics_path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def the_line():
    (line,) = run_lines()
    return line


def test_a_run_that_has_not_begun_has_no_numbers(run):
    line = the_line()
    assert (line.id, line.name, line.state, line.step, line.place) == (run.id, "four-tasks", "created", 0, None)
    assert [line.steps, line.seconds, line.reward, line.worst] == [None] * 4
    assert line.started == run.spec_path.stat().st_mtime


def test_a_run_shows_its_last_step_and_its_last_evaluation_with_the_worst_task(run):
    end_run(write_steps(run, range(1, 4)))
    evaluate(run, 0, 0.1, 1.5, math=0.1, code=0.2)
    evaluate(run, 3, 0.4, 12.5, math=0.5, code=0.3, json=None)
    line = the_line()
    assert (line.state, line.step, line.steps) == ("stopped", 3, 6)
    assert (line.reward, line.worst, line.seconds) == (0.4, TaskReward("code", 0.3), 12.5)


def test_an_evaluation_that_scored_nothing_has_no_worst_task(run):
    evaluate(run, 0, None, math=None)
    assert (the_line().reward, the_line().worst) == (None, None)


def test_an_extended_run_shows_all_its_steps(run):
    extend(end_run(write_steps(run, range(1, 7)), "finished", 6), 4)
    assert the_line().steps == 10


def test_a_queued_run_shows_its_place(run):
    (runs_root() / "queue.json").write_text(json.dumps({"at_once": 1, "runs": ["other", run.id], "notes": []}))
    assert (the_line().state, the_line().place) == ("queued", 2)


@pytest.mark.parametrize("name", ["123", "1e5", "a.b-c_d"])
def test_a_name_is_read_as_it_was_given(name):
    create_run(bare_spec(name))
    assert the_line().name == name


def test_what_has_not_changed_is_not_read_again(run, monkeypatch):
    write_steps(run, range(1, 4))
    run_lines()
    read = []
    monkeypatch.setattr(run_list, "last_record", lambda path, split: read.append(path))
    run_lines()
    assert read == []
    evaluate(run, 3)
    run_lines()
    assert len(read) == 2


def test_a_torn_and_a_corrupt_line_hide_no_run(run):
    write_steps(run, range(1, 4))
    with run.metrics_path.open("a") as file:
        file.write('corrupt "train"\n{"split": "train", "st')
    assert the_line().step == 3


def test_a_run_that_was_deleted_is_left_out_and_forgotten(run):
    other = create_run(bare_spec("other"))
    assert len(run_lines()) == 2
    shutil.rmtree(run.path)
    assert [line.id for line in run_lines()] == [other.id]
    assert str(run.path) not in run_list._read


def test_a_queue_that_cannot_be_read_hides_no_run(run):
    (runs_root() / "queue.json").write_text("{")
    assert the_line().id == run.id
