"""Weights of rewards that change during a run: in a line, at a step, or once another reward of the task is good enough.

A schedule begins at `start` and ends at the route's own weight, which is what held-out rows are scored with throughout,
so that their curves mean the same from the first step to the last. A gate is the curriculum that people write by hand:
first the format, and the answer once the format holds.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Schedule(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    start: float = Field(0.0, allow_inf_nan=False, description="weight before")


class Linear(_Schedule):
    """From `start` to the route's weight in a line."""

    kind: Literal["linear"]
    begin: int = Field(1, ge=1, description="the last step with the weight `start`")
    end: int = Field(description="the first step with the route's own weight")

    @model_validator(mode="after")
    def forwards(self) -> Self:
        if self.end <= self.begin:
            raise ValueError(f"it ends at step {self.end}, not after it begins at step {self.begin}")
        return self


class Step(_Schedule):
    """`start` before a step, the route's weight from it on."""

    kind: Literal["step"]
    at: int = Field(ge=1, description="the first step with the route's own weight")


class Gate(_Schedule):
    """`start` until another reward of the task is good enough, the route's weight from then on."""

    kind: Literal["gate"]
    reward: str = Field(description="name or label of another reward of the task")
    above: float = Field(allow_inf_nan=False, description="its mean score over five batches that opens the gate")


Schedule = Annotated[Linear | Step | Gate, Field(discriminator="kind")]


def weight_at(weight: float, schedule: Schedule, step: int, opened: bool) -> float:
    """The weight of a route at a training step, 1 is the first.

    >>> [weight_at(1.0, Linear(kind="linear", begin=10, end=20), step, False) for step in (10, 15, 20)]
    [0.0, 0.5, 1.0]
    """
    if isinstance(schedule, Linear):
        part = (step - schedule.begin) / (schedule.end - schedule.begin)
        return schedule.start + (weight - schedule.start) * min(1.0, max(0.0, part))
    reached = opened if isinstance(schedule, Gate) else step >= schedule.at
    return weight if reached else schedule.start
