"""From a row to what the model reads: template, system prompt, chat messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.spec import TaskSpec

Message = dict[str, Any]

PLACEHOLDER = re.compile(r"\{(\w+)\}")


def as_messages(prompt: str | Sequence[Mapping[str, Any]]) -> list[Message]:
    """A prompt as chat messages: text becomes one user message."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [dict(message) for message in prompt]


def as_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """Chat messages as plain text, for people and for models without a chat template."""
    return "\n\n".join(str(message["content"]) for message in messages)


def render(row: Mapping[str, Any], task: TaskSpec | None) -> list[Message]:
    """The chat messages that a row becomes under its task's settings.

    The template replaces the content of the last message (a text prompt has just one); the system prompt is put first,
    unless the row brings its own.

    >>> render({"prompt": "2+2?"}, TaskSpec(system_prompt="Be brief.", prompt_template="{prompt} Number only."))
    [{'role': 'system', 'content': 'Be brief.'}, {'role': 'user', 'content': '2+2? Number only.'}]
    """
    messages = as_messages(row["prompt"])
    if task is None:
        return messages
    if task.prompt_template is not None:
        content = fill(task.prompt_template, {**row, "prompt": messages[-1]["content"]})
        messages[-1] = {**messages[-1], "content": content}
    if task.system_prompt is not None and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": task.system_prompt})
    return messages


def fill(template: str, columns: Mapping[str, Any]) -> str:
    """Put columns into `{names}`; braces around anything that is no column stay, so JSON needs no escapes."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        return str(columns[name]) if columns.get(name) is not None else match[0]

    return PLACEHOLDER.sub(value, template)
