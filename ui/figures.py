"""Figures as pure functions: records of a run in, a plotly figure out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui.texts import t
from ui.theme import task_colour

Record = Mapping[str, Any]
Points = list[tuple[int, float, int]]  # step, mean reward, completions scored

COLUMNS = 4
MOST_POINTS = 400
SMOOTHING = 0.8  # weight of the past in the exponential moving average
FEW = 10  # points that are marked one by one
NEUTRAL = "#808080"


def reward_curves(records: Sequence[Record], tasks: Sequence[str], revision: str) -> go.Figure:
    """Small multiples, one per task on shared axes: mean total per step, raw and smoothed, and held-out evaluations.

    Args:
        records: a run's records.
        tasks: the tasks in their one order, which is also the order of colours.
        revision: zoom and selection are kept while this stays the same.
    """
    columns = min(COLUMNS, max(1, len(tasks)))
    rows = max(1, math.ceil(len(tasks) / columns))
    figure = make_subplots(
        rows, columns, shared_xaxes="all", shared_yaxes="all", subplot_titles=[shortened(task) for task in tasks]
    )
    for n, task in enumerate(tasks):
        place = {"row": n // columns + 1, "col": n % columns + 1}
        for trace in _task_traces(records, task, task_colour(n)):
            figure.add_trace(trace, **place)
    for trace in _legend():
        figure.add_trace(trace, row=1, col=1)
    steps = max((record["steps"] for record in records), default=1)
    figure.update_xaxes(range=[0, steps], dtick=1 if steps <= FEW else None, tickformat="d", showticklabels=True)
    figure.update_xaxes(title_text=t("plot.step"), row=rows)
    figure.update_yaxes(title_text=t("plot.reward"), col=1)
    figure.update_traces(cliponaxis=False)  # the evaluation before the first step lies on the axis
    figure.update_yaxes(range=reward_range(records))
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


def reward_range(records: Sequence[Record]) -> tuple[float, float]:
    """The y axis of all tasks: from 0, or lower where rewards are negative, to the highest, with a little room."""
    found = [task["reward"] for record in records for task in record["tasks"] if task["reward"] is not None]
    low, high = min([0.0, *found]), max([0.0, *found])
    room = 0.06 * (high - low or 1.0)
    return (low - room if low < 0 else 0.0), (high if high > low else low + 1.0) + room


def task_points(records: Sequence[Record], split: str, task: str) -> Points:
    """The points of one task's curve; steps in which the task has no total are left out, never drawn as 0."""
    return [
        (record["step"], found["reward"], found["scored"])
        for record in records
        if record["split"] == split
        for found in record["tasks"]
        if found["task"] == task and found["reward"] is not None
    ]


def smoothed(values: Sequence[float]) -> list[float]:
    """Exponential moving average, unbiased at the start."""
    result: list[float] = []
    mean = weight = 0.0
    for value in values:
        mean = SMOOTHING * mean + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        result.append(mean / weight)
    return result


def thinned(points: Sequence[Any], most: int = MOST_POINTS) -> list[Any]:
    """At most so many points, evenly spread, the last one always among them."""
    if len(points) <= most:
        return list(points)
    return [points[round(n * (len(points) - 1) / (most - 1))] for n in range(most)]


def shortened(name: str, most: int = 28) -> str:
    """A name that fits over a small plot; markup in it is shown, not obeyed."""
    text = name if len(name) <= most else name[: most - 1] + "…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _task_traces(records: Sequence[Record], task: str, colour: str) -> list[go.Scatter]:
    train = task_points(records, "train", task)
    smooth = smoothed([reward for _, reward, _ in train])
    lines = thinned(list(zip(train, smooth, strict=True)))
    raw = [point for point, _ in lines]
    style = "lines+markers" if len(lines) <= FEW else "lines"  # a line of one point is not to be seen
    strong = [(step, value, count) for (step, _, count), value in lines]
    return [
        _trace(raw, task, t("plot.raw"), mode=style, line={"color": colour, "width": 1}, opacity=0.35),
        _trace(strong, task, t("plot.smooth"), mode=style, line={"color": colour, "width": 2.5}),
        _trace(
            task_points(records, "held_out", task),
            task,
            t("plot.held_out"),
            mode="markers",
            marker={"color": colour, "size": 10, "symbol": "diamond", "line": {"width": 1, "color": "white"}},
        ),
    ]


def _trace(points: Points, task: str, name: str, **style: Any) -> go.Scatter:
    label = shortened(task)
    return go.Scatter(
        x=[step for step, _, _ in points],
        y=[value for _, value, _ in points],
        customdata=[count for _, _, count in points],
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
