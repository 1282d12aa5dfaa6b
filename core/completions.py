"""The completions of a run, read shard by shard and only as far as they are asked for.

A shard holds the completions of one generation; its name says split and step, so that most are never opened.
"""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.runs import RunFolder

SHARD = r"(?:train|held_out)-(\d{1,9})-\d{1,9}\.parquet"  # split, step, and which file of that step
MOST_SHARDS = 200  # that one search opens; a search of a long run says how far it came
SCORE, ERROR = "score/", "error/"


@dataclass(frozen=True)
class Wanted:
    """Which completions.

    Attributes:
        split: `train` or `held_out`.
        step: from this step on backwards; None for the newest.
        before: name of a shard; only what is older. Where the shard is gone, from `step` on.
        task: of this task; empty for all.
        reward: whose scores `low` and `high` are about; empty for the total.
        low: the lowest score; None for any.
        high: the highest.
        errors: only groups in which a score failed.
        text: found in prompt or completion, small and capital letters alike.
        prompt: only groups of this very prompt, over the whole run.
    """

    split: str = "train"
    step: int | None = None
    before: str = ""
    task: str = ""
    reward: str = ""
    low: float | None = None
    high: float | None = None
    errors: bool = False
    text: str = ""
    prompt: str = ""


@dataclass(frozen=True)
class Sampled:
    """One completion.

    Attributes:
        text: of it.
        scores: by reward; None where it does not apply or failed.
        errors: by reward, why it failed.
        total: None where it is unknown.
        advantage: what training made of it.
        length: tokens.
        clipped: whether the length limit cut it off.
        found: whether it is what was looked for, and not only of a group in which something is.
    """

    text: str
    scores: dict[str, float | None]
    errors: dict[str, str]
    total: float | None
    advantage: float | None
    length: int
    clipped: bool
    found: bool = True


@dataclass(frozen=True)
class SampledGroup:
    """The completions of one prompt at one step."""

    step: int
    split: str
    task: str
    prompt: str
    completions: tuple[Sampled, ...]

    @property
    def mean(self) -> float | None:
        """Mean total of those that have one."""
        totals = [one.total for one in self.completions if one.total is not None]
        return sum(totals) / len(totals) if totals else None


@dataclass(frozen=True)
class Found:
    """Groups that were found.

    Attributes:
        groups: newest shard first; within a shard in their order.
        more: the step at which a further search goes on; None where there is nothing left.
        before: the shard that it goes on before: an evaluation of many rows has many of one step.
        damaged: names of shards that could not be read, and are missing here.
    """

    groups: tuple[SampledGroup, ...]
    more: int | None
    before: str = ""
    damaged: tuple[str, ...] = ()


def find(run: RunFolder, wanted: Wanted, most: int) -> Found:
    """The newest groups that hold what is wanted, shard by shard until there are `most`, and where to go on."""
    shards = shards_of(run, wanted.split)
    end = len(shards) if wanted.step is None else bisect_left(shards, (wanted.step + 1, Path()))
    end = next((n for n, (_, path) in enumerate(shards[:end]) if path.stem == wanted.before), end)
    groups: list[SampledGroup] = []
    damaged: list[str] = []
    last = ""
    for n, (step, path) in enumerate(reversed(shards[:end])):
        if len(groups) >= most or n >= MOST_SHARDS:
            return Found(tuple(groups), step, last, tuple(damaged))
        groups += _groups(path, wanted, damaged)
        last = path.stem
    return Found(tuple(groups), None, damaged=tuple(damaged))


def history(run: RunFolder, prompt: str, split: str, most: int = 50, budget_s: float = 2.0) -> Found:
    """Every group of one prompt, oldest first; of many, evenly spread ones with the first and the last.

    Shards are searched from the newest on for so many seconds; `more` is the step at which that ended.
    """
    deadline = time.monotonic() + budget_s
    found: list[SampledGroup] = []
    damaged: list[str] = []
    more = None
    for step, path in reversed(shards_of(run, split)):
        if time.monotonic() > deadline:
            more = step
            break
        found += _groups(path, Wanted(split=split, prompt=prompt), damaged)
    found.reverse()
    if len(found) > most:
        found = [found[round(n * (len(found) - 1) / (most - 1))] for n in range(most)]
    return Found(tuple(found), more, damaged=tuple(damaged))


def steps_of(run: RunFolder, split: str) -> list[int]:
    """Steps that have completions, rising."""
    return list(dict.fromkeys(step for step, _ in shards_of(run, split)))


def rewards_of(run: RunFolder) -> list[str]:
    """The rewards that scored any completion of the newest shard of each split."""
    names: dict[str, None] = {}
    for split in ("train", "held_out"):
        for _, path in shards_of(run, split)[-1:]:
            with suppress(pa.ArrowException, OSError):  # whoever reads its groups says that it is damaged
                schema = pq.read_schema(path)
                names |= dict.fromkeys(name.removeprefix(SCORE) for name in schema.names if name.startswith(SCORE))
    return list(names)


def shards_of(run: RunFolder, split: str) -> list[tuple[int, Path]]:
    """Step and path of each shard of a split, in order."""
    stamp = run.completions.stat().st_mtime_ns if run.completions.exists() else 0
    return list(_shards(run.completions, split, stamp))


@lru_cache(maxsize=32)
def _shards(path: Path, split: str, _stamp: int) -> tuple[tuple[int, Path], ...]:
    """Names alone: 20,000 shards are listed in a moment, and again only when one has come or gone."""
    named = ((re.fullmatch(SHARD, shard.name), shard) for shard in path.glob(f"{split}-*.parquet"))
    return tuple(sorted((int(found[1]), shard) for found, shard in named if found))


def _groups(path: Path, wanted: Wanted, damaged: list[str]) -> list[SampledGroup]:
    """The groups of a shard that hold something wanted; one that cannot be read is added to the damaged ones."""
    try:
        return list(_read_groups(path, wanted))
    except FileNotFoundError:  # a resume has put it aside
        return []
    except (pa.ArrowException, KeyError, OSError):
        damaged.append(path.name)
        return []


def _read_groups(path: Path, wanted: Wanted) -> Iterator[SampledGroup]:
    filters = [("prompt", "==", wanted.prompt)] if wanted.prompt else []
    filters += [("task", "==", wanted.task)] if wanted.task else []
    table = pq.read_table(path, filters=filters or None)
    if not len(table):
        return
    mask = _matches(table, wanted)
    hits = set(table.filter(mask)["group"].to_pylist())
    found = mask.to_pylist()
    rows: dict[int, list[tuple[dict[str, Any], bool]]] = {}
    for n, row in enumerate(table.to_pylist()):
        if row["group"] in hits:
            rows.setdefault(row["group"], []).append((row, found[n]))
    for members in rows.values():
        yield _group(members)


def _matches(table: pa.Table, wanted: Wanted) -> pa.ChunkedArray:
    mask = pa.chunked_array([pa.array([True] * len(table))])
    scores = table["total"] if not wanted.reward else _column(table, SCORE + wanted.reward)
    for limit, compare in ((wanted.low, pc.greater_equal), (wanted.high, pc.less_equal)):
        if limit is not None:
            mask = pc.and_(mask, pc.fill_null(compare(scores, limit), False))
    if wanted.errors:
        names = [name for name in table.column_names if name.startswith(ERROR)]
        names = [ERROR + wanted.reward] if wanted.reward else names
        failed = pa.chunked_array([pa.array([False] * len(table))])
        for name in names:
            failed = pc.or_(failed, pc.is_valid(_column(table, name)))
        mask = pc.and_(mask, failed)
    if wanted.text:
        found = [pc.match_substring(table[name], wanted.text, ignore_case=True) for name in ("prompt", "completion")]
        mask = pc.and_(mask, pc.or_(*found))
    return mask


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    """A column; null throughout where this shard has none of that name."""
    if name in table.column_names:
        return table[name]
    return pa.chunked_array([pa.nulls(len(table), pa.float64())])


def _group(members: Sequence[tuple[dict[str, Any], bool]]) -> SampledGroup:
    first = members[0][0]
    return SampledGroup(
        first["step"],
        first["split"],
        first["task"],
        first["prompt"],
        tuple(_sampled(row, found) for row, found in members),
    )


def _sampled(row: dict[str, Any], found: bool) -> Sampled:
    routed = [
        name.removeprefix(SCORE)
        for name in row
        if name.startswith(SCORE) and (row[name] is not None or row.get(ERROR + name.removeprefix(SCORE)))
    ]
    return Sampled(
        row["completion"],
        {name: row[SCORE + name] for name in routed},
        {name: row[ERROR + name] for name in routed if row.get(ERROR + name)},
        row["total"],
        None if row["advantage"] is None or math.isnan(row["advantage"]) else row["advantage"],
        row["length"],
        row["clipped"],
        found,
    )
