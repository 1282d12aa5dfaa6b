"""The balance of tasks as a figure: counts and shares in, a plotly figure out."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from ui.figures import shortened
from ui.plots import MODEBAR
from ui.texts import t
from ui.theme import task_colours

WHOLE = 200  # characters of a name where there is room


def balance_chart(counts: Mapping[str, int], mix: Mapping[str, float]) -> go.Figure:
    """Two bars a task: its part of the rows (faint), and its part of the batches that training sees (strong).

    Args:
        counts: rows to train on of each task.
        mix: each task's part of the batches, adding up to 1.
    """
    tasks, whole = list(counts), max(sum(counts.values()), 1)
    colours = list(task_colours(tasks).values())
    batches = [100 * mix[task] for task in tasks]
    rows = [100 * counts[task] / whole for task in tasks]
    figure = go.Figure()
    for what, values, faint in ((t("mix.of_rows"), rows, 0.4), (t("mix.of_batches"), batches, 1.0)):
        figure.add_trace(_bars(tasks, values, colours, what, faint))
        figure.add_trace(_key(what, faint))
    figure.update_layout(
        title={"text": t("mix.title"), "font": {"size": 14}, "x": 0, "xref": "container", "xanchor": "left", "y": 0.97},
        modebar=MODEBAR,
        barmode="group",
        bargap=0.35,
        height=max(230, 132 + 44 * len(tasks)),
        margin={"l": 12, "r": 16, "t": 44, "b": 84},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left", "yref": "container"},
        uirevision="balance",
    )
    figure.update_xaxes(title_text=t("mix.axis"), rangemode="tozero", title_standoff=6)
    figure.update_yaxes(
        range=[len(tasks) - 0.5, -0.5],
        automargin=True,
        tickvals=list(range(len(tasks))),
        ticktext=[f"{shortened(task, 18)}  " for task in tasks],
        zeroline=False,
        showgrid=False,
    )
    return figure


def _bars(tasks: list[str], values: list[float], colours: list[str], what: str, opacity: float) -> go.Bar:
    return go.Bar(
        y=list(range(len(tasks))),  # names may be alike, shortened, or look like numbers
        x=values,
        orientation="h",
        marker={"color": colours, "opacity": opacity},
        name=what,
        offsetgroup=what,
        showlegend=False,
        customdata=[shortened(task, WHOLE) for task in tasks],
        hovertemplate=f"%{{customdata}}<br>{what}: %{{x:.3g}} %<extra></extra>",
    )


def _key(what: str, opacity: float) -> go.Bar:
    """What a kind of bar means, in grey, since colour already says which task."""
    grey = {"color": f"rgba(128, 128, 128, {opacity})"}
    return go.Bar(x=[None], y=[None], orientation="h", name=what, offsetgroup=what, marker=grey, hoverinfo="skip")
