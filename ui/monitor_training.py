"""Figures of where the signal comes from and of how training goes, as pure functions of a run's series."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.columns import Key
from core.downsampling import Curve, extremes, means, smoothed, within
from core.series import Series
from ui.figures import shortened
from ui.monitor_figures import WIDE, Colours, budget, curve, faint, task_legend
from ui.plots import Figure, Frame, Panel, Trace, line, panels
from ui.texts import t
from ui.theme import OKABE_ITO

BLUE, ORANGE, GREEN = OKABE_ITO[:3]  # of what belongs to no task
PERCENT = 100.0


def signal_figure(series: Series, colours: Colours, frame: Frame) -> Figure | None:
    """Groups without signal, each task's part of the signal and of the batch."""
    if not series.tasks:
        return None
    most = budget(3 * len(series.tasks))
    parts = [
        Panel(t("plot.dead_title"), _lines(series, colours, frame, "zero_std", most, PERCENT), "%", percent=True),
        Panel(t("plot.signal_title"), _stack(series, colours, frame, "signal", most), "%", percent=True),
        Panel(t("plot.mix_title"), _stack(series, colours, frame, "share", most), "%", percent=True),
    ]
    wide = Frame(frame.first, frame.last, min(frame.columns, 3), frame.revision)
    return panels(t("plot.signal_figure"), parts, wide, task_legend(series, colours))


def errors_figure(series: Series, colours: Colours, frame: Frame) -> Figure | None:
    """Share of scores that failed, for each reward of each task that has any; None where nothing failed."""
    traces = []
    for task in series.tasks:
        for reward in series.rewards(task):
            failed, scored = (series.train.values(Key(name, task, reward)) for name in ("errors", "count"))
            if not np.nansum(failed):
                continue
            there = ~np.isnan(failed) & (failed + scored > 0)
            share = PERCENT * failed[there] / (failed + scored)[there]
            found = within(Curve(series.train.steps[there], share), frame.first, frame.last)
            label, style = f"{shortened(task)} · {shortened(reward)}", {"color": colours[task]}
            traces.append(line(extremes(found, 200), t("plot.raw"), label, line={**style, "width": 1}, opacity=0.35))
            mean = line(smoothed(found, 120), t("plot.smooth"), label, line={**style, "width": WIDE})
            traces.append(mean | {"name": label, "showlegend": True})
    if not traces:
        return None
    figure = panels(t("plot.errors_title"), [Panel("", traces, t("plot.failed"))], frame)
    figure["layout"]["showlegend"] = True
    return figure


def _lines(series: Series, colours: Colours, frame: Frame, field: str, most: int, scale: float = 1.0) -> list[Trace]:
    return [
        line(
            _times(smoothed(curve(series, Key(field, task), frame), most), scale),
            t("plot.smooth"),
            shortened(task),
            line={"color": colours[task], "width": 2},
        )
        for task in series.tasks
    ]


def _stack(series: Series, colours: Colours, frame: Frame, field: str, most: int) -> list[Trace]:
    """Shares on top of one another, all at the same steps; a task that was not in a step had none of it."""
    whole = within(Curve(series.train.steps, np.arange(series.train.length)), frame.first, frame.last)
    rows = whole.values.astype(int)
    values = {task: series.train.values(Key(field, task))[rows] for task in series.tasks}
    some = ~np.isnan(np.stack(list(values.values()))).all(axis=0)
    traces = []
    for task, found in values.items():
        part = smoothed(Curve(whole.steps[some], PERCENT * np.nan_to_num(found[some])), most)
        trace = line(part, t("plot.smooth"), shortened(task), line={"color": colours[task], "width": 0.5})
        traces.append(trace | {"stackgroup": field, "fillcolor": faint(colours[task], 0.7), "mode": "lines"})
    return traces


def _times(found: Curve, factor: float) -> Curve:
    return Curve(found.steps, found.values * factor)


def training_figure(series: Series, colours: Colours, frame: Frame) -> Figure | None:
    """How training goes: one small plot for each thing that is recorded, left out where a run has none of it."""
    if not series.train.length:
        return None
    made = [make(series, colours, frame) for make in PANELS]
    parts = [part for part in made if part is not None and any(trace["x"] for trace in part.traces)]
    legend = [*task_legend(series, colours)] if len(series.tasks) else []
    return panels(t("plot.training_title"), parts, frame, legend, share_y=False) if parts else None


def _one(title: str, unit: str, name: str, from_zero: bool = True) -> Callable[[Series, Colours, Frame], Panel | None]:
    """A panel of one number: raw faint, smoothed strong."""

    def make(series: Series, colours: Colours, frame: Frame) -> Panel | None:
        traces = _raw_and_smooth(curve(series, Key(name), frame), title, BLUE)
        return Panel(title, traces, unit, from_zero) if traces else None

    return make


def _raw_and_smooth(found: Curve, label: str, colour: str) -> list[Trace]:
    if not len(found.steps):
        return []
    return [
        line(extremes(found, 240), t("plot.raw"), label, line={"color": colour, "width": 1}, opacity=0.35),
        line(smoothed(found, 120), t("plot.smooth"), label, line={"color": colour, "width": WIDE}),
    ]


def _several(title: str, unit: str, names: Sequence[tuple[str, str, str]], scale: float = 1.0) -> Callable[..., Panel]:
    """A panel of some numbers of the whole step: (key, label, colour)."""

    def make(series: Series, colours: Colours, frame: Frame) -> Panel:
        traces = [
            line(_times(smoothed(curve(series, Key(key), frame), 160), scale), t("plot.smooth"), label)
            | {"line": {"color": colour, "width": 2}, "name": label}
            for key, label, colour in names
        ]
        return Panel(title, [trace for trace in traces if trace["x"]], unit, marks=[name[1:] for name in names])

    return make


def _per_task(title: str, unit: str, field: str, scale: float = 1.0) -> Callable[..., Panel]:
    def make(series: Series, colours: Colours, frame: Frame) -> Panel:
        most = min(120, budget(4 * len(series.tasks)))
        return Panel(title, _lines(series, colours, frame, field, most, scale), unit)

    return make


def _seconds(series: Series, colours: Colours, frame: Frame) -> Panel:
    """What a step's time goes into, on top of one another; what is neither sampling nor scoring is training."""
    phases = {name: series.train.values(Key(f"seconds/{name}")) for name in ("all", "generate", "score")}
    there = ~np.isnan(phases["all"])
    generate, score = (np.nan_to_num(phases[name][there]) for name in ("generate", "score"))
    steps = series.train.steps[there]
    parts = {
        t("plot.generate"): (generate, BLUE),
        t("plot.score_time"): (score, ORANGE),
        t("plot.train_time"): (np.maximum(phases["all"][there] - generate - score, 0), GREEN),
    }
    traces = []
    for label, (values, colour) in parts.items():
        part = means(within(Curve(steps, values), frame.first, frame.last), 120)
        trace = line(part, t("plot.stretch"), label, line={"color": colour, "width": 0.5})
        traces.append(trace | {"stackgroup": "seconds", "fillcolor": faint(colour, 0.7), "mode": "lines"})
    marks = [(label, colour) for label, (_, colour) in parts.items()]
    return Panel(t("plot.time_title"), traces, t("plot.seconds"), marks=marks)


def _throughput(series: Series, colours: Colours, frame: Frame) -> Panel:
    """Completion tokens of a step by its whole time."""
    tokens = np.zeros(series.train.length)
    for task in series.tasks:
        length, count = (series.train.values(Key(name, task)) for name in ("length", "count"))
        tokens += np.nan_to_num(length * count)
    seconds = series.train.values(Key("seconds/all"))
    there = (seconds > 0) & (tokens > 0)
    found = within(Curve(series.train.steps[there], tokens[there] / seconds[there]), frame.first, frame.last)
    return Panel(t("plot.tokens_title"), _raw_and_smooth(found, t("plot.tokens_title"), BLUE), t("plot.tokens_unit"))


def _clips() -> Callable[..., Panel]:
    names = [
        ("clip_ratio/low_mean", t("plot.clip_low"), BLUE),
        ("clip_ratio/high_mean", t("plot.clip_high"), ORANGE),
        ("clip_ratio/region_mean", t("plot.clip_both"), GREEN),
    ]
    return _several(t("plot.clip_title"), "%", names, PERCENT)


def _memory() -> Callable[..., Panel]:
    names = [("memory/process_gb", t("plot.process"), BLUE), ("memory/device_gb", t("plot.device"), ORANGE)]
    return _several(t("plot.memory_title"), "GB", names)


PANELS: tuple[Callable[[Series, Colours, Frame], Panel | None], ...] = (
    _one(t("plot.kl_title"), t("plot.nats"), "kl"),
    _one(t("plot.entropy_title"), t("plot.nats"), "entropy"),
    _clips(),
    _one(t("plot.gradient_title"), t("plot.norm"), "grad_norm"),
    _one(t("plot.rate_title"), t("plot.rate"), "learning_rate"),
    _one(t("plot.loss_title"), t("plot.loss"), "loss", from_zero=False),
    _per_task(t("plot.length_title"), t("plot.tokens"), "length"),
    _per_task(t("plot.clipped_title"), "%", "clipped", PERCENT),
    _seconds,
    _throughput,
    _memory(),
    _one(t("plot.sampler_title"), t("plot.nats"), "sampling/sampling_logp_difference/mean"),
)
