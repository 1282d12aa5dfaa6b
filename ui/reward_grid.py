"""The tasks x rewards grid as HTML: which reward scores which task, at what weight, and how it does on the samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from core.errors import Problem
from core.preview_report import CellReport
from core.routing import RoutingTable
from core.spec import DEFAULT_ROUTE, Route, Routes
from core.spec_errors import field_path
from ui.html import attributes, figure, swatch
from ui.texts import t
from ui.theme import task_colours


@dataclass(frozen=True)
class Chosen:
    """What is open below the grid: a task, or one of its rewards.

    Attributes:
        task: its name.
        key: of the reward; empty for the task itself.
        project: in which it was opened; in another one nothing is open.
        drawn: how often something was opened, so that the same thing can be drawn anew.
    """

    task: str
    key: str = ""
    project: str = ""
    drawn: int = 0

    def at(self, task: str, key: str = "") -> bool:
        """Whether this is what is open."""
        return (self.task, self.key) == (task, key)


def grid_html(
    counts: Mapping[str, int],
    routes: Routes,
    cells: Mapping[tuple[str, str], CellReport],
    problems: Sequence[Problem],
    chosen: Chosen | None,
) -> str:
    """The grid: a line for each task of the data, for each task that only the routes know, and for the default route.

    Args:
        counts: rows of each task.
        routes: the routing table.
        cells: (task, reward) -> what the samples say.
        problems: of the routing table, marked in the cells that they name.
        chosen: what is open.
    """
    table = RoutingTable(routes)
    strangers = [task for task in routes if task not in counts and task != DEFAULT_ROUTE]
    tasks = [*counts, *strangers, DEFAULT_ROUTE]
    head = "".join(f'<th scope="col" class="reward">{escape(key)}</th>' for key in table.keys)
    colours = task_colours(counts)
    lines = [_line(task, colours.get(task, ""), counts.get(task), table, cells, problems, chosen) for task in tasks]
    return (
        f'<div class="sb-scroll"><table class="sb-table sb-grid" aria-describedby="grid-caption"><thead><tr>'
        f'<th scope="col">{escape(t("column.task"))}</th>{head}<th></th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        f'<p class="sb-note" id="grid-caption">{escape(t("grid.caption"))}</p>'
    )


def _line(
    task: str,
    colour: str,
    rows: int | None,
    table: RoutingTable,
    cells: Mapping[tuple[str, str], CellReport],
    problems: Sequence[Problem],
    chosen: Chosen | None,
) -> str:
    own = {route.key: (n, route) for n, route in enumerate(table.of(task))}
    inherited = task not in table.routes
    boxes = []
    for key in table.keys:
        if key not in own:
            boxes.append(_blank(task, key))
            continue
        n, route = own[key]
        place = field_path(("rewards", DEFAULT_ROUTE if inherited else task, n))
        wrong = [problem for problem in problems if problem.where.startswith(place)]
        boxes.append(
            _box(task, route, inherited, cells.get((task, key)), wrong, chosen is not None and chosen.at(task, key))
        )
    here = chosen is not None and chosen.at(task)
    more = f'<td class="add"><button type="button" class="sb-button" {_opens(act="task", task=task)}>'
    return (
        f'<tr><th scope="row" class="task" aria-selected="{str(here).lower()}" tabindex="0" role="button" '
        f"{_opens(act='task', task=task)}>{_name(task, colour, rows, inherited, bool(own))}</th>{''.join(boxes)}"
        f"{more}{escape(t('grid.add'))}</button></td></tr>"
    )


def _name(task: str, colour: str, rows: int | None, inherited: bool, covered: bool) -> str:
    if task == DEFAULT_ROUTE:
        title, rest = escape(t("grid.default")), escape(t("grid.rest"))
        return f'<span class="name">{title}</span><span class="sb-note">{rest}</span>'
    note = t("grid.unknown") if rows is None else t("grid.rows", count=f"{rows:,}")
    if rows is not None and inherited:
        note += f" · {t('grid.by_default') if covered else t('grid.uncovered')}"
    bad = " sb-bad" if rows is None or not covered else ""
    return (
        f'<span class="name">{swatch(colour) if colour else ""}{escape(task)}</span>'
        f'<span class="sb-note{bad}">{escape(note)}</span>'
    )


def _opens(**data: object) -> str:
    """What a click opens in the place of the form below, which may hold something that is not applied."""
    return attributes(**data, leaves=t("form.leaves"))


def _blank(task: str, key: str) -> str:
    """A reward of another task, which one click gives this one too."""
    hint = escape(t("grid.same", reward=key, task=task), quote=True)
    data = _opens(act="same", task=task, key=key)
    return (
        f'<td class="none"><button type="button" class="plus" aria-label="{hint}" title="{hint}" {data}>+</button></td>'
    )


def _box(
    task: str, route: Route, inherited: bool, cell: CellReport | None, wrong: Sequence[Problem], here: bool
) -> str:
    faint = " inherited" if inherited else ""
    mark = f'<span class="sb-bad" title="{escape(str(wrong[0]), quote=True)}">!</span>' if wrong else ""
    return (
        f'<td class="cell{faint}" aria-selected="{str(here).lower()}" tabindex="0" role="button" '
        f"{_opens(act='cell', task=task, key=route.key)}>"
        f'<span class="weight">{mark}× {figure(route.weight)}</span>{_schedule(route)}{_numbers(cell)}</td>'
    )


def _schedule(route: Route) -> str:
    """How the weight comes about, in a few words."""
    found = route.schedule
    if found is None:
        return ""
    words = t(f"schedule.{found.kind}", **found.model_dump(exclude={"kind"}))
    return f'<span class="schedule sb-note">{escape(words)}</span>'


def _numbers(cell: CellReport | None) -> str:
    if cell is None or cell.coverage is None:
        return ""
    parts = [
        f'<span title="{escape(t("grid.mean"), quote=True)}">{figure(cell.mean)}</span>',
        f'<span title="{escape(t("grid.coverage"), quote=True)}">{cell.coverage:.0%}</span>',
        f'<span title="{escape(t("grid.ms"), quote=True)}">{figure(cell.ms, " ms")}</span>',
    ]
    if cell.error_share:
        share = f"{cell.error_share:.0%}" if cell.error_share >= 0.01 else "<1%"
        parts.append(f'<span class="sb-bad" title="{escape(t("grid.errors"), quote=True)}">{escape(share)} !</span>')
    return f'<span class="numbers">{"".join(parts)}</span>'
