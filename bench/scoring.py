"""What the scoring processes cost: the same completions scored in them and in this process, alternating in one run.

Prints a Markdown table; `python bench/scoring.py > bench/scoring.md` commits it.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.reward_calls import MEMORY, chunks, part
from core.routing import RoutingTable
from core.scoring import Scorer
from core.spec import Route
from rewards import registry
from rewards.declaration import Batch

COMPLETIONS = 256
ROUNDS = 5
ROUTED, ROUTED_ROUNDS = 9_999, 40  # completions of three tasks; rounds of a third of a second
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
        print(f"| {case} | {here * 1e3:.0f} | {there * 1e3:.0f} | {there / here:.2f} |", flush=True)
    routing()


def routing() -> None:
    """Ten thousand completions of three tasks: routed, and the same calls of the same processes without any routing."""
    tasks = {case: CASES[case] for case in ("exact_match", "json_fields", "math_answer")}
    each = ROUTED // len(tasks)
    rows = [{"task": task, "prompt": "?", **columns} for _ in range(each) for task, (_, columns) in tasks.items()]
    texts = [text for _ in range(each) for text, _ in tasks.values()]
    batches = {
        name: Batch((), [text] * each, {key: [value] * each for key, value in columns.items()})
        for name, (text, columns) in tasks.items()
    }
    found: dict[str, list[float]] = {"bare": [], "handed over": [], "routed": []}
    with Scorer(RoutingTable({name: (Route(name=name),) for name in tasks})) as scorer:

        def hand_over() -> None:
            routes = [Route(name=name) for name in tasks]
            calls = [
                scorer.submit(route, part(batches[route.name], some))
                for route in routes
                for some in chunks(range(each), scorer.pace.chunk(route))
            ]
            for call in calls:
                call.answer()

        for _ in range(2 + ROUTED_ROUNDS):  # two to learn each reward's pace
            found["routed"].append(seconds(lambda: scorer.score(rows, texts)))
            found["handed over"].append(seconds(hand_over))
            found["bare"].append(seconds(lambda: [registry()[name].score(batches[name], {}) for name in tasks]))
    middle = {way: statistics.median(times[2:]) for way, times in found.items()}
    tasks_named = "three tasks: exact_match, json_fields, math_answer"
    print(f"\n{ROUTED:,} completions of {tasks_named}; median of {ROUTED_ROUNDS} rounds\n")
    print("| way | ms | completions/s |\n|---|---|---|")
    names = {
        "bare": "the reward functions alone, in this process",
        "handed over": "the same calls in two processes, batches made beforehand",
        "routed": "routed: rows in, scores out",
    }
    for way, name in names.items():
        print(f"| {name} | {middle[way] * 1e3:.0f} | {ROUTED / middle[way]:,.0f} |")
    print(
        f"\nRouting itself costs {middle['routed'] / middle['handed over'] - 1:+.1%} of the calls in two processes, ",
        end="",
    )
    print(f"{(middle['routed'] - middle['handed over']) / middle['bare']:+.1%} of the reward functions alone.")


def measure(name: str, text: str, columns: dict[str, object]) -> tuple[float, float]:
    """Median seconds (in this process, in the scoring processes) for one reward."""
    rows = [{"task": "t", "prompt": "?", **columns} for _ in range(COMPLETIONS)]
    # What a slow reward has said is remembered: every program is another one.
    texts = [f"{text}\n# {n}" if name == "python_tests" else text for n in range(COMPLETIONS)]
    batch = Batch([[]] * COMPLETIONS, texts, {key: [value] * COMPLETIONS for key, value in columns.items()})
    here, there = [], []
    with Scorer(RoutingTable({"t": (Route(name=name),)})) as scorer:
        for _ in range(ROUNDS + 1):
            here.append(seconds(lambda: registry()[name].score(batch, {})))
            MEMORY.clear()
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
