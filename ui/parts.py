"""Pages as parts: a component each, which is drawn where a tab has not seen it as it is by now.

What is not drawn is not sent, so that zoom, open texts and focus in it stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr


@dataclass(frozen=True)
class Part:
    """One component of a page; `token` and `draw` are given what the page knows, and what the tab looks at.

    Attributes:
        name: of the part, in what a tab has seen.
        token: changes whenever `draw` gives something else.
        draw: the component's new value.
    """

    name: str
    token: Callable[..., str]
    draw: Callable[..., Any]


def tokens_of(parts: Sequence[Part], *given: Any) -> dict[str, Any]:
    """What a tab that shows everything as it is by now has seen, by part."""
    return {part.name: part.token(*given) for part in parts}


def drawn_anew(parts: Sequence[Part], before: Mapping[str, Any], tokens: Mapping[str, Any], *given: Any) -> list[Any]:
    """A value for each part whose token is another than before, and no change for the others."""
    return [gr.skip() if before.get(part.name) == tokens[part.name] else part.draw(*given) for part in parts]
