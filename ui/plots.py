"""Plotly figures as plain documents: made, rounded and sent in milliseconds.

`plotly.graph_objects` checks every property of every trace, which takes longer than everything else about a refresh
together. The tests check them instead: every figure made here is one that plotly accepts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
from gradio.components.plot import PlotData

from core.downsampling import Curve
from ui.figures import shortened
from ui.texts import t

Trace = dict[str, Any]
Figure = dict[str, Any]

FEW = 10  # points that are marked one by one
DIGITS = 4  # significant
ROW_PX, GAP_PX, TOP_PX, BOTTOM_PX = 190, 62, 64, 66
SCALES_APART = 20.0  # times, from which on panels do not share a y axis


@dataclass(frozen=True)
class Panel:
    """One of several small plots.

    Attributes:
        title: over it.
        traces: its lines, without axes.
        y_title: what it measures, with its unit.
        from_zero: whether the y axis begins at 0 where nothing is below.
        percent: whether it is 0 to 100 %.
        marks: which of its lines is which, by colour; empty where the figure's legend says it.
    """

    title: str
    traces: Sequence[Trace]
    y_title: str
    from_zero: bool = True
    percent: bool = False
    marks: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Frame:
    """What the figures of a page have in common.

    Attributes:
        first: the first step that is shown.
        last: the last.
        columns: panels beside one another, at most.
        revision: zoom and selection are kept while this stays the same.
    """

    first: int
    last: int
    columns: int
    revision: str


@dataclass(frozen=True)
class Legend:
    """A trace that is drawn nowhere but in the legend."""

    name: str
    style: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trace(self) -> Trace:
        """It as a trace of one point that is none."""
        return {"type": "scatter", "x": [None], "y": [None], "hoverinfo": "skip", "name": self.name, **self.style}


# Gradio puts another element in a plot's place at every update, and with it goes what the user has zoomed to, which
# plotly itself would keep: it is remembered by figure and `uirevision`, and set again. And since Gradio's page has a
# <base>, plotly writes the page's whole address into what a plot refers to inside itself, its clips and the colours of
# a bar; once the address is another one, they are not found: what is left of it is the fragment.
FOLLOW_PLOTS = """() => {
    const kept = new Map();
    const toItself = (plot) => {
        plot._context._baseUrl = "";
        for (const name of ["clip-path", "style"]) {
            for (const part of plot.querySelectorAll(`[${name}*="url("]`)) {
                const value = part.getAttribute(name);
                part.setAttribute(name, value.replace(/url\\((['"]?)[^#'")]*#/g, "url($1#"));
            }
        }
    };
    const follow = (plot) => {
        plot.dataset.followed = "yes";
        toItself(plot);
        const home = plot.parentElement.closest("[id]"), key = `${home?.id} ${plot.layout.uirevision}`;
        const ranges = kept.get(key);
        if (ranges) window.Plotly.relayout(plot, ranges);
        plot.on("plotly_relayout", (change) => {
            const names = Object.keys(change);
            if (names.some((name) => name.endsWith("autorange") && change[name])) kept.delete(key);
            else if (names.some((name) => name.includes("range"))) kept.set(key, {...kept.get(key), ...change});
            if (plot.isConnected) return;  // it was replaced while somebody dragged: the zoom is for its successor
            const now = home?.id && document.getElementById(home.id)?.querySelector(".js-plotly-plot");
            if (now && kept.has(key)) window.Plotly.relayout(now, kept.get(key));
        });
    };
    new MutationObserver(() => document.querySelectorAll(".js-plotly-plot:not([data-followed])").forEach((plot) => {
        if (plot.on && plot._fullLayout && window.Plotly) follow(plot);
    })).observe(document.body, {childList: true, subtree: true});
}"""


# Where nothing hovers, as on a phone, plotly's buttons stay over the figure's title: those that are left do what a drag
# cannot.
MODEBAR = {
    "remove": ["zoom", "pan", "select", "lasso", "zoomIn", "zoomOut", "autoscale"],
    "bgcolor": "rgba(0,0,0,0)",
}


def plot(figure: Figure | None) -> PlotData | None:
    """A figure as gradio sends it."""
    return None if figure is None else PlotData(type="plotly", plot=orjson.dumps(figure).decode())


def rounded(values: Any) -> list[float | None]:
    """Numbers in four digits, as short as they can be sent; what is none is null."""
    found = np.asarray(values, dtype=np.float64)
    there = np.isfinite(found) & (found != 0)
    exponents = np.zeros(found.shape)
    exponents[there] = DIGITS - 1 - np.floor(np.log10(np.abs(found[there])))
    up, down = 10.0 ** np.maximum(exponents, 0), 10.0 ** np.maximum(-exponents, 0)
    short: list[float | None] = (np.round(found * up / down) / up * down).tolist()
    return short if np.isfinite(found).all() else [None if v != v else v for v in short]


def line(curve: Curve, name: str, label: str, **style: Any) -> Trace:
    """A line through a curve's points; few points are marked, since a line of one is not to be seen."""
    few = len(curve.steps) <= FEW
    return {
        "type": "scatter",
        "mode": "lines+markers" if few else "lines",
        **({"cliponaxis": False} if few else {}),
        "x": curve.steps.tolist(),
        "y": rounded(curve.values),
        "hovertemplate": f"{label}<br>{name}<br>{t('plot.step')} %{{x}}: %{{y:.4~g}}<extra></extra>",
        "showlegend": False,
        **style,
    }


def panels(
    title: str, parts: Sequence[Panel], frame: Frame, legend: Sequence[Legend] = (), share_y: bool = True
) -> Figure:
    """Small plots in a grid, all over the same steps.

    Args:
        title: of them all.
        parts: the plots, row by row.
        frame: what they share with the other figures of the page.
        legend: what their marks mean.
        share_y: whether they have the same y axis; not where their numbers are too far apart to be seen on one.
    """
    columns = max(1, min(frame.columns, len(parts)))
    rows = max(1, math.ceil(len(parts) / columns))
    names = _legend_rows(legend, columns)
    bottom = BOTTOM_PX + 20 * names
    height = TOP_PX + rows * ROW_PX + (rows - 1) * GAP_PX + bottom
    inner = height - TOP_PX - bottom
    extents = [extent(part) for part in parts]
    together = share_y and near(extents)
    figure: Figure = {"data": [], "layout": _layout(title, height, bottom, frame, bool(legend))}
    for n, part in enumerate(parts):
        row, column = divmod(n, columns)
        domain = _domain(row, column, columns, inner)
        figure["layout"] |= _axes(n, part, frame, domain, join_extents(extents) if together else extents[n])
        figure["layout"]["annotations"].append(_heading(part, domain))
        axes = {"xaxis": f"x{n + 1}" if n else "x", "yaxis": f"y{n + 1}" if n else "y"}
        figure["data"] += [{**trace, **axes} for trace in part.traces]
    figure["data"] += [entry.trace for entry in legend]
    return figure


def near(extents: Sequence[tuple[float, float]]) -> bool:
    """Whether numbers can be seen on one axis."""
    spans = [max(abs(low), abs(high)) for low, high in extents if max(abs(low), abs(high)) > 0]
    return not spans or max(spans) < SCALES_APART * min(spans)


def join_extents(extents: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """From the lowest to the highest of all."""
    return min((low for low, _ in extents), default=0.0), max((high for _, high in extents), default=0.0)


def axis_range(low: float, high: float, from_zero: bool) -> tuple[float, float]:
    """A y axis with a little room; from 0 where nothing is below and that is asked for."""
    if from_zero:
        low, high = min(0.0, low), max(0.0, high)
    room = 0.06 * (high - low or abs(high) or 1.0)
    return (low - room if low < 0 or not from_zero else 0.0), (high if high > low else low + (abs(low) or 1.0)) + room


def _legend_rows(legend: Sequence[Legend], columns: int) -> int:
    """Rows that a legend of these names will take, roughly."""
    return math.ceil(sum(len(entry.name) + 8 for entry in legend) / (36 * columns))


def extent(part: Panel) -> tuple[float, float]:
    """The lowest and highest number of a panel; lines on top of one another reach as high as their sum."""
    lines = [trace["y"] for trace in part.traces]
    if any("stackgroup" in trace for trace in part.traces):
        lines = [[sum(value or 0.0 for value in values) for values in zip(*lines, strict=True)]]
    known = [value for values in lines for value in values if value is not None]
    return (min(known), max(known)) if known else (0.0, 0.0)


def _domain(row: int, column: int, columns: int, inner: int) -> tuple[list[float], list[float]]:
    gap = 0.0 if columns == 1 else 0.26 / columns
    width = (1 - gap * (columns - 1)) / columns
    left = column * (width + gap)
    top = 1 - row * (ROW_PX + GAP_PX) / inner
    return [left, min(1.0, left + width)], [max(0.0, top - ROW_PX / inner), top]


def _axes(n: int, part: Panel, frame: Frame, domain: tuple[Any, Any], extent: tuple[float, float]) -> dict[str, Any]:
    suffix = str(n + 1) if n else ""
    span = frame.last - frame.first
    x = {
        "domain": domain[0],
        "anchor": f"y{suffix}",
        "range": [frame.first, max(frame.last, frame.first + 1)],
        "tickformat": "d",
        "title": {"text": t("plot.step"), "standoff": 4},
        **({"dtick": 1} if span <= FEW else {"nticks": 6}),
        **({"matches": "x"} if n else {}),
    }
    y = {
        "domain": domain[1],
        "anchor": f"x{suffix}",
        "range": [0, 101] if part.percent else list(axis_range(*extent, part.from_zero)),
        "title": {"text": part.y_title, "standoff": 4},
        "ticklabelstandoff": 6,  # clear of marks at the first step
        "nticks": 5,
    }
    return {f"xaxis{suffix}": x, f"yaxis{suffix}": y}


def _heading(part: Panel, domain: tuple[Any, Any]) -> dict[str, Any]:
    x, y = domain
    marks = "".join(f'  <span style="color:{colour}">■</span> {shortened(label)}' for label, colour in part.marks)
    text = f"<b>{shortened(part.title)}</b>{marks}"
    place = {"x": x[0], "y": y[1], "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return {"text": text, "showarrow": False, "font": {"size": 12}, "yshift": 2, **place}


def _layout(title: str, height: int, bottom: int, frame: Frame, legend: bool) -> dict[str, Any]:
    return {
        "title": {
            "text": title,
            "font": {"size": 14},
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "pad": {"l": 10},
        },
        "height": height,
        "margin": {"l": 56, "r": 14, "t": TOP_PX, "b": bottom},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {
            "orientation": "h",
            "y": 0.01,
            "yanchor": "bottom",
            "x": 0.5,
            "xanchor": "center",
            "yref": "container",
            "traceorder": "normal",
        },
        "showlegend": legend,
        "modebar": MODEBAR,
        "uirevision": frame.revision,
        "hovermode": "closest",
        "annotations": [],
    }
