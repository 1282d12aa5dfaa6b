"""Calls of reward functions in scoring processes: handed over, answered, and what a process that hung or died costs.

A chunk that hangs or dies is scored again one by one, so that only the guilty completion carries the error. Quick
rewards go in large chunks, slow ones in small ones; what a slow and deterministic reward said about a completion is
remembered, so that the same completion is not scored twice.
"""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import signal
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pebble import ProcessExpired, ProcessPool

import rewards
from core.prompts import as_messages
from core.spec import Route
from rewards import declared, registry
from rewards.declaration import Batch, Reward, RewardError

Row = Mapping[str, Any]
Floats = NDArray[np.float64]

CHUNK = 4  # completions per call of a reward whose pace is not known yet
PATIENCE = 4  # times a reward's limit for one completion that a chunk of several may take
LARGEST_CHUNK = 1024
CHUNK_S = 0.02  # that a call should take: long enough to hide the hand-over, short enough to spread over processes
SLOW_S = 1e-3  # per completion, from which it pays to remember scores
REMEMBERED = 100_000  # scores
NOT_COLUMNS = ("prompt", "prompts", "completions")  # what TRL's contract hands over under names of its own
MEMORY_LIMIT = 8 << 30  # bytes of address space per process; libraries such as torch reserve far more than they use


def reward_of(route: Route) -> Reward:
    """The reward of a route as its parameters make it."""
    return declared(route.name, route.params)


@dataclass(frozen=True)
class Answer:
    """What a reward said about n completions.

    Attributes:
        values: scores (n); NaN where there is none.
        errors: number -> why there is none.
        seconds: wall time of each (n), or the same for all: a call's, shared evenly; NaN where it is not known.
    """

    values: Floats
    errors: Mapping[int, str]
    seconds: Floats | float

    @property
    def took(self) -> float:
        """Wall time of all of them, as far as it is known."""
        if isinstance(self.seconds, float):
            return 0.0 if math.isnan(self.seconds) else self.seconds * len(self.values)
        return float(np.nansum(self.seconds))


class Pace:
    """How long each reward, with its parameters, takes for a completion, from the calls so far."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[str, str], float] = {}

    def note(self, route: Route, count: int, seconds: float) -> None:
        """A call of so many completions took so long."""
        each = seconds / max(1, count)
        what = _content(route)
        self._seconds[what] = (self._seconds.get(what, each) + each) / 2

    def chunk(self, route: Route) -> int:
        """How many completions a call should have."""
        each = self._seconds.get(_content(route))
        return CHUNK if each is None else int(min(max(CHUNK_S / max(each, 1e-9), 1), LARGEST_CHUNK))

    def is_slow(self, route: Route) -> bool:
        """Whether it pays to remember its scores; not known counts as slow."""
        return self._seconds.get(_content(route), SLOW_S) >= SLOW_S


def _content(route: Route) -> tuple[str, str]:
    """What a route's pace depends on: its label may be another reward's in another table."""
    return route.name, json.dumps(route.params, default=repr)


class Memory:
    """Scores of deterministic rewards by their version, parameters, completion and columns; safe between threads.

    Errors are not remembered: what caused one may be over.
    """

    def __init__(self, size: int = REMEMBERED) -> None:
        self._size = size
        self._known: OrderedDict[bytes, float | None] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> tuple[bool, float | None]:
        """Whether it is known, and what it is."""
        with self._lock:
            if key not in self._known:
                return False, None
            self._known.move_to_end(key)
            return True, self._known[key]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()

    def put(self, key: bytes, outcome: float | None) -> None:
        """Remember a score; the one not asked for the longest is forgotten."""
        with self._lock:
            self._known[key] = outcome
            while len(self._known) > self._size:
                self._known.popitem(last=False)


MEMORY = Memory()


def content_key(version: str, route: Route, batch: Batch, i: int) -> bytes | None:
    """What the score of one completion depends on, as a digest; None where it cannot be told."""
    try:
        columns = {name: values[i] for name, values in sorted(batch.columns.items())}
        prompt = batch.prompts[i] if batch.prompts else None
        text = pickle.dumps((version, route.name, route.params, batch.completions[i], columns, prompt))
    except Exception:  # whatever a column's values raise: then it is scored each time
        return None
    return hashlib.blake2b(text, digest_size=16).digest()


def library_version() -> str:
    """A digest of the reward library's files as they are now: a reward may use others, as a formula does."""
    (folder,) = rewards.__path__
    files = [path.read_bytes() for path in sorted(Path(folder).glob("*.py"))]
    return hashlib.blake2b(b"\0".join(files), digest_size=8).hexdigest()


def batch_of(reward: Reward, rows: Sequence[Row], completions: Sequence[str]) -> Batch:
    """What a reward may see: the columns it declares, or all of them for a function of whole batches."""
    if reward.per_completion:
        names = [*reward.columns, *reward.optional_columns]
    else:
        names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in NOT_COLUMNS]
    return Batch(
        prompts=[as_messages(row["prompt"]) for row in rows] if reward.by_batch else (),
        completions=completions,
        columns={name: [row.get(name) for row in rows] for name in names},
    )


def part(batch: Batch, numbers: Sequence[int]) -> Batch:
    """Some completions of a batch."""
    return Batch(
        prompts=[batch.prompts[i] for i in numbers] if batch.prompts else (),
        completions=[batch.completions[i] for i in numbers],
        columns={name: [values[i] for i in numbers] for name, values in batch.columns.items()},
    )


class PoolBroke(Exception):
    """The scoring processes are gone, such as by the death of an idle one; nothing is known about the scores."""


class Call:
    """Completions that one reward scores in one go, under way in a scoring process.

    Args:
        route: which reward, with its parameters.
        batch: the completions.
        pool: the processes.
    """

    def __init__(self, route: Route, batch: Batch, pool: ProcessPool) -> None:
        self.route = route
        self.count = len(batch.completions)
        self._reward = reward_of(route)
        self._batch = batch
        self._pool = pool
        self._future = self._schedule(batch)

    def answer(self, look: Callable[[Any], None] = lambda future: None) -> Answer:
        """Wait for the scores; where the process hung or died, find the completion to blame one by one.

        Args:
            look: waits for a future, where the caller has more to do than wait.
        """
        look(self._future)
        try:
            return self._received(self._future)
        except FAILURES as error:
            if not self._reward.per_completion or self.count == 1:
                reasons = dict.fromkeys(range(self.count), _blame(error, self._reward))
                return Answer(np.full(self.count, np.nan), reasons, self._lost(error))
        return self._one_by_one(look)

    def _one_by_one(self, look: Callable[[Any], None]) -> Answer:
        values, seconds = np.full((2, self.count), np.nan)
        errors: dict[int, str] = {}
        singles = [self._schedule(part(self._batch, [i])) for i in range(self.count)]
        for i, single in enumerate(singles):
            look(single)
            try:
                one = self._received(single)
                values[i], seconds[i] = one.values[0], one.took
                if one.errors:
                    errors[i] = one.errors[0]
            except FAILURES as error:
                errors[i], seconds[i] = _blame(error, self._reward), self._lost(error)
        return Answer(values, errors, seconds)

    def _lost(self, error: BaseException) -> float:
        """Seconds that each completion of a failed call took: up to the limit, or not known."""
        singly = self._reward.per_completion
        return self._reward.timeout_s / (1 if singly else self.count) if isinstance(error, FutureTimeout) else math.nan

    def _received(self, future: Any) -> Answer:
        try:
            values, errors, seconds = future.result()
        except RuntimeError as error:
            raise PoolBroke(str(error)) from error
        found = np.frombuffer(values, dtype=np.float64)
        return Answer(found, errors, seconds / max(1, len(found)))

    def _schedule(self, batch: Batch) -> Any:
        """A future. Pickled here, because what cannot be pickled would end the pool's own thread and hang it."""
        try:
            payload = pickle.dumps((batch.prompts, batch.completions, batch.columns))
        except Exception as error:  # whatever a column's values raise; values nested too deep: RecursionError
            refused: Future[Any] = Future()
            refused.set_exception(RewardError(f"its columns cannot be handed to a reward ({type(error).__name__})"))
            return refused
        arguments = [self.route.name, self.route.params, payload]
        # One completion may take so long; of several, most are quick, or the chunk is scored again one by one.
        count = len(batch.completions) if self._reward.per_completion else 1
        limit = self._reward.timeout_s * min(count, PATIENCE)
        try:
            return self._pool.schedule(_score_in_child, args=arguments, timeout=limit)
        except RuntimeError as error:
            raise PoolBroke(str(error)) from error


# What a call ends with instead of scores; RewardError: it could not be handed over, or the reward would not return.
FAILURES = (FutureTimeout, ProcessExpired, MemoryError, RewardError)


def _blame(error: BaseException, reward: Reward) -> str:
    if isinstance(error, RewardError):
        return str(error)
    if isinstance(error, FutureTimeout):
        return f"no score within {reward.timeout_s:g} s"
    if isinstance(error, MemoryError):
        return "ran out of memory"
    return f"the scoring process died ({error})"


def chunks(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Numbers in pieces of a size."""
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


def prepare_child() -> None:
    """Limits of a scoring process. Ctrl-C is for the parent, which ends its children itself."""
    import resource

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_LIMIT if hard == resource.RLIM_INFINITY else min(MEMORY_LIMIT, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    registry()


def _score_in_child(name: str, params: dict[str, Any], payload: bytes) -> tuple[bytes, dict[int, str], float]:
    """Sends nothing back that a reward made, its exceptions included: what cannot be unpickled breaks the pool."""
    start = time.perf_counter()
    try:
        outcomes = declared(name, params).score(Batch(*pickle.loads(payload)), params)
        errors = {i: str(outcome) for i, outcome in enumerate(outcomes) if isinstance(outcome, RewardError)}
    except BaseException as error:  # sys.exit() in a reward, or an exception that cannot say what it is
        raise RewardError(f"the reward ended with {type(error).__name__} instead of a score") from None
    values = np.array([outcome if isinstance(outcome, float) else np.nan for outcome in outcomes], dtype=np.float64)
    return values.tobytes(), errors, time.perf_counter() - start
