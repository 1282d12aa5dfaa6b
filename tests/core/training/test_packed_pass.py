"""The packed training pass against TRL's own, on tiny models in float32."""

import pytest
import torch
from reference_gradients import assert_same, gradients, trl_logprobs

from core.training import packing
from core.training.lora import make_lean
from core.training.packed_pass import per_token_logprobs

LENGTH = 6


def ours(model, ids, mask, most=10_000, wanted=None):
    return per_token_logprobs(model.get_base_model(), ids, mask, LENGTH, temperature=1.0, wanted=wanted, most=most)


def weighted(found, mask):
    torch.manual_seed(4)
    return sum((torch.randn_like(figures) * mask[:, -LENGTH:] * figures).sum() for figures in found)


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3", "olmo2", "phi3"])
def test_values_and_gradients_are_trl_own(adapted_model, padded_batch, kind):
    model = adapted_model(kind, **({"sliding_window": None} if kind in ("mistral", "phi3") else {}))
    theirs = trl_logprobs(model, *padded_batch, LENGTH)
    wanted = gradients(model, weighted(theirs, padded_batch[1]))
    packing.install(model.config)
    make_lean(model)
    found = ours(model, *padded_batch)
    for mine, other in zip(found, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    assert_same(gradients(model, weighted(found, padded_batch[1])), wanted)


@pytest.mark.parametrize("most", [1, 20, 40])
def test_a_small_budget_changes_nothing_but_memory(adapted_model, padded_batch, most):
    model = adapted_model()
    packing.install(model.config)
    whole, parts = ours(model, *padded_batch), ours(model, *padded_batch, most=most)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)
    wanted = gradients(model, weighted(whole, padded_batch[1]))
    assert_same(gradients(model, weighted(parts, padded_batch[1])), wanted)


def test_what_is_kept_for_the_backward_pass_does_not_grow_with_the_group(adapted_model):
    model = adapted_model()
    packing.install(model.config)
    kept = {}
    for size in (8, 64):
        ids = torch.arange(3, 23).repeat(size, 1)
        ids[:, -LENGTH:] = torch.randint(3, 250, (size, LENGTH))
        count = [0]

        def pack(tensor, count=count):
            count[0] += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            found = ours(model, ids, torch.ones_like(ids), most=60)
        kept[size] = count[0]
        del found
    assert kept[64] < 2 * kept[8], "eight times the completions"


def test_gradient_checkpointing_changes_nothing(adapted_model, padded_batch):
    model = adapted_model()
    packing.install(model.config)
    wanted = gradients(model, weighted(ours(model, *padded_batch), padded_batch[1]))
    model.train()
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    assert_same(gradients(model, weighted(ours(model, *padded_batch), padded_batch[1])), wanted)


def test_rows_that_are_not_wanted_are_zero_and_get_no_gradient(adapted_model, padded_batch):
    model = adapted_model()
    packing.install(model.config)
    wanted = torch.tensor([True, False, True, False, False, True, False])
    found, whole = ours(model, *padded_batch, wanted=wanted), ours(model, *padded_batch)
    for mine, other in zip(found, whole, strict=True):
        torch.testing.assert_close(mine[wanted], other[wanted], rtol=1e-5, atol=1e-6)
        assert (mine[~wanted] == 0).all()


def test_no_row_at_all_has_a_gradient_of_zero_not_none(adapted_model, padded_batch):
    model = adapted_model()
    packing.install(model.config)
    found, _ = ours(model, *padded_batch, wanted=torch.zeros(7, dtype=torch.bool))
    assert all((gradient == 0).all() for gradient in gradients(model, found.sum()).values())


def test_the_reference_model_is_the_one_without_the_adapter(adapted_model, padded_batch):
    model = adapted_model()
    with torch.no_grad(), model.disable_adapter():
        theirs, _ = trl_logprobs(model, *padded_batch, LENGTH)
    packing.install(model.config)
    make_lean(model)
    with torch.no_grad(), model.disable_adapter():
        torch.testing.assert_close(ours(model, *padded_batch)[0], theirs, rtol=1e-4, atol=1e-5)


def test_a_model_prepared_for_it_still_computes_its_ordinary_pass(adapted_model, padded_batch):
    model = adapted_model()
    theirs, _ = trl_logprobs(model, *padded_batch, LENGTH)
    packing.install(model.config)
    torch.testing.assert_close(trl_logprobs(model, *padded_batch, LENGTH)[0], theirs)
