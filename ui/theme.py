"""How the app looks: system fonts (no download), colour-blind safe task colours, plots that follow light and dark."""

from __future__ import annotations

import colorsys

import gradio as gr

# Okabe and Ito (2008), without black: https://jfly.uni-koeln.de/color/
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442")
GOLDEN_ANGLE = 0.381966

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

CSS = """
.gradio-container { width: 100% !important; max-width: min(1280px, 100vw) !important; margin: 0 auto !important; }
.gradio-container .main, .gradio-container .wrap, .gradio-container .contain { min-width: 0; max-width: 100%; }
.js-plotly-plot .plotly text { fill: var(--body-text-color) !important; }
.js-plotly-plot .plotly .gridlayer path, .js-plotly-plot .plotly .zerolinelayer path { stroke: #8884 !important; }
.question h2 { margin: 0.2em 0 0 0; font-size: 1.15rem; }
.number-table td { font-variant-numeric: tabular-nums; }
.status { font-variant-numeric: tabular-nums; }
"""


def theme() -> gr.themes.Base:
    """Gradio's default shapes in calm colours and system fonts."""
    return gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=SANS, font_mono=MONO)


def task_colour(index: int) -> str:
    """The colour of the n-th task: Okabe-Ito first, then hues a golden angle apart."""
    if index < len(OKABE_ITO):
        return OKABE_ITO[index]
    red, green, blue = colorsys.hls_to_rgb((index * GOLDEN_ANGLE) % 1.0, 0.5, 0.6)
    return f"#{int(red * 255):02X}{int(green * 255):02X}{int(blue * 255):02X}"
