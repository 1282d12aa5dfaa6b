"""Runs on disk: create, find, stop, and what state each is in; core.launch starts them, core.queue says when.

The run folder is the truth. A worker is a process group of its own, found again by what the folder records of it
(core.processes), never by scanning command lines, so runs outlive the browser tab and the process that started them.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import psutil
from pydantic import TypeAdapter, ValidationError

from core.documents import parse_yaml
from core.errors import Problem, UserError, did_you_mean
from core.processes import Identity, alive, identify
from core.records import last_record, read_records
from core.spec import RunSpec, parse_spec

Reason = Literal["finished", "stopped", "failed", "lost"]
State = Literal["created", "queued", "running", "finished", "stopped", "failed", "lost"]
Remedy = Literal["resume", "edit"]

T = TypeVar("T")
PROJECT = Path(__file__).resolve().parent.parent
QUEUE_FILE = "queue.json"
CHECKPOINT_COMPLETE = "complete.json"  # written last into a checkpoint: without it, a kill fell into its middle
TICK_NS = 1_000_000  # how far the folders of two runs lie apart at least, by their time


@dataclass(frozen=True)
class Exit:
    """How a run's last process ended.

    Attributes:
        reason: finished (all steps), stopped (on request), failed (an error), lost (the process vanished).
        message: the reason in words.
        step: the last training step in the metrics.
        traceback: for `failed` by a bug; empty otherwise.
        time: seconds since the epoch.
        attempt: which of the run's processes ended; an ending of an earlier one says nothing about the next; 0 where
            none was ever started.
        remedy: for `failed`: whether the run can go on once its cause is mended, or whether its settings, which never
            change, cannot work, so that only a copy with others can.
    """

    reason: Reason
    message: str
    step: int
    traceback: str = ""
    time: float = 0.0
    attempt: int = 0
    remedy: Remedy = "resume"


@dataclass(frozen=True)
class Worker(Identity):
    """The process that works on a run.

    Attributes:
        attempt: 1 for the run's first process, one more for each resume.
    """

    attempt: int = 1


ELSEWHERE = "elsewhere"  # the boot of a worker that was of another machine
# Made once: making one takes longer than a run in a list may.
WORKER, EXIT = TypeAdapter(Worker), TypeAdapter(Exit)


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def spec_path(self) -> Path:
        """The immutable run spec."""
        return self.path / "spec.yaml"

    @property
    def metrics_path(self) -> Path:
        """One JSON object per training step and evaluation; see core.metrics."""
        return self.path / "metrics.jsonl"

    @property
    def completions(self) -> Path:
        """Parquet shards of every completion."""
        return self.path / "completions"

    @property
    def checkpoints(self) -> Path:
        """What resume needs."""
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        """The result: a PEFT adapter."""
        return self.path / "adapter"

    @property
    def best(self) -> Path:
        """Adapters of the best evaluations, in `step-N/`; the newest is the best."""
        return self.path / "best"

    @property
    def data_path(self) -> Path:
        """How many rows of each task the run was started with."""
        return self.path / "data.json"

    @property
    def log_path(self) -> Path:
        """Everything the worker printed."""
        return self.path / "worker.log"

    @property
    def engine_path(self) -> Path:
        """Which way sampling and training pass go, and why; see core.training.engine."""
        return self.path / "engine.json"

    @property
    def process_path(self) -> Path:
        """Pid and start time of the worker."""
        return self.path / "worker.json"

    @property
    def lock_path(self) -> Path:
        """Held by the worker as long as it lives."""
        return self.path / "worker.lock"

    @property
    def extension_path(self) -> Path:
        """How many steps the run has in all, where that is not what its spec says; see core.extension."""
        return self.path / "extension.json"

    @property
    def reserve_path(self) -> Path:
        """Some bytes that a worker gives back where the disk is full, so that its ending can be written."""
        return self.path / ".reserve"

    @property
    def stop_path(self) -> Path:
        """Which attempt was last asked to stop (`attempt`) or killed (`killed`)."""
        return self.path / "stop.json"

    @property
    def exit_path(self) -> Path:
        """How the last worker ended; absent while one runs."""
        return self.path / "exit.json"

    def spec(self) -> RunSpec:
        """The spec that the run was started with."""
        where = str(self.spec_path)
        try:
            return parse_spec(parse_yaml(self.spec_path.read_text(encoding="utf-8"), where), where)
        except FileNotFoundError:
            raise UserError(Problem(str(self.path), "this is no run folder.", "It has no spec.yaml.")) from None
        except UnicodeDecodeError as error:
            mend = "Put it back from a copy, or from the run's zip."
            raise UserError(Problem(where, f"not UTF-8 at byte {error.start}.", mend)) from None

    def worker(self) -> Worker | None:
        """The process that was last started on this run."""
        return read_as(WORKER, self.process_path)

    @property
    def attempt(self) -> int:
        """Which of the run's workers was the last to be started; 0 before the first."""
        worker = self.worker()
        return worker.attempt if worker else 0

    def exit(self) -> Exit | None:
        """How the last worker ended, if it said so."""
        return read_as(EXIT, self.exit_path)

    def records(self) -> list[dict[str, Any]]:
        """All metrics; a torn last line is left for the next read, a corrupt one is a `UserError`."""
        return read_records(self.metrics_path)

    def last_step(self) -> int:
        """The last training step in the metrics; 0 before the first."""
        record = last_record(self.metrics_path, "train")
        return record["step"] if record else 0

    def whole_checkpoints(self) -> list[Path]:
        """The checkpoints that a run can go on from, the first one first."""
        return [folder for folder in self.all_checkpoints() if (folder / CHECKPOINT_COMPLETE).exists()]

    def all_checkpoints(self) -> list[Path]:
        """Torn ones too."""
        return numbered(self.checkpoints, "checkpoint")


def _read_object(path: Path) -> dict[str, Any] | None:
    """A JSON object in a file; None where there is none: a run that somebody broke must not hide the others."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def read_as(checker: TypeAdapter[T], path: Path) -> T | None:
    """What a file says; None where it says nothing of the kind."""
    found = _read_object(path)
    try:
        return None if found is None else checker.validate_python(found)
    except ValidationError:
        return None


def numbered(folder: Path, name: str) -> list[Path]:
    """The folders `name-N` in a folder, by N; what somebody else has put beside them is none."""
    found = [path for path in folder.glob(f"{name}-*") if re.fullmatch(rf"{name}-\d+", path.name)]
    return sorted(found, key=checkpoint_step)


def checkpoint_step(folder: Path) -> int:
    """The training step after which a checkpoint, or the adapter of an evaluation, was written."""
    return int(folder.name.rpartition("-")[2])


def runs_root() -> Path:
    """`$SIGNALBOX_RUNS`, else `runs/` in the working folder."""
    return Path(os.environ.get("SIGNALBOX_RUNS", "runs")).absolute()


def all_runs() -> list[RunFolder]:
    """Every run under the root, newest first; a folder that vanishes meanwhile is left out."""
    found = []
    for spec in runs_root().glob("*/spec.yaml"):
        with suppress(FileNotFoundError):
            found.append((spec.stat().st_mtime_ns, spec.parent))
    return [RunFolder(path) for _, path in sorted(found, reverse=True)]


def find_run(run_id: str) -> RunFolder:
    """The run of an id under the root; `UserError` where there is none, such as where its folder was deleted."""
    known = {run.id: run for run in all_runs()}
    if run_id not in known:
        raise UserError(Problem("run", f"there is no run {run_id!r:.90}.", did_you_mean(run_id, known)))
    return known[run_id]


def create_run(spec: RunSpec, path: Path | None = None) -> RunFolder:
    """A new run folder holding its spec; a default name is made from the time and the spec's name."""
    if path is None:
        path = free_path(runs_root() / f"{datetime.now():%Y%m%d-%H%M%S}-{spec.name}")
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        mend = f"Choose another --out, or go on with it: python app.py resume {path}"
        raise UserError(Problem(f"--out {path}", "this folder exists already.", mend)) from None
    except OSError as error:
        raise UserError(Problem(str(path), f"the run folder cannot be made: {error.strerror}.")) from None
    run = RunFolder(path.absolute())
    newest = next((other.spec_path.stat().st_mtime_ns for other in all_runs()), 0)
    write_atomically(run.spec_path, spec.to_yaml())
    # Newest first must stay so where the clock was put back; file systems keep no two times of one nanosecond apart.
    now = max(time.time_ns(), newest + TICK_NS)
    os.utime(run.spec_path, ns=(now, now))
    return run


def record_worker(run: RunFolder, pid: int) -> Worker:
    """Write down which process works on this run, as its next attempt."""
    before = run.worker()
    worker = Worker(**vars(identify(pid)), attempt=before.attempt + 1 if before else 1)
    write_atomically(run.process_path, json.dumps(vars(worker)))
    return worker


def state(run: RunFolder) -> State:
    """What a run is doing now, from its folder, the process it names and the queue.

    A worker that vanished without a word (SIGKILL, power cut) leaves no ending: the first to notice writes `lost`.
    """
    now = folder_state(run)
    return "queued" if now != "running" and is_queued(run) else now


def folder_state(run: RunFolder) -> State:
    """What the run's own folder says, whether it waits in the queue or not."""
    worker = run.worker()
    if (end := _ending(run, worker)) is not None:
        return end.reason
    if worker is None:
        return "created"
    if alive(worker) or locked(run):
        return "running"
    if (end := _ending(run, worker)) is not None:  # a worker writes its ending before it is gone
        return end.reason
    message = "The worker vanished without a word: killed, out of memory, or the machine went down."
    if (_read_object(run.stop_path) or {}).get("killed") == worker.attempt:
        message = "Killed on request; it goes on from its last checkpoint."
    with suppress(OSError):  # where the disk is full or the folder gone: it is lost, whether written down or not
        write_exit(run, Exit("lost", message, run.last_step(), attempt=worker.attempt))
    return "lost"


def is_queued(run: RunFolder) -> bool:
    """Whether a run waits in the queue of the root that it lies in; core.queue says where that file is none."""
    waiting = (_read_object(run.path.parent / QUEUE_FILE) or {}).get("runs")
    return isinstance(waiting, list) and run.id in waiting


def locked(run: RunFolder) -> bool:
    """Whether a worker holds the run's lock, although its pid is not to be seen from here (such as in a container)."""
    try:
        with run.lock_path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def is_from_elsewhere(run: RunFolder) -> bool:
    """Whether a run was brought here as a file, and no worker of this machine has worked on it since."""
    worker = run.worker()
    return worker is not None and worker.boot == ELSEWHERE


def worker_process(run: RunFolder) -> psutil.Process | None:
    """The live worker of a run; None where it is gone or its pid belongs to another process by now."""
    worker = run.worker()
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(worker.pid) if worker is not None and alive(worker) else None
    return None


def stop_requested(run: RunFolder) -> bool:
    """Whether the worker of now has been asked to stop."""
    worker, asked = run.worker(), _read_object(run.stop_path)
    return worker is not None and asked is not None and asked.get("attempt") == worker.attempt


def write_exit(run: RunFolder, end: Exit) -> None:
    """Record how a run's process ended, whole or not at all."""
    write_atomically(run.exit_path, json.dumps({**vars(end), "time": end.time or time.time()}, indent=2))


def _ending(run: RunFolder, worker: Worker | None) -> Exit | None:
    """How this worker ended, if it said so; the ending of an earlier attempt is not its."""
    end = run.exit()
    return end if end is not None and end.attempt == (worker.attempt if worker else 0) else None


def write_atomically(path: Path, text: str) -> None:
    """A reader sees the old file or the new one, never a part; nor does one who looks after a power cut."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)
        raise


def free_path(path: Path) -> Path:
    """The path itself, or with a number behind it where it exists."""
    return next(candidate for candidate in _numbered(path) if not candidate.exists())


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for n in range(2, sys.maxsize):
        yield path.with_name(f"{path.name}-{n}")
