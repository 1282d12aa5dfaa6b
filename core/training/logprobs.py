"""Log-probabilities and entropies of given tokens from hidden states, without logits for all of them at once.

TRL's function on the CPU projects every position, prompts too, and makes seven float32 copies of (tokens x 32768). Here
only wanted tokens are projected, a tile at a time, in two buffers that are used again; the backward pass projects again
instead of keeping anything of the size of the vocabulary. On other devices TRL's own Triton kernel does the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

TILE = 256  # tokens a tile: two float32 buffers of (tile x vocabulary), 100 MB for a vocabulary of 49152

LEAST = -1e4  # stands for the logit of an impossible word, less the greatest: exp of it is 0, and 0 times it is, too


def token_logprobs(hidden: Tensor, head: Any, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Log-probability of each target and entropy of its distribution, both (M,) in float32.

    Args:
        hidden: (M, hidden size), the states that predict the targets.
        head: the linear layer to the vocabulary; its weights are frozen.
        targets: (M,), token ids.
        temperature: logits are divided by it.
    """
    if hidden.device.type == "cpu":
        with torch.autocast("cpu", enabled=False):
            found: tuple[Tensor, Tensor] = _TokenLogprobs.apply(hidden, head.weight, head.bias, targets, temperature)  # type: ignore[no-untyped-call]
        return found
    return by_trl(hidden, head, targets, temperature)


def by_trl(hidden: Tensor, head: Any, targets: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """`token_logprobs` by TRL's function, which has a kernel for GPUs."""
    from trl.kernels import ChunkedLogProbFunction
    from trl.trainer.utils import _CHUNKED_LOGPROB_CHUNK_SIZE

    logprobs, entropies, *_ = ChunkedLogProbFunction.apply(
        hidden, head.weight, head.bias, targets, temperature, _CHUNKED_LOGPROB_CHUNK_SIZE, None, 1.0, ("entropy",)
    )
    return logprobs, entropies


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, temperature: float
    ) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        tiles = _Tiles(hidden, weight, bias, temperature)
        log_z, logprobs, entropies = (torch.empty(len(hidden)) for _ in range(3))
        for part, z, p in tiles:
            top = z.amax(dim=1, keepdim=True)
            z.sub_(top).clamp_(min=LEAST)
            total = torch.exp(z, out=p).sum(dim=1)
            log_total = total.log()
            log_z[part] = log_total + top[:, 0]
            logprobs[part] = z.gather(1, targets[part, None])[:, 0] - log_total
            entropies[part] = log_total - p.mul_(z).sum(dim=1) / total
        ctx.save_for_backward(hidden, weight, bias, targets, log_z, entropies)
        ctx.temperature = temperature
        return logprobs, entropies

    @staticmethod
    def backward(ctx: Any, of_logprobs: Tensor | None, of_entropies: Tensor | None) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, targets, log_z, entropies = ctx.saved_tensors
        grad = torch.zeros_like(hidden)
        for part, z, p in _Tiles(hidden, weight, bias, ctx.temperature):
            z -= log_z[part, None]  # log-probabilities
            torch.exp(z, out=p)
            if of_entropies is None:
                p *= -1.0 if of_logprobs is None else -of_logprobs[part, None]
            else:  # d entropy / d logit = -p (log p + entropy)
                z.clamp_(min=LEAST).add_(entropies[part, None])
                z *= of_entropies[part, None]
                if of_logprobs is not None:
                    z += of_logprobs[part, None]
                p *= z.neg_()
            if of_logprobs is not None:
                p.scatter_add_(1, targets[part, None], of_logprobs[part, None])
            grad[part] = torch.mm(p.to(weight.dtype), weight)
        return grad.div_(ctx.temperature), None, None, None, None


class _Tiles:
    """Logits a tile of tokens at a time, with a buffer of the same shape to work in; both are used again."""

    def __init__(self, hidden: Tensor, weight: Tensor, bias: Tensor | None, temperature: float) -> None:
        self._hidden, self._weight, self._bias, self._temperature = hidden, weight, bias, temperature

    def __iter__(self) -> Iterator[tuple[slice, Tensor, Tensor]]:
        rows, vocabulary = min(TILE, len(self._hidden)), len(self._weight)
        product = torch.empty(rows, vocabulary, dtype=self._weight.dtype)
        logits, scratch = torch.empty(rows, vocabulary), torch.empty(rows, vocabulary)
        for start in range(0, len(self._hidden), TILE):
            part = slice(start, min(start + TILE, len(self._hidden)))
            n = part.stop - start
            torch.mm(self._hidden[part].to(self._weight.dtype), self._weight.t(), out=product[:n])
            if self._bias is not None:
                product[:n] += self._bias
            z = logits[:n].copy_(product[:n])
            if self._temperature != 1.0:
                z /= self._temperature
            yield part, z, scratch[:n]
