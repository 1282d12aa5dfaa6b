"""Two generations as one: the groups that stay of one, and those of another that take the place of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

LEFT = "prompt_"  # prompts are padded on the left, everything of completions on the right


def merged(parts: Sequence[Mapping[str, Any]], rows: Sequence[int], pad: int) -> dict[str, Any]:
    """Some rows of several generations, as TRL hands a generation to its loss.

    Args:
        parts: what `_generate_and_score_completions` returned, each time.
        rows: which of all their rows, counted through, in the order wanted.
        pad: the token id that fills prompts and completions up.

    Returns:
        The same fields, of those rows; `num_items_in_batch` counts their tokens anew.
    """
    found: dict[str, Any] = {}
    for name, value in parts[0].items():
        if name == "num_items_in_batch":
            continue
        if not isinstance(value, Tensor):
            raise TypeError(f"generations with {name!r} cannot be put together")
        of_all = [part[name] for part in parts]
        whole = torch.cat(of_all if value.dim() == 1 else _of_one_width(name, of_all, pad))
        found[name] = whole[torch.tensor(list(rows), device=whole.device)]
    mask = found["completion_mask"] * found.get("tool_mask", 1)
    return {**found, "num_items_in_batch": mask.sum()}


def _of_one_width(name: str, rows: Sequence[Tensor], pad: int) -> list[Tensor]:
    wide = max(part.shape[1] for part in rows)
    fill = pad if name.endswith("_ids") else 0
    return [
        F.pad(part, (wide - part.shape[1], 0) if name.startswith(LEFT) else (0, wide - part.shape[1]), value=fill)
        for part in rows
    ]
