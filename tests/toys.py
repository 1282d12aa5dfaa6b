"""Toys for tests: a random model of 30k parameters with a byte tokenizer, tagged rows and a run spec that fits them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_model(folder: Path, kind: str = "llama", **config: Any) -> Path:
    """Save a tiny model with random weights and a byte-level tokenizer with a chat template.

    Args:
        folder: where.
        kind: a model type of transformers, such as llama or qwen3.
        config: of its configuration, what differs from the toy's.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    core = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate([*alphabet, *special])}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|end|>", pad_token="<|end|>", additional_special_tokens=special[1:]
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        **config,
    }
    AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A .jsonl file."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def tagged_rows(per_task: int) -> list[dict[str, Any]]:
    """Two tasks of which a random model meets one now and then (letters) and the other by length."""
    return [
        row
        for n in range(per_task)
        for row in (
            {"task": "short", "prompt": f"Be brief, {n}.", "answer": str(n)},
            {"task": "long", "prompt": f"Take your time, {n}.", "answer": str(n)},
        )
    ]


def spec_document(model: Path, rows: Path, **grpo: Any) -> dict[str, Any]:
    """A run of a few seconds: 2 prompts x 4 completions of 12 tokens a step."""
    return {
        "name": "toy",
        "model": str(model),
        "data": {"path": str(rows), "held_out": {"rows_per_task": 2}},
        "rewards": {
            "short": [{"name": "length", "params": {"unit": "characters", "maximum": 4, "margin": 8}}],
            "long": [{"name": "length", "params": {"unit": "characters", "minimum": 12, "margin": 8}}],
        },
        "lora": {"r": 4},
        "grpo": {
            "max_steps": 6,
            "per_device_train_batch_size": 8,
            "num_generations": 4,
            "max_completion_length": 12,
            "learning_rate": 0.01,
            "num_generations_eval": 2,
            "per_device_eval_batch_size": 8,
            "eval_steps": 3,
            "save_steps": 2,
            **grpo,
        },
    }
