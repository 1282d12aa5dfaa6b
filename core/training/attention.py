"""Attention of completions that share their prompt: the prompt's keys and values are there once a group.

A completion's token sees its prompt and the tokens of its own completion before it. These are two attentions, put
together by their normalisers: softmax over the union is the two results, weighted by exp(logsumexp). So the prompt is
neither repeated for its G completions nor is there a mask of (tokens x tokens). Sources: Hydragen, arXiv 2402.05099. In
the backward pass each part needs of the other only the joint output and normaliser, as in ring attention, arXiv
2310.01889.

N groups, W completions a group, P prompt tokens, T completion tokens, H query heads, K key/value heads, D numbers a
head. Every single attention has the shape (B, K, Q, D) over (B, K, S, D): the query heads that share a key/value head
lie side by side in Q ("folded"), so nothing is repeated for them either.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MOST_SCORES = 1 << 24  # products of queries and keys at once outside the kernel: 64 MB in float32


@dataclass(frozen=True)
class Groups:
    """Where the tokens of some groups lie in a row of L: N prompts, then their completions.

    Attributes:
        prompt_slots: (N, P), each prompt token's place in the row, for padding (on the right) some token's.
        prompt_padding: (N, P).
        prompt_places: for each prompt token of the row, its place in (N x P).
        own_slots: (N, W, T), as `prompt_slots`, for completions.
        own_padding: (N, W, T).
        own_places: for each completion token of the row, its place in (N x W x T).
        bias: (N, P), -inf for padding; None where no prompt is padded.
    """

    prompt_slots: Tensor
    prompt_padding: Tensor
    prompt_places: Tensor
    own_slots: Tensor
    own_padding: Tensor
    own_places: Tensor
    bias: Tensor | None

    def attend(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """Prompts causally among themselves, completions over their prompt and causally over themselves.

        Args:
            q: (L, H, D).
            k: (L, K, D).
            v: (L, K, D).
            scale: of the products of queries and keys.

        Returns:
            (L, H, D).
        """
        result: Tensor = _Attention.apply(q, k, v, self, scale)  # type: ignore[no-untyped-call]
        return result

    def attend_prompts(self, q: Tensor, k: Tensor, v: Tensor, scale: float) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Prompts alone, without a gradient: the result (L, H, D), and their keys and values (N, K, P, D) each."""
        qp, kp, vp = (self.of_prompts(x, k.shape[1]) for x in (q, k, v))
        out, _ = attend(qp, kp, vp, _causal_mask(qp, kp), scale)
        return _unfolded(out, kp.shape[2]).flatten(0, 1)[self.prompt_places], (kp, vp)

    def of_prompts(self, row: Tensor, kv: int) -> Tensor:
        """(L, heads, D) as padded, folded prompts: (N, K, heads/K x P, D)."""
        return _folded(row[self.prompt_slots], kv)

    def of_completions(self, row: Tensor, kv: int) -> Tensor:
        """(L, heads, D) as padded, folded completions: (N x W, K, heads/K x T, D)."""
        return _folded(row[self.own_slots.flatten(0, 1)], kv)

    def row(self, prompts: Tensor, completions: Tensor) -> Tensor:
        """The two above as one row again, (L, heads, D)."""
        of_prompts = _unfolded(prompts, self.prompt_slots.shape[1]).flatten(0, 1)[self.prompt_places]
        of_completions = _unfolded(completions, self.own_slots.shape[2]).flatten(0, 1)[self.own_places]
        return torch.cat([of_prompts, of_completions])

    def together(self, x: Tensor) -> Tensor:
        """Folded completions, (N x W, K, Q, D), as one row of queries a group: (N, K, W x Q, D)."""
        n, w, _ = self.own_slots.shape
        return x.view(n, w, *x.shape[1:]).transpose(1, 2).reshape(n, x.shape[1], -1, x.shape[3])

    def apart(self, x: Tensor) -> Tensor:
        """What `together` put together."""
        n, w, _ = self.own_slots.shape
        return x.view(n, x.shape[1], w, -1, x.shape[3]).transpose(1, 2).reshape(n * w, x.shape[1], -1, x.shape[3])


class _Attention(torch.autograd.Function):
    """Keeps for the backward pass nothing that is padded or repeated, only rows of L tokens."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, groups: Groups, scale: float) -> Tensor:
        kv = k.shape[1]
        qp, kp, vp = (groups.of_prompts(x, kv) for x in (q, k, v))
        prompts = attend(qp, kp, vp, _causal_mask(qp, kp), scale)
        qo, ko, vo = (groups.of_completions(x, kv) for x in (q, k, v))
        queries = groups.together(qo)
        out, lse = attend(queries, kp, vp, _mask(groups.bias, queries), scale)
        completions = _joined((groups.apart(out), groups.apart(lse)), attend(qo, ko, vo, _causal_mask(qo, ko), scale))
        out, lse = (groups.row(*both) for both in zip(prompts, completions, strict=True))
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.groups, ctx.scale = groups, scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, out, lse = ctx.saved_tensors
        groups, scale, kv = ctx.groups, ctx.scale, k.shape[1]
        delta = (grad.float() * out).sum(dim=-1, keepdim=True)  # (L, H, 1)
        grad_p, qp, kp, vp, delta_p, lse_p = (groups.of_prompts(x, kv) for x in (grad, q, k, v, delta, lse))
        lse_p = _without(groups.prompt_padding, lse_p)
        dqp, dkp, dvp = attend_backward(grad_p, qp, kp, vp, delta_p, lse_p, _causal_mask(qp, kp), scale)
        grad_o, qo, ko, vo, delta_o, lse_o = (groups.of_completions(x, kv) for x in (grad, q, k, v, delta, lse))
        lse_o = _without(groups.own_padding.flatten(0, 1), lse_o)
        dqo, dko, dvo = attend_backward(grad_o, qo, ko, vo, delta_o, lse_o, _causal_mask(qo, ko), scale)
        grad_t, qt, delta_t, lse_t = (groups.together(x) for x in (grad_o, qo, delta_o, lse_o))
        dqt, dkt, dvt = attend_backward(grad_t, qt, kp, vp, delta_t, lse_t, _mask(groups.bias, qt), scale)
        dqo += groups.apart(dqt)
        return groups.row(dqp, dqo), groups.row(dkp + dkt, dko), groups.row(dvp + dvt, dvo), None, None


def decode(
    q: Tensor,
    prompt: tuple[Tensor, Tensor],
    own: tuple[Tensor, Tensor],
    bias: Tensor | None,
    slots: Tensor | None,
    width: int,
    scale: float,
) -> Tensor:
    """Attention of one new token a completion.

    Args:
        q: (R, H, D), a row a completion.
        prompt: keys and values of the prompts, (N, K, P, D) each.
        own: keys and values of the completions so far, the new token's too, (R, K, S, D) each.
        bias: (N, P), -inf for padding; None where no prompt is padded.
        slots: for each row its place among N x W, those of a group side by side; None where every place is taken.
        width: places a group, W.
        scale: of the products of queries and keys.

    Returns:
        (R, H, D).
    """
    rows, h, d = q.shape
    n, kv = prompt[0].shape[:2]
    single = q.view(rows, kv, h // kv, d)
    placed = single if slots is None else _placed(single, slots, n * width)
    queries = placed.view(n, width, kv, -1, d).transpose(1, 2).reshape(n, kv, -1, d)
    to_prompt = [
        x.view(n, kv, width, h // kv, -1).transpose(1, 2).reshape(n * width, kv, h // kv, -1)
        for x in attend(queries, *prompt, _mask(bias, queries), scale)
    ]
    if slots is not None:
        to_prompt = [x[slots] for x in to_prompt]
    return _mixed((to_prompt[0], to_prompt[1]), attend(single, *own, None, scale)).view(rows, h, d)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """Attention and the logarithm of its normaliser, without a gradient.

    Args:
        q: (B, K, Q, D).
        k: (B, K, S, D).
        v: (B, K, S, D).
        mask: added to the scores, to be expanded to (B, 1, Q, S); None for none.
        scale: of the products.

    Returns:
        (B, K, Q, D) and, in float32, (B, K, Q, 1).
    """
    if q.device.type == "cpu":
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v, attn_mask=mask, scale=scale)
        return out, lse[..., None]
    return products(q, k, v, mask, scale)


def products(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> tuple[Tensor, Tensor]:
    """`attend` where there is no kernel that also returns the normaliser, a part of the queries at a time."""
    out, lse = torch.empty_like(q), torch.empty(*q.shape[:3], 1, device=q.device)
    for rows, queries in _parts(q, k):
        scores = _scores(q[rows, :, queries], k[rows], mask, rows, queries, scale)
        lse[rows, :, queries] = part = torch.logsumexp(scores, dim=-1, keepdim=True)
        out[rows, :, queries] = torch.matmul(scores.sub_(part).exp_().to(v.dtype), v[rows])
    return out, lse


def attend_backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, delta: Tensor, lse: Tensor, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of q, k and v in an attention, or in one part of an attention that was joined of several.

    PyTorch's kernel for the CPU takes four to six times longer than these products at the sizes of a step.

    Args:
        grad: gradient of the (joint) output, (B, K, Q, D).
        q: as in `attend`.
        k: as in `attend`.
        v: as in `attend`.
        delta: the sum over D of gradient times (joint) output, (B, K, Q, 1).
        lse: logarithm of the (joint) normaliser, (B, K, Q, 1); infinite for queries to leave out.
        mask: as in `attend`.
        scale: as in `attend`.
    """
    dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for rows, queries in _parts(q, k):
        of_out, some = grad[rows, :, queries], q[rows, :, queries]
        shares = _scores(some, k[rows], mask, rows, queries, scale).sub_(lse[rows, :, queries]).exp_()
        dv[rows] += torch.matmul(shares.to(v.dtype).transpose(2, 3), of_out)
        of_scores = torch.matmul(of_out, v[rows].transpose(2, 3)).float().sub_(delta[rows, :, queries])
        of_scores = of_scores.mul_(shares).mul_(scale).to(q.dtype)
        dq[rows, :, queries] = torch.matmul(of_scores, k[rows])
        dk[rows] += torch.matmul(of_scores.transpose(2, 3), some)
    return dq, dk, dv


def _parts(q: Tensor, k: Tensor) -> Iterator[tuple[slice, slice]]:
    """Sequences, and of each its queries, so few at a time that their scores fit into memory."""
    heads, queries, keys = q.shape[1], q.shape[2], k.shape[2]
    rows = max(1, MOST_SCORES // (heads * queries * keys))
    some = queries if rows > 1 else max(1, min(queries, MOST_SCORES // (heads * keys)))
    for row in range(0, len(q), rows):
        for query in range(0, queries, some):
            yield slice(row, row + rows), slice(query, query + some)


def _scores(q: Tensor, k: Tensor, mask: Tensor | None, rows: slice, queries: slice, scale: float) -> Tensor:
    """Products of some queries and all keys, scaled and masked, in float32.

    In half precision they would be rounded before their normaliser, which is not, is taken off, and could overflow.
    """
    scores = torch.matmul(q.float(), k.float().transpose(2, 3)).mul_(scale)
    if mask is not None:
        scores += (mask if len(mask) == 1 else mask[rows])[:, :, queries]
    return scores


def _joined(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Two attentions of the same queries over different keys as the one over all of them."""
    return _mixed(one, other), torch.logaddexp(one[1], other[1])


def _mixed(one: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> Tensor:
    (out_1, lse_1), (out_2, lse_2) = one, other
    return torch.lerp(out_2, out_1, torch.sigmoid(lse_1 - lse_2).to(out_1.dtype))


def _folded(x: Tensor, kv: int) -> Tensor:
    """(B, T, H, D) to (B, K, H/K x T, D)."""
    b, t, h, d = x.shape
    return x.view(b, t, kv, h // kv, d).permute(0, 2, 3, 1, 4).reshape(b, kv, -1, d)


def _unfolded(x: Tensor, t: int) -> Tensor:
    """(B, K, H/K x T, D) to (B, T, H, D)."""
    b, kv, _, d = x.shape
    return x.view(b, kv, -1, t, d).permute(0, 3, 1, 2, 4).reshape(b, t, -1, d)


def _without(padding: Tensor, lse: Tensor) -> Tensor:
    """An infinite normaliser where there is padding (B, T), so that it gets and gives no gradient; lse is folded."""
    t = padding.shape[1]
    return lse.masked_fill(padding.repeat(1, lse.shape[2] // t)[:, None, :, None], torch.inf)


def _causal_mask(q: Tensor, k: Tensor) -> Tensor:
    """For folded queries (B, K, H/K x T, D) over (B, K, T, D): (1, 1, H/K x T, T), -inf for what comes later."""
    t = k.shape[2]
    mask = torch.full((t, t), -torch.inf, dtype=q.dtype, device=q.device).triu_(1)
    return mask.repeat(q.shape[2] // t, 1)[None, None]


def _mask(bias: Tensor | None, q: Tensor) -> Tensor | None:
    """A bias (N, P) for queries (N, K, Q, D): (N, 1, Q, P), a view."""
    return None if bias is None else bias.to(q.dtype)[:, None, None].expand(-1, 1, q.shape[2], -1)


def _placed(rows: Tensor, slots: Tensor, places: int) -> Tensor:
    """Rows put into places, each at its slot; zeros in the places between."""
    placed = rows.new_zeros(places, *rows.shape[1:])
    placed[slots] = rows
    return placed
