"""The options of GRPOConfig and LoraConfig, read from their installed source: name, type, default, help.

Importing TRL's config imports torch, which the UI process must never do; parsing the source costs 0.1 s and keeps the
names, types and help exactly those of the installed version.
"""

from __future__ import annotations

import ast
import importlib.util
import math
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from core.errors import Problem, did_you_mean
from core.option_choices import choices, wrong_choice

PARSING = threading.Lock()  # two threads at once can make Python 3.11 lose count of the depth of a syntax tree

# The comments that part the fields of TrainingArguments, and those of GRPOConfig.
SECTION = re.compile(
    r"    # (?:--- (?P<base>.+) ---|Parameters that control (?:the )?(?P<trl>.+)|(?P<old>Deprecated).*)$"
)

SCALARS: Mapping[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}


@dataclass(frozen=True)
class Reserved:
    """An option that Signalbox sets itself.

    Attributes:
        mend: where a user says it instead, or why it is not theirs to say.
        value: what it is always set to; None where it depends on the run.
    """

    mend: str
    value: Any = None


GRPO_RESERVED = {
    "output_dir": Reserved("The run folder is chosen with --out."),
    "logging_steps": Reserved("Every step is logged.", 1),
    "logging_strategy": Reserved("Every step is logged.", "steps"),
    "remove_unused_columns": Reserved("Rewards read the columns.", False),
    "disable_tqdm": Reserved("Progress is in metrics.jsonl.", True),
    "dataloader_pin_memory": Reserved("It is on where there is a GPU."),
    "reward_weights": Reserved("Give each route its `weight` under rewards."),
    "scale_rewards": Reserved("Set normalisation.scale_rewards."),
    "multi_objective_aggregation": Reserved("Set normalisation.multi_objective_aggregation."),
    "log_completions": Reserved("Completions are always kept, in completions/*.parquet.", False),
    "shuffle_dataset": Reserved("Rows are shuffled within their task; see mixing.", False),
    "eval_on_start": Reserved("Held-out rows are always evaluated before the first step."),
    "eval_strategy": Reserved("Set eval_steps."),
    "save_strategy": Reserved("Set save_steps.", "steps"),
    "save_only_model": Reserved("A checkpoint without optimizer could not be resumed.", False),
    "load_best_model_at_end": Reserved("The best adapter by held-out reward is kept; see convergence.best.", False),
    "ignore_data_skip": Reserved("A resumed run goes on with the row that is next.", False),
    "auto_find_batch_size": Reserved("The order of rows depends on the batch size.", False),
    "push_to_hub": Reserved("Push from the page Try & export; no token is kept in a run.", False),
    "hub_model_id": Reserved("Push from the page Try & export."),
    "hub_token": Reserved("Push from the page Try & export; no token is kept in a run."),
    "hub_private_repo": Reserved("Push from the page Try & export."),
    "hub_strategy": Reserved("Push from the page Try & export."),
    "hub_always_push": Reserved("Push from the page Try & export.", False),
    "hub_revision": Reserved("Push from the page Try & export."),
    "resume_from_checkpoint": Reserved("Use `python app.py resume RUN_FOLDER`."),
}
LORA_RESERVED = {
    "task_type": Reserved("A run trains a causal language model.", "CAUSAL_LM"),
    "inference_mode": Reserved("A run trains its adapter.", False),
}

# Where these differ from TRL's and PEFT's own: their defaults suit full fine-tuning of large models on large GPUs.
GRPO_DEFAULTS: Mapping[str, Any] = {
    "learning_rate": 1e-4,
    "max_steps": 100,
    "per_device_train_batch_size": 32,
    "num_generations": 8,
    "max_completion_length": 128,
    "gradient_checkpointing": False,
    "save_steps": 10,
    "save_total_limit": 2,
    "eval_steps": 20,
    "num_generations_eval": 4,
    "per_device_eval_batch_size": 32,
    "report_to": "none",
    "seed": 42,
}
# Numbers that TRL and PEFT take and then fail on, or that ask for nothing.
LEAST: Mapping[str, float] = {
    "learning_rate": 0,
    "per_device_train_batch_size": 1,
    "per_device_eval_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "steps_per_generation": 1,
    "num_iterations": 1,
    "max_completion_length": 1,
    "top_k": 0,
    "beta": 0,
    "max_grad_norm": 0,
    "r": 1,
}
ABOVE_ZERO = ("temperature", "top_p", "repetition_penalty", "num_train_epochs")
AT_MOST_ONE = ("top_p", "min_p", "lora_dropout")
NO_STEPS = -1  # TRL's way to say that epochs decide
LORA_DEFAULTS: Mapping[str, Any] = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"}


@dataclass(frozen=True)
class Option:
    """One option as its library declares it.

    Attributes:
        name: the field's name.
        annotation: its type, as source.
        default: its default, as source; empty where the source computes it.
        help: the library's own help.
        section: the library's own heading above the field; empty where it has none.
    """

    name: str
    annotation: str
    default: str
    help: str
    section: str = ""

    @property
    def types(self) -> tuple[type, ...] | None:
        """Python types of a scalar option; None where anything structured is allowed too."""
        names = [part.strip() for part in self.annotation.replace("Optional[", "").rstrip("]").split("|")]
        found = [SCALARS.get(name) for name in names if name != "None"]
        return None if None in found else tuple(kind for kinds in found if kinds for kind in kinds)

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it may be; none where anything more is allowed, or nobody lists them."""
        return choices(self.annotation, self.default, self.help)

    @property
    def optional(self) -> bool:
        """Whether null is a value."""
        return "None" in self.annotation or "Optional" in self.annotation


@cache
def grpo_options() -> dict[str, Option]:
    """Every field of trl.GRPOConfig, its bases' included."""
    options = _fields("transformers", "training_args.py", "TrainingArguments")
    for path, name in (("trainer/base_config.py", "_BaseConfig"), ("trainer/grpo_config.py", "GRPOConfig")):
        for option in _fields("trl", path, name).values():  # a default that is given anew stays where it was
            before = options.get(option.name)
            options[option.name] = replace(option, section=option.section or (before.section if before else ""))
    return options


@cache
def lora_options() -> dict[str, Option]:
    """Every field of peft.LoraConfig."""
    return _fields("peft", "config.py", "PeftConfig") | _fields("peft", "tuners/lora/config.py", "LoraConfig")


def grpo_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's `grpo:` part with defaults filled in and numbers read as numbers.

    `max_steps` is 0 where the spec counts epochs instead: the rows are not known here.
    """
    read = {name: _as_declared(grpo_options().get(name), value) for name, value in given.items()}
    steps = read.get("max_steps")
    epochs = "num_train_epochs" in read and (steps is None or steps == NO_STEPS)
    return {**GRPO_DEFAULTS, **read, **({"max_steps": 0} if epochs else {})}


def loss_type(given: Mapping[str, Any]) -> str:
    """The loss of a spec's `grpo:` part, TRL's own where it names none.

    >>> loss_type({}), loss_type({"loss_type": "grpo"})
    ('dapo', 'grpo')
    """
    return str(given.get("loss_type") or ast.literal_eval(grpo_options()["loss_type"].default))


def generation_batch(settings: Mapping[str, Any]) -> int:
    """Completions that are sampled at once, from `grpo:` with its defaults."""
    steps = settings.get("steps_per_generation") or settings.get("gradient_accumulation_steps", 1)
    return int(settings.get("generation_batch_size") or settings["per_device_train_batch_size"] * steps)


def prompts_at_once(settings: Mapping[str, Any]) -> int:
    """Prompts whose groups are sampled at once, from `grpo:` with its defaults."""
    return generation_batch(settings) // (settings["num_generations"] or 1)


def fixed(reserved: Mapping[str, Reserved]) -> dict[str, Any]:
    """The values of reserved options that are the same in every run."""
    return {name: option.value for name, option in reserved.items() if option.value is not None}


def lora_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """A spec's `lora:` part with defaults filled in."""
    merged = {**LORA_DEFAULTS, **given}
    return {name: _as_declared(lora_options().get(name), value) for name, value in merged.items()}


def check_options(part: str, given: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the names and types under `grpo:` or `lora:`."""
    known, reserved = {"grpo": (grpo_options(), GRPO_RESERVED), "lora": (lora_options(), LORA_RESERVED)}[part]
    problems: list[Problem] = []
    for name, value in given.items():
        place = f"{part}.{name}"
        if name in reserved:
            problems.append(Problem(place, "Signalbox sets this itself.", reserved[name].mend))
        elif name not in known:
            problems.append(Problem(place, "there is no such field.", did_you_mean(name, known)))
        elif not _fits(known[name], _as_declared(known[name], value)):
            problems.append(Problem(place, f"found {value!r:.80}; the type is {known[name].annotation}."))
        elif wrong := _out_of_range(name, _as_declared(known[name], value)):
            problems.append(Problem(place, f"found {value!r:.80}; it must be {wrong}."))
        elif (mend := _wrong_choice(known[name], value)) is not None:
            problems.append(Problem(place, f"{value!r:.80} is no choice here.", mend))
    return problems


def _wrong_choice(option: Option, value: Any) -> str | None:
    return wrong_choice(option.annotation, option.default, option.help, value)


def _out_of_range(name: str, value: Any) -> str:
    """What a number must be and is not; empty where nothing is wrong."""
    if name == "max_completion_length" and value is None:
        return "a number of tokens"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if not math.isfinite(value):
        return "a finite number"
    if name in LEAST and value < LEAST[name]:
        return f"at least {LEAST[name]}"
    if name in ABOVE_ZERO and value <= 0:
        return "above 0"
    return "at most 1" if name in AT_MOST_ONE and value > 1 else ""


def _fits(option: Option, value: Any) -> bool:
    if value is None:
        return option.optional
    if option.types is None:
        return True
    if isinstance(value, bool):
        return bool in option.types
    return isinstance(value, option.types)


def _as_declared(option: Option | None, value: Any) -> Any:
    """YAML 1.1 reads `3e-4` as text; where a float is declared, it is the number that was meant."""
    if option is None or not isinstance(value, str) or option.types is None or float not in option.types:
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _fields(package: str, path: str, name: str) -> dict[str, Option]:
    text = _source(package, path)
    body = _class(text, name)
    lines = [line for line in body if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)]
    headings = {n: _heading(line) for n, line in enumerate(text.splitlines(), 1) if SECTION.match(line)}
    above = [max((n for n in headings if body[0].lineno <= n < line.lineno), default=0) for line in lines]
    found = [_option(line, headings.get(n, "")) for line, n in zip(lines, above, strict=True)]
    return {option.name: option for option in found}


def _source(package: str, path: str) -> str:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / path).read_text(encoding="utf-8")


def _class(text: str, name: str) -> list[ast.stmt]:
    return next((n.body for n in ast.walk(_tree(text)) if isinstance(n, ast.ClassDef) and n.name == name), [])


def _tree(text: str) -> ast.Module:
    with PARSING:
        return ast.parse(text)


def _heading(line: str) -> str:
    found = SECTION.match(line)
    assert found is not None
    return next(text if text.startswith("vLLM") else text[0].upper() + text[1:] for text in found.groups() if text)


def _option(line: ast.AnnAssign, section: str) -> Option:
    assert isinstance(line.target, ast.Name)
    keywords = {k.arg: k.value for k in line.value.keywords} if isinstance(line.value, ast.Call) else {}
    default = keywords.get("default", None if keywords else line.value)
    return Option(
        line.target.id,
        ast.unparse(line.annotation),
        ast.unparse(default) if default else "",
        _help(keywords),
        section,
    )


def _help(keywords: Mapping[str | None, ast.expr]) -> str:
    metadata = keywords.get("metadata")
    if not isinstance(metadata, ast.Dict):
        return ""
    for key, value in zip(metadata.keys, metadata.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == "help" and isinstance(value, ast.Constant):
            return " ".join(str(value.value).replace("%%", "%").split())
    return ""
