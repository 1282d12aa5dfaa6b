"""A worker whose disk becomes full at step 4, in the write that `$TOY_FULL` names."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

from core.training import recorder, stopping, trainer, worker

STEP = 4


def full() -> OSError:
    """What a write to a full disk raises."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def metrics() -> None:
    """Half a line is written before there is no room."""
    write = recorder.Recorder.write

    def torn(self: Any, split: Any, state: Any, *rest: Any) -> Any:
        if state.global_step != STEP:
            return write(self, split, state, *rest)
        with self.run.metrics_path.open("a") as file:
            file.write('{"step": 4, "spl')
        raise full()

    recorder.Recorder.write = torn


def completions() -> None:
    """Half a shard is written."""
    write = recorder.pq.write_table

    def torn(table: Any, path: Path) -> None:
        if f"train-{STEP:06d}" not in path.name:
            write(table, path)
            return
        path.write_bytes(b"PAR1")
        raise full()

    recorder.pq.write_table = torn


def checkpoint() -> None:
    """Half a checkpoint is written, and torch says so in its own way."""
    save = trainer.MultiTaskGRPOTrainer._save_checkpoint

    def torn(self: Any, *rest: Any, **named: Any) -> None:
        if self.state.global_step != STEP:
            save(self, *rest, **named)
            return
        folder = Path(self.args.output_dir) / f"checkpoint-{STEP}"
        folder.mkdir()
        (folder / "optimizer.pt").write_bytes(b"PK")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")

    trainer.MultiTaskGRPOTrainer._save_checkpoint = torn


def mark() -> None:
    """All of a checkpoint but its mark is written."""
    write = stopping.write_atomically

    def torn(path: Path, text: str) -> None:
        if path.parent.name == f"checkpoint-{STEP}":
            raise full()
        write(path, text)

    stopping.write_atomically = torn


if __name__ == "__main__":
    globals()[os.environ["TOY_FULL"]]()
    sys.exit(worker.main(sys.argv[1]))
