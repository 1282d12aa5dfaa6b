"""Values of a run for a kind of machine, each with its reason: where to begin, not what is best.

A preset sets a few fields and leaves all others as they are; `changes` says beforehand which would be others than now.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.errors import Problem, UserError, did_you_mean
from core.run_fields import RunField, run_fields
from core.run_form import put
from core.spec import Draft


@dataclass(frozen=True)
class Setting:
    """A value for one field, and why it is that."""

    place: str
    value: int | float | str
    reason: str


@dataclass(frozen=True)
class RunPreset:
    """Settings for a kind of machine."""

    name: str
    title: str
    help: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True)
class Change:
    """What a preset would change."""

    field: RunField
    now: str
    then: str
    reason: str


PRESETS = (
    RunPreset(
        "quick",
        "Quick look on a laptop",
        "Minutes on a few CPU cores with a model below 0.5B: do the rewards move at all?",
        (
            Setting("grpo.max_steps", 20, "Enough to see a reward move, over in minutes."),
            Setting("grpo.num_generations", 4, "The smallest group that often has some spread."),
            Setting("grpo.per_device_train_batch_size", 16, "Four prompts a step: one for each of four tasks."),
            Setting("grpo.max_completion_length", 64, "Sampling takes as long as the longest completion."),
            Setting("grpo.learning_rate", 3e-4, "In so few steps only a high rate shows."),
            Setting("grpo.lr_scheduler_type", "constant", "A rate that falls would fall before it has done anything."),
            Setting("grpo.eval_steps", 10, "Before, in the middle, and after."),
            Setting("grpo.num_generations_eval", 2, "Evaluation is sampling, too."),
            Setting("grpo.save_steps", 10, "Little is lost when it is stopped."),
            Setting("engine.memory_gb", 2.0, "Leaves a laptop room for other work."),
            Setting("lora.r", 16, "Plenty for tasks of this size."),
            Setting("lora.lora_alpha", 32, "Twice the rank, as usual."),
        ),
    ),
    RunPreset(
        "small_gpu",
        "One 16 GB GPU",
        "An hour or two with a model of 0.5B to 1.5B in bfloat16.",
        (
            Setting("grpo.max_steps", 300, "Where most small models stop gaining on simple rewards."),
            Setting("grpo.num_generations", 8, "The usual group: a spread in most prompts of middling difficulty."),
            Setting("grpo.per_device_train_batch_size", 32, "Four prompts at once fit beside a model of 1.5B."),
            Setting("grpo.gradient_accumulation_steps", 2, "Eight prompts a step steady the gradient at no memory."),
            Setting("grpo.max_completion_length", 512, "Room for a short chain of thought."),
            Setting("grpo.learning_rate", 5e-5, "A usual rate for LoRA over some hundred steps."),
            Setting("grpo.lr_scheduler_type", "linear", "Ends calmly."),
            Setting("grpo.eval_steps", 50, "Seven points on every held-out curve."),
            Setting("grpo.num_generations_eval", 4, "Steadier held-out means."),
            Setting("grpo.save_steps", 25, "A few minutes of work at risk."),
            Setting("engine.memory_gb", 4.0, "With weights of 1.5B twice (to train and to sample) 16 GB hold it."),
            Setting("lora.r", 16, "Plenty for tasks of this size."),
            Setting("lora.lora_alpha", 32, "Twice the rank, as usual."),
        ),
    ),
    RunPreset(
        "large_gpu",
        "One 80 GB GPU",
        "Half a day with a model of 3B to 8B in bfloat16.",
        (
            Setting("grpo.max_steps", 500, "Room for harder tasks."),
            Setting("grpo.num_generations", 16, "Finds a spread in prompts that are solved one time in ten."),
            Setting("grpo.per_device_train_batch_size", 128, "Eight prompts at once keep the GPU busy."),
            Setting("grpo.gradient_accumulation_steps", 1, "The batch is large enough."),
            Setting("grpo.max_completion_length", 1024, "Room for a chain of thought."),
            Setting("grpo.learning_rate", 2e-5, "Larger models take smaller steps."),
            Setting("grpo.lr_scheduler_type", "linear", "Ends calmly."),
            Setting("grpo.eval_steps", 50, "Eleven points on every held-out curve."),
            Setting("grpo.num_generations_eval", 4, "Steadier held-out means."),
            Setting("grpo.save_steps", 25, "A quarter of an hour of work at risk."),
            Setting("engine.memory_gb", 20.0, "With weights of 8B twice (to train and to sample) 80 GB hold it."),
            Setting("lora.r", 32, "More to learn, more room to keep it."),
            Setting("lora.lora_alpha", 64, "Twice the rank, as usual."),
        ),
    ),
)


def find_preset(name: str) -> RunPreset:
    """The preset of a name; `UserError` where there is none."""
    found = next((preset for preset in PRESETS if preset.name == name), None)
    if found is None:
        raise UserError(Problem(name, "there is no such preset.", did_you_mean(name, [p.name for p in PRESETS])))
    return found


def changes(draft: Draft, preset: RunPreset) -> list[Change]:
    """What a preset would set otherwise than it is."""
    return list(_changes(draft, preset))


def _changes(draft: Draft, preset: RunPreset) -> Iterable[Change]:
    fields = {field.place: field for field in run_fields(draft)}
    for setting in preset.settings:
        field = fields[setting.place]
        if field.text != (then := field.shown(setting.value)):
            yield Change(field, field.text, then, setting.reason)


def apply(draft: Draft, preset: RunPreset) -> Draft:
    """A draft with a preset's values; those that are defaults are not written."""
    defaults = {field.place: field.default for field in run_fields(draft)}
    values = {setting.place: setting.value for setting in preset.settings}
    return put(draft, {(place, ""): None if value == defaults[place] else (value,) for place, value in values.items()})
