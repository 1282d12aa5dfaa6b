"""The curves of a run as a picture, for a model card: the mean total of each task by step, small multiples."""

from __future__ import annotations

from pathlib import Path

from core.columns import Columns, Key
from core.downsampling import Curve, extremes, smoothed
from core.following import follow
from core.runs import RunFolder

COLUMNS = 2
DPI = 130
MOST_POINTS = 1000  # of a line
INK, PAPER, GRID = "#1f2933", "#ffffff", "#d7dde3"  # a card is read on white and on black: the picture brings its own
RAW, SMOOTHED, HELD_OUT = "#9db7d5", "#0072B2", "#D55E00"  # Okabe-Ito


def write_curves(run: RunFolder, path: Path) -> bool:
    """Write a PNG of a run's curves; False where it has no steps yet.

    Matplotlib is drawn on without pyplot, which is for one thread of a program alone.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    series = follow(run)
    tasks = series.tasks
    if not tasks:
        return False
    rows = -(-len(tasks) // COLUMNS)
    figure = Figure(figsize=(4.2 * min(COLUMNS, len(tasks)), 2.5 * rows + 0.5), dpi=DPI, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, min(COLUMNS, len(tasks)), sharex=True, sharey=True, squeeze=False).flat
    for place in axes[len(tasks) :]:
        place.set_visible(False)
    for place, task in zip(axes, tasks, strict=False):
        _draw(place, task, _curve(series.train, task), _curve(series.held_out, task))
    for place in axes[max(0, len(tasks) - COLUMNS) : len(tasks)]:
        place.set_xlabel("step", color=INK, fontsize=9)
        place.tick_params(labelbottom=True)
    for place in axes[: len(tasks) : COLUMNS]:
        place.set_ylabel("mean reward", color=INK, fontsize=9)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=len(names), frameon=False, labelcolor=INK, fontsize=8)
    figure.tight_layout(rect=(0, 0.35 / (2.5 * rows + 0.5), 1, 1))
    figure.savefig(path, format="png")
    return True


def _curve(columns: Columns, task: str) -> Curve:
    """A task's mean total by step."""
    return Curve(*columns.known(Key("reward", task)))


def _draw(axes: object, title: str, train: Curve, held_out: Curve) -> None:
    from matplotlib.axes import Axes
    from matplotlib.ticker import MaxNLocator

    assert isinstance(axes, Axes)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.plot(*extremes(train, MOST_POINTS), color=RAW, linewidth=0.9, label="train, each step")
    axes.plot(*smoothed(train, MOST_POINTS), color=SMOOTHED, linewidth=1.8, label="train, smoothed")
    axes.plot(*held_out, "D", color=HELD_OUT, markersize=4.5, label="held out")
    axes.set_title(title.replace("$", r"\$"), color=INK, fontsize=10)
    axes.grid(color=GRID, linewidth=0.6)
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[:].set_color(GRID)
