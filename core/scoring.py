"""The one scoring path: rows and completions in, scores out, for preview, training, evaluation and command line alike.

Reward functions run in child processes (`core.scoring_processes`), which scorers of several routing tables may share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np

from core.errors import Cancelled
from core.reward_calls import (
    MEMORY,
    Answer,
    Call,
    Pace,
    PoolBroke,
    Row,
    batch_of,
    chunks,
    content_key,
    part,
    reward_of,
)
from core.routing import RoutingTable
from core.scores import Scores
from core.scoring_processes import ScoringProcesses
from core.spec import Route
from rewards.declaration import Batch, Reward

LOOK_S = 0.1  # between looks whether a scoring has been cancelled


class ScoringCancelled(Cancelled):
    """Whoever asked for the scores does not want them any more."""


class Scorer:
    """Scores completions by a routing table; a context manager that ends the child processes which it started.

    Args:
        table: the routes.
        processes: to score in; none: processes of its own.
    """

    def __init__(self, table: RoutingTable, processes: ScoringProcesses | None = None) -> None:
        self.table = table
        self.processes = processes or ScoringProcesses()
        self._owns = processes is None

    @property
    def pace(self) -> Pace:
        """How long each route's reward takes."""
        return self.processes.pace

    def with_table(self, table: RoutingTable) -> Scorer:
        """A scorer by other routes in the same processes, which stay this one's: nothing is started or ended.

        Several threads may score so at once, each by its own table, with `score`; they take turns.
        """
        return Scorer(table, self.processes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child processes, whatever they are doing, if they are its own."""
        if self._owns:
            self.processes.close()

    def begin(self, tasks: Sequence[str], busy: bool = False) -> Scoring:
        """Start to score n completions of these tasks, which may come in any order and one after another.

        For processes that no other thread uses meanwhile.

        Args:
            tasks: the task of each.
            busy: whether the processor computes something else until the last completion has come.
        """
        return Scoring(self, tasks, busy)

    def score(
        self,
        rows: Sequence[Row],
        completions: Sequence[str],
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Scores:
        """Score n completions, the i-th of which answers the i-th row.

        Args:
            rows: each with `task`, `prompt` and the columns that rewards read, `completion_ids` (token ids) too.
            completions: their texts.
            progress: told, now and then, how many scores are there and how many there will be.
            cancelled: asked, now and then, whether to give up.

        Raises:
            ScoringCancelled: `cancelled` said so. Processes that were at it have been started afresh.
        """
        while not self.processes.turn.acquire(timeout=LOOK_S):
            if cancelled is not None and cancelled():
                raise ScoringCancelled
        try:
            scoring = self.begin([str(row["task"]) for row in rows])
            scoring.add_all(rows, completions)
            return scoring.scores(progress, cancelled)
        finally:
            self.processes.turn.release()

    def submit(self, route: Route, batch: Batch) -> Call:
        """Send completions to a scoring process."""
        return self.processes.submit(route, batch)

    def restart(self) -> None:
        """Put fresh processes in the place of those that broke or are not to go on."""
        self.processes.restart()


@dataclass
class _Asked:
    """A call, the completions that it is about, and others that are just the same.

    Attributes:
        numbers: of the completions in the call, in its order.
        keys: what their scores are remembered by; empty where they are not.
        copies: position in the call -> further completions with the same content.
    """

    call: Call
    numbers: Sequence[int]
    keys: Sequence[bytes | None] = ()
    copies: dict[int, list[int]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many completions it is about."""
        return len(self.numbers) + sum(map(len, self.copies.values()))


class Scoring:
    """Completions on their way to scores: each is sent to the scoring processes as soon as it is known.

    Rewards of whole batches wait for a task's last completion. Rewards that give a program a limited time wait for the
    last of all where the processor is busy until then: a slow answer would be judged by when it came.

    Args:
        scorer: whose processes.
        tasks: the task of each of n completions.
        busy: whether the processor computes something else until the last completion has come.
    """

    def __init__(self, scorer: Scorer, tasks: Sequence[str], busy: bool) -> None:
        self._scorer = scorer
        self._tasks = tuple(tasks)
        self._busy = busy
        self._of_task = self._by_task(range(len(self._tasks)))
        self._start()
        self._rows: list[Row | None] = [None] * len(self._tasks)
        self._texts = [""] * len(self._tasks)
        self._broken = False

    def _by_task(self, numbers: Iterable[int]) -> dict[str, list[int]]:
        """Task -> which of these completions are its own, in their order."""
        of_task: defaultdict[str, list[int]] = defaultdict(list)
        for i in numbers:
            of_task[self._tasks[i]].append(i)
        return dict(of_task)

    def _start(self) -> None:
        """Nothing asked yet."""
        keys = self._scorer.table.keys
        self._columns = {key: k for k, key in enumerate(keys)}
        self._values = np.full((len(self._tasks), len(keys)), np.nan)
        self._weights = np.full((len(self._tasks), len(keys)), np.nan)
        self._seconds = np.full((len(self._tasks), len(keys)), np.nan)
        self._errors: dict[tuple[int, int], str] = {}
        self._asked: list[_Asked] = []
        self._places: dict[tuple[str, bytes], tuple[_Asked, int]] = {}
        self._come = dict.fromkeys(self._of_task, 0)

    @property
    def missing(self) -> list[int]:
        """Completions that have not been added yet."""
        return [i for i, row in enumerate(self._rows) if row is None]

    def add(self, completions: Mapping[int, tuple[Row, str]]) -> None:
        """Score further completions: their rows and texts, by their number among the n."""
        for i, (row, text) in completions.items():
            self._rows[i] = row
            self._texts[i] = text
        self._send(self._by_task(sorted(completions)))

    def add_all(self, rows: Sequence[Row], texts: Sequence[str]) -> None:
        """Score all n at once, as `add` would, without taking them in hand one by one."""
        if not len(rows) == len(texts) == len(self._tasks):
            raise ValueError(f"{len(self._tasks)} tasks, {len(rows)} rows and {len(texts)} completions")
        self._rows = list(rows)
        self._texts = list(texts)
        self._send(self._of_task)

    def _send(self, by_task: Mapping[str, list[int]]) -> None:
        """Submit what need not wait."""
        try:
            self._submit(by_task, lambda reward: not (self._busy and reward.timed))
        except PoolBroke:  # `scores` starts again
            self._broken = True

    def scores(
        self, progress: Callable[[int, int], None] | None = None, cancelled: Callable[[], bool] | None = None
    ) -> Scores:
        """Wait for all of them; see `Scorer.score`."""
        assert not self.missing
        if not self._broken:
            try:
                if self._busy:
                    self._come = dict.fromkeys(self._of_task, 0)
                    self._submit(self._of_task, lambda reward: reward.timed)
                return self._collect(progress, cancelled)
            except PoolBroke:
                pass
        self._scorer.restart()
        self._start()
        self._submit(self._of_task, lambda reward: True)
        return self._collect(progress, cancelled)

    def _submit(self, by_task: Mapping[str, list[int]], which: Callable[[Reward], bool]) -> None:
        """Rewards of single completions for these; those of batches once a task's last completion is there."""
        for task, new in by_task.items():
            all_of_it = self._of_task[task]
            self._come[task] += len(new)
            whole = self._come[task] == len(all_of_it)
            for route in self._scorer.table.of(task):
                reward = reward_of(route)
                if not which(reward):
                    continue
                k = self._columns[route.key]
                if reward.per_completion:
                    self._weights[new, k] = route.weight
                    self._ask_singly(route, reward, new)
                elif whole:
                    self._weights[all_of_it, k] = route.weight
                    self._ask(route, all_of_it, self._batch(reward, all_of_it))

    def _batch(self, reward: Reward, numbers: Sequence[int]) -> Batch:
        """What a reward may see of these completions."""
        rows = [row for row in map(self._rows.__getitem__, numbers) if row is not None]
        return batch_of(reward, rows, list(map(self._texts.__getitem__, numbers)))

    def _ask_singly(self, route: Route, reward: Reward, numbers: Sequence[int]) -> None:
        """A reward of single completions: in chunks, and not twice about the same where that would be slow."""
        remembers = reward.deterministic and self._scorer.pace.is_slow(route)
        for some in chunks(numbers, self._scorer.pace.chunk(route)):
            batch = self._batch(reward, some)
            if remembers:
                self._ask_new(route, some, batch)
            else:
                self._ask(route, some, batch)

    def _ask_new(self, route: Route, numbers: Sequence[int], batch: Batch) -> None:
        """Ask about what is neither remembered nor asked already."""
        new: list[int] = []  # positions in the batch
        keys: list[bytes | None] = []
        copies: dict[int, list[int]] = {}
        here: dict[bytes, int] = {}
        for position, i in enumerate(numbers):
            key = content_key(self._scorer.processes.version, route, batch, position)
            known, score = MEMORY.get(key) if key else (False, None)
            if known:
                self._values[i, self._columns[route.key]] = np.nan if score is None else score
            elif key in here:
                copies.setdefault(here[key], []).append(i)
            elif key and (place := self._places.get((route.key, key))):
                place[0].copies.setdefault(place[1], []).append(i)
            else:
                if key:
                    here[key] = len(new)
                keys.append(key)
                new.append(position)
        if new:
            call = self._scorer.submit(route, part(batch, new))
            asked = _Asked(call, [numbers[position] for position in new], keys, copies)
            self._asked.append(asked)
            self._places |= {(route.key, key): (asked, position) for key, position in here.items()}

    def _ask(self, route: Route, numbers: Sequence[int], batch: Batch) -> None:
        self._asked.append(_Asked(self._scorer.submit(route, batch), numbers))

    def _collect(self, progress: Callable[[int, int], None] | None, cancelled: Callable[[], bool] | None) -> Scores:
        whole = int((~np.isnan(self._weights)).sum())
        left = sum(asked.size for asked in self._asked)
        if progress is not None:
            progress(whole - left, whole)
        for asked in self._asked:
            answer = asked.call.answer(partial(self._wait, cancelled) if cancelled else lambda future: None)
            if took := answer.took:
                self._scorer.pace.note(asked.call.route, asked.call.count, took)
            k = self._columns[asked.call.route.key]
            self._put(k, asked.numbers, answer)
            for position, others in asked.copies.items():
                self._put(k, others, _repeated(answer, position, len(others)))
            for position, key in enumerate(asked.keys):
                if key and position not in answer.errors and _is_final(asked.call.route, answer.values[position]):
                    MEMORY.put(key, _number(answer.values[position]))
            left -= asked.size
            if progress is not None:
                progress(whole - left, whole)
        keys = self._scorer.table.keys
        return Scores(self._tasks, keys, self._values, self._weights, self._errors, self._seconds)

    def _wait(self, cancelled: Callable[[], bool], future: Future[Any]) -> None:
        """Until a call has ended, or nobody wants it."""
        while not wait([future], timeout=LOOK_S).done:
            if cancelled():
                self._scorer.restart()  # a reward that runs does not hear anything else
                raise ScoringCancelled

    def _put(self, k: int, numbers: Sequence[int], answer: Answer) -> None:
        at = np.asarray(numbers, dtype=np.intp)  # once for both
        self._values[at, k] = answer.values
        self._seconds[at, k] = answer.seconds
        for position, reason in answer.errors.items():
            self._errors[numbers[position], k] = reason


def _is_final(route: Route, value: float) -> bool:
    """Whether a score will be the same next time: a program that failed may have been too late on a busy machine."""
    reward = reward_of(route)
    return not reward.timed or value == reward.range[1]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _repeated(answer: Answer, position: int, times: int) -> Answer:
    """What was said about one completion, for several, which took no time of their own."""
    reason = answer.errors.get(position)
    errors = {} if reason is None else dict.fromkeys(range(times), reason)
    return Answer(np.full(times, answer.values[position]), errors, np.nan)


def score(rows: Sequence[Row], completions: Sequence[str], table: RoutingTable) -> Scores:
    """Score once, with processes of its own; see `Scorer.score`."""
    with Scorer(table) as scorer:
        return scorer.score(rows, completions)
