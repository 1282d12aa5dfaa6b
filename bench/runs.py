"""How long a list of 200 runs takes to open: the first time, and when it is asked for again.

Each run has 200 steps of 8 tasks with 5 rewards each and an evaluation every 20; one is at work, three wait in the
queue. The files have just been written, so the disk itself is not measured.
`python bench/runs.py > bench/runs.md` commits the table.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core import run_list
from core.run_list import run_lines
from core.runs import Exit, RunFolder, all_runs, create_run, record_worker, state, write_atomically, write_exit
from core.spec import parse_spec

RUNS, STEPS, EVERY = 200, 200, 20
ROUNDS = 5
TASKS = [f"task-{n}" for n in range(8)]
REWARDS = [f"reward-{n}" for n in range(5)]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SIGNALBOX_RUNS"] = folder
        metrics = "".join(map(line, records()))
        for n in range(RUNS):
            make_run(n, metrics)
        waiting = [run.id for run in all_runs()[1:4]]
        write_atomically(Path(folder) / "queue.json", json.dumps({"at_once": 1, "runs": waiting, "notes": []}))
        print(f"{RUNS} runs, {len(metrics) / 1e6:.1f} MB of metrics each; seconds, best and worst of {ROUNDS}\n")
        print("| | best | worst |\n|---|---|---|")
        print_times("all_runs and the state of each", lambda: [state(run) for run in all_runs()])
        print_times("run_lines, the first time", first)
        print_times("run_lines, again", run_lines)


def print_times(what: str, work: Callable[[], Any]) -> None:
    """One line of the table."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    print(f"| {what} | {min(times):.3f} | {max(times):.3f} |")


def first() -> None:
    """As in an app that has just started."""
    run_list._read.clear()
    run_list._names.clear()
    run_lines()


def make_run(n: int, metrics: str) -> RunFolder:
    """A run that has finished; the last one is at work."""
    rewards = {task: [{"name": "length", "label": reward} for reward in REWARDS] for task in TASKS}
    run = create_run(parse_spec({"name": f"run-{n}", "data": {"path": "rows.jsonl"}, "rewards": rewards}, "bench"))
    worker = record_worker(run, os.getpid())
    run.metrics_path.write_text(metrics, encoding="utf-8")
    if n < RUNS - 1:
        write_exit(run, Exit("finished", f"All {STEPS} steps done.", STEPS, attempt=worker.attempt))
    return run


def records() -> list[dict[str, Any]]:
    """Those of a run."""
    found = []
    for step in range(STEPS + 1):
        if step:
            found.append(record(step, "train"))
        if step % EVERY == 0:
            found.append(record(step, "held_out"))
    return found


def record(step: int, split: str) -> dict[str, Any]:
    """One in the shape that docs/run-folder.md describes."""
    reward = {"weight": 1.0, "mean": 0.51234, "std": 0.2, "count": 8, "errors": 0, "not_applicable": 0, "reasons": {}}
    task = {"count": 8, "groups": 1, "share": 0.125, "reward": 0.51234, "reward_std": 0.2, "scored": 8, "errors": 0}
    more = {"zero_std": 0.0, "signal": 0.125, "length": 64.0, "clipped": 0.1}
    rewards = [{"reward": name, **reward} for name in REWARDS]
    trainer = {"loss": 0.01, "grad_norm": 0.3, "kl": 0.0, "entropy": 1.2, "learning_rate": 1e-4}
    return {
        "step": step,
        "steps": STEPS,
        "split": split,
        "time": 1.7e9 + step,
        "elapsed": 5.0 * step,
        "reward": 0.51234,
        "tasks": [{"task": name, **task, **more, "rewards": rewards} for name in TASKS],
        "seconds": {"all": 5.0, "generate": 3.0, "score": 0.1},
        "trainer": trainer,
    }


def line(one: dict[str, Any]) -> str:
    """Of metrics.jsonl."""
    return json.dumps(one) + "\n"


if __name__ == "__main__":
    main()
