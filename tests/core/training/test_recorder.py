"""What a run writes: one record a step, shards of completions, and a folder that can be put back to a checkpoint."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from core.alert_log import alerts_path, read_alerts
from core.alerts import Alert
from core.metrics import ScoredBatch
from core.runs import RunFolder
from core.scores import Scores
from core.training.recorder import Recorder, rewind


def batch(values=((1.0,), (0.0,), (math.nan,)), errors=None):
    n = len(values)
    return ScoredBatch(
        prompts=("2+2?",) * n,
        completions=tuple(f"answer {i}" for i in range(n)),
        scores=Scores(
            ("math",) * n,
            ("exact",),
            np.array(values),
            np.ones((n, 1)),
            errors or {(2, 0): "no gold"},
            np.full((n, 1), np.nan),
        ),
        groups=np.zeros(n, dtype=np.int64),
        advantages=np.array([0.7, -0.7, 0.0][:n]),
        lengths=np.arange(1, n + 1),
        clipped=np.array([False] * n),
    )


def at(step, steps=10):
    return SimpleNamespace(global_step=step, max_steps=steps)


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path)


def written(run, splits_and_steps):
    recorder = Recorder(run)
    for split, step in splits_and_steps:
        recorder.add(split, step, batch())
        recorder.write(split, at(step), {"all": 1.0}, {"loss": math.nan})
    return [(record["split"], record["step"]) for record in run.records()]


class TestRecorder:
    def test_a_record_has_every_task_and_no_nan(self, run):
        written(run, [("train", 1)])
        record = json.loads(run.metrics_path.read_text(), parse_constant=pytest.fail)
        assert record["reward"] == 0.5
        assert record["trainer"]["loss"] is None
        (task,) = record["tasks"]
        assert (task["task"], task["count"], task["scored"], task["errors"]) == ("math", 3, 2, 1)
        assert task["rewards"][0]["reasons"] == {"no gold": 1}

    def test_a_shard_has_every_completion_with_its_score_error_and_advantage(self, run):
        written(run, [("train", 1)])
        frame = pd.read_parquet(run.completions / "train-000001-0000.parquet")
        assert frame["completion"].tolist() == ["answer 0", "answer 1", "answer 2"]
        assert frame["score/exact"].tolist()[:2] == [1.0, 0.0]
        assert frame["error/exact"].tolist()[2] == "no gold"
        assert math.isnan(frame["score/exact"][2])
        assert math.isnan(frame["total"][2])
        assert frame["advantage"].tolist() == [0.7, -0.7, 0.0]
        assert set(frame["task"]) == {"math"}

    def test_the_batches_of_one_step_are_one_record(self, run):
        recorder = Recorder(run)
        recorder.add("train", 1, batch())
        recorder.add("train", 1, batch())
        record = recorder.write("train", at(1), {}, {})
        assert (record["tasks"][0]["count"], record["tasks"][0]["groups"]) == (6, 2)
        assert len(list(run.completions.glob("*.parquet"))) == 2


class TestRewind:
    def test_what_came_after_the_checkpoint_is_taken_out_and_kept(self, run):
        written(run, [("held_out", 0), *(("train", n) for n in range(1, 6))])
        rewind(run, 3)
        assert [record["step"] for record in run.records()] == [0, 1, 2, 3]
        assert sorted(path.stem[:12] for path in run.completions.glob("train*")) == [
            f"train-00000{n}" for n in (1, 2, 3)
        ]
        (aside,) = (run.path / "superseded").iterdir()
        assert len((aside / "metrics.jsonl").read_text().splitlines()) == 6
        assert len(list(aside.glob("train-*.parquet"))) == 2

    def test_a_torn_line_does_not_swallow_the_next_record(self, run):
        written(run, [("train", 1)])
        with run.metrics_path.open("a") as file:
            file.write('{"step": 2, "spl')
        rewind(run, 1)
        assert written(run, [("train", 2)]) == [("train", 1), ("train", 2)]

    def test_completions_of_an_evaluation_that_was_broken_off_are_taken_out(self, run):
        written(run, [("train", 1)])
        Recorder(run).add("held_out", 1, batch())
        assert rewind(run, 1) is False
        assert not list(run.completions.glob("held_out*"))

    def test_an_evaluation_that_is_whole_stays(self, run):
        written(run, [("train", 1), ("held_out", 1)])
        assert rewind(run, 1) is True
        assert list(run.completions.glob("held_out*"))

    def test_a_new_run_has_nothing_to_take_out(self, run):
        assert rewind(run, 0) is False
        assert not (run.path / "superseded").exists()


class TestAlerts:
    class Looks:
        def __init__(self, outcome):
            self.outcome, self.looks = outcome, 0

        def look(self):
            self.looks += 1
            if isinstance(self.outcome, Exception):
                raise self.outcome
            return self.outcome

    def write(self, run, alerts):
        Recorder(run, alerts=alerts).write("train", at(1), {"all": 1.0}, {})

    def test_a_record_is_looked_at_when_it_is_written_and_what_is_found_is_in_the_log(self, run, capsys):
        alerts = self.Looks([Alert("kl", 1, "KL 9.", "Lower learning_rate.")])
        self.write(run, alerts)
        assert alerts.looks == 1
        assert capsys.readouterr().out == "alert, step 1: KL explodes: KL 9. Lower learning_rate.\n"

    def test_a_rule_that_fails_does_not_end_a_run(self, run, capsys):
        self.write(run, self.Looks(ZeroDivisionError("a bug")))
        assert len(run.records()) == 1
        assert "ZeroDivisionError: a bug" in capsys.readouterr().err

    def test_a_rewind_takes_out_alerts_of_later_steps(self, run):
        lines = [json.dumps(vars(Alert("kl", step, "r", "m"))) + "\n" for step in (2, 5)]
        alerts_path(run).write_text("".join(lines))
        rewind(run, 3)
        assert [alert.step for alert in read_alerts(run)] == [2]


def test_a_record_says_what_memory_is_used(run):
    record = Recorder(run).write("train", at(1), {"all": 1.0}, {}, 3.5)
    assert record["memory"]["process_gb"] > 0
    assert record["memory"]["device_gb"] == 3.5
