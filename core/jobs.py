"""Work that takes longer than a click: it goes on in a thread when the page is left, and any tab can look at it.

A job has a name (such as `sample four_tasks`), counts what is done, can be cancelled, and ends with a result or with
the reason why there is none. One job of a name at a time: another is refused, or waits for its turn (`line_up`). Jobs
end with the app; what outlives it is a run.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import Cancelled, Problem, UserError

State = Literal["running", "finished", "cancelled", "failed"]


@dataclass
class Job:
    """One piece of work.

    Attributes:
        name: what it is called.
        done: how much is done, in the job's own unit.
        whole: how much there is; 0 while that is not known.
        state: running, or how it ended.
        problems: for `failed`: what went wrong and how to mend it.
        earlier: what went wrong with the jobs that it waited for.
        result: what it made, where it finished.
        started: seconds, monotonic.
    """

    name: str
    done: int = 0
    whole: int = 0
    state: State = "running"
    problems: tuple[Problem, ...] = ()
    earlier: tuple[Problem, ...] = ()
    result: Any = None
    started: float = field(default_factory=time.monotonic)
    _before: Job | None = None  # whose end it waits for
    _cancel: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def progress(self, done: int, whole: int) -> None:
        """Told by the work."""
        self.done, self.whole = done, whole

    def cancelled(self) -> bool:
        """Asked by the work, now and then."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Ask the work to stop; it does so at its next look, and so does what it waits for."""
        self._cancel.set()
        if (before := self._before) is not None:
            before.cancel()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it has ended, after waiting at most so long."""
        return self._ended.wait(timeout_s)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.state == "running"

    @property
    def line(self) -> list[Job]:
        """The jobs of this name that have not ended, up to this one; the first is at work."""
        before = self._before
        return [*(before.line if before is not None else ()), *([self] if self.running else ())]

    @property
    def token(self) -> str:
        """Changes whenever there is something new to show."""
        return f"{self.state} {self.started} {[(job.done, job.whole) for job in self.line or [self]]}"

    def run(self, work: Callable[[Job], Any]) -> None:
        """Do the work in this thread; however it ends is recorded, an unforeseen error with its traceback."""
        try:
            self._wait_for_turn()
            self.result = work(self)
            self.state = "finished"
        except Cancelled:
            self.state = "cancelled"
        except UserError as error:
            self.problems, self.state = error.problems, "failed"
        except Exception as error:  # the boundary where a job's own failure becomes data
            traceback.print_exc()
            what = f"this is a bug: {type(error).__name__}: {error!s:.300}"
            self.problems, self.state = (Problem(self.name, what),), "failed"
        finally:
            self._ended.set()

    def _wait_for_turn(self) -> None:
        if (before := self._before) is not None:
            before.wait()
            self.earlier, self._before = before.earlier + before.problems, None
            if self.cancelled():
                raise Cancelled


class Jobs:
    """The jobs of one app, by name: the last of each."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, name: str, work: Callable[[Job], Any]) -> Job:
        """Start work in the background; `UserError` where a job of this name still runs."""
        with self._lock:
            if (now := self._jobs.get(name)) is not None and now.running:
                raise UserError(Problem(name, "this is being done already.", "Wait for it, or cancel it."))
            job = self._jobs[name] = Job(name)
        return _begun(job, work)

    def line_up(self, name: str, work: Callable[[Job], Any]) -> Job:
        """Start work in the background, once the jobs of this name that still run have ended."""
        with self._lock:
            now = self._jobs.get(name)
            job = self._jobs[name] = Job(name, _before=now if now is not None and now.running else None)
        return _begun(job, work)

    def get(self, name: str) -> Job | None:
        """The last job of a name."""
        return self._jobs.get(name)

    def running(self, subject: str) -> list[Job]:
        """The jobs that go on about a subject, the last word of their names: a project's name, or `about_run`."""
        return [job for name, job in list(self._jobs.items()) if job.running and _subject(name) == subject]

    def dismiss(self, name: str) -> None:
        """Look no more at a job that has ended."""
        with self._lock:
            if (now := self._jobs.get(name)) is not None and not now.running:
                del self._jobs[name]

    def forget(self, subject: str) -> None:
        """Look no more at the jobs about a subject; one that goes on is asked to stop."""
        for name in [name for name in list(self._jobs) if _subject(name) == subject]:
            self._jobs.pop(name).cancel()

    def cancel(self, name: str) -> None:
        """Ask a job to stop; nothing where there is none."""
        if (job := self._jobs.get(name)) is not None:
            job.cancel()


def about_run(run_id: str) -> str:
    """A run as the subject of a job: a project may have the same name."""
    return f"run/{run_id}"


def _subject(name: str) -> str:
    return name.rpartition(" ")[2]


def _begun(job: Job, work: Callable[[Job], Any]) -> Job:
    threading.Thread(target=job.run, args=(work,), name=job.name, daemon=True).start()
    return job
