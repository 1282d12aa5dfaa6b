"""From a run spec to the arguments of TRL's trainer and PEFT's adapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from peft import LoraConfig
from trl import GRPOConfig

from core.errors import Problem, UserError
from core.options import GRPO_RESERVED, LORA_RESERVED, fixed, grpo_settings, lora_settings
from core.runs import RunFolder
from core.spec import RunSpec
from core.step_time import evaluations_apart, step_count


def trainer_arguments(run: RunFolder, spec: RunSpec, rows: int, evaluate: bool) -> GRPOConfig:
    """TRL's configuration: the spec's `grpo:` part, our defaults, and what a run folder needs."""
    settings = {
        **precision(spec.grpo),
        "run_name": run.id,
        **grpo_settings(spec.grpo),
        **fixed(GRPO_RESERVED),
        "output_dir": str(run.checkpoints),
        "eval_strategy": "steps" if evaluate else "no",
        "dataloader_pin_memory": torch.cuda.is_available(),
    }
    try:
        if settings["max_steps"] == 0:
            settings["max_steps"] = step_count(settings, rows)
        arguments = GRPOConfig(**settings)
    except (TypeError, ValueError) as error:
        raise UserError(Problem("grpo", f"TRL refuses these settings: {error}")) from error
    if arguments.n_gpu > 1:
        # transformers would split every batch over all GPUs of one process, and with it groups and the order of rows.
        print(f"{arguments.n_gpu} GPUs are visible; this run uses the first.", flush=True)
        arguments._n_gpu = 1
    return arguments


def adapter_config(spec: RunSpec) -> LoraConfig:
    """PEFT's LoRA configuration: the spec's `lora:` part over our defaults."""
    try:
        return LoraConfig(**lora_settings(spec.lora), **fixed(LORA_RESERVED))
    except (TypeError, ValueError) as error:
        raise UserError(Problem("lora", f"PEFT refuses these settings: {error}")) from error


def evaluation_due(arguments: GRPOConfig, step: int) -> bool:
    """Whether held-out rows are evaluated after this step."""
    return step % evaluations_apart({"eval_steps": arguments.eval_steps}, arguments.max_steps) == 0


def precision(given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """bfloat16 where the hardware computes in it, else float32: emulated bfloat16 is slower than float32.

    What is `given` under `grpo:` decides: with `bf16: false` the weights, too, are in float32.
    """
    given = given or {}
    if given.get("fp16"):
        return {"bf16": False}
    cuda, cpu = torch.cuda.is_available(), not torch.accelerator.is_available()
    fast = torch.cuda.is_bf16_supported() if cuda else cpu and torch.cpu._is_avx512_bf16_supported()
    half = fast if given.get("bf16") is None else bool(given["bf16"])
    return {"use_cpu": cpu, "bf16": half, "model_init_kwargs": {"dtype": "bfloat16" if half else "float32"}}
