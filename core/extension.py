"""More steps for a run that has ended: its spec never changes, so how many it has in all is kept in a file beside it.

What was trained stays as it is: the order of rows goes on where it ended (the checkpoint holds how far it was), and so
do random state and optimizer. The learning rate follows its schedule over the new number of steps, so
after a decay to 0 it comes back, with the second added step; `eval_steps` and `save_steps` below 1 are shares of the
new number.
"""

from __future__ import annotations

import json
from typing import Any

from core.errors import Problem, UserError
from core.options import grpo_settings
from core.records import last_record
from core.runs import RunFolder, folder_state, write_atomically
from core.spec import RunSpec

MOST_STEPS = 1_000_000  # at once: an extension cannot be taken back


def extend(run: RunFolder, steps: int) -> int:
    """Give a run so many steps more; it does them when it is started next. Returns how many it has in all then.

    `UserError` where it is at work, failed for its own settings, or has no checkpoint to go on from: its first steps
    would be done again.
    """
    if steps < 1:
        raise UserError(Problem("steps", f"found {steps}.", "Give a number of steps above 0."))
    if steps > MOST_STEPS:
        raise UserError(Problem("steps", f"found {steps:,}.", f"Give at most {MOST_STEPS:,}: none can be taken back."))
    now = folder_state(run)
    if now in ("running", "created"):
        mend = "Stop it first." if now == "running" else "Start it first."
        raise UserError(Problem(run.id, f"a run that is {now} is not extended.", mend))
    end = run.exit()
    if now == "failed" and end is not None and end.remedy == "edit":
        mend = "More steps would fail as well: start a new run with other settings."
        raise UserError(Problem(run.id, f"its own settings ended it: {end.message}", mend))
    before = planned_steps(run)
    if now == "finished" and not wants_more(run):  # it may have ended before all its steps were done
        before = run.last_step()
    if before is None or not run.whole_checkpoints():
        raise UserError(Problem(run.id, "it has no checkpoint to go on from.", "Resume it, or start a new run."))
    write_atomically(run.extension_path, json.dumps({"max_steps": before + steps, "at": run.last_step()}))
    return before + steps


def planned_steps(run: RunFolder) -> int | None:
    """How many training steps a run has in all; None where it counts epochs and has not begun."""
    if (extended := extended_steps(run)) is not None:
        return extended
    last = last_record(run.metrics_path, "train") or {}
    if isinstance(last.get("steps"), int):
        return int(last["steps"])
    try:
        return grpo_settings(run.spec().grpo)["max_steps"] or None
    except UserError:  # a spec of another version: how many is not known
        return None


def extended_steps(run: RunFolder) -> int | None:
    """How many steps a run has in all by its extension; None where it has none, or a file that says nothing of it."""
    steps = _extension(run).get("max_steps")
    return steps if isinstance(steps, int) else None


def wants_more(run: RunFolder) -> bool:
    """Whether a run that ended was given more steps since, and has done none of them."""
    done, at = run.last_step(), _extension(run).get("at")
    return (extended_steps(run) or 0) > done and (at is None or at == done)  # older versions did not say where


def _extension(run: RunFolder) -> dict[str, Any]:
    try:
        found = json.loads(run.extension_path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def working_spec(run: RunFolder) -> RunSpec:
    """The spec as the worker follows it: what the run was started with, and the steps that were added."""
    return with_added_steps(run.spec(), run)


def with_added_steps(spec: RunSpec, run: RunFolder) -> RunSpec:
    """What the worker makes of a run's own spec: with the steps that the run has by now."""
    steps = extended_steps(run)
    return spec if steps is None else spec.model_copy(update={"grpo": {**spec.grpo, "max_steps": steps}})
