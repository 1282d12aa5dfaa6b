"""Trying a run's adapter: the same question to base and adapter, side by side, scored by the task's own rewards.

A try is a conversation of one or more turns for each side, kept per run as long as the app runs, so that a refresh or a
second tab shows the same. Each turn is a job: it goes on when the page is left, and its texts can be read while they
are sampled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.errors import Problem, UserError
from core.jobs import Job, about_run
from core.preview import Group, Preview
from core.prompts import Message, render
from core.run_adapters import SIDES, RunAdapter, Side, model_choice
from core.runs import RunFolder
from core.sampler import SampledGroup, Sampler
from core.sampling import ModelChoice, SamplingSettings
from core.services import Services
from core.spec import RunSpec


@dataclass(frozen=True)
class Cell:
    """What one reward said of an answer: a number, an error, or neither where it does not apply."""

    key: str
    weight: float
    value: float | None
    error: str | None


@dataclass(frozen=True)
class Answer:
    """What one side said.

    Attributes:
        text: as far as it has come.
        whole: whether it has ended.
        clipped: whether the length limit cut it off.
        tokens: its length; 0 until it has ended.
        cells: its scores, a reward each; empty until they are there.
        total: their weighted sum; None where one failed or none applies.
        unscored: why it could not be scored at all; empty otherwise.
    """

    text: str = ""
    whole: bool = False
    clipped: bool = False
    tokens: int = 0
    cells: tuple[Cell, ...] = ()
    total: float | None = None
    unscored: str = ""


@dataclass(frozen=True)
class Turn:
    """A question and what each side answered."""

    question: str
    answers: Mapping[Side, Answer]


@dataclass
class Try:
    """One conversation with both sides.

    Attributes:
        adapter: which is tried.
        row: the row that was asked, as the data has it, or a question that was typed.
        settings: how answers are sampled.
        sides: who answers.
        turns: so far.
        version: grows with every change.
    """

    adapter: RunAdapter
    row: Mapping[str, Any]
    settings: SamplingSettings
    sides: tuple[Side, ...] = SIDES
    turns: tuple[Turn, ...] = ()
    version: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def run(self) -> RunFolder:
        """Whose adapter is tried."""
        return self.adapter.run

    @property
    def task(self) -> str:
        """By whose rewards it is scored."""
        return str(self.row["task"])

    def change(self, side: Side, change: Callable[[Answer], Answer]) -> None:
        """Change a side's answer in the last turn."""
        with self._lock:
            *before, last = self.turns
            answers = {**last.answers, side: change(last.answers[side])}
            self.turns = (*before, Turn(last.question, answers))
            self.version += 1

    def messages(self, side: Side, spec: RunSpec) -> list[Message]:
        """What a side reads for the last turn: system prompt and template in the first, then what was said."""
        found = render(self.row, spec.tasks.get(self.task))
        for before, after in zip(self.turns, self.turns[1:], strict=False):
            found.append({"role": "assistant", "content": before.answers[side].text})
            found.append({"role": "user", "content": after.question})
        return found


class Tries:
    """The last try of each run."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tries: dict[str, Try] = {}

    def get(self, run_id: str) -> Try | None:
        """The try of a run; None before the first."""
        return self._tries.get(run_id)

    def job(self, run_id: str) -> Job | None:
        """The turn of a run's try that goes on or was last."""
        return self._services.jobs.get(_name(run_id))

    def ask(
        self, adapter: RunAdapter, row: Mapping[str, Any], settings: SamplingSettings, sides: Sequence[Side] = SIDES
    ) -> Job:
        """Begin a new try with a row, or with a typed question under `task` and `prompt`.

        Raises:
            UserError: nothing is asked, or a turn is going on.
        """
        question = _question(row)
        made = Try(adapter, dict(row), settings.model_copy(update={"num_generations": 1}), tuple(sides))
        return self._turn(made, question)

    def go_on(self, run_id: str, question: str) -> Job:
        """Another turn of the conversation; both sides are told their own earlier answers."""
        before = self._tries.get(run_id)
        if before is None or not before.turns:
            raise UserError(Problem("try", "there is no conversation to go on with.", "Ask something first."))
        if any(not answer.whole for answer in before.turns[-1].answers.values()):
            raise UserError(Problem("try", "the last answer was broken off.", "Ask anew."))
        return self._turn(before, _typed(question))

    def cancel(self, run_id: str) -> None:
        """Break the turn off; what there is of its texts stays."""
        self._services.jobs.cancel(_name(run_id))

    def forget(self, run_id: str) -> None:
        """Clear the conversation away."""
        self.cancel(run_id)
        self._tries.pop(run_id, None)

    def _turn(self, one: Try, question: str) -> Job:
        spec = one.run.spec()
        turn = Turn(question, {side: Answer() for side in one.sides})
        old = one.turns

        def work(job: Job) -> None:
            sampled = {side: found for side in one.sides if (found := self._answer(one, side, spec, job)) is not None}
            self._score(one, sampled, spec, job)

        if (now := self.job(one.run.id)) is not None and now.running:
            raise UserError(Problem("try", "an answer is being written.", "Wait for it, or cancel it."))
        one.turns, one.version = (*old, turn), one.version + 1
        self._tries[one.run.id] = one
        return self._services.jobs.start(_name(one.run.id), work)

    def _answer(self, one: Try, side: Side, spec: RunSpec, job: Job) -> SampledGroup | None:
        """Sample one side's answer, text by text; None where it was cancelled."""
        model: ModelChoice = one.adapter.model if side == "adapter" else model_choice(one.run)
        row = {**one.row, "prompt": one.messages(side, spec)}
        sampler: Sampler = self._services.sampler

        def told(_: int, texts: tuple[str, ...]) -> None:
            one.change(side, lambda answer: replace(answer, text=texts[0]))

        found = sampler.sample(model, [row], {}, one.settings, None, job.cancelled, told)
        if not found:
            return None
        (group,) = found
        (text,), (ids,), (clipped,) = group.completions, group.token_ids, group.clipped
        one.change(side, lambda answer: Answer(text, whole=True, clipped=clipped, tokens=len(ids)))
        return group

    def _score(self, one: Try, sampled: Mapping[Side, SampledGroup], spec: RunSpec, job: Job) -> None:
        """Put scores to the answers; an answer that cannot be scored says why."""
        if not sampled:
            return
        groups: list[Group] = [group.group for group in sampled.values()]
        try:
            found = self._services.preview(groups, spec, cancelled=job.cancelled)
        except UserError as error:
            for side in sampled:
                one.change(side, lambda answer, text=str(error): replace(answer, unscored=text))  # type: ignore[misc]
            return
        for number, side in enumerate(sampled):
            one.change(side, lambda answer, n=number: scored(answer, found, n))  # type: ignore[misc]


def scored(answer: Answer, found: Preview, group: int) -> Answer:
    """An answer with what its task's rewards said of it.

    Args:
        answer: the only completion of its group.
        found: scored groups.
        group: number of its group.
    """
    if group in found.refused:
        return replace(answer, unscored=found.refused[group])
    (row,) = (n for n, index in enumerate(found.index) if index == group)
    scores = found.scores
    cells = []
    for route in found.table.of(scores.tasks[row]):
        k = scores.keys.index(route.key)
        value = scores.values[row, k]
        cells.append(Cell(route.key, route.weight, number(value), scores.errors.get((row, k))))
    return replace(answer, cells=tuple(cells), total=number(scores.totals[row]))


def number(value: float) -> float | None:
    """A score as a number; None where there is none."""
    return None if value != value else float(value)


def _question(row: Mapping[str, Any]) -> str:
    """What a row asks, as its text is shown; a typed one must not be blank."""
    prompt = row.get("prompt") or ""
    return _typed(prompt) if isinstance(prompt, str) else str(prompt[-1]["content"])


def _typed(text: str) -> str:
    if not text.strip():
        raise UserError(Problem("prompt", "there is no text.", "Type a question, or choose a held-out row."))
    return text


def _name(run_id: str) -> str:
    return f"try {about_run(run_id)}"
