"""How light the app around training is: first page, start of a worker, data of a million rows, scoring.

Prints Markdown tables; `python bench/app.py > bench/app.md` commits them. Takes some minutes.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from reading import PROJECT, READERS, read

sys.path.insert(0, str(PROJECT))

from core.launch import launch
from core.routing import RoutingTable
from core.run_signals import kill
from core.runs import create_run
from core.scoring import Scorer
from core.spec import Route, read_spec
from rewards import registry
from rewards.declaration import Batch

ROUNDS = 3
PORT = 7961
ROWS = 1_000_000
TASK_ROUTES = {
    "math": ("math_answer", {"answer": "42"}, "The answer is 42."),
    "word": ("exact_match", {"answer": "Paris"}, "Paris"),
    "choice": ("choice", {"answer": "yes", "choices": ["yes", "no"]}, "yes"),
    "json": ("json_fields", {"fields": {"name": "Anna"}}, '{"name": "Anna"}'),
}


def main() -> None:
    """All four parts."""
    with tempfile.TemporaryDirectory() as folder:
        first_page()
        worker_start(Path(folder))
        data(Path(folder))
        scoring()


def first_page() -> None:
    """From the start of the process to the first page, beside the start of a bare gradio app."""
    bare = f"import gradio as gr\nwith gr.Blocks() as app: gr.Markdown('x')\napp.launch(server_port={PORT}, quiet=True)"
    commands = {"signalbox": ["app.py", "--port", str(PORT)], "a bare gradio app": ["-c", bare]}
    found: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            found[name].append(until_served([sys.executable, *command]))
    print(f"## First page\n\nSeconds from `python app.py` to the first answer, median of {ROUNDS}\n")
    print("| app | seconds |\n|---|---|")
    for name, times in found.items():
        print(f"| {name} | {statistics.median(times):.1f} |")


def until_served(command: list[str]) -> float:
    """Seconds from the start of a server to its first page."""
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=5) as answer:
                    answer.read()
                return time.perf_counter() - start
            except (urllib.error.URLError, ConnectionError):
                continue
        raise SystemExit(f"{command} ended before it served a page")
    finally:
        process.terminate()
        process.wait()


def worker_start(folder: Path) -> None:
    """From the launch of a worker to a model that is loaded, adapted and tried: the next thing is the first step."""
    spec = read_spec(PROJECT / "examples" / "four_tasks.yaml")
    found = []
    for n in range(1 + ROUNDS):
        run = create_run(spec, folder / f"run-{n}")
        start = time.perf_counter()
        process = launch(run)
        while not run.engine_path.exists():
            assert process.poll() is None, run.log_path.read_text(encoding="utf-8")
            time.sleep(0.02)
        found.append(time.perf_counter() - start)
        kill(run)
        process.wait()
    what = "Seconds from launch to the first step, the model converted and its trial passed before"
    print(f"\n## Worker\n\n{what}, median of {ROUNDS}\n")
    print(f"| | seconds |\n|---|---|\n| examples/four_tasks.yaml | {statistics.median(found[1:]):.1f} |", flush=True)


def data(folder: Path) -> None:
    """A million rows, read the first time and again from the cache."""
    files = {".jsonl": folder / "rows.jsonl", ".parquet": folder / "rows.parquet"}
    write(files)
    print(
        f"\n## Data\n\n{ROWS:,} rows of four tasks; checked, counted and kept as Arrow; each in a process of its own\n"
    )
    print("| file | MB | reader | seconds | rows/s | peak memory, MB |\n|---|---|---|---|---|---|")
    for suffix, path in files.items():
        size = path.stat().st_size / 1e6
        code = READERS["signalbox"]
        theirs = READERS["datasets"].replace("'json'", "'json'" if suffix == ".jsonl" else "'parquet'")
        for name, reader, cache in (
            ("signalbox, first time", code, f"ours{suffix}"),
            ("signalbox, again", code, f"ours{suffix}"),
            ("datasets, first time", theirs, f"theirs{suffix}"),
        ):
            took, memory = read(reader, path, folder / cache)
            print(f"| {suffix} | {size:.0f} | {name} | {took:.1f} | {ROWS / took:,.0f} | {memory:.0f} |", flush=True)


def write(files: dict[str, Path]) -> None:
    """The same rows in both formats."""
    rng = random.Random(0)
    words = [f"word{n}" for n in range(5000)]
    tasks = list(TASK_ROUTES)
    schema = pa.schema([("task", pa.string()), ("prompt", pa.string()), ("answer", pa.string())])
    with files[".jsonl"].open("w") as lines, pq.ParquetWriter(files[".parquet"], schema) as table:
        for start in range(0, ROWS, 100_000):
            rows = [
                {"task": tasks[n % 4], "prompt": " ".join(rng.choices(words, k=12)), "answer": str(n)}
                for n in range(start, start + 100_000)
            ]
            lines.writelines(json.dumps(row) + "\n" for row in rows)
            table.write_table(pa.Table.from_pylist(rows, schema=schema))


def scoring() -> None:
    """Completions of four tasks through routing and scoring processes, against the bare calls in this process."""
    count = 4096
    table = RoutingTable({task: (Route(name=reward),) for task, (reward, _, _) in TASK_ROUTES.items()})
    rows = [{"task": task, "prompt": "?", **columns} for task, (_, columns, _) in TASK_ROUTES.items()] * (count // 4)
    texts = [text for _, _, text in TASK_ROUTES.values()] * (count // 4)
    with Scorer(table) as scorer:
        routed = middle(lambda: scorer.score(rows, texts))
    bare = middle(lambda: [bare_calls(task, count // 4) for task in TASK_ROUTES])
    print(f"\n## Scoring\n\n{count} completions of four tasks with a reward each, median of {ROUNDS}\n")
    print("| way | ms | completions/s |\n|---|---|---|")
    print(f"| the bare reward functions, in one process | {bare * 1e3:.0f} | {count / bare:,.0f} |")
    print(f"| routed, in two scoring processes | {routed * 1e3:.0f} | {count / routed:,.0f} |")
    print(f"\nRouting, hand-over and assembly cost {routed / bare - 1:+.0%} of the bare calls.")


def bare_calls(task: str, count: int) -> None:
    """A reward function called once for a whole batch."""
    reward, columns, text = TASK_ROUTES[task]
    batch = Batch([[]] * count, [text] * count, {name: [value] * count for name, value in columns.items()})
    registry()[reward].score(batch, {})


def middle(action: Callable[[], object]) -> float:
    """Median seconds, after a round that is not counted."""
    return statistics.median([seconds(action) for _ in range(1 + ROUNDS)][1:])


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
