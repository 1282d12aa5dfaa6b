"""The adapter of the best evaluation, kept in `best/step-N/` of the run, and the end of a run that has had enough.

More than one is kept as long as no checkpoint stands behind the newest: a resume that goes back before it takes it
away, and the one before is the best again.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence, Set
from typing import Any

from core.convergence import best, evaluations, frozen, without_better
from core.following import follow
from core.run_adapters import best_folders
from core.runs import RunFolder, checkpoint_step
from core.spec import RunSpec
from core.task_states import highest_totals, states, task_bounds

ALL_CONVERGED = "every task has converged"


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
        self._tops = highest_totals(spec, tasks)

    def evaluated(self, model: Any, tokenizer: Any) -> str:
        """After an evaluation: keep the adapter if it is the best so far; say why the run ends, if it does.

        It ends at the very evaluation at which patience is used up, so that a run that is extended then goes on.
        """
        found = evaluations(follow(self._run).held_out, self._bounds, self._convergence, self._settings)
        top = best(found)
        if top is not None and top.step == found[-1].step:
            self._keep(top.step, model, tokenizer)
        patience, waited = self._convergence.patience, without_better(found)
        if not patience or waited != patience:
            return ""
        since = "there was one" if top is None else f"that of step {top.step}"
        return f"{waited} evaluation{'' if waited == 1 else 's'} without a better one since {since}"

    def cold(self, before: Set[str]) -> frozenset[str]:
        """The tasks that are frozen by now, from those that were."""
        if not self._convergence.freeze:
            return frozenset()
        series = follow(self._run)
        return frozen(before, states(series.train, series.tasks, self._tops))

    def _keep(self, step: int, model: Any, tokenizer: Any) -> None:
        folder, scratch = self._run.best / f"step-{step}", self._run.best / ".tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        shutil.rmtree(folder, ignore_errors=True)  # of an evaluation that a stop broke off
        scratch.rename(folder)
        safe = max((checkpoint_step(one) for one in self._run.whole_checkpoints()), default=-1)
        for old in best_folders(self._run)[1:]:
            if any(checkpoint_step(old) < checkpoint_step(one) <= safe for one in best_folders(self._run)):
                shutil.rmtree(old)


def rewind_best(run: RunFolder, step: int) -> None:
    """Take away the adapters of evaluations after a step; those are made again."""
    for folder in best_folders(run):
        if checkpoint_step(folder) > step:
            shutil.rmtree(folder)
