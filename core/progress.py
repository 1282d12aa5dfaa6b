"""A run's records as lines and tables for a terminal: progress, time left, held-out reward before and after."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.columns import Key
from core.series import Series

Record = Mapping[str, Any]


@dataclass(frozen=True)
class HeldOutChange:
    """Held-out reward of one task at two points of a run.

    Attributes:
        task: the task.
        before: mean total at the first evaluation; None where nothing could be scored.
        after: mean total at the last.
        count: held-out completions scored at the last.
    """

    task: str
    before: float | None
    after: float | None
    count: int

    @property
    def change(self) -> float | None:
        """After minus before, as a reader of the rounded figures would reckon it, where both are known."""
        return None if self.before is None or self.after is None else round(self.after, 3) - round(self.before, 3)


def held_out_changes(records: Sequence[Record]) -> list[HeldOutChange]:
    """Each task's held-out reward at the first and last evaluation; empty before there are two."""
    held_out = [record for record in records if record["split"] == "held_out"]
    if len(held_out) < 2:
        return []
    first = {task["task"]: task for task in held_out[0]["tasks"]}
    return [
        HeldOutChange(task["task"], first.get(task["task"], {}).get("reward"), task["reward"], task["scored"])
        for task in held_out[-1]["tasks"]
    ]


def seconds_left(records: Sequence[Record], evaluations: Sequence[tuple[int, float]] = ()) -> float | None:
    """Time to the end at the pace of the latest ten steps, seconds; None before the first step.

    Args:
        records: the latest of a run, oldest first.
        evaluations: step and seconds of its latest two: those to come are as far apart, and each takes as long.
    """
    train = [record for record in records if record["split"] == "train"][-10:]
    if not train:
        return None
    pace = sum(record["seconds"]["all"] for record in train) / len(train)
    step, steps = int(train[-1]["step"]), int(train[-1]["steps"])
    left = float(pace * (steps - step))
    if len(evaluations) < 2:
        return left
    (before, _), (last, took) = evaluations[-2:]
    return left + took * max(0, math.ceil((steps - last) / max(1, last - before)))


def left_of(series: Series) -> float | None:
    """The same of a run's series."""
    steps, seconds = series.held_out.known(Key("seconds/all"))
    return seconds_left(list(series.latest), list(zip(steps.tolist(), seconds.tolist(), strict=True))[-2:])


def step_line(record: Record, left: float | None) -> str:
    """One line for a step or an evaluation: every task's mean total, and errors where there are any."""
    tasks = "  ".join(_task_text(task) for task in record["tasks"])
    if record["split"] == "held_out":
        return f"held out, step {record['step']:>4}   {tasks}   ({duration(record['seconds']['all'])})"
    took = f"{record['seconds']['all']:.1f} s"
    return f"step {record['step']:>4}/{record['steps']}   {tasks}   {took}   left {duration(left)}"


def change_table(rows: Sequence[HeldOutChange]) -> str:
    """The before/after table of held-out reward."""
    width = max([4, *(len(row.task) for row in rows)])
    lines = [f"{'task':<{width}}  {'before':>8}  {'after':>8}  {'change':>8}  {'scored':>6}"]
    for row in rows:
        cells = f"{number(row.before):>8}  {number(row.after):>8}  {number(row.change, sign=True):>8}  {row.count:>6}"
        lines.append(f"{row.task:<{width}}  {cells}")
    return "\n".join(lines)


def number(value: float | None, sign: bool = False) -> str:
    """Three decimals, or a dash for what does not exist."""
    return "-" if value is None else f"{value:+.3f}" if sign else f"{value:.3f}"


def percent(value: float | None) -> str:
    """A share in whole percent, below one of them by its first digit; a dash for what does not exist.

    >>> [percent(share) for share in (0.0, 1e-7, 0.0004, 0.126, 1.0, None)]
    ['0%', '0%', '0.04%', '13%', '100%', '-']
    """
    if value is None:
        return "-"
    return f"{100 * value:.1g}%" if 5e-5 <= value < 0.01 else f"{value:.0%}"


def duration(seconds: float | None) -> str:
    """Hours, minutes and seconds as people write them."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _task_text(task: Mapping[str, Any]) -> str:
    errors = f" ({task['errors']} errors)" if task["errors"] else ""
    return f"{task['task']} {number(task['reward'])}{errors}"
