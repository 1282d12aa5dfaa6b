"""When a step is ours and when it is TRL's, and that it is said why."""

import json

import pytest
import torch
from reference_gradients import trl_logprobs
from trl import GRPOConfig

from core.cache import cache_dir
from core.runs import RunFolder
from core.spec import Engine as EngineSpec
from core.training import engine as engines
from core.training import lora, trial
from core.training.engine import Engine, build_engine
from core.training.rollout import Sampling
from core.ways import Way

PROMPTS = [[5, 6, 7, 8, 9], [40, 41]]


def built(model, tmp_path, spec=None, mixed=False, **options):
    arguments = GRPOConfig(
        output_dir=str(tmp_path), use_cpu=True, bf16=mixed, **{"gradient_checkpointing": False, **options}
    )

    def trl(ids, mask, length):
        return trl_logprobs(model, ids, mask, length)[0]

    def autocast():
        return torch.autocast("cpu", torch.bfloat16, enabled=mixed)

    return build_engine(model, arguments, EngineSpec(**(spec or {})), [256], PROMPTS, trl, autocast)


class TestOurs:
    @pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "olmo2"])
    def test_a_plain_decoder_goes_our_way(self, adapted_model, tmp_path, kind):
        engine = built(adapted_model(kind, **({"sliding_window": None} if kind == "mistral" else {})), tmp_path)
        assert (engine.sampling, engine.training) == (Way(True), Way(True))
        assert engine.sampler is not None

    def test_the_memory_allowed_decides_how_many_tokens_pass_at_once(self, adapted_model, tmp_path):
        one, four = (built(adapted_model(), tmp_path, {"memory_gb": size}).most_tokens for size in (0.001, 0.004))
        assert one > 10
        assert abs(four / one - 4) < 0.1

    def test_a_budget_is_kept_to(self, adapted_model, tmp_path, padded_batch):
        model = adapted_model()
        engine = built(model, tmp_path, {"memory_gb": 0.001})
        kept, tokens = trial._kept(model.get_base_model(), *padded_batch, 6)
        assert 0.5 < (0.001e9 / engine.most_tokens) / (kept / tokens) < 1.5

    def test_gradient_checkpointing_keeps_less_so_that_more_passes_at_once(self, adapted_model, tmp_path):
        plain = built(adapted_model(), tmp_path)
        model = adapted_model()
        model.enable_input_require_grads()
        assert built(model, tmp_path, gradient_checkpointing=True).most_tokens > 1.5 * plain.most_tokens

    def test_the_trial_leaves_the_model_and_the_random_numbers_as_they_were(self, adapted_model, tmp_path):
        model = adapted_model().train()
        before = {name: p.detach().clone() for name, p in model.named_parameters()}
        torch.manual_seed(0)
        state = torch.random.get_rng_state()
        built(model, tmp_path)
        assert torch.equal(torch.random.get_rng_state(), state)
        assert model.training
        assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())

    def test_mixed_precision_is_judged_by_its_own_rounding(self, adapted_model, tmp_path):
        engine = built(adapted_model(), tmp_path, mixed=True)
        assert (engine.sampling, engine.training) == (Way(True), Way(True))


class TestTRL:
    @pytest.mark.parametrize(
        ("kind", "config", "lora", "options", "sampling", "training"),
        [
            ("mistral", {"sliding_window": 64}, {}, {}, "sliding window", "sliding window"),
            (
                "qwen3",
                {"use_sliding_window": True, "max_window_layers": 1, "sliding_window": 8},
                {},
                {},
                "not all its layers",
                "not all its layers",
            ),
            ("gemma2", {"head_dim": 8}, {}, {}, "not all its layers", "not all its layers"),
            ("granite", {"logits_scaling": 8.0}, {}, {}, "changed by logits_scaling", "changed by logits_scaling"),
            ("gpt2", {"n_embd": 32}, {"fan_in_fan_out": True}, {}, "Conv1D", "Conv1D"),
            ("llama", {"attention_dropout": 0.1}, {}, {}, "has dropout", "has dropout"),
            (
                "llama",
                {},
                {"use_dora": True},
                {},
                "the adapter is Dora",
                "the adapter is Dora",
            ),
            ("llama", {}, {}, {"cache_implementation": "static"}, "cache_implementation is set", None),
            ("llama", {}, {}, {"generation_kwargs": {"num_beams": 2}}, "generation_kwargs is set", None),
            (
                "llama",
                {},
                {},
                {"cast_lm_head_to_fp32": True},
                "cast_lm_head_to_fp32 is on",
                "cast_lm_head_to_fp32 is on",
            ),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_what_ours_does_not_hold_for_is_named(
        self, adapted_model, tmp_path, kind, config, lora, options, sampling, training
    ):
        engine = built(adapted_model(kind, lora=lora, **config), tmp_path, **options)
        assert not engine.sampling.ours
        assert sampling in engine.sampling.reason
        assert engine.training.ours == (training is None)
        assert (training or "") in engine.training.reason

    def test_the_run_spec_can_ask_for_it(self, adapted_model, tmp_path):
        model = adapted_model()
        engine = built(model, tmp_path, {"sampling": "trl", "training": "trl"})
        assert (engine.sampling, engine.training) == (
            Way(False, "engine.sampling is trl"),
            Way(False, "engine.training is trl"),
        )
        assert model.config._attn_implementation == "sdpa"
        assert "forward" not in vars(model.get_base_model().model.layers[0].mlp.up_proj), (
            "PEFT's layers are as they were"
        )

    def test_a_trial_that_disagrees_is_a_reason(self, adapted_model, tmp_path, monkeypatch):
        def wrong(*arguments, **keywords):
            logprobs, entropies = engines_pass(*arguments, **keywords)
            return logprobs + 1, entropies

        engines_pass = engines.per_token_logprobs
        monkeypatch.setattr(engines, "per_token_logprobs", wrong)
        model = adapted_model()
        engine = built(model, tmp_path)
        assert engine.training.reason == "a trial failed: ArithmeticError: log-probabilities are 1 apart from TRL's"
        assert model.config._attn_implementation == "sdpa"
        assert engine.sampling.ours

    def test_an_adapter_computed_wrongly_is_found_although_a_new_one_does_nothing(
        self, adapted_model, tmp_path, monkeypatch
    ):
        model = adapted_model()
        with torch.no_grad():
            for name, p in model.named_parameters():
                if "lora_B" in name:
                    p.zero_()
        monkeypatch.setattr(lora.MergedCopy, "refresh", _without_adapter)
        monkeypatch.setattr(lora, "lean_forward", lambda layer, x: layer.get_base_layer()(x))
        engine = built(model, tmp_path)
        assert "apart from TRL's" in engine.sampling.reason
        assert "apart from TRL's" in engine.training.reason
        assert "forward" not in vars(model.get_base_model().model.layers[0].mlp.up_proj), "PEFT's layers are back"

    @pytest.mark.parametrize("mistake", ["a gradient that is missing", "a wrong sign"])
    def test_an_adapter_whose_gradient_is_wrong_is_found(self, adapted_model, tmp_path, monkeypatch, mistake):
        right = lora._Lora.backward

        def backward(ctx, grad):
            x, dropped, weight, bias, a, b, scaling = right(ctx, grad)
            return x, dropped, weight, bias, *((a * 0, b) if "missing" in mistake else (a, -b)), scaling

        monkeypatch.setattr(lora._Lora, "backward", staticmethod(backward))
        engine = built(adapted_model(), tmp_path)
        assert "gradients are" in engine.training.reason
        assert engine.sampling.ours

    @pytest.mark.parametrize("name", ["suppress_tokens", "no_repeat_ngram_size", "min_p"])
    def test_a_model_whose_own_settings_change_sampling_is_sampled_by_trl(self, adapted_model, tmp_path, name):
        model = adapted_model()
        setattr(model.get_base_model().generation_config, name, [1] if name == "suppress_tokens" else 1)
        engine = built(model, tmp_path)
        assert engine.sampling.reason == f"the model's own generation settings hold {name}"
        assert engine.training.ours

    def test_a_router_whose_loss_counts_is_trained_by_trl(self, adapted_model, tmp_path):
        experts = {"num_local_experts": 2, "num_experts_per_tok": 1, "sliding_window": None}
        engine = built(adapted_model("mixtral", lora={"target_modules": ["q_proj", "v_proj"]}, **experts), tmp_path)
        assert engine.training.reason == "the loss of its router counts"
        assert engine.sampling.ours

    def test_a_trial_that_breaks_is_a_reason(self, adapted_model, tmp_path, monkeypatch):
        monkeypatch.setattr(engines.Sampler, "sample", lambda *_, **__: 1 / 0)
        engine = built(adapted_model(), tmp_path)
        assert engine.sampling == Way(False, "a trial failed: ZeroDivisionError: division by zero")
        assert engine.sampler is None


class TestMemory:
    """A trial that was passed is not made again while everything that it depends on is the same."""

    @pytest.fixture
    def trials(self, monkeypatch):
        made = []
        likely = trial.likely
        monkeypatch.setattr(trial, "likely", lambda *arguments: made.append(1) or likely(*arguments))
        return made

    def test_the_same_trial_is_made_once(self, adapted_model, tmp_path, trials):
        first, again = built(adapted_model(), tmp_path), built(adapted_model(), tmp_path)
        assert len(trials) == 2, "one for sampling and one for training"
        assert (again.sampling, again.training) == (first.sampling, first.training) == (Way(True), Way(True))
        assert again.most_tokens == first.most_tokens

    def test_a_model_that_was_not_tried_again_computes_the_same(self, adapted_model, tmp_path, padded_batch):
        first, again = adapted_model(), adapted_model()
        for model in (first, again):
            built(model, tmp_path)
        assert torch.equal(*(trial_pass(model, padded_batch) for model in (first, again)))
        assert all("forward" in vars(model.get_base_model().model.layers[0].mlp.up_proj) for model in (first, again))

    @pytest.mark.parametrize(
        ("model", "options"),
        [
            ({"lora": {"r": 8}}, {}),
            ({"num_hidden_layers": 3}, {}),
            ({"kind": "qwen2"}, {}),
            ({}, {"temperature": 0.7}),
            ({}, {"gradient_checkpointing": True}),
        ],
        ids=str,
    )
    def test_whatever_it_depends_on_makes_it_another(self, adapted_model, tmp_path, trials, model, options):
        built(adapted_model(), tmp_path)
        other = adapted_model(**model)
        other.enable_input_require_grads()
        built(other, tmp_path, **options)
        assert len(trials) == 4

    def test_another_version_of_a_library_makes_it_another(self, adapted_model, tmp_path, trials, monkeypatch):
        built(adapted_model(), tmp_path)
        monkeypatch.setattr(trial, "version", lambda name: "99")
        built(adapted_model(), tmp_path)
        assert len(trials) == 4

    def test_a_failed_trial_is_not_remembered(self, adapted_model, tmp_path, monkeypatch):
        with monkeypatch.context() as broken:
            broken.setattr(trial, "likely", lambda *_: 1 / 0)
            assert not built(adapted_model(), tmp_path).training.ours
        assert built(adapted_model(), tmp_path).training.ours

    def test_a_torn_record_is_made_again(self, adapted_model, tmp_path, trials):
        built(adapted_model(), tmp_path)
        (record,) = (cache_dir() / "trials").iterdir()
        record.write_text('{"sampl')
        assert built(adapted_model(), tmp_path).sampling.ours
        assert len(trials) == 4


def trial_pass(model, batch):
    with torch.no_grad():
        return engines.per_token_logprobs(model.get_base_model(), *batch, 6, temperature=1.0, most=1000)[0]


def _without_adapter(copy):
    for layer, merged in zip(copy._layers, copy._merged, strict=True):
        merged.weight.data.copy_(layer.get_base_layer().weight)


def test_sampling_parameters_are_grpo_config_own(tmp_path):
    options = {"temperature": 0.7, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "repetition_penalty": 1.2}
    arguments = GRPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, max_completion_length=9, **options)
    sampling = Sampling.of(arguments, [1, 2])
    assert {name: getattr(sampling, name) for name in options} == options
    assert (sampling.max_completion_length, sampling.eos) == (9, (1, 2))


def test_the_ways_are_in_the_log_and_in_the_run_folder(tmp_path, capsys):
    run = RunFolder(tmp_path)
    Engine(Way(True), Way(False, "it is too round")).report(run)
    assert capsys.readouterr().out == "sampling: shared prompts\ntraining pass: TRL, because it is too round\n"
    assert json.loads(run.engine_path.read_text()) == {
        "sampling": {"ours": True, "reason": ""},
        "training": {"ours": False, "reason": "it is too round"},
    }
