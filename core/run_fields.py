"""The run spec as flat fields: what there is to set, under which heading, and what holds now.

Everything is read from the declarations: the spec's own parts (core.spec) and the options of TRL and PEFT in the
installed source (core.options). A field that is left at its default is not written, so a spec says what somebody
decided. What Signalbox sets itself is not shown, nor are options that no run here can use; those that a spec names
all the same are.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import yaml
from pydantic import BaseModel

from core import reward_form
from core.errors import Problem, UserError, did_you_mean
from core.options import (
    GRPO_DEFAULTS,
    GRPO_RESERVED,
    LORA_DEFAULTS,
    LORA_RESERVED,
    Option,
    grpo_options,
    lora_options,
)
from core.spec import Convergence, Draft, Engine, Mixing, Normalisation, TaskSpec

Kind = Literal["number", "integer", "text", "long_text", "choice", "switch", "yaml"]

RUN, LORA, TASK = "The run", "LoRA adapter", "Task"
PARTS: Mapping[str, tuple[type[BaseModel], str]] = {
    "mixing": (Mixing, "Balance and normalisation"),
    "normalisation": (Normalisation, "Balance and normalisation"),
    "convergence": (Convergence, "Convergence"),
    "engine": (Engine, "Engine"),
}
RUN_FIELDS = ("name", "model", "on_reward_error")
# What most runs are decided by.
SIMPLE = (
    "name",
    "model",
    "grpo.max_steps",
    "grpo.num_generations",
    "grpo.per_device_train_batch_size",
    "grpo.max_completion_length",
    "grpo.learning_rate",
    "lora.r",
)
# Headings of the libraries under which no run here has anything to choose: a run is one process on one device, its
# rows are few and its steps all logged, its evaluation has no labels, and what is pushed to a Hub is pushed when it
# has ended.
HIDDEN_SECTIONS = (
    "DDP",
    "FSDP",
    "DeepSpeed",
    "Accelerate",
    "Dataloader",
    "Log Levels",
    "Logging & Monitoring",
    "Output",
    "Hardware",
    "External Script Flags",
    "Debugging",
    "Metrics",
    "Best Model Tracking",
    "Resuming Training",
    "Hub Integration",
    "Deprecated",
)
HIDDEN = {
    "grpo": {
        "average_tokens_across_devices",
        "ds3_gather_for_generation",
        "enable_jit_checkpoint",
        "save_on_each_node",
        "prediction_loss_only",
        "eval_do_concat_batches",
        "eval_use_gather_object",
        "label_smoothing_factor",
        "log_completions_hub_repo",
        "log_unique_prompts",
        "num_completions_to_print",
        "log_multimodal",
        "max_tool_calling_iterations",
    },
    "lora": {"base_model_name_or_path", "revision", "peft_type", "megatron_config", "megatron_core", "runtime_config"},
}
# Headings that come first; the others follow as the libraries have them.
FIRST_GROUPS = (
    RUN,
    "Balance and normalisation",
    "Convergence",
    "Engine",
    "Training",
    "Generation",
    LORA,
    "Training Duration and Batch Size",
    "Learning Rate & Scheduler",
    "Optimizer",
    "Evaluation",
    "Checkpointing & Saving",
)
NOT_SET = "null"  # how a field says that nothing is chosen, where that is not its default
BLANK = ""
STEPS, EPOCHS = "grpo.max_steps", "grpo.num_train_epochs"


@dataclass(frozen=True)
class RunField:
    """One field of the form.

    Attributes:
        place: where the spec has it, such as `grpo.learning_rate`; that of a task names the field alone.
        name: as the spec calls it.
        kind: what to draw; `yaml` is a text that is read as YAML.
        default: what a spec that does not name it gets; None where nothing is chosen or the library computes it.
        help: TRL's, PEFT's or the spec's own.
        group: under which heading it stands.
        choices: of a choice, as values.
        optional: whether null is a value.
        library: the library's own default, where ours is another; empty otherwise.
        value: what holds now.
        given: whether the draft names it.
        task: whose it is; empty where it is the run's.
    """

    place: str
    name: str
    kind: Kind
    default: Any
    help: str
    group: str
    choices: tuple[Any, ...] = ()
    optional: bool = False
    library: str = ""
    value: Any = None
    given: bool = False
    task: str = ""

    @property
    def simple(self) -> bool:
        """Whether it is one of the few that most runs are decided by."""
        return self.place in SIMPLE

    @property
    def changed(self) -> bool:
        """Whether something else holds than the default."""
        return self.given and self.text != self.shown(self.default)

    @property
    def text(self) -> str:
        """What a box shows for its value."""
        return self.shown(self.value)

    def shown(self, value: Any) -> str:
        """A value as somebody would type it."""
        if value is None:
            return BLANK if self.default is None else NOT_SET
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return f"{value:g}" if float(f"{value:g}") == value else repr(value)
        if isinstance(value, dict | list | tuple):
            return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).strip()
        return str(value)


def run_fields(draft: Draft) -> list[RunField]:
    """Every field of a run, with what holds in a draft; those that most runs are decided by first."""
    fields = [*_own(draft), *_options("grpo", draft), *_options("lora", draft)]
    simple = sorted((field for field in fields if field.simple), key=lambda field: SIMPLE.index(field.place))
    return [*simple, *(field for field in fields if not field.simple)]


def by_group(fields: Iterable[RunField]) -> dict[str, list[RunField]]:
    """Fields under their headings, those first that matter to most runs."""
    found: dict[str, list[RunField]] = {}
    for field in fields:
        found.setdefault(field.group, []).append(field)
    first = [group for group in FIRST_GROUPS if group in found]
    return {group: found[group] for group in dict.fromkeys([*first, *found])}


def task_fields(draft: Draft, task: str) -> list[RunField]:
    """The fields of one task."""
    given = draft.tasks.get(task, TaskSpec()).model_dump(exclude_unset=True)
    kinds: Mapping[str, Kind] = {"system_prompt": "long_text", "prompt_template": "long_text"}
    return [
        replace(found, kind=kinds.get(found.name, found.kind), place=found.name, task=task)
        for found in _of_model(TaskSpec, "", TASK, given)
    ]


def task_place(place: str, task: str) -> str:
    """The whole place of a field in the spec."""
    return f"tasks.{task}.{place}" if task else place


def field_at(draft: Draft, place: str, task: str = "") -> RunField:
    """The field at a place; `UserError` where there is none."""
    fields = task_fields(draft, task) if task else run_fields(draft)
    found = next((field for field in fields if field.place == place), None)
    if found is None:
        raise UserError(Problem(place, "there is no such field.", did_you_mean(place, [f.place for f in fields])))
    return found


def matching(fields: Iterable[RunField], words: str) -> list[RunField]:
    """Fields whose name, heading or help has all the words; all of them where there are none."""
    wanted = words.lower().replace("`", "").split()
    return [f for f in fields if all(word in f"{f.place} {f.group} {f.help}".lower() for word in wanted)]


def _own(draft: Draft) -> list[RunField]:
    """The fields of the spec itself."""
    given = draft.model_dump(mode="json", exclude_unset=True)
    whole = {field.name: field for field in _of_model(Draft, "", RUN, given)}
    fields = [whole[name] for name in RUN_FIELDS]
    for part, (model, group) in PARTS.items():
        fields += _of_model(model, f"{part}.", group, given.get(part, {}))
    return fields


def _of_model(model: type[BaseModel], prefix: str, group: str, given: Mapping[str, Any]) -> list[RunField]:
    kinds: Mapping[str, Kind] = {"list": "yaml", "object": "yaml", "code": "long_text"}
    return [
        RunField(
            place=f"{prefix}{field.name}",
            name=field.name,
            kind=kinds.get(field.kind, field.kind),  # type: ignore[arg-type]
            default=field.default,
            help=field.help or _trl_help(field.name),
            group=group,
            choices=field.choices,
            optional=field.optional,
            value=given.get(field.name, field.default),
            given=field.name in given,
        )
        for field in reward_form.fields(model)
    ]


def _trl_help(name: str) -> str:
    option = grpo_options().get(name)
    return option.help if option else ""


def _options(part: Literal["grpo", "lora"], draft: Draft) -> list[RunField]:
    grpo = part == "grpo"
    options, reserved = (grpo_options(), GRPO_RESERVED) if grpo else (lora_options(), LORA_RESERVED)
    ours, given = (GRPO_DEFAULTS, draft.grpo) if grpo else (LORA_DEFAULTS, draft.lora)
    shown = [
        option
        for option in options.values()
        if option.name not in reserved and (option.name in given or not _hidden(part, option))
    ]
    return [_option(f"{part}.{option.name}", option, ours, given) for option in shown]


def _hidden(part: str, option: Option) -> bool:
    objects = option.types is None and "Config" in option.annotation and "dict" not in option.annotation
    return option.section in HIDDEN_SECTIONS or option.name in HIDDEN[part] or objects


def _option(place: str, option: Option, ours: Mapping[str, Any], given: Mapping[str, Any]) -> RunField:
    library = _literal(option.default)
    default = ours.get(option.name, library)
    if place == EPOCHS or (place == STEPS and EPOCHS.partition(".")[2] in given):
        default = None  # one of the two decides how long a run is, and the steps do where nothing is said
    field = RunField(
        place=place,
        name=option.name,
        kind=_kind(option),
        default=default,
        help=option.help,
        group=option.section or LORA,
        choices=_choices(option),
        optional=option.optional or default is None,
        value=given.get(option.name, default),
        given=option.name in given,
    )
    return replace(field, library=field.shown(library)) if default != library and library is not None else field


def _literal(source: str) -> Any:
    try:
        return ast.literal_eval(source)
    except (ValueError, SyntaxError):  # computed by the library
        return None


def _kind(option: Option) -> Kind:
    if set(option.types or ()) == {bool}:
        return "choice" if option.optional else "switch"
    if option.choices and "bool" not in option.annotation:
        return "choice"
    kinds: Mapping[frozenset[type], Kind] = {
        frozenset({int}): "integer",
        frozenset({int, float}): "number",
        frozenset({str}): "text",
    }
    return kinds.get(frozenset(option.types or ()), "yaml")


def _choices(option: Option) -> tuple[Any, ...]:
    if set(option.types or ()) == {bool}:
        return (True, False)
    return option.choices
