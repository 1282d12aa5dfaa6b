"""Runs compared: curves overlaid, settings that differ, where each task ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from core.columns import Key
from core.downsampling import smoothed
from core.extension import extended_steps, with_added_steps
from core.following import follow
from core.run_comparison import Final, differing, finals, scored_unlike
from core.run_list import run_lines
from core.runs import RunFolder, all_runs
from core.series import Series
from ui.figures import shortened
from ui.html import button, figure, swatch
from ui.monitor_figures import DASHES, DIAMOND, WIDE, budget, curve
from ui.monitor_state import BUDGET_S, Known, Look, spec_of
from ui.plots import Figure, Frame, Legend, Panel, line, panels
from ui.preview_tables import select, table_html
from ui.texts import t
from ui.theme import task_colour

MOST_RUNS = 6


def compared(found: Known, look: Look) -> list[RunFolder]:
    """The run of the page, then those that were chosen and are still there; no more than there are dashes for."""
    runs = {run.id: run for run in all_runs()}
    others = (runs[name] for name in look.others if name in runs and name != found.run.id)
    return [found.run, *others][:MOST_RUNS]


def compare_token(found: Known, look: Look) -> str:
    """Changes with any record of any of the runs, as far as they have been read, and with steps that are added."""
    runs = compared(found, look)
    series = [follow(run, BUDGET_S) for run in runs]
    rows = [(one.train.length, one.held_out.length) for one in series]
    return f"{found.figures_token} {look.others} {rows} {[extended_steps(run) for run in runs]} {len(all_runs())}"


def compare_html(found: Known, look: Look) -> str:
    """Which runs, what differs between their settings, and where each task ended."""
    runs = compared(found, look)
    taken = {run.id for run in runs}
    options = {"": t("compare.choose")} | {entry.id: entry.id for entry in run_lines() if entry.id not in taken}
    chips = "".join(_chip(run, n) for n, run in enumerate(runs))
    add = select(t("compare.add"), options, "", "other") if len(runs) < MOST_RUNS else ""
    head = f'<div class="sb-toolbar">{chips}{add}</div>'
    if len(runs) < 2:
        return f'{head}<p class="sb-note">{escape(t("compare.empty"))}</p>'
    series = [follow(run, BUDGET_S) for run in runs]
    return f"{head}{_unlike(runs, series)}{_settings(runs)}{_finals(series)}"


def _chip(run: RunFolder, n: int) -> str:
    name = f'<span class="sb-chip">{swatch(task_colour(n))}<code>{escape(mark(n))}</code> {escape(run.id)}'
    drop = button("×", kind="link", title=t("compare.drop", run=run.id), act="drop", run=run.id) if n else ""
    return f"{name} {drop}</span>"


def mark(n: int) -> str:
    """What a run is called in tables and legends."""
    return "ABCDEFGH"[n]


def _unlike(runs: Sequence[RunFolder], series: Sequence[Series]) -> str:
    """The tasks whose curves cannot be compared; empty where all can, as far as settings can be read."""
    known = [(spec, one.tasks) for run, one in zip(runs, series, strict=True) if (spec := spec_of(run)) is not None]
    unlike = scored_unlike(known)
    return f'<p class="sb-warn">{escape(t("compare.unlike", tasks=", ".join(unlike)))}</p>' if unlike else ""


def _settings(runs: Sequence[RunFolder]) -> str:
    known = [with_added_steps(spec, run) for run in runs if (spec := spec_of(run)) is not None]
    if len(known) < len(runs):
        return f'<p class="sb-note">{escape(t("compare.unreadable"))}</p>'
    found = differing(known)
    if not found:
        return f'<p class="sb-note">{escape(t("compare.same"))}</p>'
    lines = "".join(_line(f"<code>{escape(setting.name)}</code>", map(_value, setting.values)) for setting in found)
    table = table_html(t("compare.setting"), [mark(n) for n in range(len(runs))], lines, kind="sb-tight sb-compare")
    return f'<h3 class="sb-heading">{escape(t("compare.settings"))}</h3>{table}'


def _line(name: str, cells: Iterable[str]) -> str:
    return f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>'


def _value(value: str | None) -> str:
    return f'<td class="number">{"-" if value is None else escape(value)}</td>'


def _finals(series: Sequence[Series]) -> str:
    """Where each task ended; without its colour, which is a run's on this page."""
    names = [t("compare.train"), t("compare.before"), t("compare.after")]
    columns = [f"{mark(n)} {name}" for n in range(len(series)) for name in names]
    lines = "".join(_line(escape(task), map(_final, ends)) for task, ends in finals(series).items())
    table = table_html(t("column.task"), columns, lines, kind="sb-tight")
    return f'<h3 class="sb-heading">{escape(t("compare.ends"))}</h3>{table}'


def _final(end: Final | None) -> str:
    values = (None, None, None) if end is None else (end.train, end.before, end.after)
    return "".join(f'<td class="number">{figure(value)}</td>' for value in values)


def compare_figure(found: Known, look: Look, frame: Frame) -> Figure | None:
    """Each task's smoothed reward in every run, which is told by its colour and dash; the panel says which task."""
    runs = compared(found, look)
    if len(runs) < 2:
        return None
    series = [follow(run, BUDGET_S) for run in runs]
    tasks = list(dict.fromkeys(task for one in series for task in one.tasks))
    last = max(max(one.step, one.steps or 1) for one in series)
    wide = Frame(0, last, frame.columns, "compare " + " ".join(run.id for run in runs))
    most = budget(2 * len(tasks) * len(series))
    parts = [Panel(task, _traces(series, task, wide, most), t("plot.reward")) for task in tasks]
    legend = [
        Legend(f"{mark(n)} {shortened(run.id)}", {"mode": "lines", "line": _style(n)}) for n, run in enumerate(runs)
    ]
    return panels(t("plot.compare_title"), parts, wide, legend)


def _style(n: int) -> dict[str, object]:
    """How the n-th run is drawn."""
    return {"color": task_colour(n), "dash": DASHES[n], "width": WIDE}


def _traces(series: Sequence[Series], task: str, frame: Frame, most: int) -> list[dict[str, object]]:
    traces = []
    for n, one in enumerate(series):
        label, marker = f"{mark(n)} · {shortened(task)}", {**DIAMOND, "color": task_colour(n), "size": 8}
        train = smoothed(curve(one, Key("reward", task), frame), most)
        held = curve(one, Key("reward", task), frame, held_out=True)
        traces.append(line(train, t("plot.smooth"), label, line=_style(n)))
        traces.append(line(held, t("plot.held_out"), label, marker=marker) | {"mode": "markers", "cliponaxis": False})
    return traces
