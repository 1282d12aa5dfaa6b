"""What the page Try & export knows at one moment: the runs, the one that is looked at, its adapters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from core.errors import UserError
from core.jobs import Job, about_run
from core.model_card import is_folder
from core.run_adapters import BEST, RESULT, RunAdapter, run_adapters
from core.runs import RunFolder, all_runs, find_run, state
from core.services import SERVICES
from core.spec import RunSpec
from core.tries import Tries
from ui.texts import t
from ui.theme import task_colours

TRIES = Tries(SERVICES)


@dataclass(frozen=True)
class Look:
    """What a tab looks at in an evaluation.

    Attributes:
        run: of which run; in another one nothing is chosen (`of`).
        file: name of the evaluation's file; empty for the newest.
        k: of pass@k; 0 for the largest.
        thresholds: task -> the total from which an answer passes, where one was written.
    """

    run: str = ""
    file: str = ""
    k: int = 0
    thresholds: dict[str, float] = field(default_factory=dict)

    def of(self, run: str) -> Look:
        """What is looked at in a run."""
        return self if self.run == run else Look(run)

    def with_threshold(self, task: str, value: str) -> Look:
        """Another threshold; the default again where the text is no number."""
        kept = {name: total for name, total in self.thresholds.items() if name != task}
        try:
            total = float(value)
        except ValueError:
            total = math.nan
        return replace(self, thresholds={**kept, task: total} if math.isfinite(total) else kept)


@dataclass(frozen=True)
class Known:
    """What the page shows.

    Attributes:
        runs: ids, newest first.
        run: the one looked at; None where there is none.
        adapters: its own, the newest first.
        adapter: the one chosen; None where there is none.
        look: at its evaluations.
        gone: the run that was named, where there is none of that name.
    """

    runs: tuple[str, ...]
    run: RunFolder | None
    adapters: tuple[RunAdapter, ...]
    adapter: RunAdapter | None
    look: Look
    gone: str = ""

    @property
    def id(self) -> str:
        """Of the run; empty where there is none."""
        return self.run.id if self.run else ""

    @cached_property
    def spec(self) -> RunSpec | None:
        """The run's spec; None where it cannot be read any more."""
        try:
            return self.run.spec() if self.run else None
        except UserError:
            return None

    @cached_property
    def state(self) -> str:
        """Of the run."""
        return state(self.run) if self.run else ""

    @property
    def token(self) -> str:
        """Changes with the run, its state and its adapters."""
        names = [(one.name, one.step) for one in self.adapters]
        return f"{self.id} {self.gone} {self.state} {names} {self.adapter.name if self.adapter else ''}"

    def job(self, what: str) -> Job | None:
        """A job about this run that runs or ran last."""
        return SERVICES.jobs.get(f"{what} {about_run(self.id)}")


def known(run_id: str | None, adapter_name: str | None, look: Look) -> Known:
    """The run that is named, or the newest that has an adapter; the adapter that is named, or the run's newest."""
    runs = all_runs()
    run = next((one for one in runs if one.id == run_id), None)
    if run_id and run is None:  # another in its place would be taken for it
        return Known(tuple(one.id for one in runs), None, (), None, look.of(""), gone=run_id)
    run = run or next((one for one in runs if run_adapters(one)), next(iter(runs), None))
    adapters = tuple(run_adapters(run)) if run else ()
    adapter = next((one for one in adapters if one.name == adapter_name), next(iter(adapters), None))
    return Known(tuple(one.id for one in runs), run, adapters, adapter, look.of(run.id if run else ""))


def run_of(run_id: str | None) -> RunFolder:
    """The run that a handler is about and no other; `UserError` where it is gone."""
    return find_run(run_id or "")


def adapter_label(name: str, step: int | None) -> str:
    """What an adapter is called."""
    if name == BEST:
        return t("try.best", step=step) if step else t("try.best_untrained")
    if name != RESULT:
        return t("try.checkpoint", step=step)
    return t("try.result_open") if step is None else t("try.result", step=step)


def model_label(name: str) -> str:
    """What a model is called: its id, or its folder's name."""
    return Path(name).name if is_folder(name) else name


def colours(tasks: list[str]) -> dict[str, str]:
    """The colour of each task."""
    return task_colours(tasks)
