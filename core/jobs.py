"""Work that takes longer than a click: it goes on in a thread when the page is left, and any tab can look at it.

A job has a name (such as `sample four_tasks`), counts what is done, can be cancelled, and ends with a result or with
the reason why there is none. One job of a name at a time. Jobs end with the app; what outlives it is a run.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import Problem, UserError

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
        result: what it made, where it finished.
        started: seconds, monotonic.
    """

    name: str
    done: int = 0
    whole: int = 0
    state: State = "running"
    problems: tuple[Problem, ...] = ()
    result: Any = None
    started: float = field(default_factory=time.monotonic)
    _cancel: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def progress(self, done: int, whole: int) -> None:
        """Told by the work."""
        self.done, self.whole = done, whole

    def cancelled(self) -> bool:
        """Asked by the work, now and then."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Ask the work to stop; it does so at its next look."""
        self._cancel.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it has ended, after waiting at most so long."""
        return self._ended.wait(timeout_s)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.state == "running"

    @property
    def token(self) -> str:
        """Changes whenever there is something new to show."""
        return f"{self.state} {self.done}/{self.whole} {self.started}"

    def run(self, work: Callable[[Job], Any]) -> None:
        """Do the work in this thread; however it ends is recorded, an unforeseen error with its traceback."""
        try:
            self.result = work(self)
            self.state = "finished"
        except UserError as error:
            self.problems, self.state = error.problems, "cancelled" if self.cancelled() else "failed"
        except Exception as error:  # the boundary where a job's own failure becomes data
            if self.cancelled():
                self.state = "cancelled"
            else:
                traceback.print_exc()
                what = f"this is a bug: {type(error).__name__}: {error!s:.300}"
                self.problems, self.state = (Problem(self.name, what),), "failed"
        finally:
            self._ended.set()


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
        threading.Thread(target=job.run, args=(work,), name=name, daemon=True).start()
        return job

    def get(self, name: str) -> Job | None:
        """The last job of a name."""
        return self._jobs.get(name)

    def cancel(self, name: str) -> None:
        """Ask a job to stop; nothing where there is none."""
        if (job := self._jobs.get(name)) is not None:
            job.cancel()
