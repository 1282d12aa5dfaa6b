"""One new token of each completion through a decoder of Llama's kind, in as few operations as can be.

At one token a completion, transformers' forward pass spends as long on its hundreds of small operations as on matrix
products. Here queries, keys and values are one product, gate and up another. On a CPU, where a product of few rows
waits for the weights to come from memory, they lie there in the order in which oneDNN reads them. Models of other kinds
are sampled through their own forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KINDS = ("llama", "mistral", "qwen2", "qwen3")  # model types whose layers are what `step` computes
PACKED_ROWS = 32  # completions that the packed weights are laid out for; others pass too


class TokenAttention(Protocol):
    """Attention of one new token a completion, which remembers the keys and values of those before."""

    def attend_token(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """q (R, H, D), k and v (R, K, D); returns (R, H, D)."""


class _Product:
    """Linear layers of one input as one product. Their weights become parts of a joined one."""

    def __init__(self, *layers: nn.Linear) -> None:
        first = layers[0]
        self._weight: Tensor = first.weight
        self._bias: Tensor | None = first.bias
        self._packed: Tensor | None = None
        if len(layers) > 1:
            self._weight = torch.cat([layer.weight.detach() for layer in layers])
            self._bias = None if first.bias is None else torch.cat([layer.bias.detach() for layer in layers])
            parts = self._weight.split([layer.out_features for layer in layers])
            for layer, part in zip(layers, parts, strict=True):
                layer.weight = nn.Parameter(part, requires_grad=False)

    def pack(self) -> None:
        """Put a copy of the weights, as they are now, into the order in which few rows are multiplied fastest."""
        self._packed = torch.ops.mkldnn._reorder_linear_weight(self._weight.detach(), PACKED_ROWS)

    def __call__(self, x: Tensor) -> Tensor:
        if self._packed is None:
            return F.linear(x, self._weight, self._bias)
        result: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self._bias, "none", [], "")
        return result


@dataclass(frozen=True)
class _Layer:
    """One layer's modules and products."""

    block: Any
    qkv: _Product
    out: _Product
    gate_up: _Product
    down: _Product


class Decoder:
    """Computes what the model's own forward pass does for one token a row, up to rounding.

    Args:
        model: a causal language model of one of the `KINDS`, without adapters. Some of its weights move into joined
            ones, of which they become parts: writing to them afterwards writes to both. Call `refresh` after that.
        pack: whether to keep a copy of the weights in the order in which a CPU multiplies them fastest.
    """

    def __init__(self, model: Any, pack: bool) -> None:
        self._body, self._head = model.model, _Product(model.get_output_embeddings())
        self._layers = [
            _Layer(
                block,
                qkv=_Product(block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj),
                out=_Product(block.self_attn.o_proj),
                gate_up=_Product(block.mlp.gate_proj, block.mlp.up_proj),
                down=_Product(block.mlp.down_proj),
            )
            for block in self._body.layers
        ]
        self._packs = pack and model.device.type == "cpu" and model.dtype is torch.bfloat16 and _onednn()
        if self._packs:
            self._head.pack()
        self.refresh()

    def refresh(self) -> None:
        """The adapted weights have been written anew."""
        if self._packs:
            for layer in self._layers:
                for product in (layer.qkv, layer.out, layer.gate_up, layer.down):
                    product.pack()

    def step(self, tokens: Tensor, positions: Tensor, attention: TokenAttention) -> Tensor:
        """Logits of the token after each of (R,) tokens at (R,) positions: (R, vocabulary)."""
        x = self._body.embed_tokens(tokens)
        cos, sin = self._body.rotary_emb(x, position_ids=positions[:, None])
        half = cos.shape[-1] // 2
        turn = cos, torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)  # (R, 1, D) each
        for number, layer in enumerate(self._layers):
            self._attend(number, layer, x, turn, attention)
            gate, up = layer.gate_up(_norm(layer.block.post_attention_layernorm, x)).chunk(2, dim=-1)
            x += layer.down(layer.block.mlp.act_fn(gate).mul_(up))
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
        x += layer.out(out.reshape(len(x), -1))


def _onednn() -> bool:
    """Whether this build of PyTorch can pack weights and this processor computes in bfloat16."""
    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _norm(module: Any, x: Tensor) -> Tensor:
    return F.rms_norm(x, (x.shape[-1],), module.weight, module.variance_epsilon)
