"""The worker process, for real: a tiny model trained, stopped, killed and resumed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import psutil
import pytest
from toys import bare_spec, steps, tagged_rows, wait_for_step, write_rows

from core.errors import UserError
from core.launch import launch
from core.run_signals import kill, stop
from core.runs import CHECKPOINT_COMPLETE, Exit, create_run, state, write_exit
from core.spec import read_spec
from core.training.stopping import StoppedDuringEvaluation
from core.training.worker import _fit, _save_result

PROJECT = Path(__file__).parents[3]


LATE = {
    "name": "matches_format",
    "params": {"pattern": ".*[a-m].*", "dot_matches_newline": True},
    "schedule": {"kind": "gate", "reward": "length", "above": 0.3},
}
ADAPTIVE = {
    "mixing": {"adapt": "worst", "floor": 0.1, "resample": 1},
    "normalisation": {"scale_rewards": "none", "task_scale": "running", "task_tokens": "equal"},
    "rewards": {
        "short": [{"name": "length", "params": {"unit": "characters", "maximum": 4, "margin": 8}}, LATE],
        "long": [{"name": "length", "params": {"unit": "characters", "minimum": 12, "margin": 8}}, LATE],
    },
}


class TestFinished:
    @pytest.mark.by_command
    def test_a_run_trains_to_its_end_and_leaves_an_adapter_that_peft_loads(self, start, folders):
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        run, process = start()
        assert process.wait(timeout=120) == 0, run.log_path.read_text()
        assert state(run) == "finished"
        assert steps(run) == [1, 2, 3, 4, 5, 6]
        assert steps(run, "held_out") == [0, 3, 6]
        assert all({task["task"] for task in record["tasks"]} == {"short", "long"} for record in run.records())
        loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folders()), run.adapter)
        weights = [value.abs().sum().item() for name, value in loaded.state_dict().items() if "lora_B" in name]
        assert weights
        assert all(weight > 0 for weight in weights), "every adapted layer has been trained"
        assert "after 6 steps" in (run.adapter / "README.md").read_text()

    def test_every_completion_is_kept_with_its_task_and_whole_groups(self, start):
        run, process = start(max_steps=2)
        assert process.wait(timeout=120) == 0, run.log_path.read_text()
        frame = pd.concat(pd.read_parquet(path) for path in sorted(run.completions.glob("train-*")))
        assert len(frame) == 2 * 8
        assert frame.groupby("step")["task"].value_counts().unique().tolist() == [4], "each step holds both tasks"
        assert (frame.groupby(["step", "group"])["prompt"].nunique() == 1).all()
        assert frame.groupby(["step", "group"])["advantage"].sum().abs().max() < 1e-9


class TestEndings:
    def test_sigterm_ends_it_after_a_step_with_a_checkpoint_and_it_resumes_with_no_step_missing_or_double(self, start):
        run, process = start(max_steps=60, save_steps=100, eval_steps=1000)
        wait_for_step(run, process, 2)
        stop(run)
        assert process.wait(timeout=60) == 0
        assert state(run) == "stopped"
        last = steps(run)[-1]
        assert (run.checkpoints / f"checkpoint-{last}").is_dir()
        assert (run.adapter / "adapter_model.safetensors").exists()
        resumed = launch(run)
        assert resumed.wait(timeout=120) == 0, run.log_path.read_text()
        assert steps(run) == list(range(1, 61))

    def test_sigint_is_a_stop_too(self, start):
        run, process = start(max_steps=500, eval_steps=1000)
        wait_for_step(run, process, 1)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert run.exit().reason == "stopped"

    def test_sigkill_loses_no_step_and_doubles_none(self, start):
        run, process = start(max_steps=40, save_steps=3, eval_steps=1000)
        wait_for_step(run, process, 8)
        kill(run)
        process.wait()
        assert state(run) == "lost"
        resumed = launch(run)
        assert resumed.wait(timeout=120) == 0, run.log_path.read_text()
        assert steps(run) == list(range(1, 41))
        frames = [pd.read_parquet(path) for path in run.completions.glob("train-*")]
        assert sorted(int(frame["step"].iloc[0]) for frame in frames) == list(range(1, 41))

    def test_its_scoring_processes_do_not_outlive_it(self, start):
        run, process = start(max_steps=500, eval_steps=1000)
        wait_for_step(run, process, 1)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        os.kill(process.pid, signal.SIGKILL)  # the worker alone, not its process group
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=15)
        assert alive == []

    def test_a_second_worker_on_the_same_run_is_refused(self, start):
        run, process = start(max_steps=500, eval_steps=1000)
        with pytest.raises(UserError, match="running already"):
            launch(run)
        second = subprocess.run(
            [sys.executable, "-m", "core.training.worker", run.path], capture_output=True, text=True
        )
        assert (second.returncode, second.stdout) == (1, "Another process works on this run already.\n")
        assert state(run) == "running"
        assert run.worker().pid == process.pid

    def test_a_torn_checkpoint_is_passed_over_and_its_steps_are_done_again(self, start):
        run, process = start(max_steps=40, save_steps=2, save_total_limit=20, eval_steps=1000)
        wait_for_step(run, process, 7)
        kill(run)
        process.wait()
        (run.checkpoints / "checkpoint-6" / "complete.json").unlink()  # as a kill in the middle of the save leaves it
        (run.checkpoints / "checkpoint-6" / "optimizer.pt").unlink()
        for later in range(8, 41, 2):
            shutil.rmtree(run.checkpoints / f"checkpoint-{later}", ignore_errors=True)
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert steps(run) == list(range(1, 41))
        assert list(run.path.glob("superseded/*-after-step-4/metrics.jsonl"))

    def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_the_last_of_all_is_named(self, start):
        run, process = start(max_steps=6, save_steps=2, save_total_limit=20, eval_steps=1000)
        assert process.wait(timeout=120) == 0, run.log_path.read_text()
        unbroken = run.records()
        write_exit(run, Exit("failed", "The power failed.", 6))
        (run.checkpoints / "checkpoint-6" / "mixture.json").unlink()
        optimizer = run.checkpoints / "checkpoint-4" / "optimizer.pt"
        optimizer.write_bytes(optimizer.read_bytes()[:1000])
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert steps(run) == list(range(1, 7))
        assert [record["tasks"] for record in run.records()] == [record["tasks"] for record in unbroken]
        assert "checkpoint-4 is damaged: optimizer.pt is cut off" in run.log_path.read_text()
        assert {folder.name for folder in run.path.glob("superseded/damaged-*")} == {
            "damaged-checkpoint-4",
            "damaged-checkpoint-6",
        }
        for checkpoint in run.whole_checkpoints():
            (checkpoint / "adapter_model.safetensors").write_bytes(b"{")
        write_exit(run, Exit("failed", "The power failed.", 6))
        assert launch(run).wait(timeout=120) == 1
        assert "checkpoint-6: adapter_model.safetensors cannot be read" in run.exit().message
        assert "remove the checkpoints, and the run begins anew" in run.exit().message
        assert steps(run) == list(range(1, 7)), "nothing of it is lost"

    @pytest.mark.by_command  # whatever the seed of hashes
    def test_a_run_killed_before_its_first_checkpoint_is_the_unbroken_one_again(self, start):
        whole, process = start(max_steps=4, save_steps=100)
        assert process.wait(timeout=120) == 0, whole.log_path.read_text()
        run, process = start(max_steps=4, save_steps=100)
        wait_for_step(run, process, 1)
        kill(run)
        process.wait()
        shutil.rmtree(run.checkpoints, ignore_errors=True)
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert [record["tasks"] for record in run.records()] == [record["tasks"] for record in whole.records()]

    @pytest.mark.by_command  # whatever the seed of hashes
    @pytest.mark.parametrize(
        ("schedule", "breaks_at"),
        [
            pytest.param({"max_steps": 8, "save_steps": 3, "parts": ADAPTIVE}, 5, id="shares that follow the run"),
            pytest.param(
                {
                    "max_steps": 8,
                    "save_steps": 4,
                    "num_iterations": 2,
                    "gradient_accumulation_steps": 2,
                    "per_device_train_batch_size": 4,
                },
                5,
                id="accumulated gradients, two iterations",
            ),
        ],
    )
    def test_a_resumed_run_is_the_run_that_was_not_broken(self, start, schedule, breaks_at):
        whole, process = start(**schedule)
        assert process.wait(timeout=120) == 0, whole.log_path.read_text()
        broken, process = start(**schedule)
        wait_for_step(broken, process, breaks_at)
        kill(broken)
        process.wait()
        assert launch(broken).wait(timeout=120) == 0, broken.log_path.read_text()
        assert completions(broken) == completions(whole)
        states = [(run.whole_checkpoints()[-1] / "mixture.json").read_text() for run in (broken, whole)]
        assert states[0] == states[1], "what it would draw and weigh next"

    def test_a_break_in_the_middle_of_a_generation_samples_it_again_and_keeps_the_rhythm(self, start):
        run, process = start(max_steps=12, steps_per_generation=4, save_steps=2, eval_steps=1000)
        wait_for_step(run, process, 6)
        stop(run)
        process.wait(timeout=60)
        stopped_at = steps(run)[-1]
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        sampled = {record["step"] for record in run.records() if record["split"] == "train" and record["tasks"]}
        assert sampled == {1, 5, 9} | ({stopped_at + 1} if stopped_at < 12 else set())

    def test_nothing_is_trained_beyond_the_last_step(self, start):
        run, process = start(max_steps=3, steps_per_generation=4, save_steps=1)
        assert process.wait(timeout=120) == 0, run.log_path.read_text()
        write_exit(run, Exit("lost", "as if killed in the last evaluation", 3, attempt=run.worker().attempt))
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert steps(run) == [1, 2, 3]
        assert run.exit().step == 3

    def test_stopping_twice_is_stopping_once(self, start):
        run, process = start(max_steps=500, eval_steps=1000)
        wait_for_step(run, process, 1)
        for _ in range(20):
            if state(run) == "running":
                process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
        assert run.exit().reason == "stopped"
        assert (run.adapter / "adapter_model.safetensors").exists()

    def test_an_evaluation_that_a_stop_broke_off_is_made_up_for(self, start):
        run, process = start(max_steps=4, eval_steps=2, save_steps=2)
        assert process.wait(timeout=120) == 0, run.log_path.read_text()
        records = [record for record in run.records() if (record["split"], record["step"]) != ("held_out", 4)]
        run.metrics_path.write_text("".join(json.dumps(record) + "\n" for record in records))
        write_exit(run, Exit("stopped", "as if stopped in the last evaluation", 4, attempt=run.worker().attempt))
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert steps(run, "held_out") == [0, 2, 4]

    def test_a_run_does_not_go_on_with_other_rows(self, start, tmp_path):
        run, process = start(max_steps=500, eval_steps=1000)
        wait_for_step(run, process, 1)
        stop(run)
        process.wait(timeout=60)
        rows = tagged_rows(20)
        write_rows(tmp_path / "rows.jsonl", tagged_rows(30))
        assert launch(run).wait(timeout=60) == 1
        assert "the data has changed since the run was started: {'train'" in run.exit().message
        write_rows(tmp_path / "rows.jsonl", [*rows[:-1], {**rows[-1], "answer": "another"}])
        assert launch(run).wait(timeout=60) == 1
        assert "as many rows of each task, but not the same" in run.exit().message

    def test_epochs_count_prompts(self, start):
        run, process = start(max_steps=-1, num_train_epochs=0.5)
        assert process.wait(timeout=120) == 0, run.log_path.read_text()
        assert steps(run) == list(range(1, 10)), "half of 36 rows, 2 prompts a step"

    def test_a_broken_spec_ends_as_failed_with_words_and_no_traceback(self, start):
        run, process = start(rewards={"default": [{"name": "no_such_reward"}]})
        assert process.wait(timeout=60) == 1
        end = run.exit()
        assert (end.reason, end.traceback) == ("failed", "")
        assert "no reward called 'no_such_reward'" in end.message

    @pytest.mark.by_command  # which reads sitecustomize
    def test_a_bug_ends_as_failed_with_its_traceback(self, start, monkeypatch, tmp_path):
        (tmp_path / "sitecustomize.py").write_text("import core.check\ndel core.check.check_routes\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        run, process = start()
        assert process.wait(timeout=60) == 1
        end = run.exit()
        assert end.reason == "failed"
        assert "NameError" in end.traceback

    @pytest.mark.parametrize(("on_error", "reason"), [("mask", "finished"), ("stop", "failed")])
    def test_a_reward_that_cannot_decide_is_masked_and_counted_or_ends_the_run(self, start, on_error, reason):
        code = "def score(completion, row): raise ValueError('no moon')"  # which no check can know before a run
        undecided = {"name": "custom", "weight": 2, "params": {"code": code}}
        run, process = start(
            rewards={"short": [{"name": "length"}], "long": [{"name": "length"}, undecided]},
            on_reward_error=on_error,
            max_steps=1,
        )
        process.wait(timeout=120)
        assert run.exit().reason == reason, run.log_path.read_text()
        if on_error == "stop":
            assert "ValueError: no moon" in run.exit().message
            return
        (record,) = [record for record in run.records() if record["split"] == "train"]
        tasks = {task["task"]: task for task in record["tasks"]}
        assert (tasks["long"]["errors"], tasks["long"]["scored"], tasks["long"]["reward"]) == (4, 0, None)
        assert tasks["short"]["errors"] == 0
        frame = pd.read_parquet(run.completions / "train-000001-0000.parquet")
        long = frame[frame["task"] == "long"]
        assert long["total"].isna().all()
        assert (long["advantage"] == 0).all()
        assert long["error/custom"].str.contains("no moon").all()


class TestSaving:
    """What a full disk or a kill in the middle of a save would leave."""

    @pytest.fixture
    def trainer(self):
        def save(folder):
            Path(folder).mkdir()
            (Path(folder) / "adapter_model.safetensors").write_text("new")

        return Mock(**{"model.save_pretrained": save, "state.global_step": 4, "ended": ""})

    @pytest.fixture
    def run(self, tmp_path):
        run = create_run(bare_spec(), tmp_path / "run")
        run.adapter.mkdir()
        (run.adapter / "adapter_model.safetensors").write_text("old")
        return run

    def test_a_result_takes_the_place_of_an_earlier_one_once_it_is_whole(self, run, trainer):
        _save_result(run, trainer, 4)
        assert (run.adapter / "adapter_model.safetensors").read_text() == "new"
        trainer.processing_class.save_pretrained.side_effect = OSError(28, "No space left on device")
        trainer.model.save_pretrained = lambda folder: Path(folder).mkdir()
        with pytest.raises(OSError, match="No space"):
            _save_result(run, trainer, 9)
        assert (run.adapter / "adapter_model.safetensors").read_text() == "new"

    @pytest.mark.parametrize(("whole", "saves"), [(2, 1), (4, 0)])
    def test_a_stop_in_an_evaluation_saves_what_no_whole_checkpoint_has(self, run, trainer, whole, saves):
        folder = run.checkpoints / f"checkpoint-{whole}"
        folder.mkdir(parents=True)
        (folder / CHECKPOINT_COMPLETE).touch()
        trainer.train.side_effect = StoppedDuringEvaluation
        end = _fit(run, trainer, None, Mock(requested=True), 9)
        assert (end.reason, end.step) == ("stopped", 4)
        assert trainer._save_checkpoint.call_count == saves


class TestExample:
    def test_the_embedded_model_trains_a_step_of_the_four_tasks(self, tmp_path, monkeypatch):
        monkeypatch.delenv("SIGNALBOX_CACHE")  # where `make` has converted the embedded model already
        spec = read_spec(PROJECT / "examples" / "four_tasks.yaml")
        small = {"max_steps": 1, "per_device_train_batch_size": 8, "num_generations": 2, "max_completion_length": 8}
        held_out = spec.data.held_out.model_copy(update={"rows_per_task": 1})
        data = spec.data.model_copy(update={"held_out": held_out})
        run = create_run(
            spec.model_copy(update={"grpo": {**spec.grpo, **small, "num_generations_eval": 2}, "data": data}),
            tmp_path / "run",
        )
        process = launch(run)
        assert process.wait(timeout=300) == 0, run.log_path.read_text()
        tasks = ["math", "code", "sentiment", "json"]
        assert [(r["split"], r["step"], [task["task"] for task in r["tasks"]]) for r in run.records()] == [
            ("held_out", 0, tasks),
            ("train", 1, tasks),
            ("held_out", 1, tasks),
        ]
        assert all(task["errors"] == 0 and task["scored"] == 2 for r in run.records() for task in r["tasks"])


def completions(run) -> dict[str, list[str]]:
    return {path.name: pd.read_parquet(path)["completion"].tolist() for path in sorted(run.completions.glob("train-*"))}
