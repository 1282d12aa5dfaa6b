"""One micro-batch and whole runs, our way and TRL's: the same loss, the same gradients, the same weights."""

import json
from dataclasses import replace

import pytest
import torch
from reference_gradients import assert_same
from toys import spec_document, tagged_rows, write_rows
from transformers import TrainerCallback
from trl import GRPOTrainer

from core.check import check
from core.routing import RoutingTable
from core.runs import create_run
from core.scoring import Scorer
from core.spec import parse_spec
from core.training import rollout
from core.training.trainer import MultiTaskGRPOTrainer
from core.training.worker import Stop, build_trainer

LOSSES = ["grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "luspo", "vespo"]


@pytest.fixture
def trainer(folders, tmp_path):
    """Trainers of toy runs in float32, in this process; their scoring processes end with the test."""
    scorers = []

    def built(engine=None, held_out=0, parts=None, **grpo):
        rows = write_rows(tmp_path / "rows.jsonl", tagged_rows(20))
        exact = {"bf16": False, "model_init_kwargs": {"dtype": "float32"}}
        document = spec_document(folders(), rows, **{**exact, **grpo})
        document |= {"engine": engine or {}, **(parts or {})}
        document["data"]["held_out"] = {"rows_per_task": held_out}
        spec = parse_spec(document, "toy")
        run = create_run(spec, tmp_path / f"run-{len(scorers)}")
        scorers.append(Scorer(RoutingTable(spec.rewards)))
        data = check(spec).data
        torch.manual_seed(0)
        found = build_trainer(run, spec, data, scorers[-1], Stop())
        torch.manual_seed(1)
        with torch.no_grad():
            for name, parameter in found.model.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.3)
        return found

    yield built
    for scorer in scorers:
        scorer.close()


def micro_batch(trainer, padded_batch, old):
    """Three groups with advantages, some of them 0, as TRL hands them to the loss."""
    ids, mask = padded_batch
    generator = torch.Generator().manual_seed(7)
    figures = torch.randn(3, 7, 6, generator=generator) * 0.3 - 2.0
    batch = {
        "prompt_ids": ids[:, :9],
        "prompt_mask": mask[:, :9],
        "completion_ids": ids[:, 9:],
        "completion_mask": mask[:, 9:],
        "advantages": torch.tensor([1.0, 0.0, -0.5, 0.0, 0.0, -1.5, 0.7]),
        "num_items_in_batch": mask[:, 9:].sum(),
        "ref_per_token_logps": figures[0],
        "rollout_entropies": figures[2].abs(),
    }
    return batch | ({"old_per_token_logps": figures[1]} if old else {})


def loss_and_gradients(trainer, batch, of):
    trainer.model.zero_grad()
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1
    loss = of._compute_loss(trainer, trainer.model, batch)
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in trainer.model.named_parameters() if p.requires_grad}


def compare(ours, theirs, batch):
    """TRL's class with TRL's pass, against ours, on models of the same weights."""
    assert ours.engine.training.ours
    assert not theirs.engine.training.ours
    wanted, gradients = loss_and_gradients(theirs, batch, GRPOTrainer)
    found, own = loss_and_gradients(ours, batch, MultiTaskGRPOTrainer)
    assert found == pytest.approx(wanted, rel=1e-4, abs=1e-7)
    assert_same(own, gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients.values())


@pytest.mark.filterwarnings("ignore")  # TRL logs which pairs of loss and importance sampling it does not recommend
class TestLoss:
    @pytest.mark.parametrize("level", ["token", "sequence"])
    @pytest.mark.parametrize("loss", LOSSES)
    @pytest.mark.parametrize("old", [False, True], ids=["first use of a generation", "a later use"])
    @pytest.mark.parametrize("beta", [0.0, 0.1], ids=["without KL", "with KL"])
    def test_every_loss_is_trl_own(self, trainer, padded_batch, loss, level, old, beta):
        options = {"loss_type": loss, "importance_sampling_level": level, "beta": beta}
        ours, theirs = trainer(**options), trainer(engine={"training": "trl"}, **options)
        compare(ours, theirs, micro_batch(ours, padded_batch, old))

    @pytest.mark.parametrize(
        "options",
        [
            {"temperature": 0.7},
            {"delta": 1.5},
            {"epsilon_high": 0.4},
            {"top_entropy_quantile": 0.4},
            {"entropy_coef": 0.01},
            {"off_policy_mask_threshold": 0.1},
            {"beta": 0.1, "use_bias_correction_kl": True},
            {"gradient_checkpointing": True},
        ],
        ids=str,
    )
    def test_every_option_of_the_loss_is_trl_own(self, trainer, padded_batch, options):
        ours, theirs = trainer(**options), trainer(engine={"training": "trl"}, **options)
        compare(ours, theirs, micro_batch(ours, padded_batch, old=True))

    def test_a_small_memory_gives_the_same(self, trainer, padded_batch):
        ours, theirs = trainer(engine={"memory_gb": 5e-5}), trainer(engine={"training": "trl"})
        assert ours.engine.most_tokens < 30
        compare(ours, theirs, micro_batch(ours, padded_batch, old=False))

    def test_no_advantage_at_all_is_a_gradient_of_zero(self, trainer, padded_batch):
        ours, theirs = trainer(), trainer(engine={"training": "trl"})
        batch = micro_batch(ours, padded_batch, old=False) | {"advantages": torch.zeros(7)}
        wanted, gradients = loss_and_gradients(theirs, batch, GRPOTrainer)
        found, own = loss_and_gradients(ours, batch, MultiTaskGRPOTrainer)
        assert found == wanted == 0
        assert_same(own, gradients)


class TestEntropy:
    def test_completions_left_out_count_with_the_entropy_of_their_sampling(self, trainer, padded_batch):
        ours = trainer()
        batch = micro_batch(ours, padded_batch, old=False)
        loss_and_gradients(ours, batch, MultiTaskGRPOTrainer)
        figures = ours._metrics["train"]["entropy"][-1]
        every = batch | {"advantages": torch.ones(7)}
        loss_and_gradients(ours, every, MultiTaskGRPOTrainer)
        with torch.no_grad():
            ids, mask = padded_batch
            _, entropies, _ = ours._get_per_token_logps_and_entropies(ours.model, ids, mask, 6)
        left_out = batch["advantages"] == 0
        mixed = torch.where(left_out[:, None], batch["rollout_entropies"], entropies)
        assert figures == pytest.approx(((mixed * mask[:, 9:]).sum() / mask[:, 9:].sum()).item(), rel=1e-4)


SCHEDULES = [
    pytest.param({}, id="one generation a step"),
    pytest.param({"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4}, id="accumulated gradients"),
    pytest.param({"num_iterations": 2}, id="two iterations"),
    pytest.param({"steps_per_generation": 2, "per_device_train_batch_size": 8}, id="two steps a generation"),
    pytest.param({"beta": 0.05}, id="with KL"),
    pytest.param({"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}, id="half a group a micro-batch"),
]


class TestRun:
    @pytest.mark.parametrize("schedule", SCHEDULES)
    def test_the_same_completions_train_the_same_weights(self, trainer, schedule):
        """Sampling is TRL's in both, so that the completions of the first step are the same; so then is all else."""
        runs = [
            trainer(engine={"sampling": "trl", "training": way}, max_steps=3, save_steps=100, **schedule)
            for way in ("auto", "trl")
        ]
        for run in runs:
            torch.manual_seed(2)
            run.train()
        ours, theirs = ({n: p.detach() for n, p in run.model.named_parameters() if p.requires_grad} for run in runs)
        for name, weights in theirs.items():
            torch.testing.assert_close(ours[name], weights, rtol=2e-3, atol=2e-5)
        logged = [[record["loss"] for record in run.state.log_history if "loss" in record] for run in runs]
        assert logged[0] == pytest.approx(logged[1], rel=1e-3, abs=1e-5)

    @pytest.mark.filterwarnings("ignore")  # transformers recommends flash attention for continuous batching
    @pytest.mark.parametrize(
        ("options", "training"),
        [
            ({"cache_implementation": "static"}, True),
            ({"generation_kwargs": {"no_repeat_ngram_size": 2}}, True),
            ({"use_transformers_continuous_batching": True}, False),
        ],
        ids=str,
    )
    def test_another_way_of_sampling_is_trl_own_unchanged(self, trainer, options, training):
        run = trainer(max_steps=2, save_steps=100, **options)
        assert (run.engine.sampling.ours, run.engine.training.ours) == (False, training)
        run.train()
        assert [record["step"] for record in run.state.log_history if "loss" in record] == [1, 2]

    def test_a_micro_batch_holds_whole_groups_of_every_task(self, trainer):
        run = trainer(max_steps=1, per_device_train_batch_size=8, gradient_accumulation_steps=2)
        run.model.train()
        run._prepare_inputs([run.train_dataset[i] for i in list(run._get_train_sampler())[:16]])
        for part in run._buffered_inputs:
            prompts = [tuple(row) for row in part["prompt_ids"].tolist()]
            assert [prompts.count(prompt) for prompt in dict.fromkeys(prompts)] == [4, 4]

    def test_the_sampler_has_the_weights_of_the_step(self, trainer):
        run = trainer(max_steps=3, save_steps=100)
        run.train()
        records = [json.loads(line) for line in run._recorder.run.metrics_path.read_text().splitlines()]
        apart = [record["trainer"]["sampling/sampling_logp_difference/mean"] for record in records]
        assert len(apart) == 3
        assert max(apart) < 1e-3

    def test_the_samplers_distance_is_known_where_a_batch_is_used_again_and_not_made_up_where_none_was_passed(
        self, trainer
    ):
        name = "sampling/sampling_logp_difference/mean"
        run = trainer(max_steps=2, num_iterations=2, save_steps=100)
        run.train()
        lines = run._recorder.run.metrics_path.read_text().splitlines()
        assert all(0 < json.loads(line)["trainer"][name] < 1e-3 for line in lines)
        mask = torch.ones(4, 3, dtype=torch.long)
        before = len(run._metrics["train"][name])
        batch = {"completion_mask": mask, "rollout_logprobs": torch.zeros(4, 3)}
        run._measure_sampler(batch, torch.zeros(4, 3), torch.zeros(4, dtype=torch.bool))
        assert len(run._metrics["train"][name]) == before

    def test_in_half_precision_no_token_is_clipped_before_anything_was_learnt(self, trainer):
        half = {"bf16": True, "model_init_kwargs": {"dtype": "bfloat16"}}
        run = trainer(max_steps=1, num_iterations=2, save_steps=100, **half)
        run.train()
        record = json.loads(run._recorder.run.metrics_path.read_text().splitlines()[0])
        assert record["trainer"]["clip_ratio/region_mean"] == 0.0

    def test_completions_are_scored_while_others_are_sampled(self, trainer, monkeypatch):
        run = trainer(max_steps=1, save_steps=100)
        sampler = run.engine.sampler
        sampler._sampling = replace(sampler._sampling, eos=tuple(range(0, 260, 4)))
        happened = []
        draws, begin = rollout.draw, run._scorer.begin
        monkeypatch.setattr(rollout, "draw", lambda *given: (happened.append("token"), draws(*given))[1])

        def watched(tasks, busy):
            scoring = begin(tasks, busy)
            add = scoring.add
            monkeypatch.setattr(scoring, "add", lambda found: (happened.append(sorted(found)), add(found)))
            return scoring

        monkeypatch.setattr(run._scorer, "begin", watched)
        run.train()
        added = [what for what in happened if what != "token"]
        assert sorted(i for part in added for i in part) == list(range(8))
        first = next(n for n, what in enumerate(happened) if what not in ("token", []))
        assert "token" in happened[first:], "sampling went on"

    def test_evaluation_computes_no_log_probabilities(self, trainer, monkeypatch):
        run = trainer(max_steps=1, beta=0.1, held_out=2)
        monkeypatch.setattr("core.training.trainer.per_token_logprobs", lambda *_, **__: 1 / 0)
        run.model.eval()
        run.evaluate()
        (record,) = [json.loads(line) for line in run._recorder.run.metrics_path.read_text().splitlines()]
        assert (record["split"], len(record["tasks"])) == ("held_out", 2)


def test_trackers_get_each_tasks_metrics_and_the_record_has_them_once(trainer):
    class Tracker(TrainerCallback):
        def __init__(self):
            self.logs = []

        def on_log(self, args, state, control, logs=None, **_):
            self.logs.append(dict(logs))

    toy, tracker = trainer(held_out=2, max_steps=2, eval_steps=2, save_steps=2), Tracker()
    toy.add_callback(tracker)
    toy.args.report_to = ["a tracker"]
    toy.train()
    train = [logs for logs in tracker.logs if "tasks/short/reward" in logs]
    held_out = [logs for logs in tracker.logs if "eval_tasks/short/reward" in logs]
    records = toy._recorder.run.records()
    of = {split: [record for record in records if record["split"] == split] for split in ("train", "held_out")}
    recorded = [{task["task"]: task["reward"] for task in record["tasks"]} for record in of["train"]]
    assert [{task: logs[f"tasks/{task}/reward"] for task in ("long", "short")} for logs in train] == recorded
    assert len(held_out) == len(of["held_out"]) > 0
    assert not [name for record in records for name in record["trainer"] if "tasks/" in name]


NOW_AND_THEN = {"name": "matches_format", "params": {"pattern": ".*[ab].*", "dot_matches_newline": True}}
SELDOM = {
    "mixing": {"resample": 2},
    "rewards": {"short": [{"name": "exact_match"}], "long": [NOW_AND_THEN]},
}


class TestResampling:
    """A random model: of `long` a group has spread now and then, of `short` never."""

    @pytest.mark.parametrize("engine", ["auto", "trl"])
    def test_groups_without_signal_give_way_within_their_task_and_the_batch_keeps_its_size(self, trainer, engine):
        found = trainer({"sampling": engine, "training": engine}, parts=SELDOM, per_device_train_batch_size=32)
        found.model.train()
        output = found._generate_and_score_completions(found._draw())
        (batch,) = found._recorder._batches
        size = found.num_generations
        tasks = [batch.scores.tasks[row] for row in batch.order]
        assert len(output["advantages"]) == len(batch.order) == found.args.generation_batch_size
        assert len(batch.prompts) > len(batch.order), "some was sampled again"
        assert max(batch.order) >= found.args.generation_batch_size, "and has taken a place"
        assert tasks == [task for task in tasks[::size] for _ in range(size)], "whole groups"
        assert sorted(tasks[::size]) == sorted(batch.scores.tasks[: len(tasks)][::size]), "the mix is as it was drawn"
        assert output["advantages"].tolist() == pytest.approx(batch.advantages[batch.order].tolist())
        dropped = sorted(set(range(len(batch.prompts))) - set(batch.order.tolist()))
        assert not batch.advantages[dropped].any()
        for row, ids, mask in zip(batch.order, output["completion_ids"], output["completion_mask"], strict=True):
            text = found.processing_class.decode(ids[mask.bool()], skip_special_tokens=True)
            assert text == batch.completions[row]
        assert output["num_items_in_batch"] == output["completion_mask"].sum()
        found.current_gradient_accumulation_steps = 1
        assert torch.isfinite(found._compute_loss(found.model, output))


@pytest.mark.parametrize(("loss_type", "alike"), [("dapo", True), ("grpo", False)])
def test_tasks_with_long_answers_count_no_more_where_that_is_asked_for(trainer, monkeypatch, loss_type, alike):
    """The loss gets other advantages; what is recorded of them stays."""
    found = trainer(parts={"normalisation": {"task_tokens": "equal"}}, loss_type=loss_type)
    found.model.train()
    made = found._generation

    def shorter(rows):
        """As if the loss looked at one token of a short answer and three of a long one."""
        output, batch = made(rows)
        short = torch.tensor([task == "short" for task in batch.scores.tasks])
        places = torch.arange(output["completion_mask"].shape[1])
        return {**output, "completion_mask": (places < torch.where(short, 1, 3)[:, None]).long()}, batch

    monkeypatch.setattr(found, "_generation", shorter)
    output = found._generate_and_score_completions(found._draw())
    (batch,) = found._recorder._batches
    by = {task: (2.0, 2 / 3)[task == "long"] if alike else 1.0 for task in ("short", "long")}
    expected = [push * by[task] for push, task in zip(batch.advantages, batch.scores.tasks, strict=True)]
    assert output["advantages"].tolist() == pytest.approx(expected)


def test_a_scheduled_weight_holds_in_training_and_not_on_held_out_rows(trainer):
    late = {"name": "length", "weight": 2.0, "params": {"maximum": 3}, "schedule": {"kind": "step", "at": 2}}
    routes = [NOW_AND_THEN, late]
    found = trainer(parts={"rewards": {"short": routes, "long": routes}}, held_out=2, max_steps=3, eval_steps=1)
    found.train()
    weights = {
        (record["split"], record["step"]): reward["weight"]
        for record in found._recorder.run.records()
        for reward in record["tasks"][0]["rewards"]
        if reward["reward"] == "length"
    }
    assert [weights["train", step] for step in (1, 2, 3)] == [0.0, 2.0, 2.0]
    assert {weight for (split, _), weight in weights.items() if split == "held_out"} == {2.0}
