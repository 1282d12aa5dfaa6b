"""Which way the two costly parts of a step go: sampling and the training pass, each ours or TRL's own, and why.

Ours is chosen where it is known to hold and a trial on the loaded model agrees with TRL's pass; else the step is TRL's,
and the reason is printed and written into the run folder, from where the page shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from trl import GRPOConfig

from core.runs import RunFolder
from core.spec import Engine as EngineSpec
from core.training import lora, packing, trial
from core.training.packed_pass import per_token_logprobs
from core.training.rollout import Sampler, Sampling
from core.ways import Way, write_ways

Logprobs = Callable[[Tensor, Tensor, int], Tensor]  # of token ids, their mask and the completion length: (B, C)
Autocast = Callable[[], AbstractContextManager[Any]]

SCALED_LOGITS = ("final_logit_softcapping", "logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling")
# What a model's own generation settings may hold without changing how TRL samples: TRL's configuration overrides them.
HARMLESS = {
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "do_sample",
    "temperature",
    "top_k",
    "top_p",
    "repetition_penalty",
    "max_length",
    "max_new_tokens",
    "transformers_version",
    "use_cache",
    "_from_model_config",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "output_logits",
    "return_dict_in_generate",
}


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

    def refresh(self) -> None:
        """Sample from the adapter as it is now."""
        if self.merged is not None and self.sampler is not None:
            self.merged.refresh()
            self.sampler.refresh()

    def report(self, run: RunFolder) -> None:
        """Say it in the log, and to whoever reads the run folder."""
        for part, way in (("sampling", self.sampling), ("training pass", self.training)):
            print(f"{part}: {'shared prompts' if way.ours else f'TRL, because {way.reason}'}", flush=True)
        write_ways(run, self.sampling, self.training)


def build_engine(
    model: Any,
    arguments: GRPOConfig,
    spec: EngineSpec,
    eos: list[int],
    prompts: trial.Prompts,
    trl: Logprobs,
    autocast: Autocast,
) -> Engine:
    """Decide both ways, prepare the model for them, and try them out.

    Args:
        model: the PEFT model on its device.
        arguments: TRL's configuration.
        spec: what the run spec says about it.
        eos: token ids that end a completion.
        prompts: token ids of some prompts to try it on.
        trl: TRL's own pass, to compare with.
        autocast: accelerate's, for passes that train.
    """
    common = unsupported_model(model, arguments) or lora.unsupported(model)
    engine = Engine(
        sampling=_way(spec.sampling, "sampling", common or unsupported_sampling(model, arguments)),
        training=_way(spec.training, "training", common or unsupported_training(model, arguments)),
    )
    budget = int(spec.memory_gb * 1e9)
    memory = trial.Memory(model, arguments)
    pair = trial.different(prompts)
    if engine.sampling.ours:
        _try_sampling(engine, model, arguments, Sampling.of(arguments, eos), budget, memory, pair, trl, autocast)
    if engine.training.ours:
        _try_training(engine, model, arguments, budget, memory, pair, trl, autocast)
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
        "use_transformers_continuous_batching is on": arguments.use_transformers_continuous_batching,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def unsupported_sampling(model: Any, arguments: GRPOConfig) -> str | None:
    """What asks for a way of sampling that is not ours; None where nothing does."""
    options = ("use_vllm", "cache_implementation", "generation_kwargs")
    named = next((f"{option} is set" for option in options if getattr(arguments, option)), None)
    own = set(model.get_base_model().generation_config.to_diff_dict()) - HARMLESS
    return named or (f"the model's own generation settings hold {', '.join(sorted(own))}" if own else None)


def unsupported_training(model: Any, arguments: GRPOConfig) -> str | None:
    """What the training pass would have to compute beside log-probabilities; None where nothing."""
    config = model.get_base_model().config
    weight = arguments.router_aux_loss_coef
    weight = getattr(config, "router_aux_loss_coef", 0.0) if weight is None else weight
    routes = hasattr(config, "output_router_logits") and weight != 0.0
    return "the loss of its router counts" if routes else None


def _way(asked: str, part: str, reason: str | None) -> Way:
    if asked == "trl":
        return Way(False, f"engine.{part} is trl")
    return Way(reason is None, reason or "")


def _try_sampling(
    engine: Engine,
    model: Any,
    arguments: GRPOConfig,
    sampling: Sampling,
    budget: int,
    memory: trial.Memory,
    pair: trial.Prompts,
    trl: Logprobs,
    autocast: Autocast,
) -> None:
    """Sample the likeliest tokens; TRL's pass must find them as likely as the sampler did."""
    try:
        merged = lora.MergedCopy(model, _sampling_dtype(model.get_base_model(), arguments))
        packing.install(merged.model.config)
        engine.merged, engine.sampler = merged, Sampler(merged.model, sampling, budget)
        if "sampling" in memory.found:
            return
        with trial.working_adapter(model):
            engine.refresh()
            best = Sampling(trial.TOKENS, (), arguments.temperature, top_k=1)
            ids, mask = (x[:, : -trial.TOKENS] for x in trial.likely(model.get_base_model(), pair))
            rows = [row[real.bool()].tolist() for row, real in zip(ids, mask, strict=True)]
            found = engine.sampler.sample(rows, sampling=best)
            own = torch.tensor(found.ids, device=ids.device)
            ids, mask = torch.cat([ids, own], dim=1), torch.cat([mask, torch.ones_like(own)], dim=1)
            with autocast():
                theirs = trl(ids, mask, trial.TOKENS)
        trial.compare(theirs, found.logprobs, mask[:, -trial.TOKENS :], merged.model.dtype)
        memory.keep("sampling", 1)
    except Exception as error:  # the boundary: whatever a model does not bear is a reason for TRL's own way
        engine.sampler = engine.merged = None
        engine.sampling = Way(False, f"a trial failed: {_first_line(error)}")


def _try_training(
    engine: Engine,
    model: Any,
    arguments: GRPOConfig,
    budget: int,
    memory: trial.Memory,
    pair: trial.Prompts,
    trl: Logprobs,
    autocast: Autocast,
) -> None:
    """Compare with TRL's pass over PEFT's own layers, and measure what a token keeps for the backward pass."""
    base = model.get_base_model()
    before = base.config._attn_implementation
    try:
        a_token = memory.found.get("bytes a token")
        if a_token is None:
            a_token = _training_trial(model, arguments, pair, trl, autocast)
            memory.keep("bytes a token", a_token)
        else:
            _prepare(model)
        engine.most_tokens = max(1, int(budget / a_token))
    except Exception as error:  # the boundary, as above
        base.config._attn_implementation = before
        lora.undo_lean(model)
        engine.training = Way(False, f"a trial failed: {_first_line(error)}")


def _training_trial(model: Any, arguments: GRPOConfig, pair: trial.Prompts, trl: Logprobs, autocast: Autocast) -> float:
    """Prepare the model after TRL's pass and before ours; what a token keeps. ArithmeticError where they disagree."""
    base = model.get_base_model()
    with trial.working_adapter(model), autocast():
        ids, mask = trial.likely(base, pair)
        told = mask[:, -trial.TOKENS :]
        with torch.enable_grad():
            theirs = trl(ids, mask, trial.TOKENS)
            wanted = trial.gradients(model, theirs, told)
        _prepare(model)
        with torch.enable_grad():
            found, _ = per_token_logprobs(
                base, ids, mask, trial.TOKENS, temperature=arguments.temperature, most=ids.numel()
            )
        trial.compare(theirs.detach(), found.detach(), told, _precision(base))
        with torch.enable_grad():
            trial.compare_gradients(wanted, trial.gradients(model, found, told), _precision(base))
        if arguments.gradient_checkpointing:  # as transformers will do when training begins
            model.gradient_checkpointing_enable(arguments.gradient_checkpointing_kwargs)
            model.train()
        return trial.kept_by_a_token(base, ids, mask, trial.TOKENS)


def _prepare(model: Any) -> None:
    """Make a model's passes ours."""
    packing.install(model.get_base_model().config)
    lora.make_lean(model)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]


def _precision(base: Any) -> torch.dtype:
    """What products are computed in: the weights' precision, or that of the autocast in force."""
    device = base.device.type
    dtype: torch.dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else base.dtype
    return dtype


def _sampling_dtype(base: Any, arguments: GRPOConfig) -> torch.dtype:
    """Weights in float32 that are trained with mixed precision are sampled from in the lower one, as by TRL."""
    if base.dtype is not torch.float32:
        dtype: torch.dtype = base.dtype
        return dtype
    return torch.bfloat16 if arguments.bf16 else torch.float16 if arguments.fp16 else torch.float32
