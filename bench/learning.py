"""What a mixture of tasks learns: TRL's way, its GDPO, and ours, with rewards of unlike scale and tasks of unlike size.

Four tasks of the examples with 12, 12, 48 and 120 rows, whose rewards go to 1, 1, 10 and 100. TRL's way is its
defaults: rows in their natural proportion, advantages by each group's own spread, all rewards one function that the tag
routes. Everything else is the same, the number of completions too. Held-out rewards are divided by their scale, so that
each task's lies between 0 and 1. `python bench/learning.py FOLDER > bench/learning.md` keeps runs in a folder and goes
on where it ended; it takes about four minutes a run on two cores.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.launch import launch
from core.records import last_record, records_of
from core.runs import PROJECT, RunFolder, create_run
from core.spec import RunSpec, parse_spec, read_spec

SEEDS = (1, 2, 3)
ROWS = {"math": 12, "code": 12, "sentiment": 48, "json": 120}
SCALE = {"math": 1.0, "code": 1.0, "sentiment": 10.0, "json": 100.0}
NATURAL = {"mixing": {"strategy": "natural"}}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "TRL": {**NATURAL, "normalisation": {}},
    "TRL, GDPO": {**NATURAL, "normalisation": {"multi_objective_aggregation": "normalize_then_sum"}},
    "equal shares": {"mixing": {"strategy": "equal"}, "normalisation": {}},
    "equal shares, one scale": {"mixing": {"strategy": "equal"}, "normalisation": {"task_scale": "running"}},
}
STEPS = 24


def main(root: Path) -> None:
    """Train what is not in the folder yet, print the table."""
    data = write_rows(root)
    found = {
        (way, seed): held_out(trained(root / f"{slug(way)}-{seed}", spec_of(data, way, seed)))
        for seed in SEEDS
        for way in WAYS
    }
    alone = (
        {seed: {task: single(root, data, task, seed) for task in ROWS} for seed in SEEDS}
        if "--alone" in sys.argv
        else {}
    )
    print(f"Held-out reward after {STEPS} steps of 32 completions, embedded model, seeds {', '.join(map(str, SEEDS))}:")
    print("mean ± standard deviation over the seeds; rows " + ", ".join(f"{t} {n}" for t, n in ROWS.items()) + ";")
    print("rewards up to " + ", ".join(f"{t} {s:g}" for t, s in SCALE.items()) + ", divided by that here.\n")
    print("| way | " + " | ".join([*ROWS, "mean", "worst task", "worst / TRL's"]) + " |")
    print("|---" * (len(ROWS) + 4) + "|")
    base = before(trained(root / f"{slug('TRL')}-{SEEDS[0]}", spec_of(data, "TRL", SEEDS[0])))
    cells = [*(base[task] for task in ROWS), statistics.mean(base.values()), min(base.values())]
    print(f"| before training | {' | '.join(f'{value:.3f}' for value in cells)} | |")
    reference = statistics.mean(min(found["TRL", seed].values()) for seed in SEEDS)
    for way in WAYS:
        print(line(way, [found[way, seed] for seed in SEEDS], reference))
    if alone:
        print(line("each task alone", list(alone.values()), reference))


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
    held = PROJECT / "examples" / "four_tasks_held_out.jsonl"
    document["data"] = {"path": str(data), "held_out": {"path": str(held), "rows_per_task": 16}}
    for task, routes in document["rewards"].items():
        routes[0]["weight"] = SCALE[task]
    if only:
        document["data"]["tags"] = {"drop": [task for task in ROWS if task != only]}
        document["rewards"] = {only: document["rewards"][only]}
    document |= WAYS[way]
    document["grpo"] |= {"max_steps": STEPS, "eval_steps": STEPS, "seed": seed, "save_steps": STEPS}
    return parse_spec(document, "bench")


def trained(path: Path, spec: RunSpec) -> RunFolder:
    """A finished run; one that is there already is not trained again."""
    run = RunFolder(path) if path.exists() else create_run(spec, path)
    if run.exit() is None:
        assert launch(run).wait() == 0, run.log_path.read_text(encoding="utf-8")
    return run


def single(root: Path, data: Path, task: str, seed: int) -> float:
    """What a task's reward becomes where the whole budget is its own."""
    return held_out(trained(root / f"alone-{task}-{seed}", spec_of(data, "TRL", seed, task)))[task]


def held_out(run: RunFolder) -> dict[str, float]:
    """Each task's reward at the last evaluation, 0 to 1."""
    record = last_record(run.metrics_path, "held_out")
    assert record is not None
    return scaled(record)


def before(run: RunFolder) -> dict[str, float]:
    """Each task's reward before the first step."""
    return scaled(next(iter(records_of(run.metrics_path, "held_out"))))


def scaled(record: Mapping[str, Any]) -> dict[str, float]:
    """The held-out rewards of a record, divided by their scale."""
    return {task["task"]: task["reward"] / SCALE[task["task"]] for task in record["tasks"]}


def line(name: str, of_seeds: Sequence[Mapping[str, float]], reference: float) -> str:
    """A line of the table."""
    figures = [[found[task] for found in of_seeds] for task in ROWS]
    figures += [[statistics.mean(found.values()) for found in of_seeds], [min(found.values()) for found in of_seeds]]
    cells = [f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}" for values in figures]
    return f"| {name} | {' | '.join(cells)} | {statistics.mean(figures[-1]) / reference:.2f} |"


def slug(way: str) -> str:
    """A way as the name of a folder."""
    return "".join(letter if letter.isalnum() else "-" for letter in way.lower())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
