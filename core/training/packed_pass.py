"""The training pass over packed groups: what TRL's `_get_per_token_logps_and_entropies` returns, several times faster.

Memory is bounded by a budget of tokens, however large G is: groups beyond it go through in further rows, whose
activations are not kept but computed again in the backward pass, one row at a time.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from core.training.logprobs import token_logprobs
from core.training.packing import Packed, call, pack


def per_token_logprobs(
    model: Any,
    input_ids: Tensor,
    attention_mask: Tensor,
    completion_length: int,
    *,
    temperature: float,
    wanted: Tensor | None = None,
    most: int,
) -> tuple[Tensor, Tensor]:
    """Log-probability of every completion token and entropy of its distribution, (B, C) each; 0 where there is none.

    Args:
        model: a transformers causal language model, its adapters included, with `packing.install` done.
        input_ids: (B, P + C), prompts padded on the left, completions on the right.
        attention_mask: (B, P + C).
        completion_length: C.
        temperature: logits are divided by it.
        wanted: (B,), rows to compute; None for all. The others get zeros without a gradient.
        most: tokens to pass at once.
    """
    ids, mask = (
        x.split([x.shape[1] - completion_length, completion_length], dim=1) for x in (input_ids, attention_mask)
    )
    if wanted is None:
        wanted = torch.ones(len(input_ids), dtype=torch.bool, device=input_ids.device)
    parts = list(pack((ids[0], mask[0]), (ids[1], mask[1]), wanted, most))
    found = [_part(model, packed, temperature, keep=packed is parts[-1]) for packed in parts]
    zeros = torch.zeros(ids[1].numel(), dtype=torch.float32, device=input_ids.device)
    if not parts:  # nothing to learn from is a gradient of zero, as in TRL, not of none
        nothing = zeros + 0.0 * sum(p.sum() for p in model.parameters() if p.requires_grad)
        return nothing.view_as(ids[1]), zeros.view_as(ids[1])
    cells = torch.cat([packed.cells for packed in parts])
    logprobs, entropies = (zeros.index_copy(0, cells, torch.cat(values)) for values in zip(*found, strict=True))
    return logprobs.view_as(ids[1]), entropies.view_as(ids[1])


def _part(model: Any, packed: Packed, temperature: float, keep: bool) -> tuple[Tensor, Tensor]:
    """One row of packed groups, its activations kept or, where a gradient is wanted, computed again later."""
    if keep or not torch.is_grad_enabled():
        return _score(model, packed, temperature)
    found: tuple[Tensor, Tensor] = checkpoint(_score, model, packed, temperature, use_reentrant=False)
    return found


def _score(model: Any, packed: Packed, temperature: float) -> tuple[Tensor, Tensor]:
    hidden = call(model.base_model, packed.input_ids, packed.position_ids, packed).last_hidden_state[0]
    return token_logprobs(hidden[packed.before], model.get_output_embeddings(), packed.targets, temperature)
