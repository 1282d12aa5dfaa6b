"""The tasks of a run in one table: state, reward, held-out before and after, signal, errors, alerts."""

from __future__ import annotations

from collections import Counter
from html import escape
from math import isnan

import numpy as np

from core.columns import Key
from core.convergence import best, evaluations
from core.downsampling import Curve, smoothed
from core.run_adapters import best_folders
from core.runs import checkpoint_step
from core.task_states import task_bounds
from ui.html import figure, swatch
from ui.monitor_state import Known, spec_of
from ui.preview_tables import table_html as table_of
from ui.texts import t

RECENT = 10  # steps that shares are the mean of
SMOOTH_POINTS = 200
HEADERS = (
    "task",
    "state",
    "reward_now",
    "smoothed",
    "before",
    "after",
    "change",
    "signal_share",
    "mix_share",
    "dead_groups",
    "failed",
    "alerts",
)


def table_html(found: Known) -> str:
    """One line a task; what does not exist is a dash."""
    series = found.series
    if not series.tasks:
        return ""
    names = {header: t(f"watched.{header}") for header in HEADERS}
    text = ("task", "state")
    head = "".join(
        f'<th scope="col" class="{"" if header in text else "number"}">{escape(name)}</th>'
        for header, name in names.items()
    )
    rows = "".join(_row(found, task) for task in series.tasks)
    note = escape(t("watched.note", steps=RECENT))
    return (
        f'<div class="sb-scroll"><table class="sb-table sb-tight sb-watched"><thead><tr>{head}</tr></thead>'
        f'<tbody>{rows}</tbody></table></div><p class="sb-note">{note}</p>{best_html(found)}'
    )


def best_html(found: Known) -> str:
    """Which evaluation is the best so far, by what, and how the last one stands to it; empty before there are two."""
    spec = spec_of(found.run)
    if spec is None:
        return ""
    bounds = task_bounds(spec, found.series.tasks)
    made = evaluations(found.series.held_out, bounds, spec.convergence, spec.tasks)
    top, last = best(made), made[-1] if made else None
    if top is None or last is None or len(made) < 2:
        return ""
    by = t(f"watched.by_{spec.convergence.best}")
    lowest = f"{top.heights[top.worst]:.3g}"
    when = t("watched.after_step", step=top.step) if top.step else t("watched.untrained")
    parts = [t("watched.best", when=when, by=by, value=f"{top.value:.3g}", worst=top.worst, lowest=lowest)]
    if last.step != top.step and last.rank == top.rank:
        parts.append(t("watched.last_same", step=last.step))
    elif last.step != top.step and not isnan(last.value):
        parts.append(t("watched.last", step=last.step, value=f"{last.value:.3g}"))
    parts.append(t("watched.in_range" if top.in_range else "watched.in_spreads"))
    if any(checkpoint_step(folder) == top.step for folder in best_folders(found.run)):
        parts.append(t("watched.kept"))
    return f'<p class="sb-note" id="best-evaluation">{escape(" ".join(parts))}</p>'


def _row(found: Known, task: str) -> str:
    train = found.series.train
    state = found.states[task]
    steps, rewards = train.known(Key("reward", task))
    smooth = smoothed(Curve(steps, rewards), SMOOTH_POINTS).values
    before, after = found.series.before_and_after(task)
    change = None if before is None or after is None else after - before
    alerts = sum(alert.task == task for alert in found.alerts)
    cells = [
        figure(train.last(Key("reward", task))),
        figure(float(smooth[-1]) if len(smooth) else None),
        figure(before),
        figure(after),
        _signed(change),
        *(_percent(_share(found, name, task)) for name in ("signal", "share")),
        _percent(_recent(found, "zero_std", task)),
        _errors(found, task),
        f'<span class="sb-bad">{alerts}</span>' if alerts else "0",
    ]
    name = f'{swatch(found.colours[task])}<span class="name">{escape(task)}</span>'
    hint = escape(t(f"state_help.{state.name}"), quote=True)
    chip = f'<span class="sb-chip task-state {state.name}" title="{hint}">{escape(t(f"state.{state.name}"))}</span>'
    if task in found.series.frozen:  # with few steps of its own it may look stalled, which it is not
        hint = escape(t("watched.frozen_help"), quote=True)
        rests = f'<span class="sb-chip" title="{hint}">{escape(t("watched.frozen"))}</span>'
        chip = rests if state.name in ("stalled", "early") else f"{chip} {rests}"
    return (
        f'<tr><th scope="row">{name}</th><td>{chip}</td>'
        + "".join(f'<td class="number">{cell}</td>' for cell in cells)
        + "</tr>"
    )


def _share(found: Known, field: str, task: str) -> float | None:
    """A task's part of the latest batches that have any, those without it included: the parts of all are a whole."""
    columns = [found.series.train.values(Key(field, one))[-4 * RECENT :] for one in found.series.tasks]
    sampled = np.flatnonzero(~np.isnan(columns).all(axis=0))[-RECENT:]
    values = found.series.train.values(Key(field, task))[-4 * RECENT :][sampled]
    return float(np.nan_to_num(values).mean()) if len(sampled) else None


def _recent(found: Known, field: str, task: str) -> float | None:
    values = found.series.train.recent(Key(field, task), RECENT)
    return float(values.mean()) if len(values) else None


def _errors(found: Known, task: str) -> str:
    """Share of the last scores that failed, red where there are any."""
    failed = scored = 0.0
    for reward in found.series.rewards(task):
        for name, part in (("errors", "failed"), ("count", "scored")):
            total = float(found.series.train.recent(Key(name, task, reward), RECENT).sum())
            failed, scored = (failed + total, scored) if part == "failed" else (failed, scored + total)
    if failed + scored == 0:
        return "-"
    return f'<span class="sb-bad">{_percent(failed / (failed + scored))}</span>' if failed else "0 %"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.3g} %"


def _signed(value: float | None) -> str:
    if value is None:
        return "-"
    kind = "sb-good" if value > 0 else "sb-bad" if value < 0 else ""
    return f'<span class="{kind}">{value:+.3g}</span>'


def reasons_html(found: Known) -> str:
    """Why scores failed in the latest steps, by task and reward, the commonest reasons first; empty where none did."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for record in found.series.latest:
        for task in record["tasks"]:
            for reward in task["rewards"]:
                if reward["errors"]:
                    place = counts.setdefault((task["task"], reward["reward"]), Counter())
                    place.update(reward["reasons"])
    if not counts:
        return ""
    lines = "".join(_reasons(found, *place, reasons) for place, reasons in counts.items())
    table = table_of(t("column.task"), [t("watched.reward"), t("watched.errors")], lines, last=t("watched.reasons"))
    return f'<h3 class="sb-heading">{escape(t("watched.why", steps=len(found.series.latest)))}</h3>{table}'


def _reasons(found: Known, task: str, reward: str, reasons: Counter[str]) -> str:
    listed = "".join(f"<li>{count} × {escape(reason)}</li>" for reason, count in reasons.most_common(3))
    return (
        f'<tr><th scope="row">{swatch(found.colours[task])}{escape(task)}</th>'
        f'<td class="number"><code>{escape(reward)}</code></td><td class="number sb-bad">{sum(reasons.values())}</td>'
        f'<td><ul class="sb-values">{listed}</ul></td></tr>'
    )
