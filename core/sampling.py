"""What to sample from and how: what core.sampler and the process behind it tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from core.models import EMBEDDED
from core.spec import Part


@dataclass(frozen=True)
class ModelChoice:
    """A model, with or without an adapter.

    Attributes:
        name: `embedded`, a folder or a Hub id.
        adapter: folder of a LoRA adapter to put on top, such as a run's `adapter/`.
        chat_template_kwargs: GRPOConfig's; handed to the chat template.
    """

    name: str = EMBEDDED
    adapter: str | None = None
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)


class SamplingSettings(Part):
    """GRPOConfig's own sampling parameters, under its names and with its meanings."""

    num_generations: int = Field(8, ge=1, le=256, description="completions a row")
    max_completion_length: int = Field(64, ge=1, description="tokens")
    temperature: float = Field(1.0, ge=0, description="0 takes the likeliest token every time")
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0)
    seed: int = Field(0, ge=0, lt=2**63, description="the same seed gives the same completions to the same question")
