"""What is wrong, where, and how to mend it: the one shape of every message meant for a user."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file or a run spec.

    Attributes:
        where: place a user can go to, such as `train.jsonl line 12, column 'answer'` or `rewards.math[0].weight`.
        what: what is wrong there, with the offending value.
        mend: what to do about it.
        severity: an error blocks a run, a warning does not.
        outside: whether the fault lies outside of the run spec although the place is in it, such as in the rows or in
            what is installed: it can be mended without another spec.
    """

    where: str
    what: str
    mend: str = ""
    severity: Literal["error", "warning"] = "error"
    outside: bool = False

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}"
        return f"{text} {self.mend}" if self.mend else text


class UserError(Exception):
    """An error whose message is for the user; everything else that is raised is a bug and keeps its traceback."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class Cancelled(Exception):
    """Work was given up because whoever wanted it said so."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence naming the nearest known word, or listing what there is."""
    choices: Sequence[str] = sorted(known)
    near = difflib.get_close_matches(word, choices, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {near[0]!r}?"
    return f"Known: {', '.join(choices)}." if choices else "There are none."
