"""Figures of the page Preview as pure functions: reports of tasks in, a plotly figure out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.preview_report import RewardReport, TaskReport
from ui.figures import NEUTRAL, shortened
from ui.texts import t

PATTERNS = ("", "/", ".", "x", "-", "|", "+", "\\")  # a reward is told by its pattern, a task by its colour
MOST_PANELS = 12
BINS = 20


def share_figure(reports: Sequence[TaskReport], colours: Mapping[str, str]) -> go.Figure:
    """Which part of the whole |advantage| each task takes, and inside a task each of its rewards."""
    figure = go.Figure()
    keys = list(dict.fromkeys(reward.cell.key for report in reports for reward in report.rewards))
    for n, key in enumerate(keys):
        parts = [(report, reward) for report in reports for reward in report.rewards if reward.cell.key == key]
        figure.add_bar(
            orientation="h",
            x=[100 * (report.share or 0.0) * (reward.share or 0.0) for report, reward in parts],
            y=[shortened(report.task) for report, _ in parts],
            name=shortened(key),
            customdata=[100 * (reward.share or 0.0) for _, reward in parts],
            hovertemplate=f"%{{y}} · {shortened(key)}<br>{t('plot.of_all')}: %{{x:.3g}} %<br>"
            f"{t('plot.of_task')}: %{{customdata:.3g}} %<extra></extra>",
            showlegend=False,
            marker={
                "color": [colours.get(report.task, NEUTRAL) for report, _ in parts],
                "pattern": {"shape": PATTERNS[n % len(PATTERNS)], "fillmode": "overlay", "size": 6, "solidity": 0.35},
                "line": {"width": 1, "color": "rgba(128,128,128,0.6)"},
            },
        )
        figure.add_bar(x=[None], y=[None], name=shortened(key), marker=_legend_mark(n))
    figure.update_xaxes(title_text=t("plot.share"), rangemode="tozero", gridcolor="#8884")
    figure.update_yaxes(title_text=t("plot.task"), autorange="reversed")
    rows = math.ceil(len(keys) / 3)
    return _laid_out(figure, 110 + 34 * len(reports) + 20 * rows, t("plot.share_title"), 44 + 20 * rows)


def _legend_mark(n: int) -> dict[str, object]:
    return {"color": NEUTRAL, "pattern": {"shape": PATTERNS[n % len(PATTERNS)], "fillmode": "overlay", "size": 6}}


def distribution_figure(reports: Sequence[TaskReport], colours: Mapping[str, str]) -> go.Figure:
    """How often each reward of each task gives which score: small multiples, the first of many."""
    panels = [(report, reward) for report in reports for reward in report.rewards][:MOST_PANELS]
    columns = min(2, max(1, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    titles = [f"{shortened(report.task, 16)} · {shortened(reward.cell.key, 18)}" for report, reward in panels]
    height = 110 + 132 * rows
    figure = make_subplots(
        rows, columns, subplot_titles=titles, shared_yaxes="rows", vertical_spacing=48 / (132 * rows) if rows > 1 else 0
    )
    for n, (report, reward) in enumerate(panels):
        bars = _histogram(reward, shortened(report.task), colours.get(report.task, NEUTRAL))
        figure.add_trace(bars, row=n // columns + 1, col=n % columns + 1)
        figure.update_xaxes(range=_ends(reward), nticks=4, row=n // columns + 1, col=n % columns + 1)
    figure.update_annotations(font_size=12)
    figure.update_xaxes(gridcolor="#8884")
    figure.update_yaxes(rangemode="tozero", gridcolor="#8884")
    figure.update_xaxes(title_text=t("plot.score"), row=rows)
    figure.update_yaxes(title_text=t("plot.completions"), col=1)
    figure.update_layout(bargap=0.05)
    return _laid_out(figure, height, t("plot.score_title"), 56)


def _ends(reward: RewardReport) -> tuple[float, float]:
    """The x axis of a panel: what the scores span, with a little room."""
    low, high = (float(reward.values.min()), float(reward.values.max())) if len(reward.values) else (0.0, 1.0)
    room = 0.15 * (high - low) or 0.5
    return low - room, high + room


def _histogram(reward: RewardReport, task: str, colour: str) -> go.Bar:
    """Bars of equal width; scores of few different values have a bar each."""
    values = reward.values
    different = np.unique(values)
    if len(different) <= BINS // 2:
        counts = [int((values == value).sum()) for value in different]
        gaps = np.diff(different)
        centres, width = different, float(min(gaps.min(), np.ptp(different) / 8)) if len(gaps) else 0.1
    else:
        found, edges = np.histogram(values, bins=BINS)
        counts, centres, width = found.tolist(), (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    label = f"{task} · {shortened(reward.cell.key)}"
    return go.Bar(
        x=list(centres),
        y=counts,
        width=width,
        marker={"color": colour},
        showlegend=False,
        hovertemplate=f"{label}<br>{t('plot.score')} %{{x:.3g}}: %{{y}}<extra></extra>",
    )


def _laid_out(figure: go.Figure, height: int, title: str, bottom: int) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 14}, "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 10}},
        barmode="stack",
        height=height,
        margin={"l": 60, "r": 12, "t": 56, "b": bottom},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={
            "orientation": "h",
            "y": 0,
            "yanchor": "bottom",
            "x": 0.5,
            "xanchor": "center",
            "yref": "container",
            "traceorder": "normal",
        },
        uirevision="preview",
        hovermode="closest",
    )
    return figure
