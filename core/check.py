"""Everything that can be known to be wrong before a run starts: spec, rewards, data, and how they fit together."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from core.data import Data, load_data, task_counts
from core.errors import Problem, UserError, did_you_mean
from core.models import EMBEDDED, model_source
from core.options import check_options, generation_batch, grpo_settings, loss_type, prompts_at_once
from core.prompts import PLACEHOLDER
from core.reporting import check_reporting
from core.routing import TaskColumns, check_coverage, check_routes, sound
from core.row_check import check_rows
from core.sandbox import Level, level
from core.spec import Normalisation, RunSpec, TaskSpec
from core.spec_errors import field_path
from core.task_scale import TOKEN_SUMS

if TYPE_CHECKING:
    from datasets import Dataset

BATCH_ROWS = 10_000
TRUST = "SIGNALBOX_TRUST_REMOTE_CODE"
HIGHEST_RATE = 1e-2  # above which a learning rate is thought to be a slip; thirty times what is usual for LoRA


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        problems: errors and warnings, in reading order of the spec.
        data: the rows, where they could be read.
        sandbox: how well programs are kept in here, where a reward runs any.
        of_rows: those of the problems that reading the rows found; their places are files, not fields.
    """

    problems: tuple[Problem, ...]
    data: Data | None
    sandbox: Level | None = None
    of_rows: tuple[Problem, ...] = ()

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that block a run."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The problems that do not."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")


def check(spec: RunSpec, try_rows: bool = True) -> Report:
    """Validate a run spec against its rewards, its options and its data.

    Args:
        spec: the run spec.
        try_rows: whether some rows are scored, which starts a process and takes a second or two.
    """
    problems = check_routes(spec.rewards)
    sandbox = level() if _runs_programs(spec) else None
    problems += _check_sandbox(sandbox)
    for part, given in (("grpo", spec.grpo), ("lora", spec.lora)):
        problems += check_options(part, given)
    sound = not any(problem.where.startswith("grpo") for problem in problems)
    if sound:
        problems += [*_check_batch(spec), *_check_steps(spec), *_check_rate(spec)]
        problems += check_reporting(spec.grpo.get("report_to"))
        problems += [*_check_task_tokens(spec), *_check_resample(spec), *_check_schedules(spec)]
    problems += _check_switches(spec.normalisation)
    problems += [*_check_model(spec.model), *_check_remote_code(spec.grpo)]
    try:
        data = load_data(spec.data)
    except UserError as error:
        return Report((*problems, *error.problems), None, sandbox, error.problems)
    problems += check_coverage(spec.rewards, task_columns(data.train), named=spec.tasks)
    if try_rows and not any(problem.severity == "error" for problem in problems):
        problems += check_rows(spec.rewards, data.train)
    problems += [*data.warnings, *_check_held_out(spec, data), *_check_convergence(spec, data)]
    counts = task_counts(data.train)
    problems += [*_check_shares(spec, counts), *(_check_tasks_per_batch(spec, counts) if sound else ())]
    problems += _check_templates(spec, data.train.column_names)
    return Report(tuple(problems), data, sandbox, tuple(data.warnings))


def _runs_programs(spec: RunSpec) -> bool:
    rewards = [sound(route) for routes in spec.rewards.values() for route in routes]
    return any(reward is not None and reward.sandboxed for reward in rewards)


def _check_sandbox(found: Level | None) -> list[Problem]:
    if found is None or found.name in ("strong", "good"):
        return []
    if found.name == "none":
        return [Problem("sandbox", f"programs cannot be run here: {found.reason}.", "See docs/sandbox.md.")]
    what = f"a program of the model can {', '.join(found.possible) or 'do more than it should'}."
    return [
        Problem("sandbox", what, "Run it on Linux with seccomp, or trust the model; see docs/sandbox.md.", "warning")
    ]


def task_columns(dataset: Dataset) -> dict[str, TaskColumns]:
    """For each task: how many rows, and in how many of them each column is empty."""
    rows: dict[str, int] = {}
    empty: dict[str, dict[str, int]] = {}
    names = [name for name in dataset.column_names if name != "task"]
    for table in dataset.with_format("arrow").iter(batch_size=BATCH_ROWS):
        for task in pc.unique(table["task"]).to_pylist():
            part = table.filter(pc.equal(table["task"], task))
            rows[task] = rows.get(task, 0) + len(part)
            counts = empty.setdefault(task, dict.fromkeys(names, 0))
            for name in names:
                counts[name] += _nulls(part[name])
    return {task: TaskColumns(rows[task], empty[task]) for task in rows}


def _nulls(column: pa.ChunkedArray) -> int:
    return int(column.null_count)


def _check_batch(spec: RunSpec) -> list[Problem]:
    settings = grpo_settings(spec.grpo)
    group = settings["num_generations"]
    batch = generation_batch(settings)
    if group is None or group < 2:
        return [Problem("grpo.num_generations", f"a group of {group} has no spread.", "Use at least 2; 8 is usual.")]
    if batch < group or batch % group:
        what = f"a generation batch of {batch} completions is not made of whole groups of {group}."
        mend = "Make per_device_train_batch_size x steps_per_generation a multiple of num_generations."
        return [Problem("grpo.num_generations", what, mend)]
    held_out, held_group = settings["per_device_eval_batch_size"], settings["num_generations_eval"] or group
    if held_out < held_group or held_out % held_group:
        what = f"{held_out} completions are not made of whole groups of {held_group}."
        return [Problem("grpo.per_device_eval_batch_size", what, "Make it a multiple of num_generations_eval.")]
    return []


def _check_tasks_per_batch(spec: RunSpec, counts: Mapping[str, int]) -> list[Problem]:
    """Whether a batch has room for a group of every task."""
    settings = grpo_settings(spec.grpo)
    group, batch = settings["num_generations"], generation_batch(settings)
    if not group or batch % group or batch // group >= len(counts):
        return []
    what = f"{batch // group} prompts at once for {len(counts)} tasks: each step trains some tasks only."
    mend = "Raise per_device_train_batch_size, or gradient_accumulation_steps."
    return [Problem("grpo.per_device_train_batch_size", what, mend, "warning")]


def _check_model(name: str) -> list[Problem]:
    """A mistyped `embedded`, or a folder that is not there; whether the Hub has an id is not asked here."""
    if name != EMBEDDED and difflib.get_close_matches(name.lower(), [EMBEDDED], cutoff=0.8):
        return [Problem("model", f"there is no model {name!r}.", f"Did you mean {EMBEDDED!r}?")]
    if name.startswith((".", "/", "~")) or Path(name).is_dir():
        try:
            model_source(name)
        except UserError as error:
            return list(error.problems)
    elif "/" not in name and name != EMBEDDED:
        folders = [folder.parent.name for folder in Path().glob("*/config.json")]
        if close := difflib.get_close_matches(name, folders, n=1, cutoff=0.8):
            what = f"there is no folder {name!r} here; it is taken for an id on the Hub."
            return [Problem("model", what, f"Did you mean {f'./{close[0]}'!r}?", "warning")]
    return []


def _check_remote_code(grpo: Mapping[str, Any]) -> list[Problem]:
    """Code of a model's repository runs with the user's rights, and a spec may be anybody's."""
    if os.environ.get(TRUST) == "1":
        return []
    loading = grpo.get("model_init_kwargs")
    asked = {
        "trust_remote_code": grpo.get("trust_remote_code"),
        "model_init_kwargs": loading.get("trust_remote_code") if isinstance(loading, Mapping) else None,
    }
    what = "code of the model's repository would run on this machine, outside of the sandbox."
    mend = f"Where you trust it, start the app with {TRUST}=1; else leave trust_remote_code out."
    return [Problem(f"grpo.{name}", what, mend) for name, value in asked.items() if value]


def _check_steps(spec: RunSpec) -> list[Problem]:
    settings = grpo_settings(spec.grpo)
    problems = []
    if settings["max_steps"] < 0 or spec.grpo.get("max_steps") == 0:
        mend = "Give a number of steps, or num_train_epochs instead."
        problems.append(Problem("grpo.max_steps", f"{settings['max_steps']} steps are none.", mend))
    if settings["save_total_limit"] == 1:
        mend = "Keep at least 2, or a kill in the middle of a save could leave none."
        problems.append(Problem("grpo.save_total_limit", "only one checkpoint would be kept.", mend))
    for name in ("eval_steps", "save_steps"):
        if settings[name] is None or settings[name] <= 0:
            problems.append(Problem(f"grpo.{name}", f"found {settings[name]}.", "Give a number of steps above 0."))
    return problems


def _check_rate(spec: RunSpec) -> list[Problem]:
    rate = grpo_settings(spec.grpo)["learning_rate"]
    if rate <= HIGHEST_RATE:
        return []
    what = f"{rate:g} moves the adapter so far at each step that the model most likely falls apart."
    return [Problem("grpo.learning_rate", what, "1e-5 to 3e-4 is usual for LoRA.", "warning")]


def _check_held_out(spec: RunSpec, data: Data) -> list[Problem]:
    if not len(data.held_out):
        mend = "Set data.held_out.rows_per_task, or data.held_out.path."
        return [Problem("data.held_out", "no rows are held out: overfitting stays unseen.", mend, "warning")]
    trained, held = task_counts(data.train), task_counts(data.held_out)
    few = {0: "no held-out rows", 1: "one held-out row: how it fares is chance"}
    mend = "Raise data.held_out.rows_per_task, or add rows of it with other prompts."
    problems = [
        Problem("data.held_out", f"task {task!r} has {few[held.get(task, 0)]}.", mend, "warning")
        for task in trained
        if held.get(task, 0) in few
    ]
    unknown = [task for task in held if task not in trained]
    return problems + [
        Problem("data.held_out", f"task {task!r} has no rows to train on.", did_you_mean(task, trained))
        for task in unknown
    ]


def _check_convergence(spec: RunSpec, data: Data) -> list[Problem]:
    """Whether there is something to find the best of."""
    wanted, problems = spec.convergence, []
    counts = [spec.tasks.get(task, TaskSpec()).evaluation_weight for task in task_counts(data.held_out)]
    if wanted.best == "weighted" and counts and not any(counts):
        mend = "Give one of them an evaluation_weight above 0."
        problems.append(Problem("convergence.best", "no task counts.", mend))
    if wanted.patience and not len(data.held_out):
        mend = "Set data.held_out.rows_per_task, or patience: 0."
        problems.append(Problem("convergence.patience", "no rows are held out: there are no evaluations.", mend))
    return problems


def _check_task_tokens(spec: RunSpec) -> list[Problem]:
    """Whether the loss is one that adds up tokens, where tasks are to count alike in it."""
    loss = loss_type(spec.grpo)
    if spec.normalisation.task_tokens == "loss" or loss in TOKEN_SUMS:
        return []
    alike = loss in ("grpo", "sapo")
    what = "takes the mean of each completion, so this changes nothing" if alike else "cannot be weighted by task"
    severity: Literal["error", "warning"] = "warning" if alike else "error"
    mend = f"Use loss, or a loss_type of {', '.join(TOKEN_SUMS)}."
    return [Problem("normalisation.task_tokens", f"loss_type {loss!r} {what}.", mend, severity)]


def _check_schedules(spec: RunSpec) -> list[Problem]:
    """Weights that do not come about within the run's steps; how many those are is not known where epochs count."""
    steps, found = grpo_settings(spec.grpo)["max_steps"], []
    for task, routes in spec.rewards.items():
        for n, route in enumerate(routes):
            last = getattr(route.schedule, "end", getattr(route.schedule, "at", 0))
            if steps > 0 and last > steps:
                what = f"its weight is whole at step {last}, and the run ends at step {steps}."
                mend = "Let it come earlier, or raise grpo.max_steps."
                found.append(Problem(field_path(("rewards", task, n, "schedule")), what, mend, "warning"))
    return found


def _check_resample(spec: RunSpec) -> list[Problem]:
    """Whether the budget for groups without spread is a prompt at least."""
    settings, budget = grpo_settings(spec.grpo), spec.mixing.resample
    prompts = prompts_at_once(settings)
    if not budget or not prompts or budget * prompts >= 1:
        return []
    what = f"{budget:g} times the {prompts} prompts of a batch is less than one prompt: it changes nothing."
    mend = f"Set it to {math.ceil(100 / prompts) / 100:g} or more, or to 0."
    return [Problem("mixing.resample", what, mend, "warning")]


def _check_switches(normalisation: Normalisation) -> list[Problem]:
    """Switches that change nothing, since the formula that they are of is not the one that is chosen."""
    if normalisation.multi_objective_aggregation == "normalize_then_sum":
        return []
    chosen = {"objective_weights": normalisation.objective_weights != "fixed", "conflict": normalisation.conflict > 0}
    what = "scores are added up before they are normalised: this changes nothing."
    mend = "Set normalisation.multi_objective_aggregation: normalize_then_sum."
    return [Problem(f"normalisation.{name}", what, mend) for name, given in chosen.items() if given]


def _check_shares(spec: RunSpec, counts: Mapping[str, int]) -> list[Problem]:
    fixed = {name: task.share for name, task in spec.tasks.items() if task.share is not None and name in counts}
    whole = sum(fixed.values())
    rest = [name for name in counts if name not in fixed]
    if whole > 1 + 1e-9:
        return [Problem("tasks", f"the shares add up to {100 * whole:.3g} %, more than 100 %.", "Lower them.")]
    if rest and whole > 1 - 1e-9:
        return [Problem("tasks", f"the shares leave nothing for {', '.join(rest)}.", "Lower them.")]
    if fixed and not rest and whole < 1 - 1e-9:
        return [Problem("tasks", f"the shares add up to {100 * whole:.3g} %; they are scaled to 100 %.", "", "warning")]
    return []


def _check_templates(spec: RunSpec, columns: list[str]) -> list[Problem]:
    problems: list[Problem] = []
    for name, task in spec.tasks.items():
        place = f"tasks.{name}.prompt_template"
        words = PLACEHOLDER.findall(task.prompt_template) if task.prompt_template else []
        if task.prompt_template is not None and not any(word in columns for word in words):
            problems.append(Problem(place, "it uses no column, so every row reads the same.", "Put {prompt} into it."))
        for word in words:
            if word not in columns:
                what = f"{{{word}}} is no column and stays as it is."
                problems.append(Problem(place, what, did_you_mean(word, columns), "warning"))
    return problems
