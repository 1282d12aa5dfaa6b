"""Peak memory of a training pass by the size of its groups: within a budget here, growing with the group in TRL.

Forward and backward of one group of G completions of 64 tokens after a prompt of 64, the embedded model with LoRA, each
in a process of its own: resident memory at its peak, less what the loaded model takes.
`python bench/memory.py > bench/memory.md` commits the table.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SIZES = (8, 32, 128)
BUDGET_GB = 0.5
TOKENS = 64


def main() -> None:
    """Print the table."""
    print(f"engine.memory_gb: {BUDGET_GB}; completions and prompt of {TOKENS} tokens; GB above the loaded model\n")
    print("| G | Signalbox | TRL |\n|---|---|---|")
    for size in SIZES:
        ours, trl = (measured(way, size) for way in ("ours", "trl"))
        print(f"| {size} | {ours:.2f} | {trl:.2f} |", flush=True)


def measured(way: str, size: int) -> float:
    """The peak of one pass in a process of its own, GB."""
    found = subprocess.run([sys.executable, __file__, way, str(size)], capture_output=True, text=True)
    if found.returncode:
        raise SystemExit(found.stderr)
    return float(found.stdout.split()[-1])


def work(way: str, size: int) -> float:
    """One pass."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM
    from trl.trainer.utils import add_fused_lm_head

    from core.models import model_source
    from core.training import lora, packing
    from core.training.packed_pass import per_token_logprobs
    from core.training.trial import kept_by_a_token

    base = AutoModelForCausalLM.from_pretrained(model_source("embedded"), dtype=torch.bfloat16)
    add_fused_lm_head(base, outputs=("log_probs", "entropy"))
    model = get_peft_model(base, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"))
    ids = torch.randint(0, 49_000, (1, 2 * TOKENS)).repeat(size, 1)
    ids[:, TOKENS:] = torch.randint(0, 49_000, (size, TOKENS))
    mask = torch.ones_like(ids)
    with torch.autocast("cpu", torch.bfloat16):
        if way == "trl":
            before = resident("VmRSS")
            labels = ids.clone()
            labels[:, :TOKENS] = -100
            found = model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True).log_probs
        else:
            packing.install(base.config)
            lora.make_lean(model)
            most = int(BUDGET_GB * 1e9 / kept_by_a_token(base, ids[:4], mask[:4], TOKENS))
            before = resident("VmRSS")
            found, _ = per_token_logprobs(base, ids, mask, TOKENS, temperature=1.0, most=most)
    found.sum().backward()
    return resident("VmHWM") - before


def resident(name: str) -> float:
    """A figure of this process's memory, GB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1e6


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(work(sys.argv[1], int(sys.argv[2])))
    else:
        main()
