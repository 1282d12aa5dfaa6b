"""How long a preview takes: 64 completions of four tasks scored in warm processes, and other weights without scoring.

Prints Markdown; `python bench/preview.py > bench/preview.md` commits it.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.comparison import compare
from core.preview import Group, Preview, preview
from core.preview_report import cell_reports, task_reports
from core.routing import RoutingTable
from core.scored_table import table
from core.scoring import Scorer
from core.spec import Normalisation, Plan

COMPLETIONS, MANY = 64, 1024
PER_GROUP = 8
ROUNDS = 30
BREVITY = {"name": "length", "label": "brevity", "weight": 0.1, "params": {"maximum": 30}}
PLAN = Plan.model_validate(
    {
        "rewards": {
            "math": [{"name": "math_answer"}, BREVITY],
            "city": [{"name": "exact_match"}, BREVITY],
            "exam": [{"name": "choice", "params": {"labels": list("ABCD")}}, BREVITY],
            "json": [{"name": "json_fields"}, {"name": "python_syntax", "weight": 0}, BREVITY],
        }
    }
)
NORMALISATION = Normalisation()


def main() -> None:
    """Score, weigh and report; each once, uncounted, before it is timed."""
    draw = random.Random(0)
    with Scorer(RoutingTable({})) as scorer:
        cold, _ = timed(lambda: preview(groups(COMPLETIONS, draw), PLAN, scorer))
        fresh = [groups(COMPLETIONS, draw) for _ in range(ROUNDS)]
        warm = [timed(lambda some=some: preview(some, PLAN, scorer))[0] for some in fresh]
        # A table that the processes have not seen: other parameters, so that no reward's pace is known.
        edited = [timed(lambda n=n: preview(fresh[n], stricter(n), scorer))[0] for n in range(ROUNDS)]
        small, large = (preview(groups(count, draw), PLAN, scorer) for count in (COMPLETIONS, MANY))
        errors = len(small.scores.errors)
    print(
        f"# Preview\n\n{COMPLETIONS} completions of four tasks in groups of {PER_GROUP}, two or three rewards a task:"
    )
    print("math_answer, exact_match, choice, json_fields, python_syntax, brevity. Every round has other completions;")
    print(f"{os.cpu_count()} processors, {ROUNDS} rounds, {errors} errors.\n")
    print("| scoring | median, s | worst, s |\n|---|---|---|")
    print(f"| the first of all, which starts the processes | {cold:.2f} | |")
    print(f"| warm | {statistics.median(warm):.3f} | {max(warm):.3f} |")
    print(f"| warm, and every time other parameters | {statistics.median(edited):.3f} | {max(edited):.3f} |")
    print(f"\n| without scoring, median ms (worst) | {COMPLETIONS} completions | {MANY:,} completions |\n|---|---|---|")
    for name, action in ACTIONS.items():
        print(f"| {name} | {middle(action, small)} | {middle(action, large)} |")


def groups(count: int, draw: random.Random) -> list[Group]:
    """Groups of all four tasks, a third of whose completions are right."""
    makers = (math_row, city_row, exam_row, json_row)
    found = []
    for n in range(count // PER_GROUP):
        task, prompt, column, gold, texts = makers[n % 4](draw)
        found.append(Group({"task": task, "prompt": prompt, column: gold}, tuple(texts)))
    return found


Made = tuple[str, str, str, object, list[str]]


def near(draw: random.Random, answer: int) -> list[int]:
    """What is said of an answer, a third of it right."""
    return [answer if draw.random() < 1 / 3 else answer + draw.randint(1, 99) for _ in range(PER_GROUP)]


def math_row(draw: random.Random) -> Made:
    """A sum, worked out in words."""
    a, b = draw.randint(1, 9_999), draw.randint(1, 9_999)
    texts = [f"{a} and {b} are {said}. The answer is {said}, {draw.random()} sure." for said in near(draw, a + b)]
    return "math", f"What is {a} + {b}?", "answer", str(a + b), texts


def city_row(draw: random.Random) -> Made:
    """A name, given as it is."""
    answer = draw.randint(1, 9_999)
    return "city", "Which city?", "answer", f"City {answer}", [f"City {said}" for said in near(draw, answer)]


def exam_row(draw: random.Random) -> Made:
    """A letter, with reasons."""
    texts = [f"Because of {draw.random()}, the answer is ({draw.choice('ABCD')})." for _ in range(PER_GROUP)]
    return "exam", "A, B, C or D?", "answer", draw.choice("ABCD"), texts


def json_row(draw: random.Random) -> Made:
    """An object of two fields."""
    age = draw.randint(1, 9_999)
    texts = [f'{{"name": "Anna", "age": {said}}}' for said in near(draw, age)]
    return "json", f"Anna is {age}. As JSON?", "fields", {"name": "Anna", "age": age}, texts


def stricter(n: int) -> Plan:
    """The plan with another limit of length in every round."""
    document = PLAN.model_dump()
    for lines in document["rewards"].values():
        lines[-1]["params"] = {"maximum": 31 + n}
    return Plan.model_validate(document)


def reweigh(found: Preview) -> None:
    """What a slider does."""
    changed = found.reweighted({("math", "brevity"): 0.5, ("json", "python_syntax"): 1.0})
    changed.advantages(NORMALISATION)
    changed.signals(NORMALISATION)


def reports(found: Preview) -> None:
    """What the page shows beside it."""
    changed = found.reweighted({("math", "brevity"): 0.5})
    task_reports(changed, NORMALISATION)
    cell_reports(changed)


def compared(found: Preview) -> None:
    """One weight against another."""
    compare(found, found.reweighted({("math", "brevity"): 0.5}), NORMALISATION, NORMALISATION)


ACTIONS: dict[str, Callable[[Preview], object]] = {
    "other weights: advantages and each task's signal": reweigh,
    "other weights: the reports of all tasks and cells": reports,
    "comparison of two weights": compared,
    "the table": lambda found: table(found, NORMALISATION),
}


def middle(action: Callable[[Preview], object], found: Preview) -> str:
    """Median and worst of many rounds, in milliseconds."""
    action(found)
    took = [timed(lambda: action(found))[0] * 1e3 for _ in range(ROUNDS)]
    return f"{statistics.median(took):.1f} ({max(took):.1f})"


def timed(action: Callable[[], object]) -> tuple[float, object]:
    """Wall seconds of a call, and what it gave."""
    start = time.perf_counter()
    found = action()
    return time.perf_counter() - start, found


if __name__ == "__main__":
    main()
