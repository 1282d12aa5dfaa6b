"""Tiny models with adapters, and trainers of toy runs."""

import os
import signal

import pytest
import torch
import warm_workers
from peft import LoraConfig, get_peft_model
from toys import make_model, spec_document, tagged_rows, write_rows
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl.trainer.utils import add_fused_lm_head

from core.launch import launch
from core.runs import create_run
from core.spec import parse_spec


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Folders of tiny saved models, by kind and configuration."""
    made = {}

    def folder(kind="llama", **config):
        key = (kind, repr(config))
        if key not in made:
            made[key] = make_model(tmp_path_factory.mktemp(kind), kind, **config)
        return made[key]

    return folder


@pytest.fixture(autouse=True)
def workers(request, monkeypatch):
    """Workers are forked from a process that is warm; a test marked `by_command` starts them as the app does."""
    forked = []

    def spawn(run):
        forked.append(warm_workers.spawn(run))
        return forked[-1]

    if request.node.get_closest_marker("by_command") is None:
        monkeypatch.setattr("core.launch._spawn", spawn)
    yield
    for process in forked:
        process.end()


@pytest.fixture
def start(folders, tmp_path):
    """Launches runs of the toy spec; none outlives its test."""
    runs = []

    def launched(rewards=None, on_reward_error="mask", parts=None, **grpo):
        document = spec_document(folders(), write_rows(tmp_path / "rows.jsonl", tagged_rows(20)), **grpo)
        document["rewards"] = rewards or document["rewards"]
        document |= {"on_reward_error": on_reward_error, **(parts or {})}
        run = create_run(parse_spec(document, "toy"), tmp_path / f"run-{len(runs)}")
        runs.append((run, launch(run)))
        return runs[-1]

    yield launched
    for _, process in runs:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def adapted_model(folders):
    """A tiny model with a LoRA adapter that does something, in float32, with TRL's head for log-probabilities."""

    def adapted(kind="llama", lora=None, **config):
        torch.manual_seed(1)
        base = AutoModelForCausalLM.from_pretrained(folders(kind, **config), dtype="float32")
        add_fused_lm_head(base, outputs=("log_probs", "entropy"))
        settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM", **(lora or {})}
        model = get_peft_model(base, LoraConfig(**settings))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.3)
        return model

    return adapted


@pytest.fixture(scope="session")
def tokenizer(folders):
    return AutoTokenizer.from_pretrained(folders())


@pytest.fixture
def padded_batch():
    """Three groups of different sizes in a mixed order, as TRL pads them: ids and mask (7, 9 + 6)."""
    generator = torch.Generator().manual_seed(2)
    rows = [(9, 0), (4, 1), (9, 0), (6, 2), (4, 1), (4, 1), (9, 0)]
    prompts = [torch.randint(3, 250, (length,), generator=generator) for length in (9, 4, 6)]
    lengths = [6, 3, 1, 5, 6, 2, 4]
    ids, mask = torch.zeros(7, 15, dtype=torch.long), torch.zeros(7, 15, dtype=torch.long)
    for row, ((size, prompt), length) in enumerate(zip(rows, lengths, strict=True)):
        ids[row, 9 - size : 9], mask[row, 9 - size : 9] = prompts[prompt], 1
        ids[row, 9 : 9 + length] = torch.randint(3, 250, (length,), generator=generator)
        mask[row, 9 : 9 + length] = 1
    return ids, mask
