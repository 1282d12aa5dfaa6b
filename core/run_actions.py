"""What can be done with a run now: one rule for every button and every hint.

| state | offered |
|---|---|
| created | start, duplicate |
| queued | move, cancel, duplicate |
| running | stop (once), kill, duplicate |
| stopped, lost | resume, extend, duplicate |
| failed | resume and extend where its cause lies outside its settings (`Exit.remedy`), duplicate |
| finished | extend, duplicate; resume where it was extended |

A run that its own settings made fail is not resumed, since they never change: a copy of them is a draft, which can.
"""

from __future__ import annotations

from typing import Literal

from core.extension import planned_steps, wants_more
from core.runs import RunFolder, State, state, stop_requested

Action = Literal["start", "move", "cancel", "stop", "kill", "resume", "extend", "duplicate"]


def actions(run: RunFolder) -> frozenset[Action]:
    """What a page may offer for a run."""
    return frozenset({"duplicate", *_by_state(run, state(run))})


def _by_state(run: RunFolder, now: State) -> set[Action]:
    if now == "created":
        return {"start"}
    if now == "queued":
        return {"move", "cancel"}
    if now == "running":
        return {"kill"} if stop_requested(run) else {"stop", "kill"}
    end = run.exit()
    if now == "failed" and end is not None and end.remedy == "edit":
        return set()
    goes_on: set[Action] = {"resume"} if now != "finished" or wants_more(run) else set()
    return {*goes_on, "extend"} if planned_steps(run) and run.whole_checkpoints() else goes_on
