"""The memory estimate of the page Train against real runs: peak resident memory of the worker of a run of one step.

Runs of the embedded model and of a small random one, each a worker of its own as the app starts it, its peak read from
/proc while it runs. `python bench/estimate.py > bench/estimate.md` commits the table; some minutes on two quiet cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from toys import make_model, write_rows

from core.check import check
from core.launch import launch
from core.machine import GB, this_machine
from core.preflight import preflight
from core.runs import create_run
from core.spec import Draft, parse_spec

POLL_S = 0.05
# Every completion gets a score of its own by its characters, so that none is left out of the training pass.
BRIEF = {"unit": "characters", "minimum": 1, "maximum": 1, "margin": 10_000}
# Beside other work threads that spin while they wait take the processor from one another; memory is the same.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")


@dataclass(frozen=True)
class Case:
    """A run: completions of a step, their tokens, words of a prompt, and what else its spec says."""

    completions: int
    length: int
    words: int
    model: str = "embedded"
    more: dict[str, Any] = field(default_factory=dict)


CASES = (
    Case(32, 32, 64),
    Case(32, 32, 64, more={"engine": {"memory_gb": 0.5}}),
    Case(16, 128, 64),
    Case(16, 32, 256),
    Case(32, 32, 64, more={"lora": {"r": 128, "lora_alpha": 256}}),
    Case(16, 32, 64, more={"engine": {"training": "trl", "sampling": "trl"}}),
    Case(64, 64, 16, model="random"),
)


def main() -> None:
    """Print the table."""
    half = "bfloat16" if this_machine().half else "float32"
    print(f"weights in {half}; groups of 8; peak of the worker in GB, estimate and measurement\n")
    print("| model | completions | prompt | what else | estimate | measured | estimate / measured |")
    print("|---|---|---|---|---|---|---|", flush=True)
    chosen = [CASES[int(n)] for n in sys.argv[1:]] or CASES
    with tempfile.TemporaryDirectory() as scratch:
        for number, case in enumerate(chosen):
            print(line(case, Path(scratch) / str(number)), flush=True)


def line(case: Case, folder: Path) -> str:
    """One run, as a line of the table."""
    folder.mkdir()
    spec = parse_spec(document(case, folder), "bench")
    found = preflight(Draft(**{name: getattr(spec, name) for name in spec.model_fields_set}), check(spec))
    assert found.memory is not None
    run = create_run(spec, folder / "run")
    measured = peak(launch(run))
    end = run.exit()
    if end is None or end.reason != "finished":
        raise SystemExit(f"{run.path}: {end}")
    what = json.dumps(case.more).replace('"', "") if case.more else "-"
    ratio = found.memory.peak / measured
    sizes = f"{case.completions}x{case.length} | {max(task.usual for task in (found.lengths or {}).values())}"
    return f"| {case.model} | {sizes} | {what} | {found.memory.peak:.2f} | {measured:.2f} | {ratio:.2f} |"


def document(case: Case, folder: Path) -> dict[str, Any]:
    """The run's spec."""
    rows = [{"task": "t", "prompt": f"{n}" + " word" * case.words, "answer": "x"} for n in range(16)]
    model = case.model
    if model == "random":
        shape = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 8, "num_attention_heads": 8}
        model = str(make_model(folder / "model", num_key_value_heads=8, **shape))
    return {
        "name": "bench",
        "model": model,
        "data": {"path": str(write_rows(folder / "rows.jsonl", rows)), "held_out": {"rows_per_task": 0}},
        "rewards": {"t": [{"name": "length", "params": BRIEF}]},
        "grpo": {
            "max_steps": 1,
            "per_device_train_batch_size": case.completions,
            "num_generations": 8,
            "max_completion_length": case.length,
        },
        **case.more,
    }


def peak(process: subprocess.Popen[bytes]) -> float:
    """The peak of a worker's resident memory, GB; it is read until the worker is gone."""
    return max(_watched(process))


def _watched(process: subprocess.Popen[bytes]) -> Iterator[float]:
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
        except OSError:
            return
        found = [line for line in status.splitlines() if line.startswith("VmHWM")]
        if found:
            yield int(found[0].split()[1]) * 1024 / GB
        time.sleep(POLL_S)


if __name__ == "__main__":
    main()
