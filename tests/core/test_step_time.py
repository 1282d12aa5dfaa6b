import json
from dataclasses import replace

import pytest

from core.machine import Gpu, Machine
from core.memory import batch_of
from core.model_facts import ModelFacts
from core.options import grpo_settings
from core.runs import create_run
from core.spec import Draft, Engine, parse_spec
from core.step_time import cost, earlier_pace, evaluation_count, generations_a_step, run_time, step_count

SMOLLM = ModelFacts("llama", 30, 576, 1536, 1, 1, 9, 3, 64, 49152, 8192, True)
HALF = Machine(2, 24.0, 20.0, True)
GPU = Gpu("x", 80.0, 80.0, True)
GRPO = {"per_device_train_batch_size": 32, "num_generations": 8, "max_completion_length": 32, "max_steps": 50}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALBOX_RUNS", str(tmp_path / "runs"))


def a_run(
    steps,
    model="embedded",
    grpo=GRPO,
    length=20.0,
    clipped=0.0,
    seconds=4.0,
    engine=None,
    resumed_at=None,
    device_gb=None,
):
    document = {
        "name": "x",
        "model": model,
        "data": {"path": "rows.jsonl"},
        "rewards": {"a": [{"name": "exact_match"}]},
        "grpo": grpo,
        "engine": engine or {},
    }
    run = create_run(parse_spec(document, "test"))
    records = [
        {
            "step": n,
            "steps": 50,
            "split": "train",
            "time": 1000.0 + n * seconds + (500.0 if resumed_at and n >= resumed_at else 0.0),
            "reward": 0.5,
            "trainer": {},
            "memory": {"process_gb": 2.0, "device_gb": device_gb},
            "seconds": {"all": 60.0 if n == resumed_at else seconds, "generate": seconds / 4, "score": 0.0},
            "tasks": [{"task": "a", "reward": 0.5, "count": 32, "length": length, "clipped": clipped, "rewards": []}],
        }
        for n in range(1, steps + 1)
    ]
    run.metrics_path.write_text("".join(json.dumps(record) + "\n" for record in records) + '{"step": 99, "torn')
    return run


def reckoned(draft, facts=SMOLLM, machine=HALF, length=None, held_out=16):
    return run_time(draft, facts, machine, 64, 480, held_out, length)


# bench/step.md, the embedded model in bfloat16 on two cores: what a step took here.
@pytest.mark.parametrize(
    ("completions", "length", "prompt", "seconds"),
    [
        (16, 48, 64, 3.9),
        (16, 48, 512, 7.02),
        (32, 32, 64, 4.0),
        (32, 32, 512, 9.33),
        (64, 128, 64, 25.99),
        (64, 128, 512, 42.32),
    ],
)
def test_the_cost_model_is_within_a_half_of_what_was_measured(completions, length, prompt, seconds):
    grpo = {"per_device_train_batch_size": completions, "num_generations": 8, "max_completion_length": length}
    found = cost(Draft(grpo=grpo), SMOLLM, HALF, batch_of(grpo, prompt), length)
    assert found.generate + found.train == pytest.approx(seconds, rel=0.5)


def test_more_cores_and_half_precision_take_less_time_and_trl_s_way_more():
    draft, batch = Draft(grpo=GRPO), batch_of(GRPO, 64)
    base = cost(draft, SMOLLM, HALF, batch, 32)
    assert cost(draft, SMOLLM, replace(HALF, cores=8), batch, 32).train == pytest.approx(base.train / 4)
    assert cost(draft, SMOLLM, replace(HALF, bf16=False), batch, 32).train == pytest.approx(base.train * 2)
    slow = Draft(grpo=GRPO, engine=Engine(sampling="trl"))
    assert cost(slow, SMOLLM, HALF, batch, 32).generate > base.generate


def test_without_an_earlier_run_the_cost_model_says_it_and_that_it_did():
    found = reckoned(Draft(grpo=GRPO))
    assert (found.source, found.run, found.steps) == ("model", "", 50)
    assert found.whole > 50 * found.step


def test_an_earlier_run_of_the_same_settings_says_what_a_step_took():
    run = a_run(steps=6)
    found = reckoned(Draft(grpo=GRPO))
    assert (found.source, found.run) == ("run", run.id)
    assert found.step == pytest.approx(4.0)
    assert found.length == 20.0


def test_other_settings_are_reckoned_from_that_run_in_proportion():
    a_run(steps=6)
    twice = reckoned(Draft(grpo={**GRPO, "per_device_train_batch_size": 64}))
    assert 5.0 < twice.step < 8.0


def test_the_latest_run_of_the_same_model_and_way_counts():
    a_run(steps=6, model="other", seconds=1.0)
    a_run(steps=6, seconds=2.0)
    a_run(steps=6, engine={"sampling": "trl"}, seconds=9.0)
    assert reckoned(Draft(grpo=GRPO)).step == pytest.approx(2.0)


def test_a_run_that_has_hardly_begun_says_nothing():
    a_run(steps=1)
    assert earlier_pace(Draft(), HALF) is None


def test_completions_that_a_limit_cut_off_may_be_as_long_as_a_higher_one():
    a_run(steps=6, length=32.0, clipped=0.9)
    assert reckoned(Draft(grpo={**GRPO, "max_completion_length": 100})).length == 100


def test_a_forecast_s_length_goes_before_an_earlier_run_s():
    a_run(steps=6)
    assert reckoned(Draft(grpo=GRPO), length=11.0).length == 11.0


def test_of_a_gpu_or_an_unknown_model_nothing_is_said_before_a_first_run():
    gpu = replace(HALF, gpu=GPU)
    assert reckoned(Draft(grpo=GRPO), machine=gpu) is None
    assert reckoned(Draft(grpo=GRPO), facts=None) is None
    a_run(steps=6)
    assert reckoned(Draft(grpo=GRPO), facts=None).step == pytest.approx(4.0)
    a_run(steps=6, device_gb=9.5)
    assert reckoned(Draft(grpo=GRPO), machine=gpu).step == pytest.approx(4.0)


def test_epochs_and_evaluations_are_counted_as_training_counts_them():
    assert step_count(grpo_settings({"num_train_epochs": 2}), rows=100) == 50  # 4 prompts a step
    assert step_count(grpo_settings({"max_steps": 7}), rows=100) == 7
    assert evaluation_count(grpo_settings({"max_steps": 50, "eval_steps": 20}), rows=100) == 4  # 0, 20, 40, 50
    assert evaluation_count(grpo_settings({"max_steps": 40, "eval_steps": 0.5}), rows=100) == 3
    assert reckoned(Draft(grpo=GRPO), held_out=0).evaluations == 0


def test_a_generation_that_is_used_twice_is_sampled_for_every_other_step():
    assert generations_a_step(grpo_settings({"num_iterations": 2})) == 0.5
    assert generations_a_step(grpo_settings({"gradient_accumulation_steps": 4})) == 1
    assert generations_a_step(grpo_settings({"steps_per_generation": 4})) == 0.25


def test_the_first_step_after_a_resume_is_no_pace():
    a_run(12, resumed_at=8)
    assert earlier_pace(Draft(), HALF).step == pytest.approx(4.0)


def test_a_corrupt_line_in_an_earlier_run_is_passed_over():
    run = a_run(12)
    lines = run.metrics_path.read_text().split("\n")
    lines[5] = "corrupt"
    lines[6] = '{"split": "train", "step": 7}'
    run.metrics_path.write_text("\n".join(lines))
    assert earlier_pace(Draft(), HALF).step == pytest.approx(4.0)


def test_a_run_from_elsewhere_or_on_another_kind_of_machine_is_no_pace_here():
    run = a_run(4)
    assert earlier_pace(Draft(), HALF) is not None
    assert earlier_pace(Draft(), replace(HALF, gpu=GPU)) is None
    run.process_path.write_text(json.dumps({"pid": 0, "started": 0.0, "ticks": -1, "boot": "elsewhere"}))
    assert earlier_pace(Draft(), HALF) is None


def test_what_decides_which_way_steps_go_must_be_the_same_and_sizes_need_not():
    a_run(4)
    assert earlier_pace(Draft(lora={"r": 64}, grpo={"max_steps": 9}), HALF) is not None
    assert earlier_pace(Draft(lora={"use_dora": True}), HALF) is None
    assert earlier_pace(Draft(grpo={"cast_lm_head_to_fp32": True}), HALF) is None
