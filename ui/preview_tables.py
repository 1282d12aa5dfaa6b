"""The sample outputs as HTML: a table for each group, with every score, total, advantage, error and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

import numpy as np

from core.advantages import FLAT, Floats, Ints
from core.completion_rows import task_of
from core.preview import Group, Preview
from core.probes import REFERENCES
from ui.data_parts import plain
from ui.html import attributes, button, copy_button, figure, swatch
from ui.preview_state import Choice
from ui.texts import t

PER_PAGE = 8  # groups
TOTAL, ADVANTAGE, TIME = "total", "advantage", "time"


def groups_html(found: Preview, signal: Floats, choice: Choice, colours: Mapping[str, str]) -> str:
    """A page of groups and what chooses it.

    Args:
        found: the scored samples.
        signal: the advantage of each of its n completions (n).
        choice: which groups, and in which order.
        colours: of the tasks.
    """
    members = group_members(found)
    numbers = chosen_groups(found, members, choice)
    pages = max(1, -(-len(numbers) // PER_PAGE))
    page = min(choice.page, pages - 1)
    here = numbers[page * PER_PAGE : (page + 1) * PER_PAGE]
    strongest = float(np.abs(signal).max(initial=0.0)) or 1.0
    tables = [_group(found, i, members[i], signal, strongest, choice, colours) for i in here]
    return f"{_toolbar(found, choice, len(numbers), page, pages)}{''.join(tables)}"


def group_members(found: Preview) -> list[Ints]:
    """Which of the n completions belong to each group."""
    ends = np.searchsorted(found.index, np.arange(len(found.groups) + 1))
    return [np.arange(start, end) for start, end in pairwise(ends)]


def chosen_groups(found: Preview, members: list[Ints], choice: Choice) -> list[int]:
    """Numbers of the groups to show, in order."""
    wanted = [i for i, group in enumerate(found.groups) if choice.task in ("", task_of(group.fields))]
    failed = {row for row, _ in found.scores.errors}

    def rank(i: int) -> float:
        if choice.order == "errors":
            return -float("inf") if i in found.refused else -float(sum(row in failed for row in members[i].tolist()))
        if choice.order == "rows":
            return 0.0
        spread = _spread(found.scores.totals[members[i]])
        return spread if choice.order == "flat" else -spread

    return sorted(wanted, key=rank)


def _spread(totals: Floats) -> float:
    known = totals[~np.isnan(totals)]
    return float(known.std(ddof=1)) if len(known) > 1 else 0.0


def _toolbar(found: Preview, choice: Choice, count: int, page: int, pages: int) -> str:
    tasks = {"": t("preview.all_tasks")} | {task: task for task in dict.fromkeys(_tasks(found))}
    orders = {
        "rows": t("preview.order_rows"),
        "spread": t("preview.order_spread"),
        "errors": t("preview.order_errors"),
        "flat": t("preview.order_flat"),
    }
    back = button("‹", title=t("preview.back"), disabled=page == 0, act="turn", page=page - 1)
    on = button("›", title=t("preview.on"), disabled=page + 1 >= pages, act="turn", page=page + 1)
    shown = t("preview.pages", page=page + 1, pages=pages, count=count)
    return (
        f'<div class="sb-toolbar">{select(t("preview.filter"), tasks, choice.task, "task")}'
        f"{select(t('preview.order'), orders, choice.order, 'order')}"
        f'<span class="sb-pager">{back}<span class="sb-note">{escape(shown)}</span>{on}</span></div>'
    )


def select(label: str, options: Mapping[str, str], value: str, edit: str) -> str:
    """A choice that triggers `input` with its name."""
    lines = "".join(
        f'<option value="{escape(key, quote=True)}"{" selected" if key == value else ""}>{escape(text)}</option>'
        for key, text in options.items()
    )
    return (
        f'<label class="sb-select"><span>{escape(label)}</span><select {attributes(edit=edit)}>{lines}</select></label>'
    )


def _tasks(found: Preview) -> list[str]:
    return [task_of(group.fields) for group in found.groups]


def _group(
    found: Preview,
    i: int,
    rows: Ints,
    signal: Floats,
    strongest: float,
    choice: Choice,
    colours: Mapping[str, str],
) -> str:
    group = found.groups[i]
    task = task_of(group.fields)
    if i in found.refused:
        body = f'<p class="sb-bad">{escape(found.refused[i])}</p>'
    else:
        keys = [route.key for route in found.table.of(task)]
        lines = "".join(_line(found, int(n), keys, signal, strongest) for n in _sorted(found, rows, signal, choice))
        table = f'<table class="sb-table sb-tight">{_head(keys, choice)}<tbody>{lines}</tbody></table>'
        body = f'<div class="sb-scroll">{table}</div>'
    totals = found.scores.totals[rows]
    flat = i not in found.refused and _spread(totals) < FLAT
    mark = f'<span class="sb-chip missing">{escape(t("preview.flat"))}</span>' if flat else ""
    colour = swatch(colours[task]) if task in colours else ""
    return (
        f'<section class="sb-card"><h4>{colour}{escape(task)} '
        f'<span class="sb-note">{escape(t("preview.group", number=i + 1))}</span> {mark}</h4>'
        f"{fold(group.prompt, f'prompt {i}')}{_reference(group, i)}{body}</section>"
    )


def _reference(group: Group, i: int) -> str:
    """What the row says is right, under the name of its column; empty where it says nothing."""
    name = next((name for name in REFERENCES if group.fields.get(name) not in (None, "")), None)
    if name is None:
        return ""
    text = fold(plain(group.fields[name]), f"reference {i}")
    return f'<div class="sb-reference"><code>{escape(name)}</code>{text}</div>'


def _sorted(found: Preview, rows: Ints, signal: Floats, choice: Choice) -> Ints:
    """The completions of a group, by the column that was chosen; what has no number there comes last."""
    scores = found.scores
    if choice.by == TOTAL:
        values = scores.totals[rows]
    elif choice.by == ADVANTAGE:
        values = signal[rows]
    elif choice.by == TIME:
        values = np.where(np.isnan(scores.seconds[rows]).all(axis=1), np.nan, np.nansum(scores.seconds[rows], axis=1))
    elif choice.by.removeprefix("reward ") in scores.keys and choice.by.startswith("reward "):
        values = scores.values[rows, scores.keys.index(choice.by.removeprefix("reward "))]
    else:
        return rows
    order: Ints = rows[np.argsort(values if choice.rising else -values, kind="stable")]
    return order


def _head(keys: list[str], choice: Choice) -> str:
    columns = {f"reward {key}": key for key in keys}
    columns |= {TOTAL: t("column.total"), ADVANTAGE: t("column.advantage"), TIME: t("preview.ms")}
    cells = "".join(_sorter(by, label, choice) for by, label in columns.items())
    return f'<thead><tr><th scope="col">{escape(t("column.completion"))}</th>{cells}</tr></thead>'


def _sorter(by: str, label: str, choice: Choice) -> str:
    here = choice.by == by
    arrow = (" ▲" if choice.rising else " ▼") if here else ""
    state = f' aria-sort="{"ascending" if choice.rising else "descending"}"' if here else ""
    data = attributes(act="sort", by=by)
    return (
        f'<th scope="col" class="number"{state}><button type="button" class="sb-sort" title='
        f'"{escape(t("preview.sort", column=label), quote=True)}" {data}>{escape(label)}{arrow}</button></th>'
    )


def _line(found: Preview, n: int, keys: list[str], signal: Floats, strongest: float) -> str:
    scores = found.scores
    place = f"{found.index[n]} {found.places[n]}"
    text = found.groups[found.index[n]].completions[found.places[n]]
    cells = "".join(_score(found, n, scores.keys.index(key), place) for key in keys)
    total = scores.totals[n]
    known = not np.isnan(total)
    advantage = _advantage(float(signal[n]), strongest) if known else '<td class="number">-</td>'
    took = scores.seconds[n]
    ms = None if np.isnan(took).all() else float(np.nansum(took)) * 1e3
    return (
        f'<tr><td class="text">{fold(text, place)}</td>{cells}<td class="number">{_total(scores.failed[n], total)}</td>'
        f'{advantage}<td class="number">{_ms(ms)}</td></tr>'
    )


def _score(found: Preview, n: int, k: int, place: str) -> str:
    reason = found.scores.errors.get((n, k))
    if reason is not None:
        return f'<td class="failed">{fold(f"! {reason}", f"{place} {k}", "sb-bad")}</td>'
    value = found.scores.values[n, k]
    return f'<td class="number">{figure(None if np.isnan(value) else float(value))}</td>'


def _total(failed: bool, total: float) -> str:
    if failed:
        return f'<span class="sb-bad" title="{escape(t("preview.no_total"), quote=True)}">!</span>'
    return figure(None if np.isnan(total) else float(total))


def _advantage(value: float, strongest: float) -> str:
    """A number before a bar: which completions are pushed up, which down, and how hard."""
    side = "up" if value > FLAT else "down" if value < -FLAT else "still"
    width = abs(value) / strongest
    return f'<td class="number sb-push {side}" style="--w:{width:.0%}">{value:+.3f}</td>'


def _ms(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.3g}" if ms < 1000 else f"{ms:,.0f}"


def table_html(first: str, columns: Sequence[str], lines: str, *, last: str = "", kind: str = "") -> str:
    """A table of numbers: names in the first column, perhaps text in the last one."""
    heads = "".join(f'<th scope="col" class="number">{escape(column)}</th>' for column in columns)
    end = f'<th scope="col">{escape(last)}</th>' if last else ""
    head = f'<thead><tr><th scope="col">{escape(first)}</th>{heads}{end}</tr></thead>'
    return f'<div class="sb-scroll"><table class="sb-table {kind}">{head}<tbody>{lines}</tbody></table></div>'


def fold(text: str, place: str, kind: str = "") -> str:
    """A text in two lines, all of it on a click, with a button that copies it. `place` tells it from others."""
    shown = escape(text) if text.strip() else f'<span class="sb-note">{escape(t("preview.blank"))}</span>'
    return (
        f'<details class="sb-fold {kind}" data-fold="{escape(place, quote=True)}">'
        f'<summary><pre class="sb-text">{shown}</pre></summary>{copy_button()}</details>'
    )
