"""What the scoring processes cost: the same completions scored in them and in this process, alternating in one run.

Prints a Markdown table; `python bench/scoring.py > bench/scoring.md` commits it.
"""

from __future__ import annotations

import random
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


def routed_case(name: str, draw: random.Random) -> tuple[str, dict[str, object]]:
    """A completion of a task and the columns of its row, half of them right: no two need be the same."""
    answer = draw.randint(1, 9_999)
    said = answer if draw.random() < 0.5 else answer + 1
    if name == "exact_match":
        return f"City {said}", {"answer": f"City {answer}"}
    if name == "json_fields":
        return f'{{"name": "Anna {said}", "age": {said}}}', {"fields": {"name": f"Anna {answer}", "age": answer}}
    return f"First we add {said - 5} and 5, which gives {said}. So the answer is {said}.", {"answer": str(answer)}


def routing() -> None:
    """Ten thousand completions of three tasks: routed, and the same calls of the same processes without any routing."""
    tasks = ("exact_match", "json_fields", "math_answer")
    each = ROUTED // len(tasks)
    draw = random.Random(0)
    cases = {name: [routed_case(name, draw) for _ in range(each)] for name in tasks}
    rows = [{"task": name, "prompt": "?", **cases[name][i][1]} for i in range(each) for name in tasks]
    texts = [cases[name][i][0] for i in range(each) for name in tasks]
    batches = {
        name: Batch(
            (),
            [text for text, _ in cases[name]],
            {column: [columns[column] for _, columns in cases[name]] for column in cases[name][0][1]},
        )
        for name in tasks
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

        ways = {
            "routed": lambda: scorer.score(rows, texts),
            "handed over": hand_over,
            "bare": lambda: [registry()[name].score(batches[name], {}) for name in tasks],
        }
        for round_ in range(2 + ROUTED_ROUNDS):  # two to learn each reward's pace
            # The one that comes first finds a colder machine: they take turns.
            for way in sorted(ways, reverse=round_ % 2 == 0):
                found[way].append(seconds(ways[way]))
    middle = {way: statistics.median(times[2:]) for way, times in found.items()}
    tasks_named = "three tasks: exact_match, json_fields, math_answer, no two alike"
    print(f"\n{ROUTED:,} completions of {tasks_named}; median of {ROUTED_ROUNDS} rounds\n")
    print("| way | ms | completions/s |\n|---|---|---|")
    names = {
        "bare": "the reward functions alone, in this process",
        "handed over": "the same calls in two processes, batches made beforehand",
        "routed": "routed: rows in, scores out",
    }
    for way, name in names.items():
        print(f"| {name} | {middle[way] * 1e3:.0f} | {ROUTED / middle[way]:,.0f} |")
    # Round by round: what else the machine does touches two neighbours alike.
    extra = [routed - handed for routed, handed in zip(found["routed"][2:], found["handed over"][2:], strict=True)]
    cost = statistics.median(extra)
    print(f"\nRouting itself costs {cost / middle['handed over']:+.1%} of the calls in two processes, ", end="")
    print(f"{cost / middle['bare']:+.1%} of the reward functions alone: {cost * 1e3:.1f} ms, the median of the rounds'")
    low, high = statistics.quantiles(extra, n=4)[::2]
    print(f"differences (half of them between {low * 1e3:.1f} and {high * 1e3:.1f} ms).")


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
