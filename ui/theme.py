"""How the app looks: system fonts (no download), colour-blind safe task colours, plots that follow light and dark."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable
from pathlib import Path

import gradio as gr

# Okabe and Ito (2008), without black: https://jfly.uni-koeln.de/color/
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442")
GOLDEN_ANGLE = 0.381966

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

STYLESHEET = Path(__file__).with_name("theme.css")


def theme() -> gr.themes.Base:
    """Gradio's default shapes in calm colours and system fonts."""
    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=SANS, font_mono=MONO)


def task_colours(tasks: Iterable[str], others: Iterable[str] = ()) -> dict[str, str]:
    """The colour of each task, in the order given; by its name among them, so that it stays where the order changes.

    Those of `others` come after all of `tasks`.
    """
    given, more = list(tasks), list(others)
    ranked = dict.fromkeys([*sorted(given), *sorted(more)])
    ranks = {task: n for n, task in enumerate(ranked)}
    return {task: task_colour(ranks[task]) for task in dict.fromkeys([*given, *more])}


def task_colour(index: int) -> str:
    """The colour of the n-th task: Okabe-Ito first, then hues a golden angle apart."""
    if index < len(OKABE_ITO):
        return OKABE_ITO[index]
    red, green, blue = colorsys.hls_to_rgb((index * GOLDEN_ANGLE) % 1.0, 0.5, 0.6)
    return f"#{int(red * 255):02X}{int(green * 255):02X}{int(blue * 255):02X}"
