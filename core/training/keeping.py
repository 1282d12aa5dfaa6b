"""The adapter of the best evaluation, kept in `best/step-N/` of the run, and the end of a run that has had enough.

More than one is kept as long as no checkpoint stands behind the newest: a resume that goes back before it takes it
away, and the one before is the best again.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from core.convergence import RankedEvaluation, best, evaluations, frozen, without_better
from core.following import follow
from core.routing import RoutingTable, is_trained
from core.run_adapters import FOR_RESUMING, best_folders
from core.runs import RunFolder, checkpoint_step
from core.spec import RunSpec
from core.task_states import goals, states, task_bounds


class Keeper:
    """Looks at what a run has recorded; all that it says follows from that.

    Args:
        run: which.
        spec: its spec.
        tasks: what it trains.
    """

    def __init__(self, run: RunFolder, spec: RunSpec, tasks: Sequence[str]) -> None:
        self._run = run
        self._convergence = spec.convergence
        self._settings = spec.tasks
        self._bounds = task_bounds(spec, tasks)
        self._goals = goals(spec, tasks)
        table = RoutingTable(spec.rewards)
        self._trained = {task for task in tasks if any(is_trained(route) for route in table.of(task))}

    def evaluated(self, model: Any, tokenizer: Any) -> str:
        """After an evaluation: keep the adapter if it is the best so far; say why the run ends, if it does.

        It ends at the very evaluation at which patience is used up, and a run that is extended then when it is again.
        """
        found = self._evaluations()
        top = best(found)
        if top is not None and top.step == found[-1].step:
            self._keep(top.step, model, tokenizer)
        patience, waited = self._convergence.patience, without_better(found)
        if top is None or not patience or not waited or waited % patience:
            return ""
        return f"{waited} evaluation{'' if waited == 1 else 's'} without a better one since that of step {top.step}"

    def rested(self, before: Set[str]) -> tuple[frozenset[str], str]:
        """After a step: the tasks that are frozen by now, from those that were, and why the run ends, if it does.

        It ends when the last of the tasks that are trained freezes: one that is only watched has nothing to converge.
        """
        if not self._convergence.freeze:
            return frozenset(), ""
        series = follow(self._run)
        cold = frozen(before, states(series.train, series.tasks, self._goals))
        return cold, "every task has converged" if self._trained <= cold and not self._trained <= before else ""

    def recover(self, checkpoint: Path) -> None:
        """Take the best adapter from a checkpoint of the same step, where a kill came before it was saved."""
        top = best(self._evaluations())
        step = checkpoint_step(checkpoint)
        if top is not None and top.step == step and not (self._run.best / f"step-{step}").exists():
            shutil.copytree(checkpoint, self._scratch(), ignore=_for_resuming)
            self._take_in(step)

    def _evaluations(self) -> list[RankedEvaluation]:
        return evaluations(follow(self._run).held_out, self._bounds, self._convergence, self._settings)

    def _keep(self, step: int, model: Any, tokenizer: Any) -> None:
        scratch = self._scratch()
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        self._take_in(step)

    def _scratch(self) -> Path:
        path = self._run.best / ".tmp"
        shutil.rmtree(path, ignore_errors=True)
        return path

    def _take_in(self, step: int) -> None:
        """Put what was saved in its place, whole, and let go of what no resume can come back to."""
        folder = self._run.best / f"step-{step}"
        shutil.rmtree(folder, ignore_errors=True)  # where the same evaluation was made before, and its record is gone
        (self._run.best / ".tmp").rename(folder)
        safe = max((checkpoint_step(one) for one in self._run.whole_checkpoints()), default=-1)
        for old in best_folders(self._run)[1:]:
            if any(checkpoint_step(old) < checkpoint_step(one) <= safe for one in best_folders(self._run)):
                shutil.rmtree(old)


def _for_resuming(_: str, names: list[str]) -> list[str]:
    """Of the files of a checkpoint, those that are no part of its adapter."""
    return [name for name in names if name.startswith(FOR_RESUMING)]


def rewind_best(run: RunFolder, step: int) -> None:
    """Take away the adapters of evaluations after a step; those are made again."""
    for folder in best_folders(run):
        if checkpoint_step(folder) > step:
            shutil.rmtree(folder)
