"""What TRL computes for a batch, gradients by name, and whether they are the same."""

import torch


def trl_logprobs(model, ids, mask, length):
    """What TRL computes for the same batch: log-probabilities and entropies (B, length)."""
    labels = ids.masked_fill(mask == 0, -100)
    labels[:, :-length] = -100
    found = model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True)
    return found.log_probs[:, -length:], found.entropy[:, -length:]


def gradients(model, value):
    """Of the trainable parameters, by name."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return dict(zip(named, torch.autograd.grad(value, named.values()), strict=True))


def assert_same(found, wanted, relative=1e-4):
    """Each gradient within a relative distance of its norm; zero where it should be zero."""
    assert found.keys() == wanted.keys()
    for name, gradient in wanted.items():
        apart = (found[name] - gradient).norm()
        assert apart <= relative * gradient.norm() + 1e-9, f"{name}: {apart / gradient.norm():.2e}"
