"""Sampling over shared prompts against transformers' generate."""

import pytest
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

from core.training import decoder, packing, rollout
from core.training.lora import MergedCopy
from core.training.rollout import Sampler, Sampling, draw

PROMPTS = [[5, 6, 7, 8, 9], [5, 6, 7, 8, 9], [40, 41], [40, 41], [40, 41], [200, 3, 100]]
LONGEST = 12
END = (256,)
KINDS = ["llama", "mistral", "qwen2", "qwen3", "olmo2", "phi3"]  # the last two through their own forward pass


@pytest.fixture
def model(folders):
    def loaded(kind="llama", **config):
        if kind in ("mistral", "phi3"):
            config["sliding_window"] = None
        found = AutoModelForCausalLM.from_pretrained(folders(kind, **config), dtype="float32").eval()
        torch.manual_seed(5)
        with torch.no_grad():  # random weights of the usual size would make every token about as likely
            found.lm_head.weight.mul_(40)
            for name, parameter in found.named_parameters():
                if name.endswith("bias"):
                    parameter.normal_()
        return found

    return loaded


def generated(model, prompts, **settings):
    """What transformers' generate makes of each prompt alone, greedily."""
    config = GenerationConfig(
        max_new_tokens=LONGEST, do_sample=False, pad_token_id=0, eos_token_id=list(END), use_cache=True, **settings
    )
    return [
        model.generate(torch.tensor([p]), attention_mask=torch.ones(1, len(p)), generation_config=config)[
            0, len(p) :
        ].tolist()
        for p in prompts
    ]


def sampled(model, prompts=PROMPTS, cache_bytes=1 << 30, finished=None, longest=LONGEST, end=END, **settings):
    packing.install(model.config)
    return Sampler(model, Sampling(longest, end, **settings), cache_bytes).sample(prompts, finished)


class TestSampler:
    @pytest.mark.parametrize("kind", KINDS)
    def test_the_likeliest_tokens_are_those_of_generate(self, model, kind):
        wanted = generated(model(kind), PROMPTS)
        assert sampled(model(kind), top_k=1).ids == wanted
        assert len({tuple(ids) for ids in wanted}) > 1

    def test_a_repetition_penalty_is_that_of_generate(self, model):
        wanted = generated(model(), PROMPTS, repetition_penalty=1.7)
        assert sampled(model(), top_k=1, repetition_penalty=1.7).ids == wanted
        assert wanted != generated(model(), PROMPTS)

    @pytest.mark.parametrize("cache_bytes", [1, 20_000, 1 << 30], ids=["a row at a time", "some rows", "all rows"])
    def test_a_batch_larger_than_the_cache_comes_in_turns_and_is_the_same(self, model, cache_bytes):
        assert sampled(model(), top_k=1, cache_bytes=cache_bytes).ids == generated(model(), PROMPTS)

    @pytest.mark.parametrize("drop", [1, 3, 1000])
    def test_completions_that_have_ended_leave_and_the_others_do_not_notice(self, model, monkeypatch, drop):
        monkeypatch.setattr(rollout, "DROP", drop)
        whole = sampled(model(), top_k=1, end=()).ids
        ends = tuple({ids[n + 1] for n, ids in enumerate(whole)})
        found = sampled(model(), top_k=1, end=ends).ids
        for ids, cut in zip(whole, found, strict=True):
            assert ids[: len(cut)] == cut
            assert not set(cut[:-1]) & set(ends)
            assert cut[-1] in ends or len(cut) == LONGEST
        assert len({len(cut) for cut in found}) > 2

    def test_the_cache_grows_as_far_as_it_must(self, model, monkeypatch):
        wanted = generated(model(), PROMPTS)
        monkeypatch.setattr(rollout, "ROOM", 3)
        assert sampled(model(), top_k=1).ids == wanted

    def test_log_probabilities_and_entropies_are_the_models_own(self, model):
        found = sampled(model(), temperature=0.7)
        for prompt, ids, logprobs, entropies in zip(PROMPTS, found.ids, found.logprobs, found.entropies, strict=True):
            with torch.no_grad():
                logits = model()(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
            all_of_them = torch.log_softmax(logits / 0.7, dim=-1)
            own = all_of_them.gather(1, torch.tensor(ids)[:, None])[:, 0]
            torch.testing.assert_close(logprobs[: len(ids)], own, rtol=1e-3, atol=1e-4)
            spread = -(all_of_them.exp() * all_of_them).sum(-1)
            torch.testing.assert_close(entropies[: len(ids)], spread, rtol=1e-3, atol=1e-4)
            assert (logprobs[len(ids) :] == 0).all()

    def test_figures_are_of_the_policy_without_a_penalty(self, model):
        found = sampled(model(), repetition_penalty=1.7)
        for prompt, ids, logprobs in zip(PROMPTS, found.ids, found.logprobs, strict=True):
            with torch.no_grad():
                logits = model()(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
            own = torch.log_softmax(logits, dim=-1).gather(1, torch.tensor(ids)[:, None])[:, 0]
            torch.testing.assert_close(logprobs[: len(ids)], own, rtol=1e-3, atol=1e-3)

    def test_packed_weights_sample_as_plain_ones_and_follow_a_refresh(self, adapted_model, monkeypatch):
        model = adapted_model()
        samplers = {}
        for start in (1, 1000):
            monkeypatch.setattr(rollout, "PACKED_FROM", start)
            merged = MergedCopy(model, torch.bfloat16)
            packing.install(merged.model.config)
            samplers[Sampler(merged.model, Sampling(LONGEST, (), top_k=1), 1 << 30)] = merged
        packs = [sampler._decoder._packs for sampler in samplers]
        assert packs == [decoder._onednn(), False], "where the processor computes in bfloat16, and there alone"
        found = []
        for _ in range(2):
            with torch.no_grad():
                for layer in merged._layers:
                    layer.lora_B["default"].weight.add_(torch.randn_like(layer.lora_B["default"].weight))
            found.append([])
            for sampler, copy in samplers.items():
                copy.refresh()
                sampler.refresh()
                found[-1].append(sampler.sample(PROMPTS))
        for packed, plain in found:
            same = [a == b for a, b in zip(packed.ids, plain.ids, strict=True)]
            assert sum(same) >= len(same) - 1, "but for a tie that rounding decides"
        assert found[0][0].ids != found[1][0].ids

    def test_whoever_waits_is_told_of_each_completion_once_when_it_has_ended(self, model):
        told = []
        found = sampled(model(), end=tuple(range(0, 260, 7)), finished=lambda ids: told.append(ids))
        assert {row: ids for part in told for row, ids in part.items()} == dict(enumerate(found.ids))
        assert sum(map(len, told)) == len(PROMPTS)
        assert len(told) > 1

    def test_a_seed_decides_the_completions(self, model):
        loaded, found = model(), []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            found.append(sampled(loaded, temperature=20.0).ids)
        assert found[0] == found[1] != found[2]

    def test_half_precision_finds_the_same_tokens_about_as_likely(self, model):
        exact, rounded = model(), model().to(torch.bfloat16)
        found = sampled(rounded, end=())
        with torch.no_grad():
            own = [
                torch.log_softmax(exact(torch.tensor([p + ids])).logits[0, len(p) - 1 : -1], -1)
                for p, ids in zip(PROMPTS, found.ids, strict=True)
            ]
        chosen = torch.stack(
            [
                all_of_them.gather(1, torch.tensor(ids)[:, None])[:, 0]
                for all_of_them, ids in zip(own, found.ids, strict=True)
            ]
        )
        assert (chosen - found.logprobs).abs().mean() < 0.1


class TestDraw:
    LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, -torch.inf] + [-9.0] * 600)
    ROWS = 40_000

    def frequencies(self, sampling):
        torch.manual_seed(6)
        tokens, logprobs, entropies = draw(self.LOGITS.expand(self.ROWS, -1), sampling)
        assert torch.isfinite(logprobs).all()
        assert torch.isfinite(entropies).all()
        return torch.bincount(tokens, minlength=len(self.LOGITS)) / self.ROWS

    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"temperature": 0.5},
            {"temperature": 2.0},
            {"top_k": 2},
            {"top_p": 0.7},
            {"min_p": 0.2},
            {"temperature": 1.5, "top_k": 3, "top_p": 0.9, "min_p": 0.05},
        ],
        ids=str,
    )
    def test_tokens_come_as_often_as_the_filters_of_generate_make_them_likely(self, settings, folders):
        model = AutoModelForCausalLM.from_pretrained(folders())
        config = GenerationConfig(do_sample=True, **{"top_k": 0, **settings})
        processors = model._get_logits_processor(config, input_ids_seq_length=1, device="cpu")
        likely = processors(torch.zeros(1, 1, dtype=torch.long), self.LOGITS[None].clone())[0].softmax(-1)
        found = self.frequencies(Sampling(1, (), **settings))
        assert (found[likely == 0] == 0).all(), "what is filtered out is never drawn"
        error = (likely * (1 - likely) / self.ROWS).sqrt()
        assert ((found - likely).abs() <= 5 * error + 1e-9).all()

    def test_an_impossible_token_is_never_drawn_even_at_the_very_end(self, monkeypatch):
        monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.ones(*shape, dtype=torch.float64))
        logits = torch.tensor([[0.0, 1.0, *[-torch.inf] * 300], [-torch.inf, 0.0, *[-torch.inf] * 300]])
        tokens, _, _ = draw(logits, Sampling(1, ()))
        assert tokens.tolist() == [1, 1]
