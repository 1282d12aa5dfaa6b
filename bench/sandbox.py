"""Running tests of programs: the sandbox with every layer against a fresh interpreter for each test, as is usual
elsewhere.

Prints a Markdown table; `python bench/sandbox.py > bench/sandbox.md` commits it. Takes half a minute.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.sandbox import level, run_python, run_tests

PROGRAM = "def add(a, b):\n    return a + b\n"
TESTS = [f"assert add({n}, {n + 1}) == {2 * n + 1}" for n in range(5)]
AT_ONCE = os.cpu_count() or 1
ROUNDS = 5
COMPLETIONS = 60


def interpreters(flags: tuple[str, ...]) -> bool:
    """A fresh interpreter for each test, the verdict by its exit code: nothing is kept out."""
    commands = [[sys.executable, *flags, "-c", PROGRAM + test] for test in TESTS]
    return all(subprocess.run(command, check=False).returncode == 0 for command in commands)


def program_once() -> bool:
    """One program that reads and prints, in the sandbox."""
    return run_python("print(int(input()) * 2)", "21").stdout == "42\n"


WAYS: dict[str, Callable[[], bool]] = {
    "a fresh interpreter for each of five tests": lambda: interpreters(()),
    "the same without site packages (-I -S)": lambda: interpreters(("-I", "-S")),
    "sandbox: five tests in a process of their own": lambda: all(run_tests(PROGRAM, TESTS)),
    "sandbox: one program by input and output": program_once,
}


def rate(way: Callable[[], bool]) -> float:
    """Completions a second, as many at once as there are cores."""
    with ThreadPoolExecutor(AT_ONCE) as threads:
        start = time.perf_counter()
        assert all(threads.map(lambda _: way(), range(COMPLETIONS)))
        return COMPLETIONS / (time.perf_counter() - start)


def main() -> None:
    """All ways in turn, round by round."""
    print(
        f"{level()}. {AT_ONCE} at once, on {AT_ONCE} cores; medians of {ROUNDS} rounds of {COMPLETIONS} completions\n"
    )
    found: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(1 + ROUNDS):  # the first round warms up
        for name, way in WAYS.items():
            found[name].append(rate(way))
    middle = {name: statistics.median(rates[1:]) for name, rates in found.items()}
    slowest = next(iter(middle.values()))
    print("| way | completions/s | ms each | times the first |\n|---|---|---|---|")
    for name, value in middle.items():
        print(f"| {name} | {value:.0f} | {1000 * AT_ONCE / value:.1f} | {value / slowest:.1f} |")


if __name__ == "__main__":
    main()
