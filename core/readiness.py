"""How far a project is: for each page what is wrong, from the same check that a run must pass."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.check import Report, check
from core.data import load_data
from core.data.paths import data_files
from core.errors import Problem, UserError
from core.projects import Project
from core.reward_calls import library_version
from core.spec import DataSpec, Draft

Page = Literal["data", "rewards", "preview", "train"]
Key = tuple[str, tuple[tuple[str, int, int], ...], str]
# Where a problem's place begins with such a word, the page on which it is mended; every other one is the page Data.
PAGES: Mapping[str, Page] = {
    **{name: "train" for name in (*Draft.model_fields, "sandbox") if name != "data"},
    "rewards": "rewards",
    "task": "rewards",  # what `core.routing` says of a task that nothing scores
}
SHARES = "tasks"  # the place of what is wrong with all tasks' shares, which are set beside their rows
REMEMBERED = 32  # reports
RETRY_S = 60.0  # after which what failed elsewhere is tried again

_reports: OrderedDict[Key, tuple[float, Report]] = OrderedDict()
_locks: defaultdict[Key, threading.Lock] = defaultdict(threading.Lock)


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
    """What is wrong with an unfinished spec as far as it goes; remembered until it, its files or the library change.

    Several parts of a page ask at once: the first reads the files, the others wait for what it found.
    """
    key = (draft.to_yaml(), stamps(draft.data), library_version() if draft.rewards else "")
    with _locks[key]:
        made, found = _reports.get(key, (0.0, None))
        if found is None or (_may_mend_itself(draft, found) and time.monotonic() - made > RETRY_S):
            found = _report(draft)
            _reports[key] = time.monotonic(), found
    while len(_reports) > REMEMBERED:
        oldest, _ = _reports.popitem(last=False)
        _locks.pop(oldest, None)
    return found


def _may_mend_itself(draft: Draft, found: Report) -> bool:
    """Whether rows could not be had from elsewhere: the Hub may answer the next time."""
    return found.data is None and draft.data is not None and draft.data.hub is not None


def page_states(project: Project, more: Iterable[tuple[Page, Problem]] = ()) -> dict[Page, PageState]:
    """The state of each page on which something is designed.

    Args:
        project: whose.
        more: what is known beside what the check of a run finds, and the page on which it is mended.
    """
    draft = project.draft()
    by_page: dict[Page, list[Problem]] = {"data": [], "rewards": [], "preview": [], "train": []}
    found = report(draft)
    for page, problem in (*((page_of(problem, found), problem) for problem in found.problems), *more):
        if problem not in by_page[page]:
            by_page[page].append(problem)
    data = PageState(draft.data is None, tuple(by_page["data"]))
    rewards = PageState(not draft.rewards, tuple(by_page["rewards"]))
    begun = not (data.todo or rewards.todo or data.errors or rewards.errors)
    return {
        "data": data,
        "rewards": rewards,
        "preview": PageState(not project.has_samples, tuple(by_page["preview"])),
        "train": PageState(not begun and not by_page["train"], tuple(by_page["train"])),
    }


def page_of(problem: Problem, found: Report) -> Page:
    """The page on which one of a report's problems is mended, by its place."""
    if problem in found.of_rows or problem.where == SHARES:
        return "data"
    return PAGES.get(re.split(r"\W", problem.where, maxsplit=1)[0], "data")


def _report(draft: Draft) -> Report:
    if draft.data is None:
        return Report((), None)
    if draft.rewards:
        return check(draft.finished(), try_rows=False)  # a page shows what samples and real rows get anyway
    try:
        data = load_data(draft.data)
    except UserError as error:
        return Report(error.problems, None, of_rows=error.problems)
    return Report(tuple(data.warnings), data, of_rows=tuple(data.warnings))


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
    try:
        stat = path.stat()
    except FileNotFoundError:  # removed just now
        return str(path), 0, 0
    return str(path), stat.st_size, stat.st_mtime_ns
