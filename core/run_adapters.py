"""Which adapters a run has made so far: its result, that of its best evaluation, and one in every checkpoint."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.checkpoint_check import ADAPTER_CONFIG, adapter_damage
from core.errors import Problem, UserError, did_you_mean
from core.options import grpo_settings
from core.runs import RunFolder, checkpoint_step, numbered, state, write_atomically
from core.sampling import ModelChoice

STEP = "step.json"  # beside a result: after how many training steps it was saved
RESULT = "adapter"
BEST = "best"
# How names of files begin that a checkpoint holds beside an adapter and its tokenizer.
FOR_RESUMING = ("optimizer", "scheduler", "rng_state", "training_args", "trainer_state", "complete", "mixture", "ended")

Side = Literal["base", "adapter"]  # who answers: the run's model as it was, or with an adapter on it
SIDES: tuple[Side, ...] = ("base", "adapter")


@dataclass(frozen=True)
class RunAdapter:
    """One adapter of a run.

    Attributes:
        run: whose.
        name: `adapter` for the result, `best` for that of the best evaluation, else `checkpoint-N`.
        path: its folder.
        step: after how many training steps; None where nothing says so.
    """

    run: RunFolder
    name: str
    path: Path
    step: int | None

    @property
    def model(self) -> ModelChoice:
        """The run's model with this adapter on it."""
        return model_choice(self.run, self.path)


def model_choice(run: RunFolder, adapter: Path | None = None) -> ModelChoice:
    """The model of a run as its training reads prompts, with an adapter or bare."""
    spec = run.spec()
    keywords = spec.grpo.get("chat_template_kwargs") or {}
    return ModelChoice(spec.model, None if adapter is None else str(adapter), keywords)


def run_adapters(run: RunFolder) -> list[RunAdapter]:
    """Those that are whole, the newest first; of one step the result comes first, then the best.

    A result may be older than a checkpoint: a run that was resumed and then killed leaves that of its first end.
    """
    found = []
    if (run.adapter / ADAPTER_CONFIG).exists():
        found.append(RunAdapter(run, RESULT, run.adapter, _result_step(run)))
    found += [RunAdapter(run, BEST, folder, checkpoint_step(folder)) for folder in best_folders(run)[:1]]
    found += [
        RunAdapter(run, folder.name, folder, checkpoint_step(folder))
        for folder in reversed(run.whole_checkpoints())
        if (folder / ADAPTER_CONFIG).exists()
    ]
    return sorted(found, key=lambda one: -1 if one.step is None else one.step, reverse=True)


def best_folders(run: RunFolder) -> list[Path]:
    """Of the best evaluations, the best of all first."""
    return numbered(run.best, "step")[::-1]


def save_step(folder: Path, step: int) -> None:
    """Write down after how many steps a result was saved."""
    write_atomically(folder / STEP, json.dumps({"step": step}))


def _result_step(run: RunFolder) -> int | None:
    """Runs of older versions say it only by their end."""
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        return int(json.loads((run.adapter / STEP).read_text(encoding="utf-8"))["step"])
    end = run.exit()
    return end.step if end else None


def find_adapter(run: RunFolder, name: str = "") -> RunAdapter:
    """An adapter by its name; without one the newest.

    Raises:
        UserError: there is none, or none of that name, or a file of it is damaged.
    """
    found = run_adapters(run)
    if not found:
        raise UserError(no_adapter(run))
    one = next((adapter for adapter in found if name in ("", adapter.name)), None)
    if one is None:
        mend = did_you_mean(name, [adapter.name for adapter in found])
        raise UserError(Problem(run.id, f"there is no adapter {name!r} (any more).", mend))
    if fault := adapter_damage(one.path):
        mend = "Put the file back from a copy, or take another adapter of the run."
        raise UserError(Problem(f"{run.id}, {one.name}", f"the adapter's {fault}.", mend))
    return one


def no_adapter(run: RunFolder) -> Problem:
    """Why a run has no adapter, and what to do."""
    steps = grpo_settings(run.spec().grpo)["save_steps"]
    match state(run):
        case "running":
            mend = f"The first checkpoint comes after step {steps:g}; stopping the run writes one at once."
        case "created" | "queued":
            mend = "It has not been started yet."
        case _:
            mend = "It ended before its first checkpoint: resume it, or start another. Its page in Monitor says why."
    return Problem(run.id, "this run has no adapter yet.", mend)
