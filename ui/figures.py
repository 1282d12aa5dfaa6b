"""Figures as pure functions: a run's series in, a plotly figure out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from core.series import Curve, Series
from ui.texts import t
from ui.theme import task_colour

COLUMNS = 4
MOST_POINTS = 400
FEW = 10  # points that are marked one by one
NEUTRAL = "#808080"


def reward_curves(series: Series, revision: str) -> go.Figure:
    """Small multiples, one per task on shared axes: mean total per step, raw and smoothed, and held-out evaluations.

    Args:
        series: of a run; the order of its tasks is also the order of colours.
        revision: zoom and selection are kept while this stays the same.
    """
    tasks = series.tasks
    columns = min(COLUMNS, max(1, len(tasks)))
    rows = max(1, math.ceil(len(tasks) / columns))
    figure = make_subplots(
        rows, columns, shared_xaxes="all", shared_yaxes="all", subplot_titles=[shortened(task) for task in tasks]
    )
    for n, task in enumerate(tasks):
        place = {"row": n // columns + 1, "col": n % columns + 1}
        for trace in _task_traces(series, task, task_colour(n)):
            figure.add_trace(trace, **place)
    for trace in _legend():
        figure.add_trace(trace, row=1, col=1)
    steps = series.last["steps"] if series.last else 1
    figure.update_xaxes(range=[0, steps], dtick=1 if steps <= FEW else None, tickformat="d", showticklabels=True)
    figure.update_xaxes(title_text=t("plot.step"), row=rows)
    figure.update_yaxes(title_text=t("plot.reward"), col=1)
    figure.update_traces(cliponaxis=False)  # the evaluation before the first step lies on the axis
    figure.update_yaxes(range=reward_range(series))
    figure.update_layout(
        height=130 + 210 * rows,
        margin={"l": 60, "r": 16, "t": 56, "b": 92},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "y": 0.01, "yanchor": "bottom", "x": 0.5, "xanchor": "center", "yref": "container"},
        uirevision=revision,
        hovermode="closest",
    )
    return figure


def reward_range(series: Series) -> tuple[float, float]:
    """The y axis of all tasks: from 0, or lower where rewards are negative, to the highest, with a little room."""
    found = [
        reward for split in (series.train, series.held_out) for curve in split.values() for reward in curve.rewards
    ]
    low, high = min(0.0, min(found, default=0.0)), max(0.0, max(found, default=0.0))
    room = 0.06 * (high - low or 1.0)
    return (low - room if low < 0 else 0.0), (high if high > low else low + 1.0) + room


def thinned(points: Sequence[Any], most: int = MOST_POINTS) -> list[Any]:
    """At most so many points, evenly spread, the last one always among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(n * (len(points) - 1) / (most - 1))] for n in range(most)]


def shortened(name: str, most: int = 28) -> str:
    """A name that fits over a small plot; markup in it is shown, not obeyed."""
    text = name if len(name) <= most else name[: most - 1] + "…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _task_traces(series: Series, task: str, colour: str) -> list[go.Scatter]:
    train = series.train[task]
    style = "lines+markers" if len(train.steps) <= FEW else "lines"  # a line of one point is not to be seen
    diamond = {"color": colour, "size": 10, "symbol": "diamond", "line": {"width": 1, "color": "white"}}
    return [
        _trace(train, train.rewards, task, t("plot.raw"), mode=style, line={"color": colour, "width": 1}, opacity=0.35),
        _trace(train, train.smoothed, task, t("plot.smooth"), mode=style, line={"color": colour, "width": 2.5}),
        _trace(
            series.held_out[task],
            series.held_out[task].rewards,
            task,
            t("plot.held_out"),
            mode="markers",
            marker=diamond,
        ),
    ]


def _trace(curve: Curve, values: Sequence[float], task: str, name: str, **style: Any) -> go.Scatter:
    label = shortened(task)
    return go.Scatter(
        x=thinned(curve.steps),
        y=thinned(values),
        customdata=thinned(curve.scored),
        hovertemplate=f"{label}<br>{name}<br>step %{{x}}: %{{y:.3g}}<br>%{{customdata}} completions<extra></extra>",
        showlegend=False,
        **style,
    )


def _legend() -> list[go.Scatter]:
    """What the three kinds of marks mean, in grey, since colour already says which task."""
    empty: dict[str, Any] = {"x": [None], "y": [None], "hoverinfo": "skip"}
    return [
        go.Scatter(**empty, name=t("plot.raw"), mode="lines", line={"color": NEUTRAL, "width": 1}, opacity=0.5),
        go.Scatter(**empty, name=t("plot.smooth"), mode="lines", line={"color": NEUTRAL, "width": 2.5}),
        go.Scatter(**empty, name=t("plot.held_out"), mode="markers", marker={"color": NEUTRAL, "symbol": "diamond"}),
    ]
