"""The reward library as people search it: by words, and by what a task's rows carry.

In: words, a task's columns. Out: an `Entry` for each reward that has the words, the one to take first. Files that were
added to `rewards/` or changed there since the start are taken in at each search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import Problem
from core.routing import TaskColumns, broken_files
from core.spec import COMPLETION_IDS
from rewards import refresh, registry
from rewards.declaration import Reward

ALWAYS_THERE = ("prompt", COMPLETION_IDS)  # every row has a prompt; token ids come with the completion


@dataclass(frozen=True)
class Need:
    """A column that a reward cannot do without, under the names that it may have.

    Attributes:
        names: any one of these will do.
        column: the one that the task has, the fullest of several; None where it has none, or no task was named.
        empty: rows of the task in which that column is empty.
    """

    names: tuple[str, ...]
    column: str | None = None
    empty: int = 0

    def __str__(self) -> str:
        return " or ".join(self.names)


@dataclass(frozen=True)
class Entry:
    """A reward as the library shows it.

    Attributes:
        reward: its declaration.
        needs: what rows must carry for it, with its usual parameters.
        usable: whether the task carries all of that in some row at least; true where no task was named.
        optional: columns used where they are there, beside those in `needs`.
    """

    reward: Reward
    needs: tuple[Need, ...]
    usable: bool
    optional: tuple[str, ...]


def search(text: str = "", columns: TaskColumns | None = None) -> list[Entry]:
    """The rewards that have every word of a text, else most of them; of that name first, then what the task can use.

    Args:
        text: words or parts of words, in any case; empty for all rewards.
        columns: of the task that looks for a reward.
    """
    refresh()
    words = text.casefold().split()
    counts = {name: _count(reward, words) for name, reward in registry().items()}
    most = max(counts.values(), default=0)
    found = [reward for name, reward in registry().items() if counts[name] == most and (most or not words)]
    return sorted((entry_of(reward, columns) for reward in found), key=lambda entry: _rank(entry, words))


def notices() -> list[Problem]:
    """Files of the library that take no part as they are: broken ones, and changes that wait for a restart."""
    outdated = refresh()
    mend = "Restart the app to see it."
    return broken_files() + [Problem(file, "it has changed since the start.", mend, "warning") for file in outdated]


def entry_of(reward: Reward, columns: TaskColumns | None = None) -> Entry:
    """A reward beside the columns of a task."""
    needs = tuple(need_of(names, columns) for names in needed(reward))
    usable = columns is None or all(need.column is not None and need.empty < columns.rows for need in needs)
    asked = {name for need in needs for name in need.names}
    return Entry(reward, needs, usable, tuple(name for name in reward.optional_columns if name not in asked))


def needed(reward: Reward) -> tuple[tuple[str, ...], ...]:
    """The columns that rows must carry for a reward, each as the names of which one will do.

    A reward whose columns are all optional may still need one of them (`reference` or `answer`): then a worked example
    of it without any column and any parameter shows the error.
    """
    names = [(name,) for name in reward.columns if name not in ALWAYS_THERE]
    fails_without = any(example.error and not example.columns and not example.params for example in reward.examples)
    either = tuple(name for name in reward.optional_columns if name not in ALWAYS_THERE)
    return (*names, either) if fails_without and not reward.columns and either else tuple(names)


def need_of(names: Sequence[str], columns: TaskColumns | None) -> Need:
    """Which of some names a task has."""
    there = [] if columns is None else [name for name in names if name in columns.empty]
    if columns is None or not there:
        return Need(tuple(names))
    fullest = min(there, key=lambda name: columns.empty[name])
    return Need(tuple(names), fullest, columns.empty[fullest])


def _count(reward: Reward, words: Sequence[str]) -> int:
    """How many of the words it has."""
    return sum(any(word in text for text in _texts(reward)) for word in words)


def _texts(reward: Reward) -> tuple[str, ...]:
    """Where words are looked for, the most telling first."""
    columns = " ".join((*reward.columns, *reward.optional_columns))
    texts = (reward.name, reward.title, f"{reward.family} {columns}", reward.help, reward.details)
    return tuple(text.casefold() for text in texts)


def _rank(entry: Entry, words: Sequence[str]) -> tuple[bool, bool, int, str]:
    """Sorts the best first: of that name, usable, its words found early."""
    texts = _texts(entry.reward)
    places = [next((i for i, text in enumerate(texts) if word in text), len(texts)) for word in words]
    return "_".join(words) != entry.reward.name, not entry.usable, sum(places), entry.reward.name
