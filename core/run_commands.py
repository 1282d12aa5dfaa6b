"""The command line's part for runs: start, follow, end, and put in order. Prints; the work is done elsewhere."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core import progress
from core.errors import Problem, UserError
from core.extension import extend
from core.launch import launch_and_leave
from core.queue import cancel, enqueue, may_queue, move, place, read_queue, set_at_once, start_next
from core.records import parse_record, records_of
from core.run_signals import kill, stop
from core.runs import RunFolder, all_runs, create_run, runs_root, state
from core.spec import read_spec

if TYPE_CHECKING:
    from argparse import _SubParsersAction

POLL_S = 0.5
PACE_STEPS = 10  # by which the time left is reckoned
LIVE = ("queued", "running")


def add_run_commands(commands: _SubParsersAction[ArgumentParser]) -> None:
    """Put the commands of runs on an argument parser; each sets `run`, a function of the parsed arguments."""
    one = commands.add_parser("train", help="train in the foreground; Ctrl-C stops at a checkpoint")
    one.add_argument("spec", type=Path, metavar="RUN.yaml")
    one.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/<time>-<name>)")
    _add_waiting(one)
    one.set_defaults(run=train)
    one = commands.add_parser("resume", help="go on with a stopped, failed or lost run from its last checkpoint")
    _add_folder(one)
    _add_waiting(one)
    one.set_defaults(run=resume)
    one = commands.add_parser("extend", help="give a run that has ended more steps, and go on with it")
    _add_folder(one)
    one.add_argument("steps", type=int, metavar="STEPS", help="how many more")
    _add_waiting(one)
    one.set_defaults(run=extend_run)
    one = commands.add_parser("stop", help="ask a run to finish its step, write a checkpoint and end")
    _add_folder(one)
    one.set_defaults(run=stop_run)
    one = commands.add_parser("kill", help="end a run at once; it resumes from its last checkpoint")
    _add_folder(one)
    one.set_defaults(run=kill_run)
    one = commands.add_parser("runs", help="list runs and what state each is in")
    one.set_defaults(run=list_runs)
    one = commands.add_parser("queue", help="list the runs that wait, or put one at another place")
    one.add_argument("folder", type=Path, metavar="RUN_FOLDER", nargs="?", help="a run to put in, or to move")
    one.add_argument("--place", type=int, metavar="N", help="where to put it; 1 is next (default: the end)")
    one.add_argument("--at-once", type=int, metavar="N", help="how many runs may work at the same time, from now on")
    one.set_defaults(run=show_queue)
    one = commands.add_parser("cancel", help="take a run out of the queue; its folder stays")
    _add_folder(one)
    one.set_defaults(run=cancel_run)


def _add_folder(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="RUN_FOLDER")


def _add_waiting(parser: ArgumentParser) -> None:
    """How a run is started: in its turn and followed, in its turn and left, or at once."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--queue", action="store_true", help="put it into the queue and return")
    group.add_argument("--now", action="store_true", help="do not wait for the runs before it")


def train(arguments: Namespace) -> int:
    """Check, start a worker, and follow it to its end."""
    from core.check import check as check_spec

    spec = read_spec(arguments.spec)
    report = check_spec(spec)
    print_problems(report.warnings)
    if report.errors:
        raise UserError(report.errors)
    return _start(create_run(spec, arguments.out), arguments)


def resume(arguments: Namespace) -> int:
    """Go on from the last checkpoint, with the run's own spec."""
    return _start(_existing(arguments.folder), arguments)


def extend_run(arguments: Namespace) -> int:
    """Add steps, and go on from the last checkpoint."""
    run = _existing(arguments.folder)
    print(f"{run.id} has {extend(run, arguments.steps)} steps in all now.")
    return _start(run, arguments)


def stop_run(arguments: Namespace) -> int:
    """Send the request; the worker ends after its step."""
    run = _existing(arguments.folder)
    stop(run)
    print(f"{run.id} stops after this step. Go on later with: python app.py resume {run.path}")
    return 0


def kill_run(arguments: Namespace) -> int:
    """End the worker and all that it started."""
    run = _existing(arguments.folder)
    kill(run)
    whole = run.whole_checkpoints()
    kept = f"its last checkpoint is {whole[-1].name}" if whole else "it has no checkpoint yet"
    print(f"{run.id} was ended; {kept}. Go on with: python app.py resume {run.path}")
    return 0


def list_runs(arguments: Namespace) -> int:
    """One line a run, newest first."""
    found = all_runs()
    for run in found:
        print(f"{state(run):<9} step {run.last_step():>5}   {run.path}")
    if not found:
        print("No runs yet. Start one: python app.py train examples/four_tasks.yaml")
    return 0


def show_queue(arguments: Namespace) -> int:
    """Change what is asked, start what is free to start, then one line a waiting run."""
    if arguments.at_once is not None:
        set_at_once(arguments.at_once)
    if arguments.folder is not None:
        _put(_existing(arguments.folder), arguments.place)
    elif arguments.place is not None:
        raise UserError(Problem("--place", "no run is named.", "Name its folder: queue RUN_FOLDER --place 1"))
    start_next()
    queue = read_queue()
    for n, run_id in enumerate(queue.runs, start=1):
        print(f"{n:>3}   {runs_root() / run_id}")
    for note in queue.notes:
        print(f"note: {note}", file=sys.stderr)
    if not queue.runs:
        print("No run waits.")
    print(f"At once: {queue.at_once}")
    return 0


def _put(run: RunFolder, to: int | None) -> None:
    if state(run) != "queued":
        enqueue(run)
    if to is not None and state(run) == "queued":
        move(run, to)


def cancel_run(arguments: Namespace) -> int:
    """Take a run out of the queue."""
    run = _existing(arguments.folder)
    cancel(run)
    print(f"{run.id} waits no longer. Put it back with: python app.py queue {run.path}")
    return 0


def print_problems(problems: Iterable[Problem]) -> None:
    """One line each, on standard error."""
    for problem in problems:
        print(f"{problem.severity}: {problem}", file=sys.stderr)


def _existing(folder: Path) -> RunFolder:
    run = RunFolder(folder.absolute())
    run.spec()
    return run


def _start(run: RunFolder, arguments: Namespace) -> int:
    """Start a run in its turn, or at once where that is asked or no queue sees it; follow it unless it is to wait."""
    print(f"Run folder: {run.path}", flush=True)
    if arguments.queue:
        enqueue(run)
        waits = place(run)
        print(f"Place {waits} in the queue." if waits else f"It is {state(run)}.")
        return 0
    printer = Printer(run)
    if arguments.now or not may_queue(run):
        launch_and_leave(run)
        return _follow(run, printer)
    try:
        enqueue(run)
    except KeyboardInterrupt:
        if state(run) == "queued":
            cancel(run)
        raise
    if (waits := place(run)) is not None:
        print(f"Place {waits} in the queue; --now would not wait. Ctrl-C takes it out.", flush=True)
    return _follow(run, printer)


def _follow(run: RunFolder, printer: Printer) -> int:
    """Print what is recorded until the run ends.

    Ctrl-C takes it out of the queue, or stops it at a checkpoint; a second one kills it.
    """
    asked = False
    while True:
        try:
            now = state(run)
            printer.print_new()
            if now not in LIVE or not run.spec_path.exists():
                return _report(run)
            time.sleep(POLL_S)
        except KeyboardInterrupt:
            with suppress(UserError):  # where it has just ended
                asked = _interrupt(run, asked)


def _interrupt(run: RunFolder, asked: bool) -> bool:
    """What Ctrl-C does now; says whether the run has been asked to end."""
    now = state(run)
    if now == "queued":
        cancel(run)
        print("It waits no longer.", flush=True)
    elif now == "running":
        (kill if asked else stop)(run)
        print("Killed." if asked else "Stopping after this step; Ctrl-C again ends it at once.", flush=True)
        return True
    return asked


class Printer:
    """Prints the records that a run gets from now on, reading only what its file has grown by.

    Which are new, no clock decides: a resume takes records out, as a new file, and puts others in their place.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._file, self._read = 0, 0
        self._seen: set[int] = set()
        self._latest: deque[dict[str, Any]] = deque(maxlen=PACE_STEPS)
        self._evaluations: deque[tuple[int, float]] = deque(maxlen=2)
        self._seen.update(map(hash, self._new_lines()))

    def print_new(self) -> None:
        """One line a record."""
        for line in self._new_lines():
            if hash(line) not in self._seen:
                self._seen.add(hash(line))
                self._print(parse_record(line, self._run.metrics_path, len(self._seen)))

    def _print(self, record: dict[str, Any]) -> None:
        if record["split"] == "train":
            self._latest.append(record)
        else:
            self._evaluations.append((record["step"], record["seconds"]["all"]))
        left = progress.seconds_left(list(self._latest), list(self._evaluations))
        print(progress.step_line(record, left), flush=True)

    def _new_lines(self) -> list[bytes]:
        """Whole lines that came since they were last asked for; all of them where the file is another."""
        try:
            with self._run.metrics_path.open("rb") as file:
                if (found := os.fstat(file.fileno()).st_ino) != self._file:
                    self._file, self._read = found, 0
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.splitlines()


def _report(run: RunFolder) -> int:
    """The ending, and the held-out table where there are two evaluations."""
    reason, end = state(run), run.exit()
    if not run.spec_path.exists():
        raise UserError(Problem(str(run.path), "the run's folder was deleted.", "Nothing of it is kept."))
    if end is None:
        print(f"{reason}: it was not started. Start it with: python app.py resume {run.path}")
        return 1
    if rows := progress.held_out_changes(list(records_of(run.metrics_path, "held_out"))):
        print(f"\nHeld-out reward, before and after\n{progress.change_table(rows)}\n")
    print(f"{reason}: {end.message}")
    if reason in ("finished", "stopped"):
        print(f"Adapter: {run.adapter}")
    if reason != "finished":
        print(f"Log: {run.log_path}\n{_advice(run, end.remedy)}")
    return 0 if reason in ("finished", "stopped") else 1


def _advice(run: RunFolder, remedy: str) -> str:
    if remedy == "edit":
        return f"Its settings cannot work and never change: start another from a copy of {run.spec_path}, changed."
    return f"Go on with: python app.py resume {run.path}"
