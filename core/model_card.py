"""The model card of a run's adapter: what it was trained on, by which rewards, how it went, and how to load it.

Written into the adapter's folder when a run ends, in place of PEFT's blank form, and into every export. It names files
by their names alone, never by their place on this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from core.curve_image import write_curves
from core.errors import UserError
from core.estimates import Estimate
from core.evaluation import Evaluation, TaskResult, evaluation_files, read_evaluation, task_results
from core.extension import working_spec
from core.models import EMBEDDED, EMBEDDED_HUB_ID
from core.options import grpo_settings, lora_settings
from core.progress import HeldOutChange, held_out_changes, number
from core.records import last_record, records_of
from core.routing import RoutingTable
from core.run_adapters import BEST, RunAdapter
from core.runs import RunFolder, write_atomically
from core.spec import DataSpec, Route, RunSpec
from core.weight_schedules import Gate, Linear

CARD = "README.md"
CURVES = "curves.png"
SPEC = "spec.yaml"
LONGEST_VALUE = 60  # characters of a reward's parameter
SHOWN = (
    "learning_rate",
    "max_steps",
    "num_train_epochs",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "num_generations",
    "max_completion_length",
    "temperature",
    "beta",
    "loss_type",
    "seed",
)
SECRET = re.compile(
    r"(?i)(?:.*_)?(?:(?:hub|hf|access|auth|api)_(?:token|key)|secret|password|passwd|authorization)|token"
)
LIBRARIES = ("trl", "peft", "transformers", "torch")


def base_model(name: str) -> str:
    """What others know a model by: its Hub id; of a folder only the name, which is no id."""
    if name == EMBEDDED:
        return EMBEDDED_HUB_ID
    return Path(name).name if is_folder(name) else name


def is_folder(name: str) -> bool:
    """Whether a model is a folder of this machine."""
    return name.startswith((".", "/", "~")) or Path(name).is_dir()


def write_card(adapter: RunAdapter, folder: Path, merged: bool = False) -> None:
    """Write card, curves and run spec into a folder.

    Args:
        adapter: whose card.
        folder: where.
        merged: whether the folder holds the whole model instead of an adapter.
    """
    curves = write_curves(adapter.run, folder / CURVES)
    write_atomically(folder / SPEC, public_spec(working_spec(adapter.run)).to_yaml())
    write_atomically(folder / CARD, model_card(adapter, curves, merged))


def public_spec(spec: RunSpec) -> RunSpec:
    """A run spec for others: files and folders are named without their places, and what may be secret is left out."""
    data = spec.data
    update: dict[str, object] = {}
    if isinstance(data.path, str):
        update["path"] = Path(data.path).name
    elif data.path is not None:
        update["path"] = tuple(Path(path).name for path in data.path)
    if data.held_out.path is not None:
        update["held_out"] = data.held_out.model_copy(update={"path": Path(data.held_out.path).name})
    routes = {
        task: tuple(route.model_copy(update={"params": _public(route.params)}) for route in routes)
        for task, routes in spec.rewards.items()
    }
    changes: dict[str, object] = {"data": data.model_copy(update=update), "rewards": routes}
    changes |= {"grpo": _public(spec.grpo), "lora": _public(spec.lora)}
    if is_folder(spec.model):
        changes["model"] = Path(spec.model).name
    return spec.model_copy(update=changes)


def _public(value: Any) -> Any:
    """A setting as others may see it, whatever is inside it."""
    if isinstance(value, Mapping):
        return {name: _public(inner) for name, inner in value.items() if not SECRET.fullmatch(str(name))}
    if isinstance(value, list | tuple):
        return [_public(inner) for inner in value]
    return Path(value).name if isinstance(value, str) and _is_place(value) else value


def _is_place(text: str) -> bool:
    """Whether a text names a file or folder that is there; a regular expression may begin like one."""
    try:
        return "/" in text and Path(text).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a null character, an unknown home
        return False


def model_card(adapter: RunAdapter, curves: bool = False, merged: bool = False) -> str:
    """The card as Markdown, with the metadata that the Hub reads."""
    run, spec = adapter.run, working_spec(adapter.run)
    shown = public_spec(spec)
    parts = [
        f"# {spec.name}",
        _about(adapter, spec, merged),
        "## How to load it",
        _loading(spec, merged),
        "## Results",
        _results(run, adapter),
        *([f"![Mean reward of each task by training step]({CURVES})"] if curves else []),
        "## Tasks and rewards",
        _rewards(run, shown),
        "## Data",
        _data(spec.data),
        "## Settings",
        _settings(shown),
        f"The whole run spec is [{SPEC}]({SPEC}). Made with " + ", ".join(map(_library, LIBRARIES)) + ".",
    ]
    return f"---\n{_metadata(spec, merged)}---\n\n" + "\n\n".join(parts) + "\n"


def _metadata(spec: RunSpec, merged: bool) -> str:
    known = not is_folder(spec.model)
    fields: dict[str, Any] = {
        **({"base_model": base_model(spec.model)} if known else {}),
        "library_name": "transformers" if merged else "peft",
        "pipeline_tag": "text-generation",
        "tags": ["grpo", "trl", *([] if merged else ["lora"])],
    }
    if known:
        fields["base_model_relation"] = "finetune" if merged else "adapter"
    if spec.data.hub:
        fields["datasets"] = [spec.data.hub]
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)


def _about(adapter: RunAdapter, spec: RunSpec, merged: bool) -> str:
    what = "The model" if merged else "A LoRA adapter for"
    name = f"`{base_model(spec.model)}`" + (" (a model of its author's own)" if is_folder(spec.model) else "")
    done = "" if adapter.step is None else f", after {adapter.step} steps"
    with_it = " with its LoRA adapter merged in" if merged else ""
    return (
        f"{what} {name}{with_it}, trained with multi-task GRPO (Shao et al. 2024, arXiv:2402.03300){done}: every row "
        "of the data belongs to a task, and every task has reward functions of its own."
    )


def _loading(spec: RunSpec, merged: bool) -> str:
    base = base_model(spec.model)
    if merged:
        lines = ["model = AutoModelForCausalLM.from_pretrained(here)"]
        imports = ["from transformers import AutoModelForCausalLM, AutoTokenizer"]
    else:
        lines = [
            f'model = AutoModelForCausalLM.from_pretrained("{base}", dtype="auto")',
            "model = PeftModel.from_pretrained(model, here)",
        ]
        imports = ["from peft import PeftModel", "from transformers import AutoModelForCausalLM, AutoTokenizer"]
    note = "" if merged or not is_folder(spec.model) else f"\nPut the place of your copy of `{base}` in for its name."
    code = [
        *imports,
        "",
        'here = "."  # this folder, or its id on the Hub',
        "tokenizer = AutoTokenizer.from_pretrained(here)",
        *lines,
        'messages = [{"role": "user", "content": "..."}]',
        "inputs = tokenizer.apply_chat_template(",
        '    messages, add_generation_prompt=True, return_tensors="pt", return_dict=True',
        ")",
        "output = model.generate(**inputs, max_new_tokens=64)",
        'print(tokenizer.decode(output[0, inputs["input_ids"].shape[1]:], skip_special_tokens=True))',
    ]
    return "```python\n" + "\n".join(code) + f"\n```{note}"


def _results(run: RunFolder, adapter: RunAdapter) -> str:
    found = []
    if (evaluation := latest_evaluation(run, adapter)) is not None:
        found.append(_evaluated(evaluation))
    held_out = records_of(run.metrics_path, "held_out")
    if rows := held_out_changes([one for one in held_out if adapter.step is None or one["step"] <= adapter.step]):
        found.append(_before_after(rows, adapter.name == BEST))
    return "\n\n".join(found) or "It was not evaluated on held-out rows."


def latest_evaluation(run: RunFolder, adapter: RunAdapter) -> Evaluation | None:
    """The newest evaluation of an adapter that can be read, of the same step."""
    for path in evaluation_files(run):
        try:
            found = read_evaluation(path)
        except UserError:
            continue
        if found.adapter == adapter.name and adapter.step in (None, found.step):
            return found
    return None


def _before_after(rows: Sequence[HeldOutChange], best: bool) -> str:
    head = ["task", "before", "after", "change", "completions"]
    lines = [
        [_text(row.task), number(row.before), number(row.after), number(row.change, sign=True), str(row.count)]
        for row in rows
    ]
    words = "Mean reward on held-out rows at the run's first evaluation and at the last one up to this adapter"
    chosen = " (it was chosen for being the best of them, so its figures are somewhat too high)" if best else ""
    return f"{words}{chosen}:\n\n{_table(head, lines)}"


def _evaluated(found: Evaluation) -> str:
    k = found.ks[-1]
    head = ["task", "prompts", "reward, base", "reward, this", "change", "pass@1, base", "pass@1, this"]
    head += [f"pass@{k}, base", f"pass@{k}, this"] if k > 1 else []
    lines = [_result_line(result, k) for result in task_results(found)]
    s = found.settings
    return (
        f"Held-out rows, {s.num_generations} completions each at temperature {s.temperature:g}, of at most "
        f"{s.max_completion_length} tokens; in brackets 95 % intervals over prompts. A completion passes that earns "
        "the highest total its rewards allow. Scores that failed are left out, never counted as 0.\n\n"
        + _table(head, lines)
    )


def _result_line(result: TaskResult, k: int) -> list[str]:
    passes = [(1, "base"), (1, "adapter"), *([(k, "base"), (k, "adapter")] if k > 1 else [])]
    sides = {"base": result.base, "adapter": result.adapter}
    rates = [interval(sides[side].passes[n]) for n, side in passes]
    rewards = [interval(result.base.reward), interval(result.adapter.reward), interval(result.change.reward, sign=True)]
    return [_text(result.task), str(result.prompts), *rewards, *rates]


def interval(found: Estimate, sign: bool = False) -> str:
    """An estimate with its interval, as a text; without one where all prompts say the same."""
    if found.low is None or found.high is None or found.low == found.high:
        return number(found.value, sign)
    return f"{number(found.value, sign)} [{number(found.low, sign)}, {number(found.high, sign)}]"


def _rewards(run: RunFolder, spec: RunSpec) -> str:
    table = RoutingTable(spec.rewards)
    last = last_record(run.metrics_path, "train") or {"tasks": []}
    tasks = list(dict.fromkeys([*(task["task"] for task in last["tasks"]), *spec.rewards]))
    lines = [[_text(task), _route(route), _weight(route)] for task in tasks for route in table.of(task)]
    how = spec.normalisation
    scaled = "" if how.task_scale == "none" else f", each task's brought to one scale (`{how.task_scale}`)"
    return (
        _table(["task", "reward", "weight"], lines)
        + "\n\nA completion's total is the weighted sum of the rewards that "
        f"apply; `{how.multi_objective_aggregation}`, scaled by `{how.scale_rewards}`, makes it the advantage{scaled}."
    )


def _weight(route: Route) -> str:
    """A route's weight, and how it comes about."""
    schedule = route.schedule
    if schedule is None:
        return f"{route.weight:g}"
    if isinstance(schedule, Gate):
        return f"{schedule.start:g}, {route.weight:g} once `{schedule.reward}` reaches {schedule.above:g}"
    if isinstance(schedule, Linear):
        return f"{schedule.start:g} to {route.weight:g} from step {schedule.begin} to {schedule.end}"
    return f"{schedule.start:g}, {route.weight:g} from step {schedule.at} on"


def _route(route: Route) -> str:
    given = ", ".join(f"{name}={_value(value)}" for name, value in route.params.items())
    label = f"{route.key}: " if route.label else ""
    return f"{label}`{route.name}({given})`"


def _value(value: Any) -> str:
    """A parameter in a line; code and other long texts are in the spec that lies beside the card."""
    text = repr(value)
    if len(text) <= LONGEST_VALUE:
        return text
    lines = len(value.splitlines()) if isinstance(value, str) else 1
    return f"({lines} lines, see {SPEC})" if lines > 1 else f"{text[:LONGEST_VALUE]}…"


def _data(data: DataSpec) -> str:
    if data.hub:
        where = f"The dataset `{data.hub}` on the Hub, split `{data.hub_split}`."
    elif data.reasoning_gym:
        names = ", ".join(f"`{task.name}`" for task in data.reasoning_gym.tasks)
        where = f"Rows generated by reasoning-gym: {names}."
    else:
        paths = [data.path] if isinstance(data.path, str) else list(data.path or ())
        where = "Files: " + ", ".join(f"`{Path(path).name}`" for path in paths) + "."
    if data.held_out.path:
        return f"{where} Held out: `{Path(data.held_out.path).name}`."
    return f"{where} Held out: at most {data.held_out.rows_per_task} rows of each task."


def _settings(spec: RunSpec) -> str:
    settings = {name: value for name, value in grpo_settings(spec.grpo).items() if name in SHOWN or name in spec.grpo}
    lines = [["mixing", name, f"{value}"] for name, value in spec.mixing.model_dump(mode="json").items()]
    lines += [["convergence", name, f"{value}"] for name, value in spec.convergence.model_dump(mode="json").items()]
    lines += [["GRPO", name, f"{value}"] for name, value in settings.items() if value is not None]
    lines += [["LoRA", name, f"{value}"] for name, value in lora_settings(spec.lora).items() if value is not None]
    return _table(["part", "field", "value"], lines)


def _library(name: str) -> str:
    return f"{name} {version(name)}"


def _text(name: str) -> str:
    """The name of a task as text: it is data, and Markdown lets HTML through."""
    return escape(name, quote=False).replace("`", "&#96;")


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    rows = [list(head), *map(list, lines)]
    marked = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join([marked[0], "|" + " --- |" * len(rows[0]), *marked[1:]])
