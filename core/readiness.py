"""How far a project is: for each page what is wrong, from the same check that a run must pass."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from core.check import Report, check
from core.data import load_data
from core.data.paths import data_files
from core.errors import Problem, UserError
from core.projects import Project
from core.spec import DataSpec, Draft, parse_draft, parse_yaml

Page = Literal["data", "rewards", "preview", "train"]
RUN_FIELDS = ("grpo", "lora", "model", "engine", "mixing", "normalisation", "tasks", "sandbox", "name")

# Several parts of a page ask at once: the first reads the files, the others wait for what it found.
CHECKING = threading.Lock()


@dataclass(frozen=True)
class PageState:
    """One page of a project.

    Attributes:
        todo: nothing has been done there yet.
        problems: errors and warnings that are mended there.
    """

    todo: bool
    problems: tuple[Problem, ...] = ()

    @property
    def errors(self) -> int:
        """How many problems block a run."""
        return sum(problem.severity == "error" for problem in self.problems)


def report(draft: Draft) -> Report:
    """What is wrong with an unfinished spec as far as it goes; remembered until the spec or its files change."""
    with CHECKING:
        return _report(draft.to_yaml(), stamps(draft.data))


def page_states(project: Project) -> dict[Page, PageState]:
    """The state of each page on which something is designed."""
    draft = project.draft()
    by_page: dict[Page, list[Problem]] = {"data": [], "rewards": [], "train": []}
    for problem in report(draft).problems:
        by_page[page_of(problem)].append(problem)
    samples = project.samples_path.exists() and project.samples_path.stat().st_size > 0
    return {
        "data": PageState(draft.data is None, tuple(by_page["data"])),
        "rewards": PageState(not draft.rewards, tuple(by_page["rewards"])),
        "preview": PageState(not samples),
        "train": PageState(draft.data is None or not draft.rewards, tuple(by_page["train"])),
    }


def page_of(problem: Problem) -> Page:
    """The page on which a problem is mended, by its place."""
    field = problem.where.partition(".")[0].partition("[")[0]
    if field == "rewards":
        return "rewards"
    return "train" if field in RUN_FIELDS else "data"


@lru_cache(maxsize=32)
def _report(text: str, stamps: tuple[tuple[str, int, int], ...]) -> Report:
    """`stamps` is part of what is remembered: a file that changed is read again."""
    draft = parse_draft(parse_yaml(text, "project"), "project")
    if draft.data is None:
        return Report((), None)
    if draft.rewards:
        return check(draft.finished(), try_rows=False)  # a page shows what samples and real rows get anyway
    try:
        data = load_data(draft.data)
    except UserError as error:
        return Report(error.problems, None)
    return Report(tuple(data.warnings), data)


def stamps(data: DataSpec | None) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of the data's files, as far as they are there."""
    paths = [path for path in ((data.path, data.held_out.path) if data else ()) if path is not None]
    found = []
    for path in paths:
        try:
            found += [_stamp(file.path) for file in data_files(path)]
        except UserError:  # `check` says what is wrong with it
            found.append((str(path), 0, 0))
    return tuple(found)


def _stamp(path: Path) -> tuple[str, int, int]:
    stat = path.stat()
    return str(path), stat.st_size, stat.st_mtime_ns
