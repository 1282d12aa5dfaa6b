"""Attention over shared prompts against one masked attention that repeats nothing and shares nothing."""

import pytest
import torch
import torch.nn.functional as F

from core.training import attention
from core.training.attention import attend, attend_backward, decode
from core.training.packing import pack

HEADS, KV, SIZE = 6, 2, 8


def packed(prompts, completions):
    """Groups with these prompt lengths, shortest first as they are packed, and for each these completion lengths."""
    rows = [
        (p, length, n) for n, (p, lengths) in enumerate(zip(prompts, completions, strict=True)) for length in lengths
    ]
    width, longest = max(prompts), max(length for _, length, _ in rows)
    ids = torch.tensor([[n + 1] * width for _, _, n in rows]), torch.ones(len(rows), longest, dtype=torch.long)
    masks = (
        torch.tensor([[0] * (width - p) + [1] * p for p, _, _ in rows]),
        torch.tensor([[1] * length + [0] * (longest - length) for _, length, _ in rows]),
    )
    (found,) = pack((ids[0], masks[0]), (ids[1], masks[1]), torch.ones(len(rows), dtype=torch.bool), 10_000)
    return found.groups


def sequences(prompts, completions):
    """For each token of the packed row, what it sees: its prompt and its own completion, up to itself."""
    starts, row = [], 0
    for length in prompts:
        starts.append(row)
        row += length
    seen = [list(range(start, start + i + 1)) for start, p in zip(starts, prompts, strict=True) for i in range(p)]
    for start, p, lengths in zip(starts, prompts, completions, strict=True):
        for length in lengths:
            seen += [[*range(start, start + p), *range(row, row + i + 1)] for i in range(length)]
            row += length
    mask = torch.zeros(row, row, dtype=torch.bool)
    for token, places in enumerate(seen):
        mask[token, places] = True
    return mask


def masked(q, k, v, mask, scale):
    """The same by PyTorch, one row of all tokens under a mask."""
    q, k, v = (x.transpose(0, 1)[None] for x in (q, k, v))
    k, v = (x.repeat_interleave(HEADS // KV, dim=1) for x in (k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask[None, None], scale=scale)[0].transpose(0, 1)


@pytest.mark.parametrize(
    ("prompts", "completions"),
    [
        pytest.param([4], [[3]], id="one of one"),
        pytest.param([5], [[3, 1, 4]], id="one group"),
        pytest.param([5, 5], [[3, 3], [2, 4]], id="prompts of one length"),
        pytest.param([2, 4, 7], [[5], [1, 2, 6], [3, 1]], id="prompts and groups of different sizes"),
    ],
)
@pytest.mark.parametrize("at_once", [1, 60, 1 << 24], ids=["query by query", "cut", "whole"])
@pytest.mark.parametrize("forward", ["attend", "products"], ids=["kernel", "other devices"])
class TestGroups:
    def test_result_and_gradients_are_those_of_masked_attention(
        self, prompts, completions, at_once, forward, monkeypatch
    ):
        monkeypatch.setattr(attention, "MOST_SCORES", at_once)
        monkeypatch.setattr(attention, "attend", getattr(attention, forward))
        torch.manual_seed(0)
        mask = sequences(prompts, completions)
        q, k, v = (torch.randn(len(mask), heads, SIZE, requires_grad=True) for heads in (HEADS, KV, KV))
        grad = torch.randn(len(mask), HEADS, SIZE)
        ours = packed(prompts, completions).attend(q, k, v, 0.3)
        theirs = masked(q, k, v, mask, 0.3)
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
        found = torch.autograd.grad(ours, (q, k, v), grad)
        for mine, other in zip(found, torch.autograd.grad(theirs, (q, k, v), grad), strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kept", [None, [0, 2, 3], [3]], ids=["all rows", "some rows of each group", "one row"])
@pytest.mark.parametrize("padded", [False, True])
def test_a_token_decoded_sees_its_prompt_and_its_completion(kept, padded):
    torch.manual_seed(0)
    n, w, p, s = 2, 2, 5, 3
    prompt = tuple(torch.randn(n, KV, p, SIZE) for _ in range(2))
    own = tuple(torch.randn(n * w, KV, s, SIZE) for _ in range(2))
    q = torch.randn(n * w, HEADS, SIZE)
    bias = torch.zeros(n, p)
    bias[1, 3:] = -torch.inf if padded else 0.0
    k, v = (torch.cat([x.repeat_interleave(w, 0), y], 2) for x, y in zip(prompt, own, strict=True))
    seen = torch.cat([bias.repeat_interleave(w, 0), torch.zeros(n * w, s)], 1)[:, None, None]
    k, v = (x.repeat_interleave(HEADS // KV, dim=1) for x in (k, v))
    whole = F.scaled_dot_product_attention(q[:, :, None], k, v, attn_mask=seen, scale=0.3)[:, :, 0]
    rows = torch.arange(n * w) if kept is None else torch.tensor(kept)
    slots = None if kept is None else rows
    found = decode(q[rows], prompt, tuple(x[rows] for x in own), bias if padded else None, slots, w, 0.3)
    torch.testing.assert_close(found, whole[rows], rtol=1e-5, atol=1e-5)


def test_the_products_of_other_devices_are_those_of_the_kernel(monkeypatch):
    torch.manual_seed(0)
    q, k, v = torch.randn(2, KV, 9, SIZE), torch.randn(2, KV, 5, SIZE), torch.randn(2, KV, 5, SIZE)
    mask = torch.zeros(2, 1, 1, 5).masked_fill(torch.arange(5) > 3, -torch.inf).expand(-1, -1, 9, -1)
    kernel = attend(q, k, v, mask, 0.3)
    products = attention.products(q, k, v, mask, 0.3)
    for mine, other in zip(kernel, products, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


def test_large_products_do_not_overflow_in_half_precision():
    q = torch.full((1, 1, 1, 64), 60.0, dtype=torch.float16)
    out, lse = attention.products(q, q.repeat(1, 1, 3, 1), q.repeat(1, 1, 3, 1), None, 64**-0.5)
    assert torch.isfinite(out).all()
    assert torch.isfinite(lse).all()


def test_gradients_in_half_precision_stay_near_the_exact_ones_where_keys_have_a_large_common_part():
    torch.manual_seed(0)
    q, k, v, grad = (torch.randn(1, 1, 40, 64) for _ in range(4))
    q, k = q + 3, k + 3
    exact = [x.double() for x in (grad, q, k, v)]
    rounded = [x.to(torch.bfloat16) for x in (grad, q, k, v)]
    found = []
    for of_out, queries, keys, values in (exact, rounded):
        out, lse = attention.products(queries, keys, values, None, 0.125)
        delta = (of_out.float() * out).sum(-1, keepdim=True)
        found.append(attend_backward(of_out, queries, keys, values, delta, lse, None, 0.125))
    for wanted, mine in zip(*found, strict=True):
        assert (mine - wanted).norm() < 0.1 * wanted.norm()


def test_a_query_left_out_gets_and_gives_no_gradient():
    torch.manual_seed(0)
    q, k, v, grad = (torch.randn(1, 1, 3, SIZE) for _ in range(4))
    out, lse = attend(q, k, v, None, 0.3)
    lse[0, 0, 1] = torch.inf
    delta = (grad * out).sum(-1, keepdim=True)
    dq, dk, dv = attend_backward(grad, q, k, v, delta, lse, None, 0.3)
    others = torch.tensor([0, 2])
    without = attend_backward(
        *(x[:, :, others] for x in (grad, q)), k, v, delta[:, :, others], lse[:, :, others], None, 0.3
    )
    assert dq[0, 0, 1].abs().max() == 0
    torch.testing.assert_close((dk, dv), without[1:])
