"""Log-probabilities and entropies in tiles against all logits at once."""

import pytest
import torch
from torch import nn

from core.training import logprobs
from core.training.logprobs import by_trl, token_logprobs


def plainly(hidden, head, targets, temperature):
    all_of_them = torch.log_softmax(head(hidden) / temperature, dim=-1)
    entropies = -(all_of_them.exp() * all_of_them).sum(-1)
    return all_of_them.gather(1, targets[:, None])[:, 0], entropies


@pytest.fixture(params=[3, 256], ids=["several tiles", "one tile"])
def tile(request, monkeypatch):
    monkeypatch.setattr(logprobs, "TILE", request.param)


@pytest.mark.usefixtures("tile")
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("of", ["logprobs", "entropies", "both"])
@pytest.mark.parametrize("way", [token_logprobs, by_trl], ids=["CPU", "other devices"])
def test_values_and_gradients_are_those_of_all_logits(bias, temperature, of, way):
    torch.manual_seed(0)
    head = nn.Linear(5, 11, bias=bias).requires_grad_(False)
    hidden, targets = torch.randn(8, 5, requires_grad=True), torch.randint(0, 11, (8,))
    weights = [torch.randn(8) * (of in (name, "both")) for name in ("logprobs", "entropies")]
    found = []
    for computed in (way, plainly):
        results = computed(hidden, head, targets, temperature)
        used = [(weight * result).sum() for weight, result in zip(weights, results, strict=True) if weight.any()]
        found.append((results, torch.autograd.grad(sum(used), hidden)))
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


def test_half_precision_weights_give_figures_in_float32():
    head = nn.Linear(5, 11, bias=False).to(torch.bfloat16).requires_grad_(False)
    found = token_logprobs(torch.randn(4, 5, dtype=torch.bfloat16), head, torch.zeros(4, dtype=torch.long), 1.0)
    assert {figures.dtype for figures in found} == {torch.float32}


def test_hidden_states_in_another_precision_get_their_gradient_in_it():
    head = nn.Linear(5, 11, bias=False).to(torch.bfloat16).requires_grad_(False)
    hidden = torch.randn(4, 5, requires_grad=True)
    logprobs, _ = token_logprobs(hidden, head, torch.zeros(4, dtype=torch.long), 1.0)
    (grad,) = torch.autograd.grad(logprobs.sum(), hidden)
    assert grad.dtype is torch.float32


def test_an_impossible_word_leaves_figures_and_gradients_finite():
    head = nn.Linear(5, 11).requires_grad_(False)
    head.bias[3] = -torch.inf
    hidden = torch.randn(4, 5, requires_grad=True)
    logprobs, entropies = token_logprobs(hidden, head, torch.zeros(4, dtype=torch.long), 1.0)
    (grad,) = torch.autograd.grad((logprobs + entropies).sum(), hidden)
    assert all(torch.isfinite(x).all() for x in (logprobs, entropies, grad))
