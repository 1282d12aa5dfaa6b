"""The child processes in which rewards run: started once, warm from then on, whatever routing table comes next.

They are spawned, never forked from a trainer full of gigabytes: a reward that hangs, crashes or eats memory costs its
own completions an error and nothing else, and each process has a main thread of its own, which libraries with
alarm-based time limits need.
"""

from __future__ import annotations

import multiprocessing
import threading

from pebble import ProcessPool

from core.reward_calls import Call, Pace, library_version, prepare_child
from core.spec import Route
from rewards.declaration import Batch

PROCESSES = 2


class ScoringProcesses:
    """A few processes that score for one caller at a time, and what is known of how fast they are.

    Attributes:
        pace: how long rewards take.
        version: of the reward library that they have loaded.
        turn: held by whoever scores, where several threads share the processes: then cancelling, which takes a restart,
            costs the next in line that restart and no score.
    """

    def __init__(self, count: int = PROCESSES) -> None:
        self.pace = Pace()
        self.turn = threading.Lock()
        self._count = count
        self._pool = self._started()

    def _started(self) -> ProcessPool:
        self.version = library_version()
        context = multiprocessing.get_context("spawn")
        return ProcessPool(max_workers=self._count, context=context, initializer=prepare_child)

    def submit(self, route: Route, batch: Batch) -> Call:
        """Send completions to one of them."""
        return Call(route, batch, self._pool)

    def restart(self) -> None:
        """Put fresh processes in the place of those that broke or are not to go on."""
        self.close()
        self._pool = self._started()

    def close(self) -> None:
        """End them, whatever they are doing."""
        self._pool.stop()
        self._pool.join()
