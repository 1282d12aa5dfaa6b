"""Which way the two costly parts of a step go: sampling and the training pass, each ours or TRL's own, and why.

Ours is chosen where it is known to hold and a trial on the loaded model agrees with TRL's pass; else the step is TRL's,
and the reason is printed and written into the run folder, from where the page shows it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from trl import GRPOConfig

from core.runs import RunFolder, write_atomically
from core.spec import Engine as EngineSpec
from core.training import lora, packing
from core.training.packed_pass import per_token_logprobs
from core.training.rollout import Sampler, Sampling

Prompts = Sequence[Sequence[int]]
Logprobs = Callable[[Tensor, Tensor, int], Tensor]  # of token ids, their mask and the completion length: (B, C)
Autocast = Callable[[], AbstractContextManager[Any]]

# How far apart the trial's log-probabilities may lie on average, by the precision that they are computed in.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.2, torch.float16: 0.05}
TRIAL_PROMPT, TRIAL_TOKENS = 64, 4  # the last tokens of a prompt that a trial reads, and how many it adds
SCALED_LOGITS = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")


@dataclass(frozen=True)
class Way:
    """How one part of a step is done.

    Attributes:
        ours: whether it is ours; else it is TRL's.
        reason: why it is TRL's; empty for ours.
    """

    ours: bool
    reason: str = ""


@dataclass
class Engine:
    """The parts of a step, put together for one loaded model.

    Attributes:
        sampling: how completions are sampled.
        training: how the training pass is done.
        sampler: samples from `merged`; None where sampling is TRL's.
        merged: the copy to sample from.
        most_tokens: tokens in one training pass, from the memory that the spec allows.
    """

    sampling: Way
    training: Way
    sampler: Sampler | None = None
    merged: lora.MergedCopy | None = None
    most_tokens: int = 0

    def report(self, run: RunFolder) -> None:
        """Say it in the log, and to whoever reads the run folder."""
        for part, way in (("sampling", self.sampling), ("training pass", self.training)):
            print(f"{part}: {'shared prompts' if way.ours else f'TRL, because {way.reason}'}", flush=True)
        ways = {"sampling": asdict(self.sampling), "training": asdict(self.training)}
        write_atomically(run.engine_path, json.dumps(ways, indent=2))


def build_engine(
    model: Any,
    arguments: GRPOConfig,
    spec: EngineSpec,
    eos: list[int],
    prompts: Prompts,
    trl: Logprobs,
    autocast: Autocast,
) -> Engine:
    """Decide both ways, prepare the model for them, and try them out.

    Args:
        model: the PEFT model on its device.
        arguments: TRL's configuration.
        spec: what the run spec says about it.
        eos: token ids that end a completion.
        prompts: token ids of two prompts to try it on.
        trl: TRL's own pass, to compare with; to be called, like ours, under `autocast`.
        autocast: accelerate's.
    """
    common = unsupported_model(model, arguments) or lora.unsupported(model)
    training = Way(*_chosen(spec.training, "training", common))
    sampling = Way(*_chosen(spec.sampling, "sampling", common or unsupported_sampling(arguments)))
    if lora.unsupported(model) is None and spec.training == "auto":
        lora.make_lean(model)
    engine = Engine(sampling, training)
    budget = int(spec.memory_gb * 1e9)
    with autocast():
        if training.ours:
            _try_training(engine, model, arguments, prompts, trl, budget)
        if sampling.ours:
            _try_sampling(engine, model, arguments, eos, prompts, trl, budget)
    return engine


def unsupported_model(model: Any, arguments: GRPOConfig) -> str | None:
    """Why a model's attention cannot be computed over shared prompts; None where it can."""
    base = model.get_base_model()
    config = base.config
    layers = getattr(config, "layer_types", None)
    window = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    scaled = next((name for name in SCALED_LOGITS if getattr(config, name, None) not in (None, 1.0)), None)
    reasons = {
        "it reads more than text": config.get_text_config() is not config,
        "it has an encoder": config.is_encoder_decoder,
        f"the attention of {type(base).__name__} cannot be replaced": not base._supports_attention_backend,
        f"attn_implementation is {config._attn_implementation}": config._attn_implementation not in ("sdpa", "eager"),
        "not all its layers attend to everything before": layers and set(layers) != {"full_attention"},
        "its attention has a sliding window": not layers and window,
        f"its logits are changed by {scaled}": scaled is not None,
        "its attention caps its scores": getattr(config, "attn_logit_softcapping", None) is not None,
        "its attention has dropout": getattr(config, "attention_dropout", 0.0) != 0.0 and not arguments.disable_dropout,
        "its weights are quantised": getattr(base, "is_quantized", False),
        "it is spread over several devices": len(set(getattr(base, "hf_device_map", {}).values())) > 1,
        "cast_lm_head_to_fp32 is on": arguments.cast_lm_head_to_fp32,
        "use_liger_kernel is on": arguments.use_liger_kernel,
        "torch_compile is on": arguments.torch_compile,
        "it has a router whose loss counts": getattr(config, "output_router_logits", False),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def unsupported_sampling(arguments: GRPOConfig) -> str | None:
    """Which option of GRPOConfig asks for a way of sampling that is not ours."""
    options = ("use_vllm", "use_transformers_continuous_batching", "cache_implementation", "generation_kwargs")
    return next((f"{option} is set" for option in options if getattr(arguments, option)), None)


def _chosen(asked: str, part: str, reason: str | None) -> tuple[bool, str]:
    if asked == "trl":
        return False, f"engine.{part} is trl"
    return reason is None, reason or ""


def _try_training(
    engine: Engine, model: Any, arguments: GRPOConfig, prompts: Prompts, trl: Logprobs, budget: int
) -> None:
    """Compare with TRL's pass on a few tokens, and measure what a token keeps in memory until the backward pass."""
    base = model.get_base_model()
    ids, mask = _trial(base, prompts)
    before = base.config._attn_implementation
    try:
        with torch.no_grad():
            theirs = trl(ids, mask, TRIAL_TOKENS)
        packing.install(base.config)
        found, kept = _measured(base, ids, mask, arguments.temperature)
        _compare(theirs, found, mask[:, -TRIAL_TOKENS:], base.dtype)
        _, kept_by_half = _measured(base, ids[:2], mask[:2], arguments.temperature)
        a_token = (kept - kept_by_half) / (mask.sum() - mask[:2].sum()).item()
        engine.most_tokens = max(1, int(budget / max(a_token, 1)))
    except Exception as error:  # the boundary: whatever a model does not bear is a reason for TRL's own pass
        base.config._attn_implementation = before
        engine.training = Way(False, f"a trial failed: {_first_line(error)}")


def _try_sampling(
    engine: Engine, model: Any, arguments: GRPOConfig, eos: list[int], prompts: Prompts, trl: Logprobs, budget: int
) -> None:
    """Sample a few tokens; TRL's pass must find them as likely as the sampler did."""
    base = model.get_base_model()
    ids, mask = _trial(base, prompts)
    state = torch.random.get_rng_state()
    try:
        merged = lora.MergedCopy(model, _sampling_dtype(base, arguments))
        packing.install(merged.model.config)
        merged.refresh()
        pairs = zip(ids[:, :-TRIAL_TOKENS], mask[:, :-TRIAL_TOKENS], strict=True)
        rows = [row[real.bool()].tolist() for row, real in pairs]
        best = Sampling(TRIAL_TOKENS, (), arguments.temperature, top_k=1)
        rollout = Sampler(merged.model, best, budget).sample(rows)
        ids = torch.cat([ids[:, :-TRIAL_TOKENS], torch.tensor(rollout.ids, device=ids.device)], dim=1)
        mask = torch.cat([mask[:, :-TRIAL_TOKENS], torch.ones_like(ids[:, -TRIAL_TOKENS:])], dim=1)
        with torch.no_grad():
            theirs = trl(ids, mask, TRIAL_TOKENS)
        _compare(theirs, rollout.logprobs, mask[:, -TRIAL_TOKENS:], merged.model.dtype)
        engine.merged, engine.sampler = merged, Sampler(merged.model, sampling_of(arguments, eos), budget)
    except Exception as error:  # the boundary, as above
        engine.sampling = Way(False, f"a trial failed: {_first_line(error)}")
    finally:
        torch.random.set_rng_state(state)


def sampling_of(arguments: GRPOConfig, eos: list[int]) -> Sampling:
    """GRPOConfig's sampling parameters."""
    names = ("max_completion_length", "temperature", "top_p", "min_p", "repetition_penalty")
    return Sampling(eos=tuple(eos), top_k=arguments.top_k or 0, **{name: getattr(arguments, name) for name in names})


@torch.no_grad()
def _trial(base: Any, prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Two prompts, two completions each: ids and mask, (4, P + TRIAL_TOKENS).

    Completions that the model itself finds likely: about unlikely ones its own passes disagree, by the rounding alone.
    """
    rows = [list(prompts[n][-TRIAL_PROMPT:]) for n in (0, 0, 1, 1)]
    longest = max(map(len, rows))
    ids = torch.tensor([[*row[:1] * (longest - len(row)), *row] for row in rows], device=base.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=base.device)
    for n in range(TRIAL_TOKENS):
        position = (mask.cumsum(1) - 1).clamp(min=0)
        logits = base(input_ids=ids, attention_mask=mask, position_ids=position, use_cache=False).logits[:, -1]
        best = logits.topk(2).indices
        token = best[torch.arange(4), torch.tensor([0, 1, 0, 1])] if n == 0 else best[:, 0]
        ids, mask = torch.cat([ids, token[:, None]], dim=1), torch.cat([mask, torch.ones_like(token)[:, None]], dim=1)
    mask[1, -1] = 0
    return ids, mask


def _compare(theirs: Tensor, ours: Tensor, mask: Tensor, dtype: torch.dtype) -> None:
    apart = ((theirs.float() - ours.float()).abs() * mask).sum().item() / mask.sum().item()
    if not apart <= TOLERANCE.get(dtype, 1e-3):
        raise ArithmeticError(f"log-probabilities are {apart:.3g} apart from TRL's")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]


def _sampling_dtype(base: Any, arguments: GRPOConfig) -> torch.dtype:
    """Weights in float32 that are trained with mixed precision are sampled from in the lower one, as by TRL."""
    if base.dtype is not torch.float32:
        dtype: torch.dtype = base.dtype
        return dtype
    return torch.bfloat16 if arguments.bf16 else torch.float16 if arguments.fp16 else torch.float32


def _measured(base: nn.Module, ids: Tensor, mask: Tensor, temperature: float) -> tuple[Tensor, int]:
    """Our pass over the trial, and the bytes that it keeps for the backward pass beside the model's parameters."""
    seen = {p.untyped_storage().data_ptr(): 0 for p in base.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen.setdefault(storage.data_ptr(), storage.nbytes())
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
        found, entropies = per_token_logprobs(base, ids, mask, TRIAL_TOKENS, temperature=temperature, most=1 << 30)
    del entropies
    return found.detach(), sum(seen.values())
