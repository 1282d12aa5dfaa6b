"""Weights that move during a run: how far they have come, as text and as a figure."""

from __future__ import annotations

from html import escape

from core.columns import Key
from core.downsampling import extremes
from core.moving_weights import MovingWeight, moving_weights
from core.series import Series
from core.weight_schedules import Gate, Linear
from ui.figures import NEUTRAL, shortened
from ui.html import figure, swatch
from ui.monitor_figures import DASHES, WIDE, Colours, curve
from ui.monitor_state import Known, spec_of
from ui.plots import Figure, Frame, Legend, Panel, line, panels
from ui.preview_tables import table_html
from ui.texts import t

POINTS = 300  # of a line


def weights_note(found: Known) -> str:
    """That curves of training and of held-out rows do not count the same, while they do not; else empty."""
    if all(weight.since is not None for weight in _moving(found)):
        return ""
    return f'<p class="sb-note" id="weights-note">{escape(t("weights.unlike"))}</p>'


def weights_html(found: Known) -> str:
    """A line for each weight with a schedule: what it is now, where it ends, and what it waits for."""
    moving = _moving(found)
    if not moving:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{swatch(found.colours[weight.task])}{escape(weight.task)}</th>'
        f'<td class="number"><code>{escape(weight.reward)}</code></td>'
        f'<td class="number">{figure(weight.now)}</td><td class="number">{figure(weight.own)}</td>'
        f"<td>{escape(_course(weight))}</td></tr>"
        for weight in moving
    )
    columns = [t("watched.reward"), t("weights.now"), t("weights.own")]
    title = f'<h3 class="sb-heading">{escape(t("weights.title"))}</h3>'
    note = f'<p class="sb-note">{escape(t("weights.note"))}</p>'
    return title + table_html(t("column.task"), columns, lines, last=t("weights.course")) + note


def _course(weight: MovingWeight) -> str:
    schedule = weight.schedule
    if weight.since is not None:
        return t("weights.since", step=weight.since)
    if isinstance(schedule, Linear):
        return t("weights.line", begin=schedule.begin, end=schedule.end)
    if not isinstance(schedule, Gate):
        return t("weights.step", at=schedule.at)
    return t("weights.gate", reward=schedule.reward, above=f"{schedule.above:g}", seen=figure(weight.seen))


def _moving(found: Known) -> list[MovingWeight]:
    spec = spec_of(found.run)
    return moving_weights(spec, found.series) if spec else []


def weights_figure(found: Known, colours: Colours, frame: Frame) -> Figure | None:
    """The weight of each reward in the tasks where one has a schedule, step by step."""
    tasks = list(dict.fromkeys(weight.task for weight in _moving(found)))
    series = found.series
    if not tasks or not series.train.length:
        return None
    kinds = list(dict.fromkeys(reward for task in tasks for reward in series.rewards(task)))
    dash = {kind: DASHES[n % len(DASHES)] for n, kind in enumerate(kinds)}
    parts = [_panel(series, task, colours[task], dash, frame) for task in tasks]
    legend = [
        Legend(shortened(kind), {"mode": "lines", "line": {"color": NEUTRAL, "width": WIDE, "dash": dash[kind]}})
        for kind in kinds
    ]
    return panels(t("weights.figure"), parts, frame, legend)


def _panel(series: Series, task: str, colour: str, dash: dict[str, str], frame: Frame) -> Panel:
    traces = []
    for reward in series.rewards(task):
        label, key = f"{shortened(task)} · {shortened(reward)}", Key("weight", task, reward)
        style = {"color": colour, "width": WIDE, "dash": dash[reward], "shape": "hv"}
        points = extremes(curve(series, key, frame), POINTS)
        traces.append(line(points, t("weights.weight"), label, line=style) | {"mode": "lines"})
    return Panel(task, traces, t("weights.weight"))
