"""What the samples say of each task and each reward, as HTML: spread, saturation, correlations, shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from core.preview_report import PairReport, RewardReport, TaskReport
from core.progress import percent
from ui.html import attributes, button, figure, swatch
from ui.messages import problem_list
from ui.preview_state import Choice
from ui.preview_tables import table_html
from ui.texts import t


def overview_html(reports: Sequence[TaskReport], choice: Choice, colours: Mapping[str, str]) -> str:
    """A line for each task, which shows only its samples on a click."""
    columns = (
        t("preview.groups"),
        t("preview.no_spread"),
        t("preview.mean"),
        t("preview.unscored"),
        t("preview.share"),
    )
    lines = "".join(_task_line(report, choice, colours.get(report.task, "")) for report in reports)
    every = button(t("preview.show_all"), kind="link", act="task", task="") if choice.task else ""
    table = table_html(t("column.task"), columns, lines, kind="sb-overview")
    return f'{table}<p class="sb-note">{escape(t("preview.overview_help"))} {every}</p>'


def _task_line(report: TaskReport, choice: Choice, colour: str) -> str:
    here = str(choice.task == report.task).lower()
    flat = round(report.flat_share * report.groups)
    spread = f"{flat} ({percent(report.flat_share)})"
    worry = ' class="sb-warn"' if report.flat_share > 0.5 else ""
    lost = f'<span class="sb-bad">{report.unscored}</span>' if report.unscored else "0"
    width = f"--w:{report.share or 0:.1%};--c:{colour or 'gray'}"
    return (
        f'<tr aria-selected="{here}"><th scope="row" class="task" tabindex="0" role="button" '
        f"{attributes(act='task', task=report.task)}>{swatch(colour)}{escape(report.task)}</th>"
        f'<td class="number">{report.groups}</td><td class="number"><span{worry}>{escape(spread)}</span></td>'
        f'<td class="number">{figure(report.mean)}</td><td class="number">{lost}</td>'
        f'<td class="number sb-share" style="{width}">{percent(report.share)}</td></tr>'
    )


def details_html(reports: Sequence[TaskReport], colours: Mapping[str, str]) -> str:
    """The rewards of each task that is shown, how they go together, and what to mend."""
    return "".join(_details(report, colours.get(report.task, "")) for report in reports)


def _details(report: TaskReport, colour: str) -> str:
    columns = (
        t("preview.mean_score"),
        t("preview.scored"),
        t("preview.no_spread"),
        t("preview.errors"),
        t("preview.task_share"),
    )
    lines = "".join(_reward_line(reward, report.groups) for reward in report.rewards)
    table = table_html(t("preview.reward"), columns, lines, kind="sb-tight")
    warnings = problem_list(report.warnings, jump=True)
    title = f"<h4>{swatch(colour)}{escape(report.task)}</h4>"
    return f'<section class="sb-card">{title}{table}{_pairs(report)}{warnings}</section>'


def _reward_line(reward: RewardReport, groups: int) -> str:
    marks = {"best": t("preview.saturated"), "quiet": t("preview.quiet"), "constant": t("preview.constant")}
    mark = f'<span class="sb-chip missing">{escape(marks[reward.saturated])}</span>' if reward.saturated else ""
    reason = escape(reward.reason or "", quote=True)
    errors = f'<span class="sb-bad" title="{reason}">{reward.errors}</span>' if reward.errors else "0"
    return (
        f'<tr><th scope="row"><code>{escape(reward.cell.key)}</code> {mark}</th>'
        f'<td class="number">{figure(reward.cell.mean)}</td>'
        f'<td class="number">{percent(reward.cell.coverage)}</td>'
        f'<td class="number">{escape(t("preview.of", part=reward.flat_groups, whole=groups))}</td>'
        f'<td class="number">{errors}</td><td class="number">{percent(reward.share)}</td></tr>'
    )


def _pairs(report: TaskReport) -> str:
    """Correlations, folded where none deserves a look."""
    if not report.pairs:
        return ""
    lines = "".join(_pair_line(pair) for pair in report.pairs)
    named = " open" if any(pair.verdict for pair in report.pairs) else ""
    columns = (t("preview.pearson"), t("preview.spearman"), t("preview.count_pairs"))
    title = escape(t("preview.correlations", count=len(report.pairs)))
    table = table_html(t("preview.pair"), columns, lines, kind="sb-tight")
    place = attributes(fold=f"pairs {report.task}")
    return f'<details class="sb-more"{named} {place}><summary>{title}</summary>{table}</details>'


def _pair_line(pair: PairReport) -> str:
    marks = {"redundant": t("preview.redundant"), "conflict": t("preview.conflict")}
    mark = f'<span class="sb-chip missing">{escape(marks[pair.verdict])}</span>' if pair.verdict else ""
    found = pair.correlation
    return (
        f'<tr><th scope="row"><code>{escape(pair.first)}</code> · <code>{escape(pair.second)}</code> {mark}</th>'
        f'<td class="number">{signed(found.pearson)}</td><td class="number">{signed(found.spearman)}</td>'
        f'<td class="number">{found.count}</td></tr>'
    )


def signed(value: float | None) -> str:
    """A number with its sign, or a dash where there is none."""
    return "-" if value is None else f"{value:+.2f}"
