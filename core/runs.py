"""Runs on disk: create, launch, stop, resume, and what state each is in.

The run folder is the truth. A worker is a process group of its own, found again by the pid and start time that the
folder records, never by scanning command lines, so runs outlive the browser tab and the process that started them.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import psutil

from core.errors import Problem, UserError
from core.spec import RunSpec, parse_spec, parse_yaml

Reason = Literal["finished", "stopped", "failed", "lost"]
State = Literal["created", "running", "finished", "stopped", "failed", "lost"]

PROJECT = Path(__file__).resolve().parent.parent
START_TIME_TOLERANCE = 2.0  # seconds; a pid is reused by a process that started at another time
START_POLL_S = 0.02
# glibc gives every large block back to the kernel as soon as it is free, and the next step faults it in again, page by
# page. In pages of 2 MB, where the kernel leaves that to the program, it costs little; see docs/log.md.
ALLOCATOR = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


@dataclass(frozen=True)
class Exit:
    """How a run's last process ended.

    Attributes:
        reason: finished (all steps), stopped (on request), failed (an error), lost (the process vanished).
        message: the reason in words.
        step: the last training step in the metrics.
        traceback: for `failed` by a bug; empty otherwise.
        time: seconds since the epoch.
        attempt: which of the run's processes ended; an ending of an earlier one says nothing about the next.
    """

    reason: Reason
    message: str
    step: int
    traceback: str = ""
    time: float = 0.0
    attempt: int = 0


@dataclass(frozen=True)
class Worker:
    """The process that works on a run.

    Attributes:
        pid: its process id.
        started: its start time, seconds since the epoch: a pid alone may belong to another process by now.
        attempt: 1 for the run's first process, one more for each resume.
    """

    pid: int
    started: float
    attempt: int


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
    def stop_path(self) -> Path:
        """The attempt that was last asked to stop."""
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

    def worker(self) -> Worker | None:
        """The process that was last started on this run."""
        try:
            return Worker(**json.loads(self.process_path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def exit(self) -> Exit | None:
        """How the last worker ended, if it said so."""
        try:
            return Exit(**json.loads(self.exit_path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None

    def engine(self) -> dict[str, Any] | None:
        """For each part of a step whether it goes our way, and why not; None before that is known."""
        try:
            found: dict[str, Any] = json.loads(self.engine_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found

    def records(self) -> list[dict[str, Any]]:
        """All metrics; a torn last line is left for the next read."""
        try:
            data = self.metrics_path.read_bytes()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]

    def last_step(self) -> int:
        """The last training step in the metrics; 0 before the first."""
        return max((r["step"] for r in self.records() if r["split"] == "train"), default=0)


def runs_root() -> Path:
    """`$SIGNALBOX_RUNS`, else `runs/` in the working folder."""
    return Path(os.environ.get("SIGNALBOX_RUNS", "runs")).absolute()


def all_runs() -> list[RunFolder]:
    """Every run under the root, newest first."""
    found = [RunFolder(spec.parent) for spec in runs_root().glob("*/spec.yaml")]
    return sorted(found, key=lambda run: run.spec_path.stat().st_mtime, reverse=True)


def create_run(spec: RunSpec, path: Path | None = None) -> RunFolder:
    """A new run folder holding its spec; a default name is made from the time and the spec's name."""
    if path is None:
        path = _free_path(runs_root() / f"{datetime.now():%Y%m%d-%H%M%S}-{spec.name}")
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        mend = f"Choose another --out, or go on with it: python app.py resume {path}"
        raise UserError(Problem(f"--out {path}", "this folder exists already.", mend)) from None
    run = RunFolder(path.absolute())
    write_atomically(run.spec_path, spec.to_yaml())
    return run


def launch(run: RunFolder) -> subprocess.Popen[bytes]:
    """Start a run's worker in the background; it goes on from the last checkpoint where there is one.

    Returns as soon as the worker has put itself into the folder, so that whoever looks next sees it running.
    """
    now = state(run)
    if now in ("running", "finished"):
        mend = "Stop it first, or watch it." if now == "running" else "Start a new run with more steps."
        raise UserError(Problem(run.id, f"this run is {now} already.", mend))
    with run.log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.training.worker", str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**ALLOCATOR, **os.environ, "PYTHONPATH": os.pathsep.join(python_path()), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
        )
    try:
        while not _works_on(run, process.pid):
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=START_POLL_S)
                break
    except KeyboardInterrupt:  # a worker that nobody has heard of yet must not train unseen
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if process.poll() is not None and not _works_on(run, process.pid):
        raise UserError(Problem(run.id, "the worker could not start.", f"See {run.log_path}."))
    return process


def launch_and_leave(run: RunFolder) -> None:
    """Start a worker that nobody here waits for; once it has ended it leaves no process behind."""
    process = launch(run)
    threading.Thread(target=process.wait, name=f"end of {run.id}", daemon=True).start()


def _works_on(run: RunFolder, pid: int) -> bool:
    worker = run.worker()
    return worker is not None and worker.pid == pid


def record_worker(run: RunFolder, pid: int) -> Worker:
    """Write down which process works on this run, as its next attempt."""
    before = run.worker()
    worker = Worker(pid, psutil.Process(pid).create_time(), before.attempt + 1 if before else 1)
    write_atomically(run.process_path, json.dumps(vars(worker)))
    return worker


def state(run: RunFolder) -> State:
    """What a run is doing now, from its folder and the process it names.

    A worker that vanished without a word (SIGKILL, power cut) leaves no ending: the first to notice writes `lost`.
    """
    worker = run.worker()
    if worker is None:
        return "created"
    if (end := _ending(run, worker)) is not None:
        return end.reason
    if worker_process(run) is not None or _locked(run):
        return "running"
    if (end := _ending(run, worker)) is not None:  # a worker writes its ending before it is gone
        return end.reason
    message = "The worker vanished without a word: killed, out of memory, or the machine went down."
    write_exit(run, Exit("lost", message, run.last_step(), attempt=worker.attempt))
    return "lost"


def _locked(run: RunFolder) -> bool:
    """Whether a worker holds the run's lock, although its pid is not to be seen from here (such as in a container)."""
    try:
        with run.lock_path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def worker_process(run: RunFolder) -> psutil.Process | None:
    """The live worker of a run; None where it is gone or its pid belongs to another process by now."""
    worker = run.worker()
    if worker is None:
        return None
    try:
        process = psutil.Process(worker.pid)
        same = abs(process.create_time() - worker.started) < START_TIME_TOLERANCE
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def stop(run: RunFolder) -> None:
    """Ask a run to finish its step, write a checkpoint and end."""
    process = worker_process(run)
    if process is None:
        raise UserError(Problem(run.id, f"this run is {state(run)}: there is nothing to stop."))
    worker = run.worker()
    write_atomically(run.stop_path, json.dumps({"attempt": worker.attempt if worker else 0}))
    process.send_signal(signal.SIGTERM)


def stop_requested(run: RunFolder) -> bool:
    """Whether the worker of now has been asked to stop."""
    worker = run.worker()
    try:
        asked = json.loads(run.stop_path.read_text(encoding="utf-8"))["attempt"]
    except FileNotFoundError:
        return False
    return worker is not None and asked == worker.attempt


def kill(run: RunFolder) -> None:
    """End a run at once, with its whole process group; it resumes from its last checkpoint."""
    process = worker_process(run)
    if process is None:
        raise UserError(Problem(run.id, f"this run is {state(run)}: there is nothing to kill."))
    os.killpg(process.pid, signal.SIGKILL)


def write_exit(run: RunFolder, end: Exit) -> None:
    """Record how a run's process ended, whole or not at all."""
    write_atomically(run.exit_path, json.dumps({**vars(end), "time": end.time or time.time()}, indent=2))


def _ending(run: RunFolder, worker: Worker) -> Exit | None:
    """How this worker ended, if it said so; the ending of an earlier attempt is not its."""
    end = run.exit()
    return end if end is not None and end.attempt == worker.attempt else None


def write_atomically(path: Path, text: str) -> None:
    """A reader sees the old file or the new one, never a part."""
    scratch = _scratch(path)
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def _scratch(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")


def _free_path(path: Path) -> Path:
    return next(candidate for candidate in _numbered(path) if not candidate.exists())


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for n in range(2, sys.maxsize):
        yield path.with_name(f"{path.name}-{n}")


def python_path() -> list[str]:
    """The worker is started with -m from any working folder, so it must find the project's packages."""
    inherited = os.environ.get("PYTHONPATH", "")
    return [str(PROJECT), *inherited.split(os.pathsep)] if inherited else [str(PROJECT)]
