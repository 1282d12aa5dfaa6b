"""Toys for tests: a random model of 30k parameters with a byte tokenizer, tagged rows and a run spec that fits them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.runs import CHECKPOINT_COMPLETE, Exit, RunFolder, Worker, create_run, write_atomically, write_exit
from core.spec import RunSpec, parse_spec

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


def bare_spec(name: str = "toy", **grpo: Any) -> RunSpec:
    """The least that is a run spec; its data is not there."""
    rewards = {"default": [{"name": "length"}]}
    return parse_spec({"name": name, "data": {"path": "rows.jsonl"}, "rewards": rewards, "grpo": grpo}, name)


def end_run(run: RunFolder, reason: Any = "stopped", step: int = 3, **fields: Any) -> RunFolder:
    """As if a worker had worked on a run and ended so."""
    before = run.worker()
    worker = Worker(pid=1, started=0.0, ticks=-1, boot="of another day", attempt=before.attempt + 1 if before else 1)
    write_atomically(run.process_path, json.dumps(vars(worker)))
    write_exit(run, Exit(reason, f"It has {reason}.", step, attempt=worker.attempt, **fields))
    return run


def write_steps(run: RunFolder, steps: Iterable[int], of: int = 6, checkpoint: bool = True) -> RunFolder:
    """As if a run had done some steps, each with a record, and the last of them with a whole checkpoint."""
    done = list(steps)
    records = [{"split": "train", "step": step, "steps": of, "time": float(step), "tasks": []} for step in done]
    run.metrics_path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    if checkpoint:
        folder = run.checkpoints / f"checkpoint-{done[-1]}"
        folder.mkdir(parents=True)
        (folder / "complete.json").write_text("{}", encoding="utf-8")
    return run


def steps(run: RunFolder, split: str = "train") -> list[int]:
    """The steps that a run has records of, in the order of the file."""
    return [record["step"] for record in run.records() if record["split"] == split]


def wait_for_step(run: RunFolder, process: subprocess.Popen[bytes], step: int) -> RunFolder:
    """Returns as soon as a step is in the metrics; fails where the worker ends before."""
    while step not in steps(run):
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the worker ended before step {step}: {run.log_path.read_text(encoding='utf-8')[-2000:]}")
    return run


def make_run(path: Path, model: Path, rows: Path, steps: int = 2) -> RunFolder:
    """A run folder as a finished run leaves it, with a random adapter as result and checkpoint; nothing is trained."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = create_run(parse_spec(spec_document(model, rows, max_steps=steps), "toy"), path)
    torch.manual_seed(1)
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(model), LoraConfig(r=4, target_modules="all-linear"))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    checkpoint = run.checkpoints / f"checkpoint-{steps}"
    for folder in (run.adapter, checkpoint):
        adapted.save_pretrained(folder)
        AutoTokenizer.from_pretrained(model).save_pretrained(folder)
    (checkpoint / CHECKPOINT_COMPLETE).write_text(json.dumps({"step": steps}))
    records = [_record(step, steps, split) for step, split in [(0, "held_out"), (1, "train"), (steps, "held_out")]]
    run.metrics_path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return end_run(run, "finished", steps)


def _record(step: int, steps: int, split: str) -> dict[str, Any]:
    tasks = [
        {"task": task, "reward": 0.1 * step, "scored": 4, "count": 4, "errors": 0, "rewards": []}
        for task in ("short", "long")
    ]
    return {"step": step, "steps": steps, "split": split, "time": 0.0, "tasks": tasks, "seconds": {"all": 1.0}}
