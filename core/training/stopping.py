"""How training ends when it is asked to, and how a checkpoint is known to be whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from core.runs import CHECKPOINT_COMPLETE, RunFolder, write_atomically
from core.training.endings import check_still_there

ENDED = "ended.json"


class StoppedDuringEvaluation(Exception):
    """A stop was asked for while held-out rows were evaluated; the step before is whole."""


class EndedAtEvaluation(Exception):
    """An evaluation that a resume made up for says that the run has had enough; its step's checkpoint is there."""


def note_end(checkpoint: Path, reason: str) -> None:
    """Write into a checkpoint why training ended there before its last step, if it did: a resume trains no further."""
    if reason:
        write_atomically(checkpoint / ENDED, json.dumps({"reason": reason}, ensure_ascii=False))


def why_ended(checkpoint: Path) -> str:
    """Why training ended at a checkpoint; empty where it did not."""
    path = checkpoint / ENDED
    return str(json.loads(path.read_text(encoding="utf-8"))["reason"]) if path.exists() else ""


class StopAndMark(TrainerCallback):
    """Ends training at a checkpoint when asked to, and marks every checkpoint that is whole."""

    def __init__(self, run: RunFolder, stop_requested: Callable[[], bool]) -> None:
        self._run = run
        self._stop_requested = stop_requested

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        check_still_there(self._run)
        if self._stop_requested():
            control.should_save = control.should_training_stop = True
            control.should_evaluate = False
        return control

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._stop_requested():
            raise StoppedDuringEvaluation

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A kill in the middle of a save leaves a folder without this mark, which resume then passes over."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        write_atomically(folder / CHECKPOINT_COMPLETE, json.dumps({"step": state.global_step}))
