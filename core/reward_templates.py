"""First lines of a reward function of one's own, in each contract that works unchanged, with the columns named."""

from __future__ import annotations

import keyword
from collections.abc import Sequence
from dataclasses import dataclass

USUAL_GOLD = ("answer", "reference")
NO_GOLD = {"task", "prompt", "prompts", "completion", "completions", "columns", "row", "sample", "item"}

BY_ROW = '''def score(completion, row):
    """1 for the gold answer, else 0; None where the row has none."""
    # {columns}
    gold = row.get("{gold}")
    if gold is None:
        return None
    return float(completion.strip() == str(gold).strip())
'''
TRL = '''def reward(completions, {gold}, **columns):
    """1 for each completion that is its row's gold answer, else 0; None where the row has none."""
    # {columns}
    return [
        None if gold is None else float(text.strip() == str(gold).strip())
        for text, gold in zip(completions, {gold})
    ]
'''
GRADER = '''def grade(sample, item):
    """1 for the gold answer, else 0; an error where the row has none."""
    # {columns}
    gold = item.get("{gold}")
    if gold is None:
        raise ValueError("the row has no {gold}")
    return 1.0 if sample["output_text"].strip() == str(gold).strip() else 0.0
'''


@dataclass(frozen=True)
class Template:
    """Code to begin with.

    Attributes:
        name: what it is called in code.
        title: the name shown to people.
        help: when to take it.
        code: Python source that works as it is.
    """

    name: str
    title: str
    help: str
    code: str


def templates(columns: Sequence[str]) -> tuple[Template, ...]:
    """One for each contract, for a task whose rows have these columns."""
    gold = gold_column(columns)
    names = ", ".join(name if name.isidentifier() else repr(name) for name in columns) or "none"

    def filled(code: str, where: str) -> str:
        return code.replace("{columns}", f"Columns of this task{where}: {names}").replace("{gold}", gold)

    return (
        Template(
            "each",
            "One completion and its row",
            "The simplest: a number for each completion. An error costs no other completion.",
            filled(BY_ROW, ", in row"),
        ),
        Template(
            "batch",
            "TRL's contract",
            "Lists of completions and columns in, a list of numbers out: a function for TRL, ms-swift or verifiers.",
            filled(TRL, ", each a list as long as completions"),
        ),
        Template(
            "grade",
            "OpenAI's Python grader",
            "A grader as OpenAI's fine-tuning service takes it.",
            filled(GRADER, ", in item"),
        ),
    )


def gold_column(columns: Sequence[str]) -> str:
    """The column most likely to say what is right, of those that can be a parameter's name; `answer` where none can."""
    possible = [name for name in columns if name.isidentifier() and not keyword.iskeyword(name) and name not in NO_GOLD]
    return next((name for name in (*USUAL_GOLD, *possible) if name in possible), USUAL_GOLD[0])
