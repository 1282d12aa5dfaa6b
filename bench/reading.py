"""Reading a large tagged .jsonl file: speed and peak memory, ours against the datasets library, alternating in one run.

Ours also finds broken lines, duplicate keys, empty prompts and mixed types, and keeps nested values as written.
Prints a Markdown table; `python bench/reading.py > bench/reading.md` commits it. The size in MB is the argument.
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
ROUNDS = 3
WORDS = [f"word{n}" for n in range(5000)]
READERS = {
    "signalbox": (
        "from core.data import load_data\nfrom core.spec import DataSpec\n"
        "data = load_data(DataSpec(path=path, held_out={'rows_per_task': 0}))\nrows = len(data.train)\n"
    ),
    "datasets": (
        "from datasets import load_dataset\n"
        "rows = len(load_dataset('json', data_files=path, split='train', cache_dir=cache))\n"
    ),
}


def main(megabytes: int) -> None:
    """Write the file, read it each way in a process of its own, print the medians."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "rows.jsonl", megabytes)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in READERS}
        for n in range(ROUNDS):
            for name, code in READERS.items():
                found[name].append(read(code, path, Path(folder) / f"cache-{name}-{n}"))
    print(f"A .jsonl file of {megabytes} MB, a new cache each time, median of {ROUNDS} rounds\n")
    print("| reader | seconds | MB/s | peak memory, MB |\n|---|---|---|---|")
    for name, runs in found.items():
        took, memory = (statistics.median(values) for values in zip(*runs, strict=True))
        print(f"| {name} | {took:.1f} | {megabytes / took:.0f} | {memory:.0f} |")


def write(path: Path, megabytes: int) -> Path:
    """Rows of four tasks with prompts of 20 to 200 words."""
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < megabytes << 20:
            for task in ("math", "code", "chat", "json"):
                row = {"task": task, "prompt": " ".join(rng.choices(WORDS, k=rng.randint(20, 200))), "answer": "42"}
                file.write(json.dumps(row) + "\n")
    return path


def read(code: str, path: Path, cache: Path) -> tuple[float, float]:
    """(seconds, peak megabytes) of a process that reads the file."""
    prelude = f"path, cache = {str(path)!r}, {str(cache)!r}\n"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "SIGNALBOX_CACHE": str(cache), "HF_DATASETS_OFFLINE": "1"}
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", prelude + code], env=environment, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, f"reading failed: {code}"
    return time.perf_counter() - start, peak(usage)


def peak(usage: resource.struct_rusage) -> float:
    """Peak resident memory of an ended process, MB (Linux counts it in kilobytes)."""
    return usage.ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
