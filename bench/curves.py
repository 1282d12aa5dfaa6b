"""Whether the reward curves of both ways of a step agree: the example trained through TRL's way and through ours.

Three seeds each. What is compared is the mean total of each task over the last third of the training steps, and at the
last evaluation; the seeds of one way show how far apart two runs of the same way lie. Runs for half an hour on two
cores; `python bench/curves.py > bench/curves.md` commits it, with a figure beside it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from core.launch import launch
from core.runs import PROJECT, RunFolder, create_run
from core.spec import Engine, read_spec

SEEDS = (1, 2, 3)
WAYS = {"TRL": "trl", "shared prompts": "auto"}
COLOURS = {"TRL": "#D55E00", "shared prompts": "#0072B2"}
LAST = 1 / 3  # of the steps
WIDTH, HEIGHT = 190, 160  # of a small plot, pixels
NOTE = (
    "By chance alone, one difference of three seeds a way lies within 2.8 standard errors in 19 of 20 cases\n"
    "(4 degrees of freedom), all eight within 5.3 (Bonferroni). A held-out figure is the mean of 32 completions,\n"
    "sampled at temperature 1."
)
FIGURE = PROJECT / "bench" / "curves.svg"


def main(root: Path) -> None:
    """Train what is not in the folder yet, print the table, draw the figure."""
    runs = {(way, seed): trained(root, way, seed) for seed in SEEDS for way in WAYS}
    tasks = [task["task"] for task in runs["TRL", SEEDS[0]][0]["tasks"]]
    print(f"examples/four_tasks.yaml, seeds {', '.join(map(str, SEEDS))}: mean total, mean ± standard deviation\n")
    print("| task | measured | TRL | shared prompts | difference | standard error of it |\n|---|---|---|---|---|---|")
    for task in tasks:
        for name, figure in (("training, last third", late_reward), ("held out, at the end", held_out)):
            found = {way: [figure(runs[way, seed], task) for seed in SEEDS] for way in WAYS}
            print(f"| {task} | {name} | {row(*found.values())} |")
    print(f"\n{NOTE}\n\n![Training reward of each task by step, both ways, three seeds each](curves.svg)")
    FIGURE.write_text(drawn(runs, tasks), encoding="utf-8")


def trained(root: Path, way: str, seed: int) -> list[dict[str, Any]]:
    """The records of a finished run; one that is there already is not trained again."""
    run = RunFolder(root / f"{WAYS[way]}-{seed}")
    if not run.path.exists():
        spec = read_spec(PROJECT / "examples" / "four_tasks.yaml")
        engine = Engine.model_validate({"sampling": WAYS[way], "training": WAYS[way]})
        changed = spec.model_copy(update={"grpo": {**spec.grpo, "seed": seed}, "engine": engine})
        run = create_run(type(spec).model_validate(changed.model_dump()), run.path)
    if run.exit() is None:
        assert launch(run).wait() == 0, run.log_path.read_text(encoding="utf-8")
    return run.records()


def late_reward(records: Sequence[dict[str, Any]], task: str) -> float:
    """Mean total over the last third of the steps."""
    steps = [record for record in records if record["split"] == "train"]
    return statistics.mean(rewards(steps[-round(len(steps) * LAST) :], task))


def held_out(records: Sequence[dict[str, Any]], task: str) -> float:
    """Mean total at the last evaluation."""
    return rewards([record for record in records if record["split"] == "held_out"], task)[-1]


def rewards(records: Sequence[dict[str, Any]], task: str) -> list[float]:
    """A task's mean total in each record that has one."""
    found = [part["reward"] for record in records for part in record["tasks"] if part["task"] == task]
    return [reward for reward in found if reward is not None]


def row(trl: Sequence[float], ours: Sequence[float]) -> str:
    """Both ways, their difference, and how far it may lie from 0 by the seeds alone."""
    error = (statistics.variance(trl) / len(trl) + statistics.variance(ours) / len(ours)) ** 0.5
    cells = [f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}" for values in (trl, ours)]
    return " | ".join([*cells, f"{statistics.mean(ours) - statistics.mean(trl):+.3f}", f"{error:.3f}"])


def drawn(runs: dict[tuple[str, int], list[dict[str, Any]]], tasks: Sequence[str]) -> str:
    """One small plot a task, a line a run, as SVG: no package that draws is needed."""
    parts = [panel(runs, task, 60 + n * (WIDTH + 20)) for n, task in enumerate(tasks)]
    legend = [
        f'<text x="{60 + 160 * n}" y="{HEIGHT + 75}" fill="{colour}">&#9644; {way}</text>'
        for n, (way, colour) in enumerate(COLOURS.items())
    ]
    axis = f'<text x="14" y="{30 + HEIGHT / 2}" transform="rotate(-90 14 {30 + HEIGHT / 2})">mean total</text>'
    size = f'width="{70 + len(tasks) * (WIDTH + 20)}" height="{HEIGHT + 90}"'
    style = "<rect width='100%' height='100%' fill='white'/>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">{style}{axis}' + (
        "".join([*parts, *legend]) + "</svg>\n"
    )


def panel(runs: dict[tuple[str, int], list[dict[str, Any]]], task: str, left: float) -> str:
    """One task's plot: 0 to 1 upwards, steps to the right."""
    lines = []
    for (way, _), records in runs.items():
        points = [
            (record["step"] / record["steps"], part["reward"])
            for record in records
            for part in record["tasks"]
            if record["split"] == "train" and part["task"] == task and part["reward"] is not None
        ]
        path = " ".join(f"{left + x * WIDTH:.1f},{30 + (1 - y) * HEIGHT:.1f}" for x, y in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[way]}" stroke-opacity="0.7"/>')
    steps = next(iter(runs.values()))[0]["steps"]
    texts = [(left, 22, "start", task), (left + WIDTH / 2, HEIGHT + 50, "middle", f"step (of {steps})")]
    texts += [(left - 4, 30 + (1 - y) * HEIGHT + 4, "end", f"{y:g}") for y in (0, 0.5, 1)]
    labels = "".join(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>' for x, y, anchor, text in texts)
    frame = f'<rect x="{left}" y="30" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>'
    return frame + labels + "".join(lines)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder))
