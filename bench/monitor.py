"""How fast the page Monitor is on a long run, and how often its rules raise a false alarm.

A run folder of 20,000 steps, 8 tasks and 5 rewards each is made as the worker would have written it. Prints Markdown
tables; `python bench/monitor.py > bench/monitor.md` commits them. The browser's part needs Chromium.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from reading import PROJECT

sys.path.insert(0, str(PROJECT / "tests"))
sys.path.insert(0, str(PROJECT))

import toy_runs

from core import following
from core.alerts import find_alerts
from core.run_list import run_lines
from core.runs import RunFolder
from core.series import Series
from core.task_states import task_state
from ui.monitor_page import TABS, show
from ui.monitor_state import Look

STEPS, TASKS, REWARDS = 20_000, 8, 5
ROUNDS = 10
VIEWERS = 5
VISITS = 7
POLL_MS = 100
RUNS = 200
PORT = 7963
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTH = 1280
# The browser looks itself: whoever asks it from outside waits while it is busy with what comes next. It looks when
# something changes, since one who asks for every frame makes it paint every frame.
PAINTED = """
window.painted = {};
const selectors = [
    ".sb-step[aria-current]", ".sb-watched", "#curves .scatterlayer .trace", "#heat .heatmaplayer image",
];
new MutationObserver(() => {
    for (const one of selectors.filter((one) => !(one in window.painted) && document.querySelector(one))) {
        window.painted[one] = null;
        requestAnimationFrame(() => setTimeout(() => { window.painted[one] = performance.now(); }));
    }
}).observe(document, {childList: true, subtree: true});
"""


def main() -> None:
    """Server, viewers, list, browser, false alarms."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SIGNALBOX_RUNS"], os.environ["SIGNALBOX_CACHE"] = f"{folder}/runs", f"{folder}/cache"
        root = Path(folder) / "runs"
        names = [f"task-{n}" for n in range(TASKS)]
        spec = toy_runs.spec_document(names, [f"reward-{n}" for n in range(REWARDS)])
        run = toy_runs.make_run(root / "long", toy_runs.long_run(STEPS, TASKS, REWARDS), spec)
        size = run.metrics_path.stat().st_size / 1e6
        print(
            f"# Monitor\n\nA run of {STEPS:,} steps, {TASKS} tasks, {REWARDS} rewards each: {size:.0f} MB of metrics."
        )
        print(f"Load of the machine (2 cores) when this began: {os.getloadavg()[0]:.1f}.\n")
        first_look()
        refreshes(run)
        viewers(run)
        run_list(root)
        if CHROMIUM:
            browser(folder)
    false_alarms()


def first_look() -> None:
    """What the server does at the first look at the run: never read before, and read before by another process."""
    print("## The first look, on the server\n\n| what | wall ms | CPU ms |\n|---|---|---|")
    begun = timed(lambda: look("overview"))
    rest = timed(lambda: follow_to_end())
    following._followed.clear()
    again = timed(lambda: look("overview"))
    print(f"| never read before: what is read in its budget is drawn | {begun} |")
    print(f"| reading the rest, in later refreshes | {rest} |")
    print(f"| read before, by the worker or the app | {again} |", flush=True)


def follow_to_end() -> None:
    """Read all of the run's metrics."""
    following.follow(RunFolder(Path(os.environ["SIGNALBOX_RUNS"]) / "long"))


def look(tab: str, seen: Any = None) -> tuple[Any, ...]:
    """What a viewer gets who has seen that."""
    return show("", seen, "long", tab, Look(overlay=True), WIDTH, "yes")


def refreshes(run: RunFolder) -> None:
    """After each further step: time on the server and what is sent, tab by tab."""
    print(f"\n## A refresh after a further step, median and worst of {ROUNDS}\n")
    print("| tab | wall ms | worst | CPU ms | kB sent |\n|---|---|---|---|---|")
    for tab in TABS:
        seen, walls, cpus, sent = look(tab)[-1], [], [], 0
        for _ in range(ROUNDS):
            one_more(run)
            wall, cpu = time.perf_counter(), time.process_time()
            shown = look(tab, seen)
            walls.append(1e3 * (time.perf_counter() - wall))
            cpus.append(1e3 * (time.process_time() - cpu))
            seen, sent = shown[-1], sum(map(weight, shown[:-1]))
        middle = f"{statistics.median(walls):.0f} | {max(walls):.0f} | {statistics.median(cpus):.0f}"
        print(f"| {tab} | {middle} | {sent / 1e3:.0f} |", flush=True)
    seen = look("overview")[-1]
    idle = statistics.median(seconds(lambda: look("overview", seen)) for _ in range(ROUNDS))
    print(f"\nWhere nothing is new: {1e3 * idle:.1f} ms, and nothing is sent.")


def weight(value: Any) -> int:
    """Bytes of one component's new value."""
    value = getattr(value, "value", value)
    if isinstance(value, dict) and value.get("__type__") == "update":
        return weight(value.get("value")) if "value" in value else 0
    plot = value.get("plot") if isinstance(value, dict) else getattr(value, "plot", value)  # a component keeps a dict
    return len(plot.encode()) if isinstance(plot, str) else 0


def one_more(run: RunFolder) -> None:
    """The worker writes a further step."""
    step = following.follow(run).step + 1
    kinds = [f"reward-{n}" for n in range(REWARDS)]
    entries = [toy_runs.task_entry(f"task-{n}", 0.5, kinds) for n in range(TASKS)]
    toy_runs.append(run, toy_runs.record(step, entries, steps=STEPS + 1000))


def viewers(run: RunFolder) -> None:
    """Several viewers look at the same moment, each at a further step."""
    alone, together = ([time for _ in range(ROUNDS) for time in at_once(run, count)] for count in (1, VIEWERS))
    one, many = statistics.median(alone), statistics.median(together)
    print(f"\n## {VIEWERS} viewers at the same moment\n\n| viewers | ms for each, median |\n|---|---|")
    print(f"| 1 | {1e3 * one:.0f} |\n| {VIEWERS} | {1e3 * many:.0f} |", flush=True)


def at_once(run: RunFolder, count: int) -> list[float]:
    """Seconds of each of so many looks at the same further step."""
    seen = look("overview")[-1]
    one_more(run)
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: seconds(lambda: look("overview", seen)), range(count)))


def run_list(root: Path) -> None:
    """Many runs in the list."""
    for n in range(RUNS - 1):
        toy_runs.make_run(root / f"run-{n:03d}", [toy_runs.record(step, {"math": 0.5}) for step in range(1, 4)])
    first, again = seconds(run_lines), statistics.median(seconds(run_lines) for _ in range(ROUNDS))
    print(f"\n## {RUNS} runs in the list\n\n| look | ms |\n|---|---|\n| the first | {1e3 * first:.0f} |")
    print(f"| each further one | {1e3 * again:.0f} |", flush=True)


def browser(folder: str) -> None:
    """From the address to the page, in Chromium."""
    from playwright.sync_api import sync_playwright

    with (Path(folder) / "app.log").open("wb") as log:
        command = [sys.executable, str(PROJECT / "app.py"), "--port", str(PORT)]
        server = subprocess.Popen(command, cwd=PROJECT, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{PORT}/")
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            rows = [visit(chromium) for _ in range(VISITS)]
            chromium.close()
    finally:
        server.terminate()
        server.wait()
    names = (
        "header, table and alerts, never visited before",
        "another page's frame (Data), never visited before",
        "header, table and alerts",
        "heat map and curves drawn",
        "list of runs opened",
    )
    print(f"\n## In the browser, median of {VISITS}\n\n| seconds from the address to | s |\n|---|---|")
    for name, times in zip(names, zip(*rows, strict=True), strict=True):
        print(f"| {name} | {statistics.median(times):.2f} |", flush=True)


def visit(chromium: Any) -> tuple[float, ...]:
    """Seconds until parts of the page are painted; the last is from a click to the list."""
    first = opened(chromium, "?view=monitor&run=long")
    cold = painted(first, ".sb-watched")
    first.close()
    page = opened(chromium, "?view=data")
    frame = painted(page, ".sb-step[aria-current]")
    page.goto(f"http://127.0.0.1:{PORT}/?view=monitor&run=long")
    table = painted(page, ".sb-watched")
    curves = max(painted(page, "#curves .scatterlayer .trace"), painted(page, "#heat .heatmaplayer image"))
    start = time.perf_counter()
    page.get_by_label("Run", exact=True).click()
    page.wait_for_selector(f".sb-picker .run:nth-child({RUNS})")
    listed = time.perf_counter() - start
    page.close()
    return cold, frame, table, curves, listed


def opened(chromium: Any, address: str) -> Any:
    """A page in a browser with nothing in its cache."""
    page = chromium.new_page(viewport={"width": WIDTH, "height": 900})
    page.add_init_script(PAINTED)
    page.goto(f"http://127.0.0.1:{PORT}/{address}")
    return page


def painted(page: Any, selector: str) -> float:
    """Seconds from the address to the first frame after an element is there, as the browser itself saw them."""
    found = page.wait_for_function("(selector) => window.painted[selector]", arg=selector, polling=POLL_MS)
    return found.json_value() / 1e3


def wait_for(url: str) -> None:
    """Until the server answers."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            continue
    raise SystemExit("the app did not come up")


def false_alarms() -> None:
    """How often flat noise is taken for something else: states at every tenth step, and alerts."""
    print("\n## False alarms on flat noise\n")
    print(
        "A mean reward of 0.4 that never changes, with independent noise of 0.1 a step, looked at every tenth step.\n"
    )
    print("| steps | runs | looks that say more than stalled or too early | runs that do | looks with another alert |")
    print("|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for steps, runs in ((100, 200), (500, 60), (2000, 10)):
        looks = wrong = alarmed = 0
        ever = 0
        for _ in range(runs):
            values = 0.4 + 0.1 * rng.standard_normal(steps)
            names = [task_state(values[:end]).name for end in range(20, steps + 1, 10)]
            told = sum(name not in ("stalled", "early") for name in names)
            looks, wrong, ever = looks + len(names), wrong + told, ever + bool(told)
            alarmed += alarms(values)
        print(f"| {steps} | {runs} | {wrong / looks:.2%} | {ever / runs:.1%} | {alarmed / looks:.2%} |", flush=True)


def alarms(values: Any) -> int:
    """Looks at which anything but a stall is said."""
    series, count = Series(), 0
    for end in range(20, len(values) + 1, 10):
        begin = 0 if end == 20 else end - 10
        series.add(toy_runs.lines(toy_runs.record(n + 1, {"math": float(values[n])}) for n in range(begin, end)))
        count += any(alert.kind != "stalled" for alert in find_alerts(series))
    return count


def timed(action: Callable[[], object]) -> str:
    """Wall and CPU time of one call, milliseconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    return f"{1e3 * (time.perf_counter() - wall):.0f} | {1e3 * (time.process_time() - cpu):.0f}"


def seconds(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
