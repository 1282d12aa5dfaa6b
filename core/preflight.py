"""Is this run worth starting? Everything that can be known before: what blocks it, what to think about, what it takes.

Errors and warnings are those of `core.check`, and what only shows when the model and the machine are looked at too:
lengths in the model's tokens, probes that beat gold, memory, disk. Estimates are None where nothing can be said
honestly.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.check import Report
from core.data import Data
from core.errors import Problem
from core.forecast import Forecast
from core.machine import GB, Machine, this_machine
from core.memory import Memory, batch_of, estimate, trained_weights
from core.model_facts import ModelFacts, model_facts
from core.options import check_options, grpo_settings
from core.probes import TaskProbes
from core.readiness import page_of, stamps
from core.run_form import WHOLE
from core.runs import runs_root
from core.spec import Draft
from core.step_time import RunTime, generations_a_step, run_time, step_count
from core.token_lengths import TaskLengths, token_lengths

Page = Literal["data", "rewards", "preview", "train"]

BYTES_A_TOKEN = 5  # of a completion in completions/*.parquet: its text, scores and advantage, compressed
TOKENIZER_BYTES = 5_000_000  # a checkpoint and the adapter have the tokenizer beside them
CHECKPOINT = 12  # bytes a trained weight: itself and Adam's two moments
LONG_GOLDS = 0.05  # share of reference answers above the limit from which it is said
DISK_MARGIN = 1.2


@dataclass(frozen=True)
class Finding:
    """A problem, and the page on which it is mended."""

    problem: Problem
    page: Page


@dataclass(frozen=True)
class Disk:
    """Bytes that a run will write, by what they are, and what is free where runs are kept."""

    checkpoints: int
    completions: int
    free: int

    @property
    def whole(self) -> int:
        """All of it."""
        return self.checkpoints + self.completions


@dataclass(frozen=True)
class Preflight:
    """What is known of a run before it starts.

    Attributes:
        findings: errors first.
        facts: of the model; None where they are not known here.
        lengths: by task; None where the model's tokenizer is not here.
        memory: None where it cannot be reckoned.
        time: None where nothing is known.
        disk: None where the model is not known.
        machine: that it would run on.
    """

    findings: tuple[Finding, ...]
    facts: ModelFacts | None
    lengths: Mapping[str, TaskLengths] | None
    memory: Memory | None
    time: RunTime | None
    disk: Disk | None
    machine: Machine

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What blocks the run."""
        return tuple(finding for finding in self.findings if finding.problem.severity == "error")


def preflight(
    draft: Draft, found: Report, probes: Sequence[TaskProbes] = (), forecast: Forecast | None = None
) -> Preflight:
    """Everything about a draft as it stands.

    Args:
        draft: the project's.
        found: what `core.check` found in it.
        probes: of its present rewards, as far as they were tried.
        forecast: of its present settings, where there is one.
    """
    machine, facts = this_machine(), model_facts(draft.model)
    findings = [Finding(problem, _page(problem, found)) for problem in found.problems]
    findings += [Finding(problem, "preview") for task in probes for problem in task.problems]
    lengths, memory, time, disk = None, None, None, None
    if found.data is not None and _sound(draft):
        lengths = _lengths(found.data, draft)
        findings += [Finding(p, "train") for p in [*_context(draft, facts, lengths), *_golds(draft, lengths)]]
        longest = max((task.prompt for task in lengths.values()), default=0) if lengths else 0
        usual = max((task.usual for task in lengths.values()), default=0) if lengths else 0
        memory = estimate(draft, facts, machine, longest) if facts else None
        rows, held_out = len(found.data.train), len(found.data.held_out)
        length = forecast.length if forecast else None
        time = run_time(draft, facts, machine, usual, rows, held_out, length)
        disk = disk_needed(draft, facts, rows, held_out, time) if facts else None
        findings += [Finding(p, "train") for p in [*_memory(memory), *_disk(disk)]]
    ordered = sorted(findings, key=lambda finding: finding.problem.severity != "error")
    return Preflight(tuple(ordered), facts, lengths, memory, time, disk, machine)


def _page(problem: Problem, found: Report) -> Page:
    """Where a problem is mended: one of the spec as a whole in its text, one between a task and its rewards there."""
    if problem.where.startswith(WHOLE):
        return "train"
    return "rewards" if problem.where.startswith("task '") else page_of(problem, found)


def _sound(draft: Draft) -> bool:
    """Whether numbers can be reckoned with its options."""
    settings = grpo_settings(draft.grpo)
    group = settings["num_generations"]
    whole = settings["max_steps"] >= 0 and settings["eval_steps"] and settings["save_steps"]
    return bool(whole and group) and not [*check_options("grpo", draft.grpo), *check_options("lora", draft.lora)]


def _lengths(data: Data, draft: Draft) -> dict[str, TaskLengths] | None:
    """Counted once for the rows, the tasks' prompts and the model, whatever else changes."""
    kept = Draft(model=draft.model, data=draft.data, tasks=draft.tasks).to_yaml()
    key = (kept, stamps(draft.data))
    if key not in _LENGTHS:
        while len(_LENGTHS) >= MOST_LENGTHS:
            _LENGTHS.pop(next(iter(_LENGTHS)))
        _LENGTHS[key] = token_lengths(data.train, draft.model, draft.tasks)
    return _LENGTHS[key]


MOST_LENGTHS = 16
_LENGTHS: dict[object, dict[str, TaskLengths] | None] = {}


def _context(draft: Draft, facts: ModelFacts | None, lengths: Mapping[str, TaskLengths] | None) -> Iterable[Problem]:
    """Prompt and completion against what the model can read."""
    if facts is None or facts.context is None:
        return
    limit = grpo_settings(draft.grpo)["max_completion_length"]
    if limit >= facts.context:
        what = f"found {limit}: completions alone fill the model's context of {facts.context} tokens."
        yield Problem("grpo.max_completion_length", what, f"Set it well below {facts.context}.")
        return
    for task, found in (lengths or {}).items():
        if found.prompt + limit > facts.context:
            what = (
                f"found {limit}: with the longest prompt of {task!r} ({found.prompt} tokens) that is "
                f"{found.prompt + limit}, above the model's context of {facts.context}."
            )
            mend = f"Set it to {facts.context - found.prompt} at most, or shorten the prompts."
            if found.prompt >= facts.context:
                mend = "Shorten the prompts, or take a model with a longer context."
            yield Problem("grpo.max_completion_length", what, mend)


def _golds(draft: Draft, lengths: Mapping[str, TaskLengths] | None) -> Iterable[Problem]:
    """Reference answers that are longer than a completion may be: no completion can say them."""
    limit = grpo_settings(draft.grpo)["max_completion_length"]
    for task, found in (lengths or {}).items():
        longer = found.longer(limit)
        if found.golds and longer / len(found.golds) >= LONG_GOLDS:
            share, most = longer / len(found.golds), max(found.golds)
            what = f"found {limit}: {share:.0%} of the reference answers of {task!r} are longer (up to {most} tokens)."
            mend = f"Raise it to about {most + most // 4}, or shorten the answers."
            yield Problem("grpo.max_completion_length", what, mend, "warning")


def _memory(found: Memory | None) -> Iterable[Problem]:
    if found is None or found.verdict == "fits":
        return
    where = "GPU memory" if found.on == "gpu" else "memory"
    what = f"about {found.peak:.1f} GB are needed, and {found.room:.1f} GB of {where} are free."
    mend = "Lower engine.memory_gb or grpo.per_device_train_batch_size, take a smaller model, or free memory."
    yield Problem("engine.memory_gb", what, mend, "warning")


def disk_needed(draft: Draft, facts: ModelFacts, rows: int, held_out: int, time: RunTime | None) -> Disk:
    """What a run leaves on disk: checkpoints that are kept, one more while it is written, adapters, completions."""
    settings = grpo_settings(draft.grpo)
    steps = step_count(settings, rows)
    every = settings["save_steps"] if settings["save_steps"] >= 1 else max(1, steps * settings["save_steps"])
    made = max(1, int(steps // every))
    kept = min(made, settings["save_total_limit"] or made) + 1
    trained = trained_weights(draft, facts)
    adapters = 2 + kept  # the result, that of the best evaluation, and older ones until a checkpoint is behind it
    checkpoints = kept * (trained * CHECKPOINT + TOKENIZER_BYTES) + adapters * (trained * 4 + TOKENIZER_BYTES)
    length = time.length if time else settings["max_completion_length"]
    sampled = steps * batch_of(draft.grpo, 0).completions * float(generations_a_step(settings))
    evaluations = (time.evaluations if time else 0) * held_out * (settings["num_generations_eval"] or 1)
    completions = (sampled + evaluations) * length * BYTES_A_TOKEN
    return Disk(int(checkpoints), int(completions), shutil.disk_usage(_existing(runs_root())).free)


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest above it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _disk(found: Disk | None) -> Iterable[Problem]:
    if found is None or found.whole * DISK_MARGIN < found.free:
        return
    what = f"about {found.whole / GB:.1f} GB will be written, and {found.free / GB:.1f} GB are free."
    mend = "Lower grpo.save_total_limit, or make room where runs are kept."
    yield Problem("grpo.save_total_limit", what, mend, "warning" if found.whole < found.free else "error")
