"""How long a run will take: from an earlier run of the same model on this machine, else from a cost model.

The cost model counts the products of a step and the weights read for each token that is sampled; its rates are those
of the machine of bench/step.md, for as many cores as there are here. An earlier run gives the absolute time; the cost
model then only says how this run's step compares with that run's. Without an earlier run nothing is said for a GPU.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from core.errors import UserError
from core.machine import Machine
from core.memory import Batch, batch_of
from core.model_facts import ModelFacts
from core.models import EMBEDDED
from core.options import generation_batch, grpo_settings, prompts_at_once
from core.records import is_record
from core.runs import RunFolder, all_runs, is_from_elsewhere
from core.spec import Draft, RunSpec

# bench/step.md, embedded model in bfloat16 on two cores: products a second in the training pass and while sampling, and
# bytes of weights read a second. In float32 about half as many products.
CORES = 2
TRAINING, SAMPLING, READING = 290e9, 360e9, 9.6e9
FLOAT32 = 0.5
TRL_SAMPLING, TRL_TRAINING = 5.0, 6.0  # times as long TRL's own way takes there
LEAST = 0.3  # seconds that a step takes however small the model: batches, records, rewards
PAUSE_S = 2.0  # of which records of one process never leave as much between them
TAIL = 256 * 1024  # bytes at the end of a run's metrics that are read
RECENT, ENOUGH = 20, 2  # steps that count, and how many there must be
LORA_SIZES = ("r", "lora_alpha", "lora_dropout", "target_modules")  # whatever they are, steps go the same way
DECIDING = (
    *("use_vllm", "cache_implementation", "generation_kwargs", "use_transformers_continuous_batching"),
    *("cast_lm_head_to_fp32", "use_liger_kernel", "torch_compile", "model_init_kwargs", "router_aux_loss_coef"),
)

Source = Literal["run", "model"]


@dataclass(frozen=True)
class Cost:
    """Seconds of the two costly parts of a step."""

    generate: float
    train: float


@dataclass(frozen=True)
class Pace:
    """How an earlier run went, on average over its latest steps.

    Attributes:
        run: its id.
        spec: its spec.
        step, generate: seconds a step, and of that sampling.
        length: tokens of a completion.
        clipped: share of completions that the length limit cut off.
    """

    run: str
    spec: RunSpec
    step: float
    generate: float
    length: float
    clipped: float


@dataclass(frozen=True)
class RunTime:
    """What a run will take.

    Attributes:
        step: seconds a step.
        whole: seconds of all steps and evaluations; loading takes a little more.
        steps, evaluations: how many of each.
        length: tokens of a completion that this reckons with.
        source: an earlier run, or the cost model.
        run: which run.
    """

    step: float
    whole: float
    steps: int
    evaluations: int
    length: float
    source: Source
    run: str = ""


def run_time(
    draft: Draft,
    facts: ModelFacts | None,
    machine: Machine,
    prompt: int,
    rows: int,
    held_out: int,
    length: float | None = None,
) -> RunTime | None:
    """What a run will take; None where neither an earlier run nor the cost model says anything.

    Args:
        draft: whose options are sound.
        facts: of its model, where they are known.
        machine: where it will run.
        prompt: tokens of a usual prompt.
        rows: to train on.
        held_out: rows that are evaluated.
        length: tokens of a completion as the model was seen to write them; else an earlier run's, else the limit.
    """
    settings, batch = grpo_settings(draft.grpo), batch_of(draft.grpo, prompt)
    pace = earlier_pace(draft, machine)
    tokens = min(batch.length, length if length is not None else expected_length(pace, batch.length))
    found = _step_cost(draft, facts, machine, batch, tokens, pace)
    if found is None:
        return None
    steps, times = step_count(settings, rows), evaluation_count(settings, rows) if held_out else 0
    completions = held_out * (settings["num_generations_eval"] or batch.group)
    evaluation = found.generate * completions / batch.completions / float(generations_a_step(settings))
    step = found.generate + found.train + (LEAST if pace is None else 0.0)
    source: Source = "run" if pace is not None else "model"
    whole = steps * step + times * evaluation
    return RunTime(step, whole, steps, times, tokens, source, pace.run if pace else "")


def expected_length(pace: Pace | None, limit: int) -> float:
    """Tokens of a completion by an earlier run, as far as its own limit did not cut them off; else the limit."""
    if pace is None or (pace.clipped > 0.1 and limit > grpo_settings(pace.spec.grpo)["max_completion_length"]):
        return limit
    return min(limit, pace.length)


def step_count(settings: Mapping[str, Any], rows: int) -> int:
    """Optimizer steps, from `grpo:` with its defaults; where it counts epochs, as many as use the prompts of these."""
    if settings["max_steps"] > 0:
        return int(settings["max_steps"])
    prompts = prompts_at_once(settings)
    epochs = Fraction(str(settings["num_train_epochs"]))  # 0.1 as it is written
    return max(1, math.ceil(epochs * rows / max(1, prompts) / generations_a_step(settings)))


def evaluation_count(settings: Mapping[str, Any], rows: int) -> int:
    """Evaluations of held-out rows: before the first step, every `eval_steps`, and after the last."""
    steps = step_count(settings, rows)
    return 1 + math.ceil(steps / evaluations_apart(settings, steps))


def evaluations_apart(settings: Mapping[str, Any], steps: int) -> int:
    """Steps between two evaluations; `eval_steps` below 1 is a share of all steps, as in TRL."""
    every = float(settings["eval_steps"])
    return int(every) if every >= 1 else max(1, math.ceil(steps * every))


def generations_a_step(settings: Mapping[str, Any]) -> Fraction:
    """How often completions are sampled for one optimizer step; below 1 where they are used for several."""
    accumulated = settings.get("gradient_accumulation_steps", 1)
    uses = generation_batch(settings) // settings["per_device_train_batch_size"] * settings.get("num_iterations", 1)
    return Fraction(max(1, accumulated), max(1, uses))


def cost(draft: Draft, facts: ModelFacts, machine: Machine, batch: Batch, length: float) -> Cost:
    """A step by the cost model, on a processor."""
    settings = grpo_settings(draft.grpo)
    size = 2 if machine.half else 4
    speed = max(1, machine.cores) / CORES * (1.0 if machine.half else FLOAT32)
    active = facts.parameters - facts.layer_parameters * (1 - facts.active / facts.experts)
    prompts = math.ceil(batch.completions / batch.group) * batch.prompt
    reading = prompts * 2 * active / (SAMPLING * speed)
    a_token = active * size / (READING * speed) + batch.completions * 2 * active / (SAMPLING * speed)
    passed = batch.completions * length + prompts
    generations, uses = float(generations_a_step(settings)), settings.get("num_iterations", 1)
    generate = (reading + length * a_token) * generations
    train = passed * 4 * active / (TRAINING * speed) * uses * generations
    sampling, training = (getattr(draft.engine, part) == "trl" for part in ("sampling", "training"))
    return Cost(generate * (TRL_SAMPLING if sampling else 1), train * (TRL_TRAINING if training else 1))


def earlier_pace(draft: Draft, machine: Machine) -> Pace | None:
    """The latest run of the same model here whose steps went the same way; None where there is none."""
    for run in all_runs():
        spec = _spec(run.spec_path, draft.model)
        if spec is not None and (spec.model, _ways(spec)) == (draft.model, _ways(draft)) and not is_from_elsewhere(run):
            pace = _pace(run, spec, machine)
            if pace is not None:
                return pace
    return None


def _ways(draft: Draft) -> tuple[Any, ...]:
    """All in a spec that decides whether steps go our way or TRL's (core.training.engine)."""
    kind = {name: value for name, value in draft.lora.items() if name not in LORA_SIZES}
    return draft.engine.sampling, draft.engine.training, kind, {name: draft.grpo.get(name) for name in DECIDING}


@lru_cache(maxsize=2048)
def _spec(path: Path, model: str) -> RunSpec | None:
    """A run's spec, which never changes; None where it cannot be of this model, or does not read."""
    try:
        text = path.read_text(encoding="utf-8")
        if model not in text and (model != EMBEDDED or "model:" in text):
            return None
        return RunFolder(path.parent).spec()
    except (OSError, ValueError, UserError):
        return None


def _pace(run: RunFolder, spec: RunSpec, machine: Machine) -> Pace | None:
    records = latest_records(run.metrics_path)
    if len(records) < ENOUGH:
        return None
    if (records[-1].get("memory", {}).get("device_gb") is None) != (machine.gpu is None):
        return None
    tasks = [task for record in records for task in record["tasks"] if task.get("length") is not None]
    count = sum(task["count"] for task in tasks)
    if not count:
        return None
    step, generate = (fmean(record["seconds"].get(part, 0.0) for record in records) for part in ("all", "generate"))
    length, clipped = (
        sum(task["count"] * (task[part] or 0.0) for task in tasks) / count for part in ("length", "clipped")
    )
    return Pace(run.id, spec, step, generate, length, clipped)


def latest_records(path: Path) -> list[dict[str, Any]]:
    """The latest training records of a run, without the first of a process, which is slow.

    A torn line and what is no record are left out. A process that starts leaves a pause before its first record, longer
    than the step itself took.
    """
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, 2) - TAIL)
            file.seek(start)
            lines = file.read().split(b"\n")
    except OSError:
        return []
    found = [record for line in (lines[1:-1] if start else lines[:-1]) if (record := _record(line)) is not None]
    steps = [now for before, now in pairwise(found) if now["split"] == "train" and not _paused(before, now)]
    return [record for record in steps if record["step"] > 1][-RECENT:]


def _record(line: bytes) -> dict[str, Any] | None:
    with suppress(ValueError):
        found: dict[str, Any] = json.loads(line)
        return found if is_record(found) else None
    return None


def _paused(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether more time lies between two records than the second says it took: another process wrote it."""
    return bool(now["time"] - before["time"] > now["seconds"].get("all", 0.0) + PAUSE_S)


def _step_cost(
    draft: Draft, facts: ModelFacts | None, machine: Machine, batch: Batch, length: float, pace: Pace | None
) -> Cost | None:
    if pace is None:
        return cost(draft, facts, machine, batch, length) if facts is not None and machine.gpu is None else None
    before = batch_of(pace.spec.grpo, batch.prompt)
    if facts is None:
        more = batch.completions * length / (before.completions * max(1.0, pace.length))
        return Cost(pace.generate * more, (pace.step - pace.generate) * more)
    now, then = cost(draft, facts, machine, batch, length), cost(pace.spec, facts, machine, before, pace.length)
    rest = max(0.0, pace.step - pace.generate)
    return Cost(pace.generate * now.generate / then.generate, rest * now.train / then.train)


def usual_length(lengths: Sequence[float | None]) -> float | None:
    """The mean of what is known of some tasks' lengths; None where nothing is."""
    known = [length for length in lengths if length is not None]
    return sum(known) / len(known) if known else None
