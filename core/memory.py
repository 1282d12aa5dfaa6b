"""How much memory a run will need, from what config.json says of its model: an estimate, with its parts.

Reckoned as a step goes here (docs/speed.md, docs/train.md): what stays all the time, and on top of it the larger of
sampling (keys and values, logits) and the training pass (activations up to `engine.memory_gb`, logits). The
coefficients of activations were measured on Llama-like models of several shapes; `bench/estimate.md` compares with
real runs. Which way a step goes is known for sure only when the model is loaded; what is visible before decides here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.machine import GB, Machine
from core.model_facts import ModelFacts
from core.options import generation_batch, grpo_settings, lora_settings
from core.spec import Draft

Verdict = Literal["fits", "tight", "too_much"]

LIBRARIES = {"cpu": 0.75, "gpu": 0.6}  # GB: the interpreter with torch, transformers, TRL; on a GPU its context
TIGHT = 0.85  # of the room; the estimate's own error is about as large as the rest
PACKED_FROM = 32  # tokens of a completion from which a CPU keeps one more copy to sample from
TILE = 256  # tokens whose logits are computed at once in a training pass
# What the way back takes beside what was kept, as a share of it: where a pass is one row of tokens, and where it is
# several, of which some are computed again. Fitted to the peaks in bench/step.md.
ONE_ROW, SEVERAL_ROWS = 0.2, 0.5
TRL_FACTOR, TRL_LOGITS = 1.45, 28  # what TRL's own pass keeps: of ours; bytes for each word of the vocabulary, on a CPU
TRAINED = 16  # bytes a trained weight: itself, its gradient and Adam's two moments, all in float32
UNKNOWN_OPTIONS = ("use_vllm", "use_liger_kernel", "use_transformers_continuous_batching")


@dataclass(frozen=True)
class MemoryPart:
    """One part of the memory; `when` says whether it is there always, while sampling, or in the training pass."""

    name: Literal[
        "libraries", "weights", "copies", "adapter", "cache", "sampling_logits", "activations", "backward", "logits"
    ]
    gb: float
    when: Literal["always", "sampling", "training"]


@dataclass(frozen=True)
class Memory:
    """An estimate.

    Attributes:
        parts: in GB.
        room: what is free where it runs, in GB.
        on: the processor's memory, or a GPU's.
    """

    parts: tuple[MemoryPart, ...]
    room: float
    on: Literal["cpu", "gpu"]

    def of(self, when: str) -> float:
        """The sum of the parts of one time."""
        return sum(part.gb for part in self.parts if part.when == when)

    @property
    def peak(self) -> float:
        """The most at any time, GB: sampling and the training pass take turns."""
        return self.of("always") + max(self.of("sampling"), self.of("training"))

    @property
    def verdict(self) -> Verdict:
        """Whether it fits into what is free now."""
        return "fits" if self.peak <= TIGHT * self.room else "tight" if self.peak <= self.room else "too_much"


@dataclass(frozen=True)
class Batch:
    """What a step passes through the model.

    Attributes:
        completions: sampled at once.
        micro_batch: completions in one training pass.
        group: completions of a prompt.
        length: tokens of a completion at most.
        prompt: tokens of a prompt.
    """

    completions: int
    micro_batch: int
    group: int
    length: int
    prompt: int

    @property
    def pass_tokens(self) -> int:
        """Tokens of a training pass in which each prompt is there once."""
        return self.micro_batch * self.length + -(-self.micro_batch // self.group) * self.prompt

    @property
    def padded_tokens(self) -> int:
        """Tokens of a training pass in which each completion has its prompt beside it."""
        return self.micro_batch * (self.length + self.prompt)


def batch_of(grpo: Mapping[str, Any], prompt: int) -> Batch:
    """The batch of a spec's `grpo:` part, whose options are sound; `prompt` is a long prompt's tokens."""
    found = grpo_settings(grpo)
    micro_batch, group = found["per_device_train_batch_size"], found["num_generations"] or 1
    return Batch(generation_batch(found), micro_batch, group, found["max_completion_length"], prompt)


def estimate(draft: Draft, facts: ModelFacts, machine: Machine, prompt: int) -> Memory | None:
    """The memory of a run; None where an option or the model makes it another run than is reckoned here.

    Args:
        draft: whose options are sound.
        facts: of its model.
        machine: where it will run.
        prompt: tokens of a long prompt, chat template and all.
    """
    if facts.quantised or any(draft.grpo.get(name) for name in UNKNOWN_OPTIONS):
        return None
    batch, size = batch_of(draft.grpo, prompt), _bytes_a_weight(draft.grpo, machine)
    on: Literal["cpu", "gpu"] = "gpu" if machine.gpu else "cpu"
    parts = [
        MemoryPart("libraries", LIBRARIES[on], "always"),
        MemoryPart("weights", facts.parameters * size / GB, "always"),
        MemoryPart("copies", _copies(draft, facts, batch, size, on), "always"),
        MemoryPart("adapter", trained_weights(draft, facts) * TRAINED / GB, "always"),
        *_sampling(draft, facts, batch, size),
        *_training(draft, facts, batch, size, on),
    ]
    return Memory(tuple(parts), machine.room, on)


def trained_weights(draft: Draft, facts: ModelFacts) -> int:
    """Weights of the adapter: r * (in + out) for each linear layer that it is put on."""
    settings = lora_settings(draft.lora)
    rank, named = settings["r"], settings["target_modules"]
    linears = facts.linears
    if isinstance(named, list) and (known := [name for name in linears if name in named]):
        linears = {name: linears[name] for name in known}
    return int(facts.layers * rank * sum((a + b) * facts.copies(name) for name, (a, b) in linears.items()))


def kept_by_a_token(facts: ModelFacts, size: int, rank: int) -> float:
    """Bytes that our training pass keeps of a token for its backward pass (as core.training.trial measures it).

    Of each layer: inputs and norms of the residual stream (in half precision a norm keeps a copy in float32), queries,
    keys, values and what attention gave, four of the MLP's width, and what the adapters squeeze to their rank.
    """
    q, kv = facts.heads * facts.head_size, facts.kv_heads * facts.head_size
    norms = 3.75 * size + (4 if size < 4 else 0)
    wide = 4 * size * facts.intermediate * facts.active
    return facts.layers * (norms * facts.hidden + 2.25 * size * q + 2 * size * kv + wide + 7 * size * rank)


def _bytes_a_weight(grpo: Mapping[str, Any], machine: Machine) -> int:
    named = str((grpo.get("model_init_kwargs") or {}).get("dtype", "")) if _is_mapping(grpo) else ""
    if named:
        return 4 if "32" in named else 2
    half = machine.half if grpo.get("bf16") is None else bool(grpo["bf16"])
    return 2 if half and not grpo.get("fp16") else 4


def _is_mapping(grpo: Mapping[str, Any]) -> bool:
    return isinstance(grpo.get("model_init_kwargs") or {}, Mapping)


def _copies(draft: Draft, facts: ModelFacts, batch: Batch, size: int, on: str) -> float:
    """What is kept to sample from: the adapted weights once more; in bfloat16 on a CPU packed, too, with the head."""
    if draft.engine.sampling == "trl":
        return 0.0
    weights = facts.layer_parameters
    packed = weights + facts.vocabulary * facts.hidden
    again = on == "cpu" and size == 2 and batch.length >= PACKED_FROM
    return (weights + (packed if again else 0)) * size / GB


def _sampling(draft: Draft, facts: ModelFacts, batch: Batch, size: int) -> list[MemoryPart]:
    """Keys and values, up to the budget for those of completions, and logits of one token each."""
    a_token = 2 * facts.layers * facts.kv_heads * facts.head_size * size
    prompts = batch.completions if draft.engine.sampling == "trl" else -(-batch.completions // batch.group)
    own = batch.completions * batch.length * a_token / GB
    if draft.engine.sampling != "trl":
        own = min(own, draft.engine.memory_gb)
    logits = batch.completions * facts.vocabulary * (size + 16) / GB
    return [
        MemoryPart("cache", own + prompts * batch.prompt * a_token / GB, "sampling"),
        MemoryPart("sampling_logits", logits, "sampling"),
    ]


def _training(draft: Draft, facts: ModelFacts, batch: Batch, size: int, on: str) -> list[MemoryPart]:
    """What a pass keeps, within the budget (but a completion is never cut), and the logits of a tile of tokens."""
    kept = kept_by_a_token(facts, size, lora_settings(draft.lora)["r"])
    if draft.grpo.get("gradient_checkpointing") or draft.grpo.get("activation_checkpointing"):
        kept = facts.layers * facts.hidden * size + kept / facts.layers
    if draft.engine.training == "trl":
        words = TRL_LOGITS * facts.vocabulary if on == "cpu" else 0
        return [
            MemoryPart("activations", batch.padded_tokens * TRL_FACTOR * kept / GB, "training"),
            MemoryPart("logits", batch.padded_tokens * words / GB, "training"),
        ]
    whole, least = batch.pass_tokens * kept / GB, (batch.prompt + batch.length) * kept / GB
    activations = max(least, min(whole, draft.engine.memory_gb))
    back = ONE_ROW if activations >= whole else SEVERAL_ROWS
    return [
        MemoryPart("activations", activations, "training"),
        MemoryPart("backward", activations * back, "training"),
        MemoryPart("logits", min(TILE, batch.pass_tokens) * facts.vocabulary * (size + 8) / GB, "training"),
    ]
