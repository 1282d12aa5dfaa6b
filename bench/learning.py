"""What a mixture of tasks learns: TRL's way, its GDPO, and ours, with rewards of unlike scale and tasks of unlike size.

Four tasks of the examples with 12, 12, 48 and 120 rows, whose rewards go to 1, 1, 10 and 100. TRL's way is its
defaults: rows in their natural proportion, advantages by each group's own spread, all rewards one function that the tag
routes; the rows are drawn by our sampler, which keeps that proportion in every batch where TRL's shuffles, so it is TRL
at its steadiest. Everything else is the same, the number of completions too; so it is where a task is trained alone.
Held-out rewards are divided by their scale, so that each task's lies between 0 and 1.

A second table is of the switches for tasks with several rewards: each of the four has another one that asks for
brevity, worth half of its own, and what is told is its own alone.

`python bench/learning.py FOLDER > bench/learning.md` trains, in FOLDER, what has no line in bench/learning.jsonl yet,
adds its line there, prints the table of all that is there and draws bench/learning.svg; `--table` trains nothing. About
four minutes a run on two cores. A line counts only for the very settings and rows that it was trained with.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.launch import launch
from core.records import records_of
from core.runs import PROJECT, RunFolder, create_run, state
from core.spec import RunSpec, parse_spec, read_spec

SEEDS = (1, 2, 3)
MORE_SEEDS = (4, 5, 6)
ROWS = {"math": 12, "code": 12, "sentiment": 48, "json": 120}
SCALE = {"math": 1.0, "code": 1.0, "sentiment": 10.0, "json": 100.0}
NATURAL = {"mixing": {"strategy": "natural"}}
GDPO = "normalize_then_sum"
WAYS: Mapping[str, Mapping[str, Any]] = {
    "TRL": {**NATURAL, "normalisation": {}},
    "TRL, GDPO": {**NATURAL, "normalisation": {"multi_objective_aggregation": GDPO}},
    "equal shares": {"mixing": {"strategy": "equal"}, "normalisation": {}},
    "equal shares, one scale": {"mixing": {"strategy": "equal"}, "normalisation": {"task_scale": "running"}},
    "equal shares, adapt: worst": {"mixing": {"strategy": "equal", "adapt": "worst"}, "normalisation": {}},
    "equal shares, adapt: progress": {"mixing": {"strategy": "equal", "adapt": "progress"}, "normalisation": {}},
    "equal shares, resample: 1": {"mixing": {"strategy": "equal", "resample": 1}, "normalisation": {}},
}
BRIEF = {"name": "length", "params": {"unit": "characters", "maximum": 12, "margin": 40}}
OF_TWO: Mapping[str, Mapping[str, Any]] = {
    "two rewards": {},
    "two rewards, GDPO": {"multi_objective_aggregation": GDPO},
    "two rewards, GDPO, by spread": {"multi_objective_aggregation": GDPO, "objective_weights": "spread"},
    "two rewards, GDPO, conflict: 0.5": {"multi_objective_aggregation": GDPO, "conflict": 0.5},
}
MORE = ("two rewards", "two rewards, GDPO, by spread")  # which of the two is the better default takes more seeds
ALONE = "alone"
STEPS = 24
BENCH = PROJECT / "bench"
HELD_OUT = PROJECT / "examples" / "four_tasks_held_out.jsonl"
RESULTS, FIGURE = BENCH / "learning.jsonl", BENCH / "learning.svg"


@dataclass(frozen=True)
class Trained:
    """What came of a run.

    Attributes:
        way: one of `WAYS` or `OF_TWO`, or `ALONE`.
        task: which was trained alone; empty where all were.
        seed: of the run.
        digest: of everything in its spec.
        before: each task's held-out reward before the first step, 0 to 1.
        after: after the last.
    """

    way: str
    task: str
    seed: int
    digest: str
    before: dict[str, float]
    after: dict[str, float]


def main(root: Path) -> None:
    """Train what has no line yet, print the tables, draw the figure."""
    data = write_rows(root)
    wanted = [(way, "", seed) for seed in SEEDS for way in (*WAYS, *OF_TWO)]
    wanted += [(ALONE, task, seed) for seed in SEEDS for task in ROWS]
    wanted += [(way, "", seed) for seed in MORE_SEEDS for way in MORE]
    found = [one for place in wanted if (one := result(root, data, *place)) is not None]
    print(
        f"Held-out reward after {STEPS} steps of 32 completions, embedded model; mean ± standard deviation over seeds."
    )
    print("Rows: " + ", ".join(f"{task} {n}" for task, n in ROWS.items()) + ".")
    print(
        "Highest rewards: "
        + ", ".join(f"{task} {scale:g}" for task, scale in SCALE.items())
        + "; divided by them here.\n"
    )
    rows, base = of_ways(found, WAYS), untrained(found, "TRL")
    table(rows, base, "TRL", "TRL's")
    print("\n![Held-out reward of each task by way, a dot a seed, a bar their mean](learning.svg)")
    FIGURE.write_text(drawn(rows, base), encoding="utf-8")
    if two := of_ways(found, OF_TWO):
        print(
            "\nWith a second reward a task, for brevity (length at most 12 characters, half of the weight of its own); "
        )
        print("equal shares. What is told is each task's own reward.\n")
        table(two, untrained(found, "two rewards"), "two rewards", "the first's")


def untrained(found: Sequence[Trained], way: str) -> dict[str, float]:
    """Each task's reward before the first step."""
    rows = [one.before for one in found if one.way == way]
    return {task: statistics.mean(rewards[task] for rewards in rows) for task in ROWS}


def table(rows: Mapping[str, Sequence[Mapping[str, float]]], base: Mapping[str, float], first: str, whose: str) -> None:
    """A line for each way; its worst task is compared with that of the first."""
    print("| way | seeds | " + " | ".join([*ROWS, "mean", "worst task", f"worst / {whose}"]) + " |")
    print("|---" * (len(ROWS) + 5) + "|")
    cells = [*(base[task] for task in ROWS), statistics.mean(base.values()), min(base.values())]
    print(f"| before training | | {' | '.join(f'{value:.3f}' for value in cells)} | |")
    reference = statistics.mean(min(rewards.values()) for rewards in rows[first])
    for way, rewards in rows.items():
        print(line(way, rewards, reference))


def result(root: Path, data: Path, way: str, task: str, seed: int) -> Trained | None:
    """What came of a run: from its line, or from training it; None where nothing is to be trained."""
    spec = spec_of(data, "TRL" if way == ALONE else way, seed, task)
    mark = digest(spec, data)
    for text in RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else ():
        one = Trained(**json.loads(text))
        if one.digest == mark:
            return one
    if "--table" in sys.argv:
        return None
    name = "-".join(filter(None, (way, task, str(seed), mark)))
    run = trained(root / slug(name), spec)
    held_out = list(records_of(run.metrics_path, "held_out"))
    told = own if way in OF_TWO else scaled
    one = Trained(way, task, seed, mark, told(held_out[0]), told(held_out[-1]))
    with RESULTS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(one)) + "\n")
    return one


def of_ways(found: Sequence[Trained], ways: Mapping[str, Any]) -> dict[str, list[dict[str, float]]]:
    """The rewards of each way, one a seed; beside `WAYS` of tasks trained alone, those of a seed that has them all."""
    rows = {way: [one.after for one in found if one.way == way] for way in ways}
    if ways is WAYS:
        alone = [
            {one.task: one.after[one.task] for one in found if (one.way, one.seed) == (ALONE, seed)} for seed in SEEDS
        ]
        rows["each task alone, the whole budget its own"] = [rewards for rewards in alone if len(rewards) == len(ROWS)]
    return {way: rewards for way, rewards in rows.items() if rewards}


def digest(spec: RunSpec, data: Path) -> str:
    """Of everything that a run is trained and evaluated with, but where its rows lie."""
    settings = spec.model_dump_json(exclude_unset=True, exclude={"data": {"path": True, "held_out": {"path"}}})
    return hashlib.sha256(settings.encode() + data.read_bytes() + HELD_OUT.read_bytes()).hexdigest()[:16]


def write_rows(root: Path) -> Path:
    """The first rows of each task of the example."""
    root.mkdir(parents=True, exist_ok=True)
    left, kept = dict(ROWS), []
    for text in (PROJECT / "examples" / "four_tasks.jsonl").read_text(encoding="utf-8").splitlines():
        task = json.loads(text)["task"]
        if left[task]:
            left[task] -= 1
            kept.append(text)
    path = root / "rows.jsonl"
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    return path


def spec_of(data: Path, way: str, seed: int, only: str = "") -> RunSpec:
    """The example with these rows, these scales and one way to learn them."""
    document = read_spec(PROJECT / "examples" / "four_tasks.yaml").model_dump(mode="json", exclude_unset=True)
    document["data"] = {"path": str(data), "held_out": {"path": str(HELD_OUT), "rows_per_task": 16}}
    for task, routes in document["rewards"].items():
        routes[0]["weight"] = SCALE[task]
    if only:
        document["data"]["tags"] = {"drop": [task for task in ROWS if task != only]}
        document["rewards"] = {only: document["rewards"][only]}
    if way in OF_TWO:
        for task, routes in document["rewards"].items():
            routes.append({**BRIEF, "weight": SCALE[task] / 2})
        document |= {"mixing": {"strategy": "equal"}, "normalisation": OF_TWO[way]}
    else:
        document |= WAYS[way]
    document["grpo"] |= {"max_steps": STEPS, "eval_steps": STEPS, "seed": seed, "save_steps": STEPS}
    return parse_spec(document, "bench")


def trained(path: Path, spec: RunSpec) -> RunFolder:
    """A finished run; one that is there already is not trained again."""
    run = RunFolder(path) if path.exists() else create_run(spec, path)
    if state(run) != "finished":
        assert launch(run).wait() == 0, run.log_path.read_text(encoding="utf-8")
        assert state(run) == "finished", run.log_path.read_text(encoding="utf-8")
    return run


def scaled(record: Mapping[str, Any]) -> dict[str, float]:
    """The held-out rewards of a record, divided by their scale."""
    return {task["task"]: task["reward"] / SCALE[task["task"]] for task in record["tasks"]}


def own(record: Mapping[str, Any]) -> dict[str, float]:
    """The held-out mean of each task's own reward, before its weight; the other is that for brevity."""
    return {
        task["task"]: next(one["mean"] for one in task["rewards"] if one["reward"] != BRIEF["name"])
        for task in record["tasks"]
    }


def line(name: str, of_seeds: Sequence[Mapping[str, float]], reference: float) -> str:
    """A line of the table."""
    cells = [spread(values) for values in columns(of_seeds).values()]
    worst = statistics.mean(columns(of_seeds)["worst task"])
    return f"| {name} | {len(of_seeds)} | {' | '.join(cells)} | {worst / reference:.2f} |"


def columns(of_seeds: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Each task's reward, their mean and the lowest of them, one a seed."""
    found = {task: [rewards[task] for rewards in of_seeds] for task in ROWS}
    found["mean"] = [statistics.mean(rewards.values()) for rewards in of_seeds]
    return found | {"worst task": [min(rewards.values()) for rewards in of_seeds]}


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation."""
    apart = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f}{apart}"


def drawn(rows: Mapping[str, Sequence[Mapping[str, float]]], base: Mapping[str, float]) -> str:
    """A panel for each column of the table, a line in it for each way: a dot a seed, a bar their mean."""
    wide, high, left, top = 130, 24, 250, 40
    untrained = {**base, "mean": statistics.mean(base.values()), "worst task": min(base.values())}
    names = list(untrained)
    width, height = left + (wide + 24) * len(names) + 10, top + high * len(rows) + 40
    labels = [
        f'<text x="{left - 14}" y="{y(n, top, high) + 4}" text-anchor="end">{w}</text>' for n, w in enumerate(rows)
    ]
    panels = [
        panel(name, [columns(found)[name] for found in rows.values()], untrained[name], x, top, wide, high)
        for name, x in zip(names, range(left, width, wide + 24), strict=False)
    ]
    note = f'<text x="{left}" y="{height - 6}">0 to 1, held-out reward over its scale; dashed: before training</text>'
    style = "<style>@media (prefers-color-scheme: dark) { svg { color: #ddd; } } text { fill: currentColor; }</style>"
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">{style}'
    return head + "".join([*labels, *panels, note]) + "</svg>\n"


def panel(
    name: str, of_ways: Sequence[Sequence[float]], before: float, left: int, top: int, wide: int, high: int
) -> str:
    """One column of the table as a plot."""
    bottom = top + high * len(of_ways)
    middle = f"{left + wide / 2:.1f}"
    parts = [
        f'<text x="{middle}" y="{top - 16}" text-anchor="middle" font-weight="bold">{name}</text>',
        f'<rect x="{left}" y="{top - 6}" width="{wide}" height="{bottom - top + 8}" fill="none" stroke="#8888"/>',
        f'<line x1="{left + before * wide:.1f}" x2="{left + before * wide:.1f}" y1="{top - 6}" y2="{bottom + 2}" '
        'stroke="#888" stroke-dasharray="3 3"/>',
        f'<text x="{left}" y="{bottom + 16}" text-anchor="middle">0</text>',
        f'<text x="{left + wide}" y="{bottom + 16}" text-anchor="middle">1</text>',
    ]
    for n, values in enumerate(of_ways):
        here, mean = y(n, top, high), left + statistics.mean(values) * wide
        parts.append(
            f'<line x1="{mean:.1f}" x2="{mean:.1f}" y1="{here - 8}" y2="{here + 8}" stroke="#0072B2" stroke-width="3"/>'
        )
        parts += [f'<circle cx="{left + v * wide:.1f}" cy="{here}" r="3" fill="#D55E00"/>' for v in values]
    return "".join(parts)


def y(line: int, top: int, high: int) -> float:
    """The middle of a line."""
    return top + high * (line + 0.5) - 4


def slug(way: str) -> str:
    """A way as the name of a folder."""
    return "".join(letter if letter.isalnum() else "-" for letter in way.lower())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
