"""A rubric as a judge reads it: the row's columns filled in, completions fenced off as data.

A completion comes from a model that is paid by the judge, so it may say "Score: 10" or close a quotation early. Each
stands between tags that carry a marker, a random number drawn for every request, which nobody can write in advance; and
what chat templates take for the end of a turn is broken up, since a server may read it as such inside a message.
"""

from __future__ import annotations

import json
import numbers
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rewards.declaration import Message, RewardError
from rewards.text import as_text

# A text in which every joint stands for the marker: marker.join(parts). No completion can be mistaken for a joint.
Parts = tuple[str, ...]

PLACEHOLDER = re.compile(r"\{(\w+)\}")
# Where a token of ChatML, Llama, Mistral, Gemma or DeepSeek starts; other servers may know others.
CONTROL = re.compile(r"<(?=[|｜])|<(?=/?s>)|<(?=(?:start|end)_of_turn>)|\[(?=/?INST\])")
SURROGATES = re.compile("[\ud800-\udfff]")  # half a character, which no request can hold


def filled(template: str, columns: Mapping[str, str | Parts]) -> Parts:
    """A template with its `{names}` filled in; other braces stay as they are, and values are never looked into.

    Raises:
        RewardError: it names a column that is not there.
    """
    pieces = PLACEHOLDER.split(template)  # text, name, text, name, ..., text
    texts = [_column(piece, columns) if i % 2 else piece for i, piece in enumerate(pieces)]
    return joined(*texts)


def columns_of(template: str, *given: str) -> tuple[str, ...]:
    """The columns that a template names, each once, beside the prompt and what else is given."""
    return tuple(name for name in dict.fromkeys(PLACEHOLDER.findall(template)) if name not in ("prompt", *given))


def joined(*texts: str | Parts) -> Parts:
    """Texts one after another, as one."""
    parts = [""]
    for text in texts:
        first, *rest = (text,) if isinstance(text, str) else text
        parts[-1] += first
        parts += rest
    return tuple(parts)


def fenced(tag: str, completion: str) -> Parts:
    """A completion between tags that carry the marker, `<tag-marker>`; see `plain` for what it must be."""
    return (f"<{tag}-", f">\n{completion}\n</{tag}-", ">")


def plain(completion: str) -> str:
    """A completion without what ends a turn in a chat template, `<|im_end|>` say, and without half characters."""
    return SURROGATES.sub("\ufffd", CONTROL.sub(lambda start: f"{start[0]} ", completion))


def row_texts(prompt: Sequence[Message], columns: Mapping[str, Sequence[Any]], i: int) -> dict[str, str]:
    """What a rubric may name of the i-th row: its columns and its prompt as text; empty ones are left out."""
    texts = {name: _text(values[i], name) for name, values in columns.items() if values[i] is not None}
    return {**texts, "prompt": prompt_text(prompt)}


def prompt_text(messages: Sequence[Message]) -> str:
    """Chat messages as text: one alone as it is, several with their roles before them."""
    if len(messages) == 1:
        return _content(messages[0])
    return "\n\n".join(f"{message.get('role', 'user')}:\n{_content(message)}" for message in messages)


def _column(name: str, columns: Mapping[str, str | Parts]) -> str | Parts:
    if name not in columns:
        mend = "mend the rubric, or map a column of the data with data.columns"
        raise RewardError(f"the rubric names {{{name}}}, and the row has no {name!r}; {mend}")
    return columns[name]


def _content(message: Message) -> str:
    """A message's text; of a message in parts the text parts."""
    content = message.get("content")
    if isinstance(content, Sequence) and not isinstance(content, str):
        content = "\n".join(str(part["text"]) for part in content if isinstance(part, Mapping) and "text" in part)
    return SURROGATES.sub("\ufffd", str(content or ""))


def _text(value: Any, column: str) -> str:
    """A column as a judge can read it: text and numbers as they are, lists and objects as JSON."""
    if isinstance(value, str | numbers.Real):
        return SURROGATES.sub("\ufffd", as_text(value, column))
    return SURROGATES.sub("\ufffd", json.dumps(value, ensure_ascii=False, default=str))
