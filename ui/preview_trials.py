"""Weights and a normalisation that are tried on a project without being kept, in the order in which they were said.

What is tried belongs to the project and not to a tab, so that a refresh or a second tab shows the same; it ends with
the app. A slider says what it is moved to faster than that is shown, and what it says may come late: later than what
the same tab has said since, or than a click that ended the trial.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from core.errors import Problem, UserError
from core.projects import Project
from core.spec import Draft, Normalisation, Routes

Weights = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Trial:
    """What is tried: weights of routes, by the task that owns them, and a normalisation; None is the project's own."""

    weights: Weights = field(default_factory=dict)
    normalisation: Normalisation | None = None

    def within(self, draft: Draft) -> Trial:
        """Only what differs from the draft, whose routes may have changed since."""
        kept = {(task, route.key): route.weight for task, routes in draft.rewards.items() for route in routes}
        weights = {place: weight for place, weight in self.weights.items() if kept.get(place, weight) != weight}
        return Trial(weights, None if self.normalisation == draft.normalisation else self.normalisation)

    def routes(self, routes: Routes) -> Routes:
        """A routing table with the tried weights in it."""
        return {
            task: tuple(
                route.model_copy(update={"weight": self.weights.get((task, route.key), route.weight)})
                if (task, route.key) in self.weights
                else route
                for route in given
            )
            for task, given in routes.items()
        }

    def __bool__(self) -> bool:
        return bool(self.weights) or self.normalisation is not None


class Trials:
    """What is tried in each project. One number counts drawings of the sliders and ends of trials, so that it can be
    told which came first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._trials: dict[str, Trial] = {}
        self._ended: dict[str, int] = {}  # project -> when its last trial ended
        self._heard: dict[tuple[str, str], int] = {}  # project, tab -> the last move that was taken from it

    def drawing(self) -> int:
        """The number of another drawing of the sliders."""
        return next(self._numbers)

    def ended(self, project: Project) -> int:
        """When the project's last trial ended, as a number; 0 where none has."""
        return self._ended.get(project.name, 0)

    def of(self, project: Project, draft: Draft) -> Trial:
        """What is tried now and differs from the draft."""
        return self._trials.get(project.name, Trial()).within(draft)

    def move(self, project: Project, said: Mapping[str, Any]) -> bool:
        """Try what was moved; False where something later is known already.

        Args:
            project: where.
            said: `weights`, lists of (task, reward, text of its box), of which an empty one says nothing; fields of
                the normalisation where they were moved; `tab`, which says it; `number`, which of its moves this is;
                `drawn`, the number of the drawing that it has.

        Raises:
            UserError: a weight is no number.
        """
        weights = {(task, key): _number(key, text) for task, key, text in said.get("weights", ()) if text != ""}
        with self._lock:
            if not self._in_order(project.name, said["tab"], said["number"], said["drawn"]):
                return False
            before, draft = self._trials.get(project.name, Trial()), project.draft()
            normalisation = before.normalisation or draft.normalisation
            moved = {field: said[field] for field in Normalisation.model_fields if field in said}
            normalisation = Normalisation(**{**normalisation.model_dump(), **moved})
            self._trials[project.name] = Trial({**before.weights, **weights}, normalisation).within(draft)
        return True

    def _in_order(self, project: str, tab: str, number: int, drawn: int) -> bool:
        if drawn < self._ended.get(project, 0) or number < self._heard.get((project, tab), 0):
            return False
        self._heard[project, tab] = number
        return True

    def keep(self, project: Project) -> None:
        """Make what is tried the project's own."""

        def kept(draft: Draft) -> Draft:
            trial = self.of(project, draft)
            changes: dict[str, Any] = {"rewards": trial.routes(draft.rewards)} if trial.weights else {}
            changes |= {"normalisation": trial.normalisation} if trial.normalisation else {}
            return draft.model_copy(update=changes)

        with self._lock:
            project.change(kept)
            self._end(project.name)

    def drop(self, project: Project) -> None:
        """Forget what is tried."""
        with self._lock:
            self._end(project.name)

    def _end(self, project: str) -> None:
        self._trials.pop(project, None)
        self._ended[project] = next(self._numbers)
        self._heard = {place: number for place, number in self._heard.items() if place[0] != project}


def _number(key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(Problem(key, f"the weight is {text!r:.40}.", "Give a number."))
    return value


TRIALS = Trials()
