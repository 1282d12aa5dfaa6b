"""Which parts of a step go our way and which TRL's, and why: what a run's engine.json says."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from core.runs import RunFolder, read_as, write_atomically


@dataclass(frozen=True)
class Way:
    """How one part of a step is done.

    Attributes:
        ours: whether it is ours; else it is TRL's.
        reason: why it is TRL's; empty for ours.
    """

    ours: bool
    reason: str = ""


WAYS = TypeAdapter(dict[str, Way])


def write_ways(run: RunFolder, sampling: Way, training: Way) -> None:
    """Say it to whoever reads the run folder."""
    ways = {"sampling": asdict(sampling), "training": asdict(training)}
    write_atomically(run.engine_path, json.dumps(ways, indent=2))


def ways_of(run: RunFolder) -> dict[str, Way]:
    """The way of `sampling` and of `training`; empty before it is known, or where the file says nothing of the kind."""
    return read_as(WAYS, run.engine_path) or {}
