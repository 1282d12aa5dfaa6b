"""The one scoring path: rows and completions in, scores out, for preview, training, evaluation and command line alike.

Reward functions run in a small pool of child processes, started fresh (never forked from a trainer full of gigabytes):
a reward that hangs, crashes or eats memory costs its own completions an error and nothing else, and each has a main
thread of its own, which libraries with alarm-based time limits need.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

from core.prompts import as_messages
from core.routing import RoutingTable
from core.spec import Route
from rewards import declared, registry
from rewards.declaration import Batch, Outcome, Reward, RewardError

Row = Mapping[str, Any]

CHUNK = 16  # completions per call: large enough to hide the hand-over, small enough to spread over two processes
PROCESSES = 2
NOT_COLUMNS = ("prompt", "prompts", "completions")  # what TRL's contract hands over under names of its own
MEMORY_LIMIT = 8 << 30  # bytes of address space per process; libraries such as torch reserve far more than they use


@dataclass(frozen=True)
class Scores:
    """Scores of n completions by k rewards.

    Attributes:
        tasks: the task of each completion (n).
        keys: names of the rewards (k).
        values: scores (n, k); NaN where there is no number.
        weights: the route's weight (n, k); NaN where no route leads.
        errors: (row, column) -> why this completion could not be scored by this reward.
    """

    tasks: tuple[str, ...]
    keys: tuple[str, ...]
    values: NDArray[np.float64]
    weights: NDArray[np.float64]
    errors: Mapping[tuple[int, int], str]

    @cached_property
    def failed(self) -> NDArray[np.bool_]:
        """Completions whose total is unknown because a reward that counts (weight not 0) failed (n)."""
        failed: NDArray[np.bool_] = np.zeros(len(self.tasks), dtype=bool)
        for i, k in self.errors:
            failed[i] |= self.weights[i, k] != 0
        return failed

    @cached_property
    def totals(self) -> NDArray[np.float64]:
        """Weighted sum over the rewards that apply (n); NaN where one failed or none applies."""
        counts = self.counting
        totals = np.where(counts, np.nan_to_num(self.values) * np.nan_to_num(self.weights), 0.0).sum(axis=1)
        return np.where(self.failed | ~counts.any(axis=1), np.nan, totals)

    @cached_property
    def counting(self) -> NDArray[np.bool_]:
        """Cells that hold a number and a weight other than 0 (n, k)."""
        counting: NDArray[np.bool_] = ~np.isnan(self.values) & (np.nan_to_num(self.weights) != 0)
        return counting

    @cached_property
    def routed(self) -> NDArray[np.bool_]:
        """Cells that a route leads to (n, k)."""
        routed: NDArray[np.bool_] = ~np.isnan(self.weights)
        return routed


def join(parts: Sequence[Scores]) -> Scores:
    """Scores of several batches under one routing table, in order."""
    offsets = np.cumsum([0, *(len(part.tasks) for part in parts)])
    return Scores(
        tasks=tuple(task for part in parts for task in part.tasks),
        keys=parts[0].keys,
        values=np.concatenate([part.values for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        errors={
            (int(offset) + i, k): reason
            for part, offset in zip(parts, offsets, strict=False)
            for (i, k), reason in part.errors.items()
        },
    )


class Scorer:
    """Scores completions by a routing table; a context manager that owns the child processes."""

    def __init__(self, table: RoutingTable, processes: int = PROCESSES) -> None:
        self.table = table
        self._processes = processes
        self._pool = self._started()

    def _started(self) -> ProcessPool:
        context = multiprocessing.get_context("spawn")
        return ProcessPool(max_workers=self._processes, context=context, initializer=_prepare_child)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child processes, whatever they are doing."""
        self._pool.stop()
        self._pool.join()

    def begin(self, tasks: Sequence[str], busy: bool = False) -> Scoring:
        """Start to score n completions of these tasks, which may come in any order and one after another.

        Args:
            tasks: the task of each.
            busy: whether the processor computes something else until the last completion has come.
        """
        return Scoring(self, tasks, busy)

    def score(self, rows: Sequence[Row], completions: Sequence[str]) -> Scores:
        """Score n completions, the i-th of which answers the i-th row.

        Args:
            rows: each with `task`, `prompt` and the columns that rewards read, `completion_ids` (token ids) too.
            completions: their texts.
        """
        scoring = self.begin([str(row["task"]) for row in rows])
        scoring.add(dict(enumerate(zip(rows, completions, strict=True))))
        return scoring.scores()

    def submit(self, route: Route, batch: Batch) -> _Pending:
        """Send completions to a scoring process."""
        return _Pending(route, _reward(route), batch, self._pool)

    def restart(self) -> None:
        """Put fresh processes in the place of a pool that broke."""
        self.close()
        self._pool = self._started()


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
        self._known: dict[int, tuple[Row, str]] = {}
        self._pending: list[tuple[_Call, _Pending]] = []
        self._broken = False

    @property
    def missing(self) -> list[int]:
        """Completions that have not been added yet."""
        return [i for i in range(len(self._tasks)) if i not in self._known]

    def add(self, completions: Mapping[int, tuple[Row, str]]) -> None:
        """Score further completions: their rows and texts, by their number among the n."""
        self._known.update(completions)
        try:
            self._submit(completions, lambda reward: not (self._busy and reward.timed))
        except RuntimeError:  # the pool broke; `scores` starts again
            self._broken = True

    def scores(self) -> Scores:
        """Wait for all of them."""
        assert not self.missing
        if not self._broken:
            try:
                self._submit(self._known, lambda reward: self._busy and reward.timed)
                return self._collect()
            except RuntimeError:  # pebble's word for a pool that broke, such as by the death of an idle process
                pass
        self._scorer.restart()
        self._pending.clear()
        self._submit(self._known, lambda reward: True)
        return self._collect()

    def _submit(self, numbers: Iterable[int], which: Callable[[Reward], bool]) -> None:
        """Rewards of single completions for these; those of batches once a task's last completion is there."""
        new = set(numbers)
        for task in dict.fromkeys(self._tasks[i] for i in new):
            all_of_it = [i for i, name in enumerate(self._tasks) if name == task]
            some, whole = [i for i in all_of_it if i in new], all(i in self._known for i in all_of_it)
            for route in (route for route in self._scorer.table.of(task) if which(_reward(route))):
                for call in _calls(route, some, all_of_it if whole else []):
                    batch = _batch(_reward(route), [self._known[i] for i in call.indices])
                    self._pending.append((call, self._scorer.submit(route, batch)))

    def _collect(self) -> Scores:
        keys = self._scorer.table.keys
        values = np.full((len(self._tasks), len(keys)), np.nan)
        weights = np.full((len(self._tasks), len(keys)), np.nan)
        errors: dict[tuple[int, int], str] = {}
        for call, outcomes in ((call, pending.outcomes()) for call, pending in self._pending):
            k = keys.index(call.route.key)
            for i, outcome in zip(call.indices, outcomes, strict=True):
                weights[i, k] = call.route.weight
                if isinstance(outcome, RewardError):
                    errors[i, k] = str(outcome)
                elif outcome is not None:
                    values[i, k] = outcome
        return Scores(self._tasks, keys, values, weights, errors)


def score(rows: Sequence[Row], completions: Sequence[str], table: RoutingTable) -> Scores:
    """Score once, with processes of its own; see `Scorer.score`."""
    with Scorer(table) as scorer:
        return scorer.score(rows, completions)


def _reward(route: Route) -> Reward:
    return declared(route.name, route.params)


@dataclass(frozen=True)
class _Call:
    """Completions (by index) that one route scores in one go."""

    route: Route
    indices: tuple[int, ...]


def _calls(route: Route, new: Sequence[int], batch: Sequence[int]) -> Iterator[_Call]:
    """For a reward of single completions the new ones in chunks, for one of batches the batch, where it is whole."""
    single = _reward(route).per_completion
    indices = new if single else batch
    size = CHUNK if single else max(1, len(indices))
    for start in range(0, len(indices), size):
        yield _Call(route, tuple(indices[start : start + size]))


def _batch(reward: Reward, completions: Sequence[tuple[Row, str]]) -> Batch:
    """What a reward may see: the columns it declares, or all of them for a function in TRL's contract."""
    rows = [row for row, _ in completions]
    if reward.per_completion:
        names = [*reward.columns, *reward.optional_columns]
    else:
        names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in NOT_COLUMNS]
    return Batch(
        prompts=[as_messages(row["prompt"]) for row in rows],
        completions=[completion for _, completion in completions],
        columns={name: [row.get(name) for row in rows] for name in names},
    )


class _Pending:
    """A call under way in a child process."""

    def __init__(self, route: Route, reward: Reward, batch: Batch, pool: ProcessPool) -> None:
        self._route = route
        self._reward = reward
        self._batch = batch
        self._pool = pool
        self._future = self._schedule(batch)

    def outcomes(self) -> list[Outcome]:
        """Wait for the scores; where the process hung or died, find the completion to blame one by one."""
        try:
            return list(self._future.result())
        except FAILURES as error:
            if not self._reward.per_completion or len(self._batch.completions) == 1:
                return [_blame(error, self._reward)] * len(self._batch.completions)
        return [self._alone(i) for i in range(len(self._batch.completions))]

    def _alone(self, i: int) -> Outcome:
        batch = Batch(
            prompts=[self._batch.prompts[i]],
            completions=[self._batch.completions[i]],
            columns={name: [values[i]] for name, values in self._batch.columns.items()},
        )
        try:
            outcomes: list[Outcome] = self._schedule(batch).result()
            return outcomes[0]
        except FAILURES as error:
            return _blame(error, self._reward)

    def _schedule(self, batch: Batch) -> Any:
        """A future. Pickled here, because what cannot be pickled would end the pool's own thread and hang it."""
        try:
            payload = pickle.dumps(batch)
        except Exception as error:  # whatever a column's values raise; values nested too deep: RecursionError
            refused: Future[Any] = Future()
            refused.set_exception(RewardError(f"its columns cannot be handed to a reward ({type(error).__name__})"))
            return refused
        arguments = [self._reward.name, dict(self._route.params), payload]
        return self._pool.schedule(_score_in_child, args=arguments, timeout=self._reward.timeout_s)


# What a call ends with instead of scores; RewardError: it could not be handed over, or the reward would not return.
FAILURES = (FutureTimeout, ProcessExpired, MemoryError, RewardError)


def _blame(error: BaseException, reward: Reward) -> RewardError:
    if isinstance(error, RewardError):
        return error
    if isinstance(error, FutureTimeout):
        return RewardError(f"no score within {reward.timeout_s:g} s")
    if isinstance(error, MemoryError):
        return RewardError("ran out of memory")
    return RewardError(f"the scoring process died ({error})")


def _prepare_child() -> None:
    """Limits of a scoring process. Ctrl-C is for the parent, which ends its children itself."""
    import resource

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_LIMIT if hard == resource.RLIM_INFINITY else min(MEMORY_LIMIT, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    registry()


def _score_in_child(name: str, params: dict[str, Any], payload: bytes) -> list[Outcome]:
    """Sends nothing back that a reward made, its exceptions included: what cannot be unpickled breaks the pool."""
    batch = pickle.loads(payload)
    try:
        outcomes = declared(name, params).score(batch, params)
        return [RewardError(str(outcome)) if isinstance(outcome, RewardError) else outcome for outcome in outcomes]
    except (Exception, SystemExit) as error:  # sys.exit() in a reward, or an exception that cannot say what it is
        raise RewardError(f"the reward ended with {type(error).__name__} instead of a score") from None
