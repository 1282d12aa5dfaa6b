"""Groups packed without padding or repeated prompts: one row of tokens, [prompts ..., completions ...].

TRL's batch repeats each prompt for its G completions and pads both; most of its tokens are these repetitions. Here
every real token is there once. Linear layers see one long row; attention alone knows what belongs together
(`Packed.attend`, called through transformers' attention interface for every layer).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from core.training.attention import Groups

IMPLEMENTATION = "shared_prompt"  # its name in transformers' attention interface
# What transformers may ask of an attention beside the products and the mask.
NOT_COMPUTED = ("dropout", "sliding_window", "softcap", "s_aux", "position_bias")


class Layout(Protocol):
    """What belongs together in a row of tokens, as every layer's attention needs to know it."""

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """q (1, H, L, D), k and v (1, K, L, D), or with rows instead of the 1; returns (1, L, H, D)."""


def install(config: Any) -> None:
    """Let models of this configuration attend through a layout where they are called with one, else as ever."""
    AttentionInterface.register(IMPLEMENTATION, _attention)
    AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)
    config._attn_implementation = IMPLEMENTATION


def call(model: Any, input_ids: Tensor, position_ids: Tensor, layout: Layout, **keywords: Any) -> Any:
    """A transformers model or backbone over tokens that a layout describes."""
    # A mask of four dimensions is taken as it is; attention reads the layout instead.
    mask = torch.empty(1, 1, 1, 1, device=input_ids.device)
    return model(
        input_ids=input_ids,
        position_ids=position_ids,
        attention_mask=mask,
        use_cache=False,
        layout=layout,
        **keywords,
    )


def _attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **keywords: Any
) -> tuple[Tensor, Tensor | None]:
    layout: Layout | None = keywords.pop("layout", None)
    if layout is None:
        result: tuple[Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **keywords)
        return result
    other = next((name for name in NOT_COMPUTED if keywords.get(name) not in (None, 0.0)), None)
    if other is not None:
        raise NotImplementedError(f"its attention is changed by {other}")
    scale = keywords.get("scaling")
    # Under mixed precision rotary embeddings leave queries and keys in float32.
    query, key = query.to(value.dtype), key.to(value.dtype)
    return layout.attend(module.layer_idx, query, key, value, query.shape[-1] ** -0.5 if scale is None else scale), None


@dataclass(frozen=True)
class Packed:
    """Some groups as one row of L tokens: N prompts, then R completions with M tokens in all.

    Attributes:
        input_ids: (1, L).
        position_ids: (1, L); a completion goes on where its prompt ends.
        groups: where its prompts and completions are.
        before: (M,), where in the row the token before each completion token is, which predicts it.
        targets: (M,), the completion tokens.
        cells: (M,), each completion token's place in the (B x C) batch that was packed.
    """

    input_ids: Tensor
    position_ids: Tensor
    groups: Groups
    before: Tensor
    targets: Tensor
    cells: Tensor

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """Every layer's attention; see `Groups.attend`."""
        q, k, v = (x[0].transpose(0, 1) for x in (q, k, v))
        return self.groups.attend(q, k, v, scale)[None]


def pack(
    prompts: tuple[Tensor, Tensor], completions: tuple[Tensor, Tensor], wanted: Tensor, most: int
) -> Iterator[Packed]:
    """A padded batch as packed groups; rows with the same prompt are a group, wherever they are.

    Args:
        prompts: token ids and mask, (B, P) each.
        completions: token ids and mask, (B, C) each; the mask of a row is ones, then zeros.
        wanted: (B,), rows to take; others, and empty completions, are left out.
        most: tokens that one row of packed groups may have. A group that is larger is cut, and its prompt repeated; a
            single completion is never cut.
    """
    ids, mask = prompts
    _, groups = torch.unique(torch.where(mask.bool(), ids, -1), dim=0, return_inverse=True)
    lengths = completions[1].sum(1)
    rows = torch.nonzero(wanted & (lengths > 0))[:, 0]
    rows = rows[torch.argsort(groups[rows], stable=True)]
    for part in _chunks(rows.tolist(), groups.tolist(), mask.sum(1).tolist(), lengths.tolist(), most):
        yield _packed(prompts, completions, torch.tensor(part, device=ids.device), groups)


def _chunks(
    rows: Sequence[int], groups: Sequence[int], prompt: Sequence[int], own: Sequence[int], most: int
) -> Iterator[list[int]]:
    """Rows in runs of at most so many tokens, each prompt counted once a run."""
    part: list[int] = []
    tokens = 0
    for row in rows:
        cost = own[row] + (0 if part and groups[part[-1]] == groups[row] else prompt[row])
        if part and tokens + cost > most:
            yield part
            part, tokens, cost = [], 0, own[row] + prompt[row]
        part.append(row)
        tokens += cost
    if part:
        yield part


def _packed(prompts: tuple[Tensor, Tensor], completions: tuple[Tensor, Tensor], rows: Tensor, number: Tensor) -> Packed:
    device = rows.device
    group, count = torch.unique_consecutive(number[rows], return_inverse=True, return_counts=True)[1:]
    first = rows[count.cumsum(0) - count]
    ids, mask = prompts[0][first], prompts[1][first].bool()
    own_ids, own_mask = completions[0][rows], completions[1][rows].bool()
    prompt, own = mask.sum(1), own_mask.sum(1)
    row_slots, own_start = _slots(own, int(prompt.sum()))
    n, w, t = len(count), int(count.max()), row_slots.shape[1]
    place = group * w + torch.arange(len(rows), device=device) - (count.cumsum(0) - count)[group]
    own_slots = torch.zeros(n * w, t, dtype=torch.long, device=device)
    own_slots[place] = row_slots
    step = torch.arange(t, device=device)
    real = step < own[:, None]
    own_padding = torch.ones(n * w, t, dtype=torch.bool, device=device)
    own_padding[place] = ~real
    groups = replace(
        _prompts(prompt),
        own_slots=own_slots.view(n, w, t),
        own_padding=own_padding.view(n, w, t),
        own_places=(place[:, None] * t + step)[real],
    )
    last = (prompt.cumsum(0) - 1)[group]
    return Packed(
        input_ids=torch.cat([ids[mask], own_ids[own_mask]])[None],
        position_ids=torch.cat([_positions(groups), (prompt[group][:, None] + step)[real]])[None],
        groups=groups,
        before=torch.where(step == 0, last[:, None], own_start[:, None] + step - 1)[real],
        targets=own_ids[own_mask],
        cells=(rows[:, None] * completions[0].shape[1] + step)[real],
    )


def prompts_alone(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor, Groups]:
    """Prompts in one row: token ids (1, L), position ids (1, L), and groups that have no completions yet."""
    groups = _prompts(torch.tensor([len(prompt) for prompt in prompts], device=device))
    ids = torch.tensor([token for prompt in prompts for token in prompt], device=device)
    return ids[None], _positions(groups)[None], groups


def _prompts(lengths: Tensor) -> Groups:
    """Prompts of these lengths (N,) laid end to end, without completions."""
    slots, _ = _slots(lengths, 0)
    padding = torch.arange(slots.shape[1], device=slots.device) >= lengths[:, None]
    none = torch.zeros(len(slots), 0, 0, dtype=torch.long, device=slots.device)
    return Groups(
        prompt_slots=slots,
        prompt_padding=padding,
        prompt_places=torch.nonzero(~padding.flatten())[:, 0],
        own_slots=none,
        own_padding=none.bool(),
        own_places=none.flatten(),
        bias=torch.zeros(padding.shape, device=slots.device).masked_fill_(padding, -torch.inf)
        if padding.any()
        else None,
    )


def _positions(groups: Groups) -> Tensor:
    """The position of each prompt token of the row in its prompt."""
    return torch.arange(groups.prompt_slots.shape[1], device=groups.prompt_slots.device).expand_as(groups.prompt_slots)[
        ~groups.prompt_padding
    ]


def _slots(lengths: Tensor, offset: int) -> tuple[Tensor, Tensor]:
    """Where sequences laid end to end from `offset` have their tokens, (n, longest), and where each begins, (n,)."""
    start = offset + lengths.cumsum(0) - lengths
    step = torch.arange(int(lengths.max()), device=lengths.device)
    return start[:, None] + torch.minimum(step, lengths[:, None] - 1), start
