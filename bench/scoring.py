"""What the scoring processes cost: the same completions scored in them and in this process, alternating in one run.

Prints a Markdown table; `python bench/scoring.py > bench/scoring.md` commits it.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.routing import RoutingTable
from core.scoring import Scorer
from core.spec import Route
from rewards import registry
from rewards.declaration import Batch

COMPLETIONS = 256
ROUNDS = 5
CASES = {
    "exact_match": ("Paris", {"answer": "Paris"}),
    "math_answer": ("The answer is 42.", {"answer": "42"}),
    "math_answer (LaTeX)": (r"So \boxed{\frac{1}{2}}", {"answer": "0.5"}),
    "json_fields": ('{"name": "Anna", "age": 31}', {"fields": {"name": "Anna", "age": 31}}),
    "python_tests": ("def f(x):\n    return x + 1", {"tests": ["assert f(1) == 2", "assert f(0) == 1"]}),
}


def main() -> None:
    """Time every case both ways; one round of each first, uncounted, so that imports are done."""
    print(f"{COMPLETIONS} completions, two scoring processes, median of {ROUNDS} rounds\n")
    print("| reward | in this process, ms | in two processes, ms | ratio |\n|---|---|---|---|")
    for case, (text, columns) in CASES.items():
        here, there = measure(case.split()[0], text, columns)
        print(f"| {case} | {here * 1e3:.0f} | {there * 1e3:.0f} | {there / here:.2f} |")


def measure(name: str, text: str, columns: dict[str, object]) -> tuple[float, float]:
    """Median seconds (in this process, in the scoring processes) for one reward."""
    rows = [{"task": "t", "prompt": "?", **columns} for _ in range(COMPLETIONS)]
    texts = [text] * COMPLETIONS
    batch = Batch([[]] * COMPLETIONS, texts, {key: [value] * COMPLETIONS for key, value in columns.items()})
    here, there = [], []
    with Scorer(RoutingTable({"t": (Route(name=name),)})) as scorer:
        for _ in range(ROUNDS + 1):
            here.append(seconds(lambda: registry()[name].score(batch, {})))
            there.append(seconds(lambda: scorer.score(rows, texts)))
    return statistics.median(here[1:]), statistics.median(there[1:])


def seconds(action: object) -> float:
    """Wall time of one call."""
    assert callable(action)
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
