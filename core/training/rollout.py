"""Sampling the completions of a batch: each prompt computed once, finished completions dropped.

What `generate` of transformers does for TRL, at a fraction of the work: the prompt's keys and values are computed once
a group and never repeated (core.training.attention), a completion that has ended leaves the batch, and a token is drawn
by its cumulative probability instead of by a random number for every word of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from core.training.attention import Groups, decode
from core.training.decoder import KINDS, Decoder
from core.training.logprobs import LEAST
from core.training.packing import call, prompts_alone

BLOCK = 256  # words of the vocabulary that are summed at once to find where a drawn number falls
ROOM = 64  # tokens by which the cache of completions grows
PACKED_FROM = 32  # tokens of a completion from which packing the weights takes less time than it saves
DROP = 16  # completions leave the batch when one in so many has ended

Finished = Callable[[Mapping[int, list[int]]], None]


@dataclass(frozen=True)
class Sampling:
    """GRPOConfig's own sampling parameters, under its names and with its meanings.

    Attributes:
        max_completion_length: tokens.
        eos: token ids that end a completion, themselves part of it.
    """

    max_completion_length: int
    eos: tuple[int, ...]
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float | None = None
    repetition_penalty: float = 1.0

    @classmethod
    def of(cls, arguments: Any, eos: Sequence[int]) -> Sampling:
        """The parameters of a GRPOConfig."""
        names = ("max_completion_length", "temperature", "top_p", "min_p", "repetition_penalty")
        return cls(eos=tuple(eos), top_k=arguments.top_k or 0, **{name: getattr(arguments, name) for name in names})

    @cached_property
    def processors(self) -> LogitsProcessorList:
        """What changes logits beside the temperature, and it, in the order in which `generate` applies them.

        Empty where the temperature is all there is.
        """
        found: list[Any] = []
        if self.repetition_penalty != 1.0:
            found.append(RepetitionPenaltyLogitsProcessor(self.repetition_penalty))
        if self.temperature != 1.0:
            found.append(TemperatureLogitsWarper(self.temperature))
        alone = len(found) - (self.repetition_penalty != 1.0)
        if self.top_k:
            found.append(TopKLogitsWarper(self.top_k))
        if self.top_p < 1.0:
            found.append(TopPLogitsWarper(self.top_p))
        if self.min_p is not None:
            found.append(MinPLogitsWarper(self.min_p))
        return LogitsProcessorList([] if len(found) == alone else found)


@dataclass(frozen=True)
class Rollout:
    """Completions of a batch.

    Attributes:
        ids: token ids of each completion, its end token among them.
        logprobs: (B, longest), of each token before any penalty and filter; 0 beyond a completion's end.
        entropies: (B, longest), of the same distributions, in nats.
    """

    ids: list[list[int]]
    logprobs: Tensor
    entropies: Tensor


class Sampler:
    """Samples from a model that was prepared by `packing.install`.

    Args:
        model: a causal language model without adapters; see `lora.MergedCopy`.
        sampling: how.
        cache_bytes: how much the keys and values of completions may take; a larger batch is sampled in several turns.
    """

    def __init__(self, model: Any, sampling: Sampling, cache_bytes: int) -> None:
        self._model = model
        self._sampling = sampling
        long = sampling.max_completion_length >= PACKED_FROM
        self._decoder = Decoder(model, pack=long) if model.config.model_type in KINDS else None
        config = model.config.get_text_config()
        heads = config.num_key_value_heads or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        a_row = 2 * config.num_hidden_layers * heads * size * model.dtype.itemsize * sampling.max_completion_length
        self._most_rows = max(1, cache_bytes // a_row)

    def refresh(self) -> None:
        """The model's weights have changed."""
        if self._decoder is not None:
            self._decoder.refresh()

    @torch.inference_mode()
    def sample(
        self, prompts: Sequence[Sequence[int]], finished: Finished | None = None, sampling: Sampling | None = None
    ) -> Rollout:
        """One completion for each prompt; equal prompts that stand side by side are a group and are computed once.

        Args:
            prompts: token ids.
            finished: told completions, by index, as soon as they have ended.
            sampling: how, where it is to be otherwise this once.
        """
        sampling = sampling or self._sampling
        batch = _Batch(len(prompts), sampling.max_completion_length, self._model.device, finished)
        for start in range(0, len(prompts), self._most_rows):
            self._turn(prompts, range(start, min(start + self._most_rows, len(prompts))), batch, sampling)
        return batch.rollout()

    def _turn(self, prompts: Sequence[Sequence[int]], turn: range, batch: _Batch, sampling: Sampling) -> None:
        """Sample the completions of some rows."""
        device = self._model.device
        ends = torch.tensor(sampling.eos, device=device)
        group = torch.tensor(list(_groups([prompts[row] for row in turn])), device=device)
        first = [turn[row] for row in range(len(turn)) if row == 0 or group[row] != group[row - 1]]
        logits, cache = self._read([prompts[row] for row in first])
        rows = torch.tensor(list(turn), device=device)
        length = torch.tensor([len(prompts[row]) for row in turn], device=device)
        completions = _Completions(cache, group)
        logits = logits[group]
        history = _History([prompts[row] for row in turn], device) if sampling.repetition_penalty != 1.0 else None
        for step in range(sampling.max_completion_length):
            tokens, *figures = draw(logits, sampling, history.ids if history else None)
            ended = torch.isin(tokens, ends)
            left = batch.put(rows, step, tokens, figures, ended)
            self._heard(batch)
            if not left:
                return
            if len(rows) - left >= max(1, len(rows) // DROP):
                keep = torch.nonzero(~batch.ended[rows])[:, 0]
                rows, length, tokens = rows[keep], length[keep], tokens[keep]
                completions.keep(keep)
                if history:
                    history.ids = history.ids[keep]
            if history:
                history.add(tokens)
            logits = self._next(tokens, length + step, completions)

    def _heard(self, batch: _Batch) -> None:
        """Another token of each completion is there; for those who watch."""

    def _next(self, tokens: Tensor, positions: Tensor, completions: _Completions) -> Tensor:
        """Logits of the token after each of these: (R, vocabulary)."""
        if self._decoder is not None:
            return self._decoder.step(tokens, positions, completions)
        found: Tensor = call(self._model, tokens[:, None], positions[:, None], completions).logits[:, -1]
        return found

    def _read(self, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, _Prompts]:
        """Logits of each prompt's next token, (N, vocabulary), and the prompts' keys and values."""
        ids, positions, groups = prompts_alone(prompts, self._model.device)
        cache = _Prompts(groups)
        last = torch.tensor([len(prompt) for prompt in prompts], device=ids.device).cumsum(0) - 1
        logits = call(self._model, ids, positions, cache, logits_to_keep=last).logits[0]
        return logits, cache


def draw(logits: Tensor, sampling: Sampling, history: Any = None) -> tuple[Tensor, Tensor, Tensor]:
    """A token for each row, its log-probability, and the entropy of its distribution.

    The figures are of the policy that is trained: with the temperature, before a repetition penalty and filters.

    Args:
        logits: (R, vocabulary).
        sampling: how.
        history: (R, tokens so far), needed for a repetition penalty.

    Returns:
        (R,) token ids, (R,) log-probabilities, (R,) entropies in nats.
    """
    raw = logits.float()
    z = raw if sampling.temperature == 1.0 else raw / sampling.temperature
    z = (z - z.amax(dim=1, keepdim=True)).clamp_(min=LEAST)
    weights = z.exp()
    log_total = weights.sum(dim=1).log()
    entropies = log_total - z.mul_(weights).sum(dim=1) / log_total.exp()
    drawn_from = sampling.processors(history, raw).softmax(dim=1) if sampling.processors else weights
    tokens = _fall(drawn_from)
    return tokens, weights.gather(1, tokens[:, None])[:, 0].log() - log_total, entropies


def _fall(weights: Tensor) -> Tensor:
    """Draw by cumulative weight, block by block and then inside one: a word without weight is never drawn."""
    rest = -weights.shape[1] % BLOCK
    blocks = (F.pad(weights, (0, rest)) if rest else weights).unflatten(1, (-1, BLOCK))
    ends = blocks.sum(dim=2).double().cumsum(dim=1)
    drawn = torch.rand(len(weights), 1, dtype=torch.float64, device=weights.device) * ends[:, -1:]
    block = _first_above(ends, drawn)
    before = F.pad(ends, (1, 0)).gather(1, block)
    inside = blocks[torch.arange(len(weights), device=weights.device), block[:, 0]].double().cumsum(dim=1)
    return (block * BLOCK + _first_above(inside, drawn - before))[:, 0]


def _first_above(ends: Tensor, value: Tensor) -> Tensor:
    """The first place whose end lies above a value; (R, 1). Rounding may put the value at the very last end."""
    below = torch.nextafter(ends[:, -1:], torch.zeros_like(value))
    return torch.searchsorted(ends, torch.minimum(value, below), right=True)


class _Batch:
    """What has been sampled so far."""

    def __init__(self, count: int, longest: int, device: torch.device, finished: Finished | None) -> None:
        self._ids = torch.zeros(count, longest, dtype=torch.long, device=device)
        self._logprobs, self._entropies = torch.zeros(2, count, longest, device=device)
        self._lengths = torch.zeros(count, dtype=torch.long, device=device)
        self._finished = finished
        self.ended = torch.zeros(count, dtype=torch.bool, device=device)

    def put(self, rows: Tensor, step: int, tokens: Tensor, figures: Sequence[Tensor], ended: Tensor) -> int:
        """Keep a token of each row that has not ended before; returns how many have not ended now."""
        live = ~self.ended[rows]
        at = rows[live]
        self._ids[at, step] = tokens[live]
        self._logprobs[at, step], self._entropies[at, step] = (figure[live] for figure in figures)
        self._lengths[at] = step + 1
        over = ended[live] if step + 1 < self._ids.shape[1] else torch.ones_like(ended[live])
        self.ended[at] = over
        gone = at[over].tolist()
        if gone and self._finished:
            self._finished({row: self._completion(row) for row in gone})
        return len(at) - len(gone)

    def _completion(self, row: int) -> list[int]:
        found: list[int] = self._ids[row, : self._lengths[row]].tolist()
        return found

    def completions(self) -> list[list[int]]:
        """Token ids of each completion as far as it has come."""
        return [self._completion(row) for row in range(len(self._ids))]

    def rollout(self) -> Rollout:
        """Everything, when all has ended."""
        ids = self.completions()
        longest = max(map(len, ids))
        return Rollout(ids, self._logprobs[:, :longest].clone(), self._entropies[:, :longest].clone())


class _Prompts:
    """The layout of prompts alone; keeps their keys and values, (N, K, P, D) for each layer."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups
        self.layers: dict[int, tuple[Tensor, Tensor]] = {}

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """Causal attention inside each prompt."""
        q, k, v = (x[0].transpose(0, 1) for x in (q, k, v))
        out, self.layers[layer] = self.groups.attend_prompts(q, k, v, scale)
        return out[None]


class _Completions:
    """The layout of one new token for each of R completions; keeps their keys and values, (R, K, tokens, D) a layer."""

    def __init__(self, prompts: _Prompts, group: Tensor) -> None:
        self._prompts, self._bias = prompts.layers, prompts.groups.bias
        self._own: dict[int, tuple[Tensor, Tensor]] = {}
        self._lengths: dict[int, int] = {}
        self._place(group)

    def _place(self, group: Tensor) -> None:
        """Rows belong to groups; those of a group stand side by side."""
        numbers, self._group, count = torch.unique_consecutive(group, return_inverse=True, return_counts=True)
        if len(numbers) < len(next(iter(self._prompts.values()))[0]):
            self._prompts = {layer: (k[numbers], v[numbers]) for layer, (k, v) in self._prompts.items()}
            self._bias = None if self._bias is None else self._bias[numbers]
        self._width = int(count.max())
        start = (count.cumsum(0) - count)[self._group]
        rank = torch.arange(len(group), device=group.device) - start
        full = len(group) == len(numbers) * self._width
        self._slots = None if full else self._group * self._width + rank

    def keep(self, rows: Tensor) -> None:
        """Drop all rows but these."""
        self._own = {
            layer: (k[:, :, : self._lengths[layer]][rows], v[:, :, : self._lengths[layer]][rows])
            for layer, (k, v) in self._own.items()
        }
        self._place(self._group[rows])

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """`attend_token` for a model's own forward pass: q (R, H, 1, D), k and v (R, K, 1, D)."""
        return self.attend_token(layer, q[:, :, 0], k[:, :, 0], v[:, :, 0], scale)[:, None]

    def attend_token(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """Each new token over its prompt and its completion so far; q (R, H, D), k and v (R, K, D)."""
        length = self._lengths.get(layer, 0)
        if length == 0 or length == self._own[layer][0].shape[2]:
            self._own[layer] = self._grown(layer, k), self._grown(layer, v, 1)
        keys, values = self._own[layer]
        keys[:, :, length], values[:, :, length] = k, v
        self._lengths[layer] = length + 1
        own = keys[:, :, : length + 1], values[:, :, : length + 1]
        return decode(q, self._prompts[layer], own, self._bias, self._slots, self._width, scale)

    def _grown(self, layer: int, like: Tensor, which: int = 0) -> Tensor:
        rows, kv, d = like.shape
        room = like.new_empty(rows, kv, ROOM, d)
        return torch.cat([self._own[layer][which], room], dim=2) if layer in self._own else room


class _History:
    """All tokens of each row so far, (R, tokens): padded at the front with one of its own, which changes no penalty."""

    def __init__(self, prompts: Sequence[Sequence[int]], device: torch.device) -> None:
        longest = max(map(len, prompts))
        self.ids = torch.tensor([[*[p[0]] * (longest - len(p)), *p] for p in prompts], device=device)

    def add(self, tokens: Tensor) -> None:
        """One more token a row."""
        self.ids = torch.cat([self.ids, tokens[:, None]], dim=1)


def _groups(prompts: Sequence[Sequence[int]]) -> Iterator[int]:
    """A number for each prompt, the same for equal ones side by side."""
    number = -1
    for row, prompt in enumerate(prompts):
        number += row == 0 or prompt != prompts[row - 1]
        yield number
