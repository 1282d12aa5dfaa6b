"""Tasks of reasoning-gym, scored by the generator's own scorer.

Each generator knows what is right for its puzzles: many accept any valid solution, and some give partial credit, so
the score is the generator's own (some give 0.01 for any attempt). Rows carry the whole generated entry in the column
`entry`.

Two things stand between a model's answer and the scorer. Some scorers hand the answer to Python's `eval`, or to
sympy's `parse_expr`, which evaluates too: for those an answer must look like the list or formula that they expect,
else it earns 0 unread. And a scorer may crash on an answer that it did not foresee; if it can score the entry's own
answer, that one is plainly unreadable and earns 0, else the failure is an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from rewards.declaration import Example, RewardError, reward
from rewards.text import from_json, shown

Scorer = Callable[[str, Mapping[str, Any]], float]

OPEN, CLOSE = "<answer>", "</answer>"
LONGEST = 2000  # characters of an answer that is evaluated
# A list or a board: no call, no attribute, no operator.
LIST = re.compile(r"[\w\s,\[\]'\"-]*")
# A formula: numbers, names of one letter, known functions, operators, powers up to 99; no attribute, no tower.
FORMULA = re.compile(
    r"(?:[0-9]+(?:\.[0-9]*)?|(?:exp|log|a?sin|a?cos|a?tan|sqrt|sinh|cosh|tanh|sec|csc|cot)(?![A-Za-z0-9_])"
    r"|[A-Za-z](?![A-Za-z0-9_])|[-+/()\s,]|\*(?!\*)"
    r"|\*\*\s*(?:[0-9]{1,2}|\(-?[0-9]{1,2}(?:/[0-9]{1,2})?\)|[A-Za-z])(?![A-Za-z0-9_.]|\s*\*\*))*"
)
POWER_OF_BRACKETS = re.compile(r"\)\s*\*\*\s*\(?-?([0-9]+)")
HIGHEST_POWER = 1000  # all powers of brackets multiplied, since each may hold the next
EVALUATED = {
    "binary_matrix": LIST,
    "n_queens": LIST,
    "spiral_matrix": LIST,
    "string_insertion": LIST,
    "countdown": FORMULA,
    "intermediate_integration": FORMULA,
    "polynomial_multiplication": FORMULA,
    "puzzle24": FORMULA,
    "simple_integration": FORMULA,
}
# Scorers that compare boards of tuples, which JSON turns into lists.
BOARDS_OF_TUPLES = ("arc_agi", "rearc")

SUM = {"entry": {"question": "12 - 5?", "answer": "7", "metadata": {"source_dataset": "chain_sum"}}}
COUNTDOWN = {
    "entry": {
        "question": "Make 24 from 4, 6",
        "answer": "4*6",
        "metadata": {"source_dataset": "countdown", "numbers": [4, 6], "target": 24},
    }
}


@reward(
    title="Reasoning Gym",
    family="procedural",
    examples=[
        Example("12 - 5 is <answer>7</answer>, I think", 1.0, SUM, note="between tags"),
        Example("<answer>8</answer>", 0.0, SUM, note="wrong"),
        Example("", 0.0, SUM, note="empty"),
        Example("7", None, note="the row has no entry", error="no 'entry'"),
        Example("<answer>7</answer><answer>8</answer>", 0.0, SUM, note="of several answers the last one counts"),
        Example("Let me see.\n\n  7 \n\n", 1.0, SUM, note="no tags: the last line"),
        Example("6*4", 1.0, COUNTDOWN, note="another solution than the entry's own"),
        Example("__import__('os').getpid()", 0.0, COUNTDOWN, note="code is not evaluated"),
        Example("7", None, {"entry": {"metadata": {"source_dataset": "sums"}}}, error="no generator 'sums'"),
    ],
    source="reasoning-gym (Stojanovski et al. 2025), arXiv 2505.24760",
    timeout_s=30.0,
)
def reasoning_gym(completion: str, entry: Any) -> float:
    """What the generator's own scorer gives the answer, usually 0 to 1.

    The answer is what stands between the last <answer> and </answer>, else the last line that is not empty, stripped.
    `reasoning_gym("<answer>7</answer>", entry={"answer": "7", "metadata": {"source_dataset": "chain_sum"}, ...})` is
    1.0.
    """
    name, generated = _entry(entry)
    answer = _answer(completion)
    if name in EVALUATED and not _harmless(answer, EVALUATED[name]):
        return 0.0
    score = _scored(_scorer(name), answer, generated)
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise RewardError(f"the scorer of {name} gave {shown(score)}; a score is a finite number")
    return float(score)


def _harmless(answer: str, allowed: re.Pattern[str]) -> bool:
    """Whether an answer may be evaluated: it has the expected form and will not take for ever."""
    powers = math.prod(int(power) for power in POWER_OF_BRACKETS.findall(answer[:LONGEST]))
    return len(answer) <= LONGEST and allowed.fullmatch(answer) is not None and powers <= HIGHEST_POWER


def _answer(completion: str) -> str:
    close = completion.rfind(CLOSE)
    start = completion.rfind(OPEN, 0, max(close, 0))
    if start >= 0:
        return completion[start + len(OPEN) : close].strip()
    return completion.rstrip().rpartition("\n")[2].strip()


def _entry(value: Any) -> tuple[str, dict[str, Any]]:
    """The generator's name and the entry, in the types that its scorer expects."""
    entry = from_json(value, "entry")
    metadata = entry.get("metadata") if isinstance(entry, Mapping) else None
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name = metadata.get("source_dataset")
    if not isinstance(name, str):
        raise RewardError(
            f"column 'entry' holds {shown(value)}; it needs metadata.source_dataset, the generator's name"
        )
    if name in BOARDS_OF_TUPLES:
        metadata = {**metadata, "output": tuple(map(tuple, metadata.get("output", ())))}
    return name, {**entry, "metadata": metadata}


@lru_cache(maxsize=256)
def _scorer(name: str) -> Scorer:
    import reasoning_gym as library

    try:
        scorer: Scorer = library.get_score_answer_fn(name)
    except ValueError:
        raise RewardError(f"reasoning-gym has no generator {name!r}; see entry.metadata.source_dataset") from None
    return scorer


def _scored(scorer: Scorer, answer: str, entry: dict[str, Any]) -> float:
    try:
        return scorer(answer, entry)
    except Exception as error:
        own = entry.get("answer")
        if isinstance(own, str) and own != answer and _works(scorer, own, entry):
            return 0.0
        raise RewardError(f"the scorer failed with {type(error).__name__}: {error!s:.200}") from error


def _works(scorer: Scorer, answer: str, entry: dict[str, Any]) -> bool:
    """Whether a scorer can score this entry at all."""
    try:
        scorer(answer, entry)
    except Exception:
        return False
    return True
