"""One new token of each completion through a decoder of Llama's kind, in as few operations as can be.

At one token a completion, transformers' forward pass spends as long on its hundreds of small operations as on matrix
products. Here queries, keys and values are one product, gate and up another, norms one operation each. Models of other
kinds are sampled through their own forward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KINDS = ("llama", "mistral", "qwen2", "qwen3")  # model types whose layers are what `step` computes


class TokenAttention(Protocol):
    """Attention of one new token a completion, which remembers the keys and values of those before."""

    def attend_token(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """q (R, H, D), k and v (R, K, D); returns (R, H, D)."""


@dataclass(frozen=True)
class _Layer:
    """One layer's modules, and its joined weights, of which those of the modules are parts."""

    block: Any
    qkv: nn.Linear
    gate_up: nn.Linear


class Decoder:
    """Computes what the model's own forward pass does for one token a row, up to rounding.

    Args:
        model: a causal language model of one of the `KINDS`, without adapters. Its weights move into joined ones, of
            which they become parts: writing to them afterwards writes to both.
    """

    def __init__(self, model: Any) -> None:
        self._body, self._head = model.model, model.get_output_embeddings()
        self._layers = [
            _Layer(
                block,
                _joined([block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj]),
                _joined([block.mlp.gate_proj, block.mlp.up_proj]),
            )
            for block in self._body.layers
        ]

    def step(self, tokens: Tensor, positions: Tensor, attention: TokenAttention) -> Tensor:
        """Logits of the token after each of (R,) tokens at (R,) positions: (R, vocabulary)."""
        x = self._body.embed_tokens(tokens)
        cos, sin = self._body.rotary_emb(x, position_ids=positions[:, None])
        half = cos.shape[-1] // 2
        turn = cos, torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)  # (R, 1, D) each
        for number, layer in enumerate(self._layers):
            self._attend(number, layer, x, turn, attention)
            hidden = layer.gate_up(_norm(layer.block.post_attention_layernorm, x))
            gate, up = hidden.chunk(2, dim=-1)
            _add(x, layer.block.mlp.act_fn(gate).mul_(up), layer.block.mlp.down_proj)
        logits: Tensor = self._head(_norm(self._body.norm, x))
        return logits

    def _attend(
        self, number: int, layer: _Layer, x: Tensor, turn: tuple[Tensor, Tensor], attention: TokenAttention
    ) -> None:
        """Add a layer's attention to the hidden states (R, hidden size)."""
        module = layer.block.self_attn
        heads = layer.qkv(_norm(layer.block.input_layernorm, x)).view(len(x), -1, module.head_dim)
        kv = module.k_proj.out_features // module.head_dim
        qk, v = heads[:, :-kv], heads[:, -kv:]
        if hasattr(module, "q_norm"):
            qk = torch.cat([_norm(module.q_norm, qk[:, :-kv]), _norm(module.k_norm, qk[:, -kv:])], dim=1)
        cos, sin = turn
        qk = torch.addcmul(qk * cos, qk.roll(qk.shape[-1] // 2, dims=-1), sin)
        out = attention.attend_token(number, qk[:, :-kv], qk[:, -kv:], v, module.scaling)
        _add(x, out.reshape(len(x), -1), module.o_proj)


def _joined(parts: Sequence[nn.Linear]) -> nn.Linear:
    """Linear layers of one input as one, of whose weight theirs become parts."""
    first = parts[0]
    joined = nn.Linear(1, 1, bias=first.bias is not None, device="meta")
    joined.weight = nn.Parameter(torch.cat([part.weight for part in parts]), requires_grad=False)
    sizes = [part.out_features for part in parts]
    for part, weight in zip(parts, joined.weight.split(sizes), strict=True):
        part.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if first.bias is not None:
        joined.bias = nn.Parameter(torch.cat([part.bias for part in parts]), requires_grad=False)
    return joined


def _norm(module: Any, x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), module.weight, module.variance_epsilon)


def _add(x: Tensor, hidden: Tensor, layer: nn.Linear) -> None:
    """Add a linear layer's result to the hidden states, in place."""
    x.addmm_(hidden, layer.weight.t())
    if layer.bias is not None:
        x += layer.bias
