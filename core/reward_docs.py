"""The reward library as a page of documentation, made from the declarations: `python app.py rewards --markdown`."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from rewards import registry
from rewards.declaration import Example, Reward

HEAD = """# Rewards

Made from the declarations by `python app.py rewards --markdown > docs/rewards.md`; every example is also a test. How to
write one of your own: [add-a-reward.md](add-a-reward.md).
"""
MOST_CHARACTERS = 200


def rewards_page() -> str:
    """Every reward with its columns, parameters and worked examples."""
    return "\n".join([HEAD, *(_section(reward) for reward in registry().values())])


def about(reward: Reward) -> str:
    """What the file says that declares a reward, often with its kin."""
    return inspect.getdoc(sys.modules[reward.function.__module__]) or ""


def first_of_file(reward: Reward) -> str:
    """The first reward, by name, that the same file declares."""
    return min(other.name for other in registry().values() if other.function.__module__ == reward.function.__module__)


def outcome(example: Example) -> str:
    """What an example should come to, in a word or two."""
    if example.error:
        return "error"
    return "not applicable" if example.score is None else f"{example.score:g}"


def bounds(reward: Reward) -> str:
    """Lowest and highest score."""
    low, high = ("unbounded" if bound is None else f"{bound:g}" for bound in reward.range)
    return f"{low} to {high}"


def parameter_rows(reward: Reward) -> list[tuple[str, str, str]]:
    """(name, default, help) of every parameter."""
    return [
        (name, "required" if field.is_required() else repr(field.default), field.description or "")
        for name, field in reward.parameters.model_fields.items()
    ]


def _section(reward: Reward) -> str:
    optional = f" Used where there: {_names(reward.optional_columns)}." if reward.optional_columns else ""
    lines = [
        f"## {reward.name}",
        f"{reward.title}: {reward.help}",
        "",
        f"Columns: {_names(reward.columns) or 'none'}.{optional} Scores: {bounds(reward)}.",
        *([f"Source: {reward.source}."] if reward.source else []),
        "",
        *([reward.details, ""] if reward.details else []),
    ]
    first = first_of_file(reward)
    lines += [about(reward) if first == reward.name else f"More about it and its kin under [{first}](#{first}).", ""]
    if rows := parameter_rows(reward):
        lines += ["| parameter | default | what it does |", "|---|---|---|"]
        lines += [f"| `{name}` | {_cell(default)} | {_cell(text, code=False)} |" for name, default, text in rows]
        lines.append("")
    lines += ["| completion | row | score | shows |", "|---|---|---|---|"]
    lines += [_example_row(example) for example in reward.examples]
    return "\n".join([*lines, ""])


def _example_row(example: Example) -> str:
    row = ", ".join(f"{name}={value!r}" for name, value in {**example.columns, **example.params}.items())
    return (
        f"| {_cell(repr(example.completion))} | {_cell(row)} | {outcome(example)} | {_cell(example.note, code=False)} |"
    )


def _names(columns: tuple[str, ...]) -> str:
    return ", ".join(f"`{column}`" for column in columns)


def _cell(value: Any, code: bool = True) -> str:
    """Text that stays inside a table cell, cut where it is long."""
    text = str(value)
    text = text if len(text) <= MOST_CHARACTERS or not code else f"{text[: MOST_CHARACTERS - 1]}…"
    text = text.replace("|", "\\|").replace("\n", " ")
    return f"`` {text} ``" if code and text else text
