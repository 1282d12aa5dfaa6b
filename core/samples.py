"""Sample outputs from elsewhere than a model loaded here: typed, of a previous run, worked examples of rewards.

Each source gives groups (core.preview.Group): the fields of a row, the prompt as the model saw it, and completions.
Files are read by core.sample_file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from core.data import load_data
from core.errors import Problem, UserError
from core.preview import Group
from core.prompt_rows import Found, Key, Row, rows_by_prompt
from core.routing import sound
from core.runs import RunFolder
from core.spec import COMPLETION_IDS, DataSpec, Route

SEPARATOR = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)
MOST_GROUPS = 64


@dataclass(frozen=True)
class Samples:
    """Groups, and what the user should know about them."""

    groups: tuple[Group, ...]
    warnings: tuple[Problem, ...] = ()


def typed_group(row: Row, text: str) -> Group:
    """What a user typed as completions of a row: one, or several separated by lines of `---`.

    The line ends at a separator belong to it; an empty part in between is an empty completion, one at the end is none.

    >>> typed_group({"task": "math", "prompt": "2+2?"}, "4\\n---\\nIt is 5.").completions
    ('4', 'It is 5.')
    """
    parts = [part.removeprefix("\n").removesuffix("\n") for part in SEPARATOR.split(text.replace("\r\n", "\n"))]
    if len(parts) > 1 and not parts[-1].strip():
        parts.pop()
    if not any(part.strip() for part in parts):
        mend = "Type what a model might answer; a line of --- starts another completion."
        raise UserError(Problem("completions", "there is no text.", mend))
    return Group(dict(row), tuple(parts))


def merged(groups: Iterable[Group]) -> tuple[Group, ...]:
    """Groups whose rows are the same become one.

    Those with token ids of their own stay apart, and so do those without a prompt: who knows what they answer.
    """
    found: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    for number, group in enumerate(groups):
        apart = COMPLETION_IDS in group.fields or not group.fields.get("prompt")
        key = str(number) if apart else json.dumps(group.fields, sort_keys=True, default=str)
        found.setdefault(key, (group.fields, []))[1].extend(group.completions)
    return tuple(Group(fields, tuple(completions)) for fields, completions in found.values())


def run_groups(
    run: RunFolder,
    step: int | None = None,
    task: str | None = None,
    most: int = MOST_GROUPS,
    split: Literal["train", "held_out"] = "train",
) -> Samples:
    """Completions of a previous run, with the columns of their rows, which are found in the run's data by the prompt.

    Args:
        run: its folder.
        step: of this step; else the latest ones.
        task: of this task; else of all.
        most: how many groups; where there are more, the latest of each task, as many of one task as of another.
        split: from training or from the evaluations.

    Raises:
        UserError: there are none.
    """
    groups: list[tuple[str, str, tuple[str, ...]]] = []
    for shard in reversed(_shards(run, split, step)):
        groups = [*_groups_in(shard, task), *groups]
        if len(groups) >= most:
            break
    if not groups:
        what = f"there are no completions of task {task!r} here." if task else "there are no completions here."
        raise UserError(Problem(run.id, what, "Take another task or step, or wait for the run's first step."))
    chosen = [groups[n] for n in _spread([group[0] for group in groups], most)]
    return _with_rows(run, chosen)


def _shards(run: RunFolder, split: str, step: int | None) -> list[Path]:
    found = sorted(run.completions.glob(f"{split}-*.parquet"))
    return [path for path in found if step is None or int(path.stem.split("-")[1]) == step]


def _groups_in(shard: Path, task: str | None) -> list[tuple[str, str, tuple[str, ...]]]:
    """(task, prompt, completions) of each group of a shard."""
    table = pq.read_table(shard, columns=["group", "task", "prompt", "completion"])
    if task is not None:
        table = table.filter(pc.equal(table["task"], task))
    numbers = table["group"].to_numpy()
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    texts = np.split(table["completion"].to_numpy(), starts[1:])
    firsts = table.select(["task", "prompt"]).take(starts).to_pylist()
    return [
        (first["task"], first["prompt"], tuple(group))
        for first, group in zip(firsts, texts, strict=False)
        if len(group)
    ]


def _spread(tasks: Sequence[str], most: int) -> list[int]:
    """At most so many places, the last of each task, as even over the tasks as can be."""
    ahead: dict[str, int] = {}
    rank = np.empty(len(tasks), dtype=np.int64)
    for place in reversed(range(len(tasks))):
        rank[place] = ahead[tasks[place]] = ahead.get(tasks[place], -1) + 1
    chosen: list[int] = np.sort(np.argsort(rank, kind="stable")[:most]).tolist()
    return chosen


def _with_rows(run: RunFolder, groups: Sequence[tuple[str, str, tuple[str, ...]]]) -> Samples:
    spec = run.spec()
    keys = [(task, prompt) for task, prompt, _ in groups]
    try:
        found = rows_by_prompt(keys, _datasets(spec.data), spec.tasks)
        warnings = match_warnings(run.id, [[key] for key in keys], found)
    except UserError as error:
        lost = Problem(run.id, "its data cannot be read: the columns that rewards need are missing.", "", "warning")
        found, warnings = {}, (lost, *error.problems)
    bare = [Found({"task": task, "prompt": prompt}, alike=True) for task, prompt in keys]
    rows = [{**found.get(key, own).row} for key, own in zip(keys, bare, strict=True)]
    return Samples(tuple(Group(row, group[2]) for row, group in zip(rows, groups, strict=True)), warnings)


def _datasets(spec: DataSpec) -> tuple[Any, Any]:
    data = load_data(spec)
    return data.train, data.held_out


def match_warnings(where: str, keys: Sequence[Sequence[Key]], found: Mapping[Key, Found]) -> tuple[Problem, ...]:
    """Which samples have no row, or rows that contradict each other. `keys`: where each sample may be found."""
    lost = sum(not any(key in found for key in of) for of in keys)
    torn = sum(any(key in found and not found[key].alike for key in of) for of in keys)
    reasons = {
        f"{lost} of {len(keys)} samples have a prompt that is not in the data: no columns come from there.": lost,
        f"{torn} of {len(keys)} samples have a prompt that rows with other columns share: those are left out.": torn,
    }
    mend = "Rewards that need a column will report an error for them."
    return tuple(Problem(where, what, mend, "warning") for what, count in reasons.items() if count)


def example_groups(task: str, routes: Sequence[Route]) -> tuple[Group, ...]:
    """The worked examples of the rewards routed to a task; those with the same columns are one group.

    Examples of an error are left out: they show broken columns, not completions.
    """
    groups: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for route in routes:
        reward = sound(route)
        for example in reward.examples if reward is not None else ():
            columns = {name: value for name, value in example.columns.items() if name != COMPLETION_IDS}
            fields = {"task": task, "prompt": "", **columns}
            key = json.dumps(fields, sort_keys=True, default=str)
            completions = groups.setdefault(key, (fields, []))[1]
            if not example.error and example.completion not in completions:
                completions.append(example.completion)
    return tuple(Group(fields, tuple(texts)) for fields, texts in groups.values() if texts)
