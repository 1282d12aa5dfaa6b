"""A worker killed with SIGKILL at ten random moments and resumed each time, against the same run left alone.

Toy model, 60 steps, a checkpoint every 3, an evaluation every 10. Three of the ten kills come while a worker starts,
the others a random time after its first new record, within a quarter of what all steps take: in steps, evaluations and
saves alike. Should a run end before its ten kills, another is begun and the count goes on.
`python bench/kills.py > bench/kills.md` commits the table.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import pandas as pd
from safetensors.numpy import load_file
from toys import make_model, spec_document, tagged_rows, wait_for_step, write_rows

from core.launch import launch
from core.run_signals import kill
from core.runs import RunFolder, create_run, state
from core.spec import RunSpec, parse_spec

KILLS = 10
LOOK_S = 0.02
STEPS = 60
SEED = 7


def main() -> None:
    """Print the table and what it proves."""
    os.environ["OMP_NUM_THREADS"] = "1"  # a toy model is too small to share out between threads
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["SIGNALBOX_RUNS"] = str(root)
        document = spec_document(
            make_model(root / "model"),
            write_rows(root / "rows.jsonl", tagged_rows(20)),
            max_steps=STEPS,
            save_steps=3,
            eval_steps=10,
        )
        spec = parse_spec(document, "toy")
        began = time.monotonic()
        whole = create_run(spec)
        process = launch(whole)
        wait_for_step(whole, process, 1)
        start = time.monotonic() - began
        finish(whole, process)
        length = time.monotonic() - began
        print(__doc__.split("\n")[0] + "\n")  # type: ignore[union-attr]
        print(f"Unbroken: {start:.1f} s to the first step, {length:.1f} s to the last. Seed of the moments: {SEED}.\n")
        print("| kill | s after the start | last in the metrics | last whole checkpoint | torn | state |")
        print("|---|---|---|---|---|---|")
        broken = break_runs(spec, start, (length - start) / 4)
        print()
        for run in broken:
            compare(run, whole)


def break_runs(spec: RunSpec, start: float, quarter: float) -> list[RunFolder]:
    """Runs that were killed ten times between them, each gone on with to its end."""
    dice, runs, kills = random.Random(SEED), [create_run(spec)], 0
    early = dice.sample(range(KILLS), 3)
    while kills < KILLS:
        run = runs[-1]
        began, before = time.monotonic(), newest(run)
        process = launch(run)
        while kills not in early and newest(run) <= before and process.poll() is None:
            time.sleep(LOOK_S)
        try:
            process.wait(dice.uniform(0, start / 2 if kills in early else quarter))
        except subprocess.TimeoutExpired:
            kill(run)
            process.wait()
            kills += 1
            print_kill(kills, time.monotonic() - began, run)
            continue
        if process.returncode:
            raise SystemExit(run.log_path.read_text())
        runs.append(create_run(spec))
    if state(runs[-1]) != "finished":
        finish(runs[-1], launch(runs[-1]))
    return runs


def newest(run: RunFolder) -> float:
    """When the last record was written."""
    return max((record["time"] for record in run.records()), default=0.0)


def print_kill(number: int, after: float, run: RunFolder) -> None:
    """One line of the table: how the kill left the folder."""
    whole = [folder.name for folder in run.whole_checkpoints()]
    torn = [folder.name for folder in run.all_checkpoints() if folder.name not in whole]
    last = f"step {run.last_step()}" if run.metrics_path.exists() else "-"
    cells = (number, f"{after:.1f}", last, whole[-1] if whole else "-", ", ".join(torn) or "-", state(run))
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def finish(run: RunFolder, process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a run, which must be a good one."""
    if process.wait() or state(run) != "finished":
        raise SystemExit(run.log_path.read_text())


def compare(run: RunFolder, whole: RunFolder) -> None:
    """Print in what a broken run differs from the unbroken one; end where a step is missing or double."""
    attempts = worker.attempt if (worker := run.worker()) else 0
    train, held_out = ([r["step"] for r in run.records() if r["split"] == split] for split in ("train", "held_out"))
    shards = completions(run)
    if train != list(range(1, STEPS + 1)) or held_out != list(range(0, STEPS + 1, 10)):
        raise SystemExit(f"{run.path}: steps {train}, evaluations {held_out}")
    if list(shards) != list(completions(whole)):
        raise SystemExit(f"{run.path}: shards {list(shards)}")
    rewards, others = ([[r["reward"], r["tasks"]] for r in one.records()] for one in (run, whole))
    adapter, other = (load_file(one.adapter / "adapter_model.safetensors") for one in (run, whole))
    apart = max(float(abs(adapter[name] - other[name]).max()) for name in other)
    print(
        f"- A run of {attempts} processes: steps 1 to {STEPS} and {len(held_out)} evaluations once each in the metrics "
        f"and in {len(shards)} shards; completions and scores {same(shards == completions(whole))}, records "
        f"{same(rewards == others)}, the adapter's weights at most {apart:.1g} apart."
    )


def same(is_same: bool) -> str:
    """In words."""
    return "the same as in the unbroken run" if is_same else "NOT the same as in the unbroken run"


def completions(run: RunFolder) -> dict[str, list[dict[str, Any]]]:
    """Every shard's rows, by the shard's name."""
    paths = sorted(run.completions.glob("*.parquet"))
    return {
        path.name: pd.read_parquet(path)[["step", "task", "completion", "total"]].to_dict("records") for path in paths
    }


if __name__ == "__main__":
    main()
