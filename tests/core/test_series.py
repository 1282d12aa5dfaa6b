"""The series that the page draws: what the records say, read as they grow."""

import json

import pytest

from core import series as module
from core.runs import RunFolder, write_atomically
from core.series import Curve, Series, follow


def record(step, split="train", **rewards):
    tasks = [{"task": task, "reward": reward, "scored": 8} for task, reward in rewards.items()]
    return {"step": step, "steps": 10, "split": split, "tasks": tasks}


def append(run, *records):
    with run.metrics_path.open("a") as file:
        file.writelines(json.dumps(one) + "\n" for one in records)


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path)


class TestCurve:
    def test_the_first_value_counts_in_full(self):
        curve = Curve()
        curve.add(1, 0.5, 8)
        assert curve.smoothed == [0.5]

    def test_a_constant_stays_what_it_is(self):
        curve = Curve()
        for step in range(50):
            curve.add(step, 0.3, 8)
        assert curve.smoothed == pytest.approx([0.3] * 50)

    def test_it_lags_behind_a_step_up(self):
        curve = Curve()
        for step, reward in enumerate([0.0] * 10 + [1.0] * 3):
            curve.add(step, reward, 8)
        assert 0 < curve.smoothed[10] < curve.smoothed[11] < curve.smoothed[12] < 1


class TestSeries:
    RECORDS = (record(0, "held_out", math=0.1, code=0.2), record(1, math=0.25, code=None), record(2, math=0.5))

    def test_a_step_without_a_total_is_left_out_and_never_0(self):
        series = Series.of(self.RECORDS)
        assert series.tasks == ["math", "code"]
        assert (series.train["code"].steps, series.train["math"].steps) == ([], [1, 2])
        assert (series.train["math"].rewards, series.train["math"].scored) == ([0.25, 0.5], [8, 8])

    def test_evaluations_are_apart_from_training(self):
        series = Series.of(self.RECORDS)
        assert (series.held_out["math"].steps, series.held_out["math"].rewards) == ([0], [0.1])
        assert [one["step"] for one in series.evaluations] == [0]

    def test_only_the_latest_training_records_are_kept_whole(self):
        series = Series.of(record(step, math=0.5) for step in range(1, 100))
        assert [one["step"] for one in series.latest] == list(range(90, 100))
        assert len(series.train["math"].steps) == 99

    def test_a_step_that_uses_completions_again_has_none_of_its_own(self):
        assert Series.of([record(1, math=0.5), record(2)]).sampled == 1
        assert Series.of([]).sampled is None


class TestFollow:
    def test_what_is_appended_is_added(self, run):
        append(run, record(1, math=0.1))
        assert follow(run).train["math"].steps == [1]
        append(run, record(2, math=0.2))
        assert follow(run).train["math"].steps == [1, 2]

    def test_what_was_read_is_not_read_again(self, run, monkeypatch):
        append(run, *(record(step, math=0.1) for step in range(1, 50)))
        follow(run)
        read = []
        monkeypatch.setattr(Series, "add", lambda self, one: read.append(one["step"]))
        append(run, record(50, math=0.2))
        follow(run)
        assert read == [50]

    def test_a_torn_last_line_is_left_for_the_next_read(self, run):
        append(run, record(1, math=0.1))
        whole = json.dumps(record(2, math=0.2)) + "\n"
        with run.metrics_path.open("a") as file:
            file.write(whole[:20])
        assert follow(run).train["math"].steps == [1]
        with run.metrics_path.open("a") as file:
            file.write(whole[20:])
        assert follow(run).train["math"].steps == [1, 2]

    def test_a_resume_that_takes_steps_out_is_followed(self, run):
        append(run, *(record(step, math=0.1) for step in range(1, 6)))
        follow(run)
        write_atomically(run.metrics_path, "".join(json.dumps(record(step, math=0.3)) + "\n" for step in range(1, 9)))
        assert follow(run).train["math"].rewards == [0.3] * 8

    def test_a_file_that_became_shorter_is_read_again(self, run):
        append(run, *(record(step, math=0.1) for step in range(1, 6)))
        follow(run)
        run.metrics_path.write_text(json.dumps(record(1, math=0.4)) + "\n")
        assert follow(run).train["math"].rewards == [0.4]

    def test_a_run_without_metrics_is_empty_and_a_deleted_one_is_empty_again(self, run):
        assert follow(run).last is None
        append(run, record(1, math=0.1))
        follow(run)
        run.metrics_path.unlink()
        assert follow(run).last is None

    def test_only_so_many_runs_are_kept(self, tmp_path):
        for n in range(3 * module.RUNS_FOLLOWED):
            follow(RunFolder(tmp_path / str(n)))
        assert len(module._followed) == module.RUNS_FOLLOWED
