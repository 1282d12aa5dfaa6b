"""Lean LoRA layers against PEFT's own, and merged copies against PEFT's merge."""

import copy

import pytest
import torch
from reference_gradients import assert_same, gradients

from core.training.lora import MergedCopy, make_lean, unsupported


def logits(model, **batch):
    return model(input_ids=torch.arange(3, 23).view(2, 10), use_cache=False, **batch).logits


class TestMakeLean:
    def test_result_and_gradients_are_peft_own(self, adapted_model):
        model = adapted_model()
        weights = torch.randn(2, 10, 260)
        theirs = logits(model)
        wanted = gradients(model, (theirs * weights).sum())
        make_lean(model)
        ours = logits(model)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        assert_same(gradients(model, (ours * weights).sum()), wanted)

    def test_under_mixed_precision_they_agree_up_to_its_rounding(self, adapted_model):
        model = adapted_model()
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            theirs = logits(model)
            make_lean(model)
            ours = logits(model)
        assert (ours - theirs).abs().mean() < 0.02 * theirs.std()

    def test_layers_with_a_bias_keep_it(self, adapted_model):
        model = adapted_model("qwen2")
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.normal_()
            theirs = logits(model)
            make_lean(model)
            torch.testing.assert_close(logits(model), theirs, rtol=1e-5, atol=1e-5)

    def test_a_disabled_adapter_is_left_out(self, adapted_model):
        model = adapted_model()
        with torch.no_grad(), model.disable_adapter():
            theirs = logits(model)
        make_lean(model)
        with torch.no_grad(), model.disable_adapter():
            torch.testing.assert_close(logits(model), theirs)

    def test_an_adapter_merged_for_a_while_counts_once(self, adapted_model):
        model = adapted_model()
        make_lean(model)
        with torch.no_grad():
            apart = logits(model)
            model.merge_adapter()
            torch.testing.assert_close(logits(model), apart, rtol=1e-4, atol=1e-4)
            with model.disable_adapter():
                without = logits(model)
            assert (without - apart).abs().max() > 0.1
            torch.testing.assert_close(logits(model), apart, rtol=1e-4, atol=1e-4)

    def test_dropout_is_peft_own_in_training_and_none_else(self, adapted_model):
        model = adapted_model(lora={"lora_dropout": 0.5})
        found = []
        for _ in range(2):
            torch.manual_seed(3)
            value = logits(model.train())
            found.append((value, gradients(model, value.square().sum()), logits(model.eval())))
            make_lean(model)
        (theirs, wanted, quiet), (ours, gradient, quiet_too) = found
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        assert_same(gradient, wanted)
        torch.testing.assert_close(quiet_too, quiet, rtol=1e-5, atol=1e-5)

    def test_nothing_is_renamed(self, adapted_model):
        model = adapted_model()
        before = set(model.state_dict())
        make_lean(model)
        assert set(model.state_dict()) == before


class TestUnsupported:
    def test_plain_lora_is_supported(self, adapted_model):
        assert unsupported(adapted_model()) is None

    def test_dropout_and_rank_stabilisation_are_supported(self, adapted_model):
        assert unsupported(adapted_model(lora={"lora_dropout": 0.1, "use_rslora": True})) is None

    @pytest.mark.parametrize(
        ("lora", "says"),
        [
            ({"use_dora": True}, "the adapter is Dora, not plain LoRA"),
            ({"lora_bias": True, "target_modules": ["q_proj"]}, "a bias"),
            ({"bias": "all"}, "trains beside the LoRA layers"),
            ({"modules_to_save": ["lm_head"]}, "trains beside|not plain LoRA"),
            ({"target_modules": ["embed_tokens"]}, "Embedding"),
        ],
        ids=lambda value: str(value),
    )
    def test_what_is_more_than_plain_lora_is_named(self, adapted_model, lora, says):
        kind = "qwen2" if "bias" in lora or "lora_bias" in lora else "llama"
        with pytest.raises(AssertionError, match=says):
            assert unsupported(adapted_model(kind, lora=lora)) is None, unsupported(adapted_model(kind, lora=lora))


class TestMergedCopy:
    @pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "olmo2"])
    def test_it_computes_what_the_adapted_model_computes(self, adapted_model, kind):
        model = adapted_model(kind)
        merged = MergedCopy(model, torch.float32)
        merged.refresh()
        with torch.no_grad():
            torch.testing.assert_close(logits(merged.model), logits(model), rtol=1e-4, atol=1e-4)

    def test_a_refresh_follows_the_adapter_and_base_weights_never_change(self, adapted_model):
        model = adapted_model()
        base = {name: p.clone() for name, p in model.named_parameters() if "lora_" not in name}
        merged = MergedCopy(model, torch.float32)
        for _ in range(3):
            with torch.no_grad():
                for name, p in model.named_parameters():
                    if "lora_" in name:
                        p.add_(torch.randn_like(p) * 0.1)
            merged.refresh()
        with torch.no_grad():
            torch.testing.assert_close(logits(merged.model), logits(model), rtol=1e-4, atol=1e-4)
        assert all(torch.equal(p, base[name]) for name, p in model.named_parameters() if "lora_" not in name)

    def test_weights_without_an_adapter_are_shared_and_not_copied(self, adapted_model):
        model = adapted_model()
        merged = MergedCopy(model, torch.float32)
        theirs, ours = model.get_base_model().model.embed_tokens, merged.model.model.embed_tokens
        assert ours.weight.data_ptr() == theirs.weight.data_ptr()
        assert merged.model.lm_head.weight.data_ptr() == model.get_base_model().lm_head.weight.data_ptr()

    def test_a_lower_precision_differs_by_its_rounding_alone(self, adapted_model):
        model = adapted_model()
        merged, exact = MergedCopy(model, torch.bfloat16), MergedCopy(model, torch.float32)
        merged.refresh()
        exact.refresh()
        for ours, wanted in zip(merged.model.parameters(), exact.model.parameters(), strict=True):
            assert ours.dtype is torch.bfloat16
            assert (ours.float() - wanted).abs().mean() <= 2**-8 * wanted.abs().mean()

    def test_it_learns_nothing(self, adapted_model):
        merged = MergedCopy(copy.deepcopy(adapted_model()), torch.float32)
        assert not any(p.requires_grad for p in merged.model.parameters())
