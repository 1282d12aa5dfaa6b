"""Figures of the page Preview as pure functions: reports of tasks in, a plotly figure out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.preview_report import RewardReport, TaskReport
from ui.figures import NEUTRAL, shortened
from ui.plots import MODEBAR
from ui.texts import t

PATTERNS = ("", "/", ".", "x", "-", "|", "+", "\\")  # a reward is told by its pattern, a task by its colour
WHOLE = 200  # characters of a name where there is room
MOST_PANELS = 12  # while all tasks are shown
BINS = 20


def share_figure(reports: Sequence[TaskReport], colours: Mapping[str, str]) -> go.Figure:
    """Which part of the whole |advantage| each task takes, and inside a task each of its rewards."""
    figure = go.Figure()
    places = {report.task: n for n, report in enumerate(reports)}  # names may be alike, shortened, or look like numbers
    keys = list(dict.fromkeys(reward.cell.key for report in reports for reward in report.rewards))
    for n, key in enumerate(keys):
        parts = [(report, reward) for report in reports for reward in report.rewards if reward.cell.key == key]
        figure.add_bar(
            orientation="h",
            x=[100 * (report.share or 0.0) * (reward.share or 0.0) for report, reward in parts],
            y=[places[report.task] for report, _ in parts],
            name=shortened(key),
            customdata=[[shortened(report.task, WHOLE), 100 * (reward.share or 0.0)] for report, reward in parts],
            hovertemplate=f"%{{customdata[0]}} · {shortened(key, WHOLE)}<br>{t('plot.of_all')}: %{{x:.3g}} %<br>"
            f"{t('plot.of_task')}: %{{customdata[1]:.3g}} %<extra></extra>",
            showlegend=False,
            marker={
                "color": [colours.get(report.task, NEUTRAL) for report, _ in parts],
                "pattern": {"shape": PATTERNS[n % len(PATTERNS)], "fillmode": "overlay", "size": 6, "solidity": 0.35},
                "line": {"width": 1, "color": "rgba(128,128,128,0.6)"},
            },
        )
        figure.add_bar(x=[None], y=[None], name=shortened(key), marker=_legend_mark(n))
    figure.update_xaxes(title_text=t("plot.share"), rangemode="tozero", gridcolor="#8884")
    figure.update_yaxes(
        title_text=t("plot.task"),
        range=[len(reports) - 0.5, -0.5],
        tickvals=list(places.values()),
        ticktext=[shortened(task) for task in places],
        zeroline=False,
        showgrid=False,
    )
    rows = math.ceil(len(keys) / 3)
    return _laid_out(figure, 110 + 34 * len(reports) + 20 * rows, t("plot.share_title"), 44 + 20 * rows)


def _legend_mark(n: int) -> dict[str, object]:
    return {"color": NEUTRAL, "pattern": {"shape": PATTERNS[n % len(PATTERNS)], "fillmode": "overlay", "size": 6}}


def distribution_figure(reports: Sequence[TaskReport], colours: Mapping[str, str]) -> go.Figure:
    """How often each reward of each task gives which score: small multiples, of many tasks the first, of one all.

    Rewards that declare the same range have the same x axis.
    """
    every = [(report, reward) for report in reports for reward in report.rewards]
    panels = every if len(reports) == 1 else every[:MOST_PANELS]
    columns = min(2, max(1, len(panels)))
    rows = max(1, math.ceil(len(panels) / columns))
    titles = [f"{shortened(report.task, 16)} · {shortened(reward.cell.key, 18)}" for report, reward in panels]
    height = 110 + 132 * rows
    figure = make_subplots(
        rows, columns, subplot_titles=titles, shared_yaxes="rows", vertical_spacing=48 / (132 * rows) if rows > 1 else 0
    )
    for n, (report, reward) in enumerate(panels):
        ends = _ends(reward)
        bars = _histogram(reward, shortened(report.task, WHOLE), colours.get(report.task, NEUTRAL), ends)
        figure.add_trace(bars, row=n // columns + 1, col=n % columns + 1)
        figure.update_xaxes(range=ends, nticks=4, row=n // columns + 1, col=n % columns + 1)
    figure.update_annotations(font_size=12)
    figure.update_xaxes(gridcolor="#8884")
    figure.update_yaxes(rangemode="tozero", gridcolor="#8884")
    figure.update_xaxes(title_text=t("plot.score"), row=rows)
    figure.update_yaxes(title_text=t("plot.completions"), col=1)
    figure.update_layout(bargap=0.05)
    return _laid_out(figure, height, t("plot.score_title"), 56)


def score_note(reports: Sequence[TaskReport]) -> str:
    """What `distribution_figure` leaves out, and where to see it; empty where it shows all."""
    count = sum(len(report.rewards) for report in reports)
    return t("preview.panels", shown=MOST_PANELS, count=count) if len(reports) > 1 and count > MOST_PANELS else ""


def _ends(reward: RewardReport) -> tuple[float, float]:
    """The x axis of a panel: the range that the reward declares, else what its scores span; with a little room."""
    (low, high), values = reward.range, reward.values
    if low is None or high is None or ((values < low) | (values > high)).any():  # other parameters, another range
        low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    room = 0.15 * (high - low) or 0.5
    return low - room, high + room


def _histogram(reward: RewardReport, task: str, colour: str, ends: tuple[float, float]) -> go.Bar:
    """Bars of equal width; scores of few different values have a bar each."""
    values = reward.values
    different = np.unique(values)
    if len(different) <= BINS // 2:
        counts = [int((values == value).sum()) for value in different]
        centres, width = different, float(min([*np.diff(different), (ends[1] - ends[0]) / 10]))
    else:
        found, edges = np.histogram(values, bins=BINS)
        counts, centres, width = found.tolist(), (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    label = f"{task} · {shortened(reward.cell.key, WHOLE)}"
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
        modebar=MODEBAR,
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
