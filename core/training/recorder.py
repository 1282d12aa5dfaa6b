"""Writes what happens in a run into its folder: metrics.jsonl, line by line, and completions/*.parquet, whole.

There is one recorder a run, in the main process. `rewind` puts the folder back to a checkpoint before a resume, so that
no step is in it twice; what it takes out is kept under `superseded/`.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import time
import traceback
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Protocol

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from core.alert_log import AlertLog, rewind_alerts
from core.completions import SHARD
from core.metrics import ScoredBatch, join_batches, mean, task_records
from core.records import last_record
from core.reporting import task_metrics
from core.runs import RunFolder, free_path, write_atomically

Split = Literal["train", "held_out"]


class Progress(Protocol):
    """How far training is; transformers' TrainerState is one."""

    global_step: int
    max_steps: int


class Recorder:
    """Collects the scored batches of a step (or evaluation) and writes its record.

    Args:
        run: where to write.
        tasks: the order of tasks in every record.
        alerts: looks at the run after every record.
    """

    def __init__(self, run: RunFolder, tasks: Sequence[str] = (), alerts: AlertLog | None = None) -> None:
        self.run = run
        self._alerts = alerts
        self._tasks = tuple(tasks)
        self._batches: list[ScoredBatch] = []
        self._elapsed = _elapsed(run)
        run.completions.mkdir(exist_ok=True)

    def add(self, split: Split, step: int, batch: ScoredBatch) -> None:
        """Keep a batch for the step's record and write its completions at once."""
        path = self.run.completions / f"{split}-{step:06d}-{len(self._batches):04d}.parquet"
        scratch = path.with_suffix(".tmp")
        pq.write_table(completions_table(split, step, batch), scratch)
        scratch.replace(path)
        self._batches.append(batch)

    def task_metrics(self) -> dict[str, float]:
        """What experiment trackers get of the step's (or evaluation's) tasks; see core.reporting."""
        return task_metrics(task_records(join_batches(self._batches), self._tasks)) if self._batches else {}

    def write(
        self,
        split: Split,
        state: Progress,
        seconds: Mapping[str, float],
        trainer: Mapping[str, Any],
        device_gb: float | None = None,
        frozen: Collection[str] = (),
    ) -> dict[str, Any]:
        """Append the record of a step or evaluation and forget its batches.

        Args:
            split: train or held_out.
            state: training steps done, this one included, and in all.
            seconds: wall time by phase.
            trainer: TRL's own metrics, under TRL's names.
            device_gb: the most memory that was used on the GPU so far, GB; None without one.
            frozen: tasks that had converged and kept but a tenth of their share.
        """
        batch = join_batches(self._batches) if self._batches else None
        self._batches = []
        self._elapsed = None if self._elapsed is None else round(self._elapsed + seconds.get("all", 0.0), 3)
        record = {
            "step": state.global_step,
            "steps": state.max_steps,
            "split": split,
            "time": time.time(),
            "elapsed": self._elapsed,
            "reward": mean(batch.scores.totals) if batch else None,
            "tasks": task_records(batch, self._tasks) if batch else [],
            "seconds": dict(seconds),
            "memory": {"process_gb": round(psutil.Process().memory_info().rss / 1e9, 3), "device_gb": device_gb},
            "trainer": dict(trainer),
            **({"frozen": sorted(frozen)} if frozen else {}),
        }
        line = json.dumps(_finite(record), ensure_ascii=False, allow_nan=False)
        with self.run.metrics_path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._look()
        return record

    def _look(self) -> None:
        """Say what needs a look; a rule that fails is no reason for a run to end."""
        try:
            for alert in self._alerts.look() if self._alerts else ():
                print(f"alert, step {alert.step}: {alert.title}: {alert.reason} {alert.mend}", flush=True)
        except Exception:  # the boundary between training and what is said of it; it is in the worker's log
            traceback.print_exc()


def completions_table(split: Split, step: int, batch: ScoredBatch) -> pa.Table:
    """One row per completion: step, split, group, task, prompt, completion, length, clipped, `score/<reward>` and
    `error/<reward>` per reward (both null where it does not apply), total, advantage."""
    scores = batch.scores
    count = len(batch.completions)
    columns: dict[str, pa.Array] = {
        "step": pa.array([step] * count, pa.int64()),
        "split": pa.array([split] * count),
        "group": pa.array(batch.groups),
        "task": pa.array(scores.tasks, pa.string()),
        "prompt": pa.array(batch.prompts, pa.string()),
        "completion": pa.array(batch.completions, pa.string()),
        "length": pa.array(batch.lengths),
        "clipped": pa.array(batch.clipped),
    }
    for k, key in enumerate(scores.keys):
        columns[f"score/{key}"] = pa.array(scores.values[:, k], from_pandas=True)  # NaN becomes null
        columns[f"error/{key}"] = pa.array([scores.errors.get((i, k)) for i in range(count)], pa.string())
    columns["total"] = pa.array(scores.totals, from_pandas=True)
    columns["advantage"] = pa.array(batch.advantages)
    return pa.table(columns)


def rewind(run: RunFolder, step: int) -> bool:
    """Take out of the folder whatever came after `step`; say whether the evaluation at `step` is still in it.

    A record or shard after the last checkpoint belongs to steps that are about to be done again; -1 is before them all.
    """
    with suppress(FileNotFoundError):
        _drop_torn_line(run.metrics_path)
    records = run.records()
    kept = [record for record in records if record["step"] <= step]
    evaluated = {record["step"] for record in kept if record["split"] == "held_out"}
    aside = free_path(run.path / "superseded" / f"{time.strftime('%Y%m%d-%H%M%S')}-after-step-{max(step, 0)}")
    if len(kept) < len(records):
        aside.mkdir(parents=True, exist_ok=True)
        shutil.copy2(run.metrics_path, aside)
        write_atomically(run.metrics_path, "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in kept))
    for shard in sorted(shard for shard in run.completions.glob("*.parquet") if re.fullmatch(SHARD, shard.name)):
        split, at = shard.stem.split("-")[:2]
        if int(at) > step or (split == "held_out" and int(at) not in evaluated):
            aside.mkdir(parents=True, exist_ok=True)
            shard.rename(aside / shard.name)
    for torn in run.completions.glob("*.tmp"):
        torn.unlink()
    rewind_alerts(run, step)
    return step in evaluated


def _elapsed(run: RunFolder) -> float | None:
    """Seconds that the run has worked so far; None where an older version recorded it, which did not count them."""
    last = [record for split in ("train", "held_out") if (record := last_record(run.metrics_path, split))]
    known = [record["elapsed"] for record in last if record.get("elapsed") is not None]
    return max(known, default=0.0) if len(known) == len(last) else None


def _drop_torn_line(path: Path) -> None:
    """A worker killed while it wrote leaves half a line, to which the next record would be glued."""
    with path.open("r+b") as file:
        data = file.read()
        file.truncate(data.rfind(b"\n") + 1)


def _finite(value: Any) -> Any:
    """JSON has no NaN: a number that does not exist is null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
