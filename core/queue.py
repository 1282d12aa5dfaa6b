"""The queue of runs on disk: who waits, in which order, and how many may work at once.

`runs/queue.json` holds it, changed under a lock and whole or not at all, so it outlives the app and the machine. Who
notices a free place starts the head: whoever puts a run in, the attendant of a run that has ended (below), the app's
poll, the command line. Only one of them starts runs at a time; the others need not wait, since it looks again when it
is done. A run that cannot start says why in its own folder and holds up nobody.

An attendant (`python -m core.queue RUN_FOLDER`) is a small process that each worker starts. It sleeps until the worker
is gone, however that ended, killed for want of memory too, and then starts the next run: no page need be open for it.
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from core.errors import Problem, UserError
from core.launch import check_startable, environment, launch_and_leave
from core.processes import alive
from core.runs import (
    QUEUE_FILE,
    Exit,
    RunFolder,
    all_runs,
    folder_state,
    is_queued,
    locked,
    runs_root,
    state,
    write_atomically,
    write_exit,
)

TEARDOWN_S, TEARDOWN_POLL_S = 60, 0.05  # in which a worker whose run has ended gives back its memory
NOTES_KEPT = 5


@dataclass(frozen=True)
class Queue:
    """What the file holds.

    Attributes:
        at_once: how many runs may work at the same time.
        runs: the ids of those that wait, the next one first.
        notes: what happened to runs that never started, the latest last.
        attempts: how often each that waits had been started when it was put in.
    """

    at_once: int = 1
    runs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    attempts: Mapping[str, int] = field(default_factory=dict)


def read_queue() -> Queue:
    """The queue as it stands."""
    path = runs_root() / QUEUE_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        attempts = {str(run): int(count) for run, count in found.get("attempts", {}).items()}
        return Queue(int(found["at_once"]), tuple(found["runs"]), tuple(found["notes"]), attempts)
    except FileNotFoundError:
        return Queue()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        mend = "Put it right, or delete it: runs that waited are started from their folders then."
        raise UserError(Problem(str(path), f"this is no queue: {type(error).__name__}: {error}.", mend)) from None


def place(run: RunFolder) -> int | None:
    """Which place in the queue a run has, 1 is next; None where it does not wait."""
    waiting = read_queue().runs
    return waiting.index(run.id) + 1 if run.id in waiting else None


def may_queue(run: RunFolder) -> bool:
    """Whether the queue sees a run: it lies directly under the root."""
    return run.path.parent == runs_root()


def enqueue(run: RunFolder) -> None:
    """Put a run at the end, new or to be resumed, and start what is free to start; one that waits stays where it is.

    `UserError` where it works already, has nothing left to do, or lies outside `runs/`.
    """
    check_startable(run)
    if not may_queue(run):
        mend = f"The queue is of runs in {runs_root()}; start it without."
        raise UserError(Problem(run.id, f"it lies in {run.path.parent}.", mend))
    attempt = run.attempt
    _change(lambda queue: _with(queue, run.id, attempt))
    start_next()


def cancel(run: RunFolder) -> None:
    """Take a run out; `UserError` where it does not wait, such as where it has just started."""
    with _locked("start"):  # whoever is starting it now is let finish
        if not is_queued(run):
            raise UserError(Problem(run.id, f"it is {state(run)}, not queued."))
        _change(lambda queue: _without(queue, run.id))


def move(run: RunFolder, to: int) -> None:
    """Put a waiting run at a place, 1 is next; beyond the end is the end."""

    def moved(queue: Queue) -> Queue:
        if run.id not in queue.runs:
            raise UserError(Problem(run.id, f"it is {state(run)}, not queued."))
        rest = [one for one in queue.runs if one != run.id]
        rest.insert(max(0, to - 1), run.id)
        return replace(queue, runs=tuple(rest))

    _change(moved)


def set_at_once(count: int) -> None:
    """How many runs may work at the same time, from now on; those that work go on."""
    if count < 1:
        raise UserError(Problem("at once", f"found {count}.", "Give a number of runs above 0."))
    _change(lambda queue: replace(queue, at_once=count))
    start_next()


def start_next() -> list[RunFolder]:
    """Start the runs at the head as long as there is a free place; returns those that were started.

    Cheap where nobody waits. Where somebody else is at it, that one looks once more when it is done.
    """
    started: list[RunFolder] = []
    while _may_start():
        with _locked("start", wait=False) as mine:
            if not mine:
                break
            while _may_start():
                started += _start_head()
    return started


def start_next_in_background() -> None:
    """The same without waiting for it, for whoever looks every few seconds; a broken file is not said every time."""
    with suppress(UserError):
        if read_queue().runs:
            threading.Thread(target=start_next, name="start of the next run", daemon=True).start()


def attend(run: RunFolder) -> None:
    """Have somebody start the next run once this process, its worker, is gone."""
    if may_queue(run):
        subprocess.Popen(
            [sys.executable, "-m", "core.queue", str(run.path)],
            stdin=subprocess.DEVNULL,
            env=environment(),
            start_new_session=True,
        )


def main(path: str) -> int:
    """Wait for the end of a run's worker, then start what is next."""
    run = RunFolder(Path(path))
    worker = run.worker()
    with suppress(FileNotFoundError), run.lock_path.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
    end = time.monotonic() + TEARDOWN_S
    while worker is not None and alive(worker) and time.monotonic() < end:
        time.sleep(TEARDOWN_POLL_S)
    for one in start_next():
        print(f"Started {one.id}, which was next in the queue.", flush=True)
    return 0


def _may_start() -> bool:
    """Whether somebody waits and a place is free: a worker that still gives back its memory holds its place."""
    queue = read_queue()
    if not queue.runs:
        return False
    return sum(state(run) == "running" or locked(run) for run in all_runs()) < queue.at_once


def _start_head() -> list[RunFolder]:
    """Start the first that waits and take it out; whatever keeps it from starting is written down."""
    run = RunFolder(runs_root() / read_queue().runs[0])
    note = ""
    if run.attempt > read_queue().attempts.get(run.id, sys.maxsize) and folder_state(run) != "running":
        # It has had its turn: whoever started it could not take it out, such as for want of room on the disk.
        _change(lambda queue: _without(queue, run.id))
        return []
    try:
        launch_and_leave(run)
    except Exception as error:  # the boundary: whatever it is, the runs behind it do not wait for its cure
        if folder_state(run) != "running" and not locked(run):  # else whoever started it died before taking it out
            note = str(error) if isinstance(error, UserError) else f"{run.id}: {type(error).__name__}: {error}"
            _record_failure(run, note)
    _change(lambda queue: _without(queue, run.id, note))
    return [] if note else [run]


def _record_failure(run: RunFolder, message: str) -> None:
    """Say in the run's folder, where there is one, that it could not start."""
    if folder_state(run) == "finished" or not run.path.is_dir():
        return
    with suppress(OSError):
        write_exit(run, Exit("failed", message, run.last_step(), attempt=run.attempt))


def _with(queue: Queue, run_id: str, attempt: int) -> Queue:
    runs = queue.runs if run_id in queue.runs else (*queue.runs, run_id)
    return replace(queue, runs=runs, attempts={**queue.attempts, run_id: attempt})


def _without(queue: Queue, run_id: str, note: str = "") -> Queue:
    notes = (*queue.notes, note)[-NOTES_KEPT:] if note else queue.notes
    runs = tuple(one for one in queue.runs if one != run_id)
    attempts = {one: count for one, count in queue.attempts.items() if one != run_id}
    return replace(queue, runs=runs, notes=notes, attempts=attempts)


def _change(change: Callable[[Queue], Queue]) -> None:
    """Change the file while nobody else can; an exception in `change` leaves it as it was."""
    with _locked("queue"):
        before = read_queue()
        after = change(before)
        if after != before:
            _write(after)


def _write(queue: Queue) -> None:
    path = runs_root() / QUEUE_FILE
    try:
        write_atomically(path, json.dumps(vars(queue), indent=2))
    except OSError as error:
        mend = "Make room, then try again."
        raise UserError(Problem(str(path), f"the queue cannot be written: {error.strerror}.", mend)) from None


@contextmanager
def _locked(name: str, wait: bool = True) -> Iterator[bool]:
    """Hold one of the queue's two locks, `queue` for its file, `start` for whoever starts runs; False where taken."""
    root = runs_root()
    root.mkdir(parents=True, exist_ok=True)
    with (root / f".{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:  # closing the file would leave the lock to a child that another thread has forked meanwhile
            fcntl.flock(file, fcntl.LOCK_UN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
