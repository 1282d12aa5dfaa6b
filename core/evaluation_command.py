"""`app.py evaluate`: an evaluation from a terminal, its figures printed as tables."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from core.errors import Problem, UserError
from core.evaluation import Evaluation, TaskResult, evaluate, evaluation_settings, task_results
from core.model_card import interval
from core.progress import percent
from core.run_adapters import BEST, RESULT, Side, find_adapter
from core.runs import RunFolder
from core.services import Services

HEAD = ("", "base", "adapter", "change")


def evaluate_run(run: RunFolder, checkpoint: str | None, samples: int | None, rows: int | None) -> int:
    """Evaluate an adapter of a run and print what came of it."""
    named = {None: "", BEST: BEST}.get(checkpoint, f"checkpoint-{checkpoint}")
    adapter = find_adapter(run, named)
    try:
        settings = evaluation_settings(run.spec(), num_generations=samples, rows_per_task=rows)
    except ValidationError as error:
        raise UserError(Problem("--samples or --rows", error.errors()[0]["msg"] + ".")) from None
    services = Services()
    told = _told if sys.stderr.isatty() else None
    try:
        found = evaluate(adapter, settings, services.sampler, services.preview, told)
    finally:
        services.close()
    what = {RESULT: "its result", BEST: f"its best, of step {adapter.step},"}.get(adapter.name, adapter.name)
    print(f"{run.id}, {what} against its base: {settings.num_generations} completions a row, with 95 % intervals")
    for result in task_results(found):
        print(_lines(result, found))
    return 0


def _told(done: int, whole: int) -> None:
    print(f"{percent(done / whole)} done", end="\r", file=sys.stderr, flush=True)


def _lines(result: TaskResult, found: Evaluation) -> str:
    passes = "no pass threshold" if result.threshold is None else f"passes from a total of {result.threshold:.3g}"
    base, adapter, change = result.base, result.adapter, result.change
    rows = [("reward", interval(base.reward), interval(adapter.reward), interval(change.reward, True))]
    if result.threshold is not None:
        rows += [
            (f"pass@{k}", interval(base.passes[k]), interval(adapter.passes[k]), interval(change.passes[k], True))
            for k in found.ks
        ]
    wide = [max(len(row[n]) for row in [HEAD, *rows]) for n in range(4)]
    table = "".join(
        "\n  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, wide, strict=True)) for row in [HEAD, *rows]
    )
    return f"\n{result.task}: {result.prompts} prompts, {passes}; {result.verdict}{table}{_left_out(result)}"


def _left_out(result: TaskResult) -> str:
    """Completions that count for nothing, and why."""
    sides: tuple[Side, ...] = ("base", "adapter")
    lines = []
    for side in sides:
        counts = result.counts[side]
        if counts.errors or counts.not_applicable:
            reason = f" ({counts.reason})" if counts.reason else ""
            lines.append(f"\n  {side}: {counts.errors} errors{reason}, {counts.not_applicable} not applicable")
    return "".join(lines)
