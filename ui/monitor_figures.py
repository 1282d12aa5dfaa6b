"""Figures of the tasks' rewards as pure functions: a run's series in, a figure out."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from core.columns import Key
from core.downsampling import Curve, extremes, means, smoothed, within
from core.series import Series
from ui.figures import NEUTRAL, shortened
from ui.plots import Figure, Frame, Legend, Panel, Trace, axis_range, extent, line, near, panels, rounded
from ui.texts import t

POINTS = 9000  # of all lines of a figure together: what 300 kB hold
MOST, FEWEST = 300, 60  # points of one line
CELLS = 120  # columns of the heat map
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
RAW = {"opacity": 0.35}
WIDE = 2.5  # px, of a smoothed line
DIAMOND = {"size": 10, "symbol": "diamond", "line": {"width": 1, "color": "white"}}
Colours = Mapping[str, str]


def curve(series: Series, key: Key, frame: Frame, held_out: bool = False) -> Curve:
    """The known values of a number, of the steps that are shown."""
    columns = series.held_out if held_out else series.train
    return within(Curve(*columns.known(key)), frame.first, frame.last)


def budget(lines: int) -> int:
    """Points that each of so many lines may have."""
    return max(FEWEST, min(MOST, POINTS // max(1, lines)))


def reward_figure(
    series: Series, colours: Colours, frame: Frame, bounds: Mapping[str, tuple[float, float] | None] | None = None
) -> Figure | None:
    """Each task's mean reward: raw, smoothed, its spread within a step, and held-out evaluations.

    Args:
        series: of the run.
        colours: of its tasks.
        frame: which steps.
        bounds: the lowest and the highest total of each task, where its band ends; None where a reward declares none.
    """
    if not series.tasks:
        return None
    most = budget(4 * len(series.tasks))
    parts = [
        Panel(
            task, _reward_traces(series, task, colours[task], frame, most, (bounds or {}).get(task)), t("plot.reward")
        )
        for task in series.tasks
    ]
    apart = "" if near([extent(part) for part in parts]) else t("plot.apart")
    return panels(t("plot.rewards_title") + apart, parts, frame, _reward_legend())


def _reward_traces(
    series: Series, task: str, colour: str, frame: Frame, most: int, bounds: tuple[float, float] | None
) -> list[Trace]:
    label = shortened(task)
    train = curve(series, Key("reward", task), frame)
    mean = smoothed(train, most)
    raw = extremes(train, most)
    counts = series.train.values(Key("scored", task))
    rows = np.searchsorted(series.train.steps, raw.steps)
    held = curve(series, Key("reward", task), frame, held_out=True)
    return [
        *_band(curve(series, Key("reward_std", task), frame), mean, colour, most, bounds),
        line(raw, t("plot.raw"), label, line={"color": colour, "width": 1}, **RAW)
        | {"customdata": counts[rows].astype(int).tolist(), "hovertemplate": _hover(label, t("plot.raw"))},
        line(mean, t("plot.smooth"), label, line={"color": colour, "width": WIDE}),
        line(held, t("plot.held_out"), label, marker={"color": colour, **DIAMOND})
        | {
            "mode": "markers",
            "cliponaxis": False,
            "customdata": _held_counts(series, task, held),
            "hovertemplate": _hover(label, t("plot.held_out")),
        },
    ]


def _hover(label: str, name: str) -> str:
    counted = f"%{{customdata}} {t('plot.completions')}"
    return f"{label}<br>{name}<br>{t('plot.step')} %{{x}}: %{{y:.4~g}}<br>{counted}<extra></extra>"


def _held_counts(series: Series, task: str, held: Curve) -> list[int]:
    steps, counts = series.held_out.known(Key("scored", task))
    return np.nan_to_num(counts)[np.searchsorted(steps, held.steps)].astype(int).tolist() if len(steps) else []


def _band(spread: Curve, mean: Curve, colour: str, most: int, bounds: tuple[float, float] | None) -> list[Trace]:
    """One standard deviation of a step's totals around the smoothed mean, as far as totals can be there."""
    if not len(mean.steps) or not len(spread.steps):
        return []
    wide = means(spread, most)
    around = np.interp(mean.steps, wide.steps, wide.values)
    edge = {"mode": "lines", "hoverinfo": "skip", "line": {"width": 0, "color": colour}}
    lowest, highest = bounds or (-np.inf, np.inf)
    below = np.maximum(mean.values - around, np.minimum(lowest, mean.values))
    above = np.minimum(mean.values + around, np.maximum(highest, mean.values))
    low = line(Curve(mean.steps, below), "", "") | edge
    high = line(Curve(mean.steps, above), "", "") | edge
    del low["hovertemplate"], high["hovertemplate"]
    return [low, high | {"fill": "tonexty", "fillcolor": faint(colour)}]


def faint(colour: str, alpha: float = 0.13) -> str:
    """A colour through which others are seen."""
    red, green, blue = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def _reward_legend() -> list[Legend]:
    """What the marks mean, in grey, since colour already says which task."""
    block = {"symbol": "square", "size": 12, "color": faint(NEUTRAL, 0.3)}
    return [
        Legend(t("plot.raw"), {"mode": "lines", "line": {"color": NEUTRAL, "width": 1}, "opacity": 0.5}),
        Legend(t("plot.smooth"), {"mode": "lines", "line": {"color": NEUTRAL, "width": WIDE}}),
        Legend(t("plot.band"), {"mode": "markers", "marker": block}),
        Legend(t("plot.held_out"), {"mode": "markers", "marker": {**DIAMOND, "color": NEUTRAL}}),
    ]


def overlay_figure(series: Series, colours: Colours, frame: Frame) -> Figure | None:
    """All tasks' smoothed rewards in one plot."""
    if not series.tasks:
        return None
    return panels(t("plot.overlay_title"), [_overlay(series, colours, frame)], frame, task_legend(series, colours))


def _overlay(series: Series, colours: Colours, frame: Frame) -> Panel:
    traces = [
        line(
            smoothed(curve(series, Key("reward", task), frame), MOST),
            t("plot.smooth"),
            shortened(task),
            line={"color": colours[task], "width": WIDE, "dash": DASHES[n // 7 % len(DASHES)]},
        )
        for n, task in enumerate(series.tasks)
    ]
    return Panel("", traces, t("plot.reward"))


def task_legend(series: Series, colours: Colours) -> list[Legend]:
    """The tasks by their colours."""
    return [
        Legend(shortened(task), {"mode": "lines", "line": {"color": colours[task], "width": WIDE}})
        for task in series.tasks
    ]


def parts_figure(series: Series, colours: Colours, frame: Frame) -> Figure | None:
    """Each reward of each task: the mean score, smoothed strong and raw faint."""
    kinds = list(dict.fromkeys(reward for task in series.tasks for reward in series.rewards(task)))
    if not kinds:
        return None
    most = budget(2 * sum(len(series.rewards(task)) for task in series.tasks))
    dash = {kind: DASHES[n % len(DASHES)] for n, kind in enumerate(kinds)}
    parts = []
    for task in series.tasks:
        traces = []
        for reward in series.rewards(task):
            found = curve(series, Key("mean", task, reward), frame)
            label, style = f"{shortened(task)} · {shortened(reward)}", {"color": colours[task], "dash": dash[reward]}
            traces.append(line(extremes(found, most), t("plot.raw"), label, line={**style, "width": 1}, opacity=0.25))
            traces.append(line(smoothed(found, most), t("plot.smooth"), label, line={**style, "width": 2}))
        parts.append(Panel(task, traces, t("plot.mean_score")))
    legend = [
        Legend(shortened(kind), {"mode": "lines", "line": {"color": NEUTRAL, "width": 2, "dash": dash[kind]}})
        for kind in kinds
    ]
    return panels(t("plot.parts_title"), parts, frame, legend)


def heat_figure(series: Series, frame: Frame) -> Figure | None:
    """Tasks by steps, coloured by mean reward: the whole run at a glance."""
    if not series.train.length:
        return None
    edges = np.unique(np.linspace(frame.first, max(series.step, frame.first + 1), CELLS + 1).round().astype(int))
    cells = {task: _cells(curve(series, Key("reward", task), frame), edges) for task in series.tasks}
    known = {task: values[~np.isnan(values)] for task, values in cells.items()}
    spans = [(float(values.min()), float(values.max())) for values in known.values() if len(values)]
    same = near(spans)
    scale = {task: 1.0 if same else float(np.abs(values).max(initial=0.0)) or 1.0 for task, values in known.items()}
    tasks = list(reversed(series.tasks))
    middles = ((edges[:-1] + 1 + edges[1:]) / 2).round().astype(int).tolist()
    unit = t("plot.reward") if same else t("plot.share_of_best")
    trace = {
        "type": "heatmap",
        "x": edges.tolist(),  # a cell ends at its last step, so that the axis cuts none
        "y": list(range(len(tasks))),  # names that are shortened alike would be one row
        "text": [[escape(task)] * len(middles) for task in tasks],
        "z": [rounded(cells[task] / scale[task]) for task in tasks],
        "customdata": [list(zip(rounded(cells[task]), middles, strict=True)) for task in tasks],
        "colorscale": "Cividis",
        "xgap": 0,
        "ygap": 2,
        "colorbar": {"title": {"text": unit, "side": "right"}, "thickness": 12, "len": 1.0, "nticks": 4},
        "hovertemplate": f"%{{text}}<br>{t('plot.step')} %{{customdata[1]}}: %{{customdata[0]:.4~g}}<extra></extra>",
    }
    if same and spans:
        low, high = axis_range(min(low for low, _ in spans), max(high for _, high in spans), True)
        trace |= {"zmin": low, "zmax": high}
    figure = panels(t("plot.heat_title"), [Panel("", [], "")], frame)
    figure["data"] = [trace]
    layout = figure["layout"]
    layout |= {"height": 112 + 24 * len(tasks), "annotations": []}
    layout["margin"] |= {"l": 20, "t": 40, "b": 44}
    names = {"tickvals": trace["y"], "ticktext": [shortened(task, 18) for task in tasks], "automargin": True}
    layout["yaxis"] = {**names, "ticklabelstandoff": 4, "title": {"text": t("plot.task"), "standoff": 8}}
    layout["xaxis"] |= {"domain": [0, 1]}
    layout["xaxis"].pop("anchor")
    return figure


def _cells(found: Curve, edges: np.ndarray) -> np.ndarray:
    """The mean of the values in each stretch of steps; NaN where there is none."""
    places = np.searchsorted(edges, found.steps, "left") - 1
    inside = (places >= 0) & (places < len(edges) - 1)
    sums = np.bincount(places[inside], found.values[inside], len(edges) - 1)
    counts = np.bincount(places[inside], minlength=len(edges) - 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
