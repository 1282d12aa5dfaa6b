"""Run folders as a worker would have written them, without a worker: records of any shape, long runs in seconds."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.metrics import ScoredBatch
from core.runs import Exit, RunFolder, Worker, write_exit
from core.scores import Scores

START = 1_700_000_000.0  # seconds since the epoch
DEAD = 2**22 + 1  # above every pid that Linux gives
TRAINER = {
    "loss": 0.01,
    "grad_norm": 0.4,
    "learning_rate": 1e-4,
    "kl": 0.002,
    "entropy": 1.2,
    "num_tokens": 1000.0,
    "completions/mean_length": 30.0,
    "clip_ratio/low_mean": 0.001,
    "clip_ratio/high_mean": 0.002,
    "clip_ratio/region_mean": 0.003,
    "sampling/sampling_logp_difference/mean": 0.01,
}


def reward_entry(name: str, mean: float | None, **changes: Any) -> dict[str, Any]:
    """One reward of one task."""
    entry = {"reward": name, "weight": 1.0, "mean": mean, "std": 0.2, "count": 8, "errors": 0, "not_applicable": 0}
    return {**entry, "reasons": {}, **changes}


def task_entry(task: str, reward: float | None, rewards: Iterable[str] = ("exact",), **changes: Any) -> dict[str, Any]:
    """One task of one record; each of its rewards has the mean of its total."""
    entry = {"task": task, "count": 8, "groups": 2, "share": 0.5, "reward": reward, "reward_std": 0.2, "scored": 8}
    entry |= {"errors": 0, "zero_std": 0.1, "signal": 0.5, "length": 30.0, "clipped": 0.0}
    return {**entry, "rewards": [reward_entry(name, reward) for name in rewards], **changes}


def record(
    step: int,
    tasks: Mapping[str, float | None] | Iterable[dict[str, Any]] = (),
    *,
    split: str = "train",
    steps: int = 100,
    trainer: Mapping[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A line of metrics.jsonl; tasks by their reward, or as whole entries."""
    entries = [task_entry(*task) for task in tasks.items()] if isinstance(tasks, Mapping) else list(tasks)
    known = [entry["reward"] for entry in entries if entry["reward"] is not None]
    return {
        "step": step,
        "steps": steps,
        "split": split,
        "time": START + 2.0 * step,
        "reward": sum(known) / len(known) if known else None,
        "tasks": entries,
        "seconds": {"all": 2.0, "generate": 1.0, "score": 0.1},
        "memory": {"process_gb": 1.5, "device_gb": None},
        "trainer": {**(TRAINER if split == "train" else {}), **(trainer or {})},
        **changes,
    }


def lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    """As they stand in metrics.jsonl."""
    return "".join(json.dumps(one) + "\n" for one in records).encode()


def append(run: RunFolder, *records: Mapping[str, Any]) -> None:
    """More records of a run."""
    with run.metrics_path.open("ab") as file:
        file.write(lines(records))


def spec_document(tasks: Iterable[str], rewards: Iterable[str] = ("exact_match",), **changes: Any) -> dict[str, Any]:
    """A run spec that nobody will start."""
    routes = {task: [{"name": "exact_match", "label": reward} for reward in rewards] for task in tasks}
    return {"name": "toy", "model": "embedded", "data": {"path": "rows.jsonl"}, "rewards": routes, **changes}


def make_run(
    folder: Path,
    records: Iterable[Mapping[str, Any]],
    spec: Mapping[str, Any] | None = None,
    end: str | None = "finished",
) -> RunFolder:
    """A run folder; `end` says how its worker, which is gone, said that it ended."""
    run = RunFolder(folder)
    folder.mkdir(parents=True)
    run.spec_path.write_text(json.dumps(spec or spec_document(["math", "code"])), encoding="utf-8")
    run.completions.mkdir()
    append(run, *records)
    if end is not None:
        run.process_path.write_text(json.dumps(vars(Worker(DEAD, START, 1))), encoding="utf-8")
        write_exit(run, Exit(end, f"It {end}.", run.last_step(), time=START, attempt=1))  # type: ignore[arg-type]
    return run


def scored_batch(
    task: str, completions: list[str], scores: list[float | None], prompt: str = "2 + 2?", error: str = "no gold"
) -> ScoredBatch:
    """One group of completions by one reward; no score is an error."""
    values = np.array([[np.nan if score is None else score] for score in scores])
    totals = values[:, 0]
    return ScoredBatch(
        prompts=(prompt,) * len(completions),
        completions=tuple(completions),
        scores=Scores(
            (task,) * len(completions),
            ("exact",),
            values,
            np.ones((len(completions), 1)),
            {(i, 0): error for i, score in enumerate(scores) if score is None},
            np.full((len(completions), 1), np.nan),
        ),
        groups=np.zeros(len(completions), dtype=np.int64),
        advantages=np.nan_to_num(totals - np.nanmean(totals)),
        lengths=np.array([len(text.split()) for text in completions]),
        clipped=np.zeros(len(completions), dtype=bool),
    )


def long_run(steps: int, tasks: int, rewards: int, seed: int = 0, whole: int | None = None) -> Iterable[dict[str, Any]]:
    """Records of a long run whose tasks learn at different speed; held-out rows every 500 steps."""
    rng = random.Random(seed)
    names = [f"task-{n}" for n in range(tasks)]
    kinds = [f"reward-{n}" for n in range(rewards)]
    of = {"steps": whole or steps}
    for step in range(steps + 1):
        entries = [_noisy_entry(name, n, step / steps, kinds, rng) for n, name in enumerate(names)]
        if step:
            noise = {name: abs(value * rng.gauss(1, 0.2)) for name, value in TRAINER.items()}
            yield record(step, entries, trainer=noise, **of)
        if step % 500 == 0:
            yield record(step, entries, split="held_out", **of)


def _noisy_entry(name: str, n: int, done: float, kinds: list[str], rng: random.Random) -> dict[str, Any]:
    level = (n + 1) / 10 + 0.5 * (1 - math.exp(-5 * done / (1 + n / 3)))
    entries = [reward_entry(kind, level + rng.gauss(0, 0.1), std=0.2 + rng.gauss(0, 0.02)) for kind in kinds]
    changes = {"share": 0.125, "signal": abs(rng.gauss(0.125, 0.03)), "zero_std": rng.choice([0.0, 0.25, 0.5])}
    changes |= {"length": 30 + 20 * done + rng.gauss(0, 3), "reward_std": 0.3 + rng.gauss(0, 0.02)}
    return task_entry(name, level + rng.gauss(0, 0.08), kinds, **changes) | {"rewards": entries}
