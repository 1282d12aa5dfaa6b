"""How long prompts and reference answers are in the model's own tokens, for some rows of each task.

Read by pages, so without transformers: the model's tokenizer.json by the library `tokenizers`, its chat template by
Jinja, in a sandbox, since a template comes with the model. Nothing is known where the model has no tokenizer.json here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.data import column, some_rows, task_counts
from core.model_facts import TOKENIZER, local_file
from core.probes import reference
from core.prompts import Message, as_text, render
from core.spec import TaskSpec

if TYPE_CHECKING:
    from datasets import Dataset
    from jinja2 import Template
    from tokenizers import Tokenizer

MOST_ROWS = 1500  # looked at in all; a third of a second
LONGEST = 5  # rows of each task that are looked at because their prompts have the most characters
A_MESSAGE = 8  # tokens that a chat template puts around a message, where it cannot be rendered here


@dataclass(frozen=True)
class TaskLengths:
    """Some rows of one task, counted in tokens.

    Attributes:
        rows: how many of its rows were looked at.
        prompt: of the longest prompt among them, chat template and all.
        usual: of the median prompt.
        golds: of each reference answer, without white space around it.
    """

    rows: int
    prompt: int
    usual: int
    golds: tuple[int, ...]

    def longer(self, limit: int) -> int:
        """How many reference answers have more tokens than a limit."""
        return sum(length > limit for length in self.golds)


def token_lengths(rows: Dataset, model: str, tasks: Mapping[str, TaskSpec]) -> dict[str, TaskLengths] | None:
    """Lengths by task; None where the model's tokenizer is not here."""
    count = counter(model)
    if count is None or not len(rows):
        return None
    per_task = max(1, MOST_ROWS // len(task_counts(rows)))
    longest = _longest(rows)
    found = {}
    for task, numbers in some_rows(rows, per_task).items():
        known = rows.select([*numbers, *longest.get(task, [])]).to_list()
        prompts = [count.prompt(render(row, tasks.get(task))) for row in known]
        golds = [gold for row in known[: len(numbers)] if (gold := reference(row)) is not None]
        lengths = tuple(count.text(gold.strip()) for gold in golds)
        found[task] = TaskLengths(len(numbers), max(prompts), int(np.median(prompts)), lengths)
    return found


def _longest(rows: Dataset) -> dict[str, list[int]]:
    """For each task the rows whose prompts have the most characters; nothing where prompts are messages."""
    prompts = column(rows, "prompt")
    if not pa.types.is_string(prompts.type) and not pa.types.is_large_string(prompts.type):
        return {}
    lengths = pc.fill_null(pc.utf8_length(prompts), 0).to_numpy(zero_copy_only=False)
    codes = column(rows, "task").dictionary_encode()
    numbers = codes.indices.to_numpy(zero_copy_only=False)
    found = {}
    for code, task in enumerate(codes.dictionary.to_pylist()):
        own = np.flatnonzero(numbers == code)
        found[task] = own[np.argsort(lengths[own])[-LONGEST:]].tolist()
    return found


@dataclass(frozen=True)
class Counter:
    """Counts tokens as a model does."""

    tokenizer: Tokenizer
    template: Template | None
    special: Mapping[str, Any]

    def text(self, text: str) -> int:
        """Tokens of a text as it stands."""
        return len(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def prompt(self, messages: Sequence[Message]) -> int:
        """Tokens of chat messages as the model reads them."""
        if self.template is not None:
            try:
                return self.text(self.template.render(messages=messages, add_generation_prompt=True, **self.special))
            except Exception:  # a template may ask for anything, and refuse anything
                pass
        return self.text(as_text(messages)) + A_MESSAGE * (len(messages) + 1)


def counter(model: str) -> Counter | None:
    """What counts a model's tokens; None where its tokenizer is not on this machine, or no tokenizer.json."""
    path = local_file(model, TOKENIZER)
    return _counter(path, path.stat().st_mtime_ns) if path is not None else None


@lru_cache(maxsize=4)
def _counter(path: Path, _time: int) -> Counter | None:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # the library raises nothing narrower
        return None
    config = _config(path.with_name("tokenizer_config.json"))
    special = {name: _word(config.get(name)) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
    return Counter(tokenizer, _template(path, config), special)


def _config(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _word(token: Any) -> Any:
    return token.get("content") if isinstance(token, dict) else token


def _template(path: Path, config: Mapping[str, Any]) -> Template | None:
    from jinja2.exceptions import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    file = path.with_name("chat_template.jinja")
    text = file.read_text(encoding="utf-8") if file.exists() else config.get("chat_template")
    if not isinstance(text, str):
        return None
    world = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    try:
        return world.from_string(text)
    except TemplateError:
        return None
