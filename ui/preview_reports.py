"""What the samples say of each task and each reward, as HTML: spread, saturation, correlations, shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape

from core.completion_rows import task_of
from core.preview_mix import TaskInRun
from core.preview_report import PairReport, RewardReport, TaskReport
from core.progress import percent
from ui.html import attributes, button, figure, swatch
from ui.messages import problem_list
from ui.preview_state import Choice, Known
from ui.preview_tables import table_html
from ui.texts import t

_NONE = '<td class="number">-</td>'


def overview_html(now: Known, choice: Choice) -> str:
    """A line for each task, which shows only its samples on a click; beside it what a run would make of it."""
    columns = [t("preview.groups"), t("preview.no_spread"), t("preview.mean"), t("preview.unscored")]
    columns += [t("preview.batches")] if now.in_run else []
    columns += [t("preview.share")] + ([t("preview.first_share")] if now.at_first else [])
    reports = {report.task: report for report in now.reports}
    there = {task.task: task for task in now.in_run}
    sampled = Counter(task_of(group.fields) for group in now.preview.groups) if now.preview else Counter()
    first = {task.task: task.signal for task in now.at_first}
    lines = ""
    for task in dict.fromkeys([*reports, *there]):
        cells = _sample_cells(reports.get(task), sampled.get(task, 0)) + (_batches(there.get(task)) if there else "")
        share = reports[task].share if task in reports else None
        cells += _share(share, now.colours.get(task)) + (
            _share(first.get(task), now.colours.get(task)) if first else ""
        )
        lines += f"<tr{_here(choice, task)}>{_task(task, task in reports, now)}{cells}</tr>"
    every = button(t("preview.show_all"), kind="link", act="task", task="") if choice.task else ""
    table = table_html(t("column.task"), columns, lines, kind="sb-overview")
    help = t("preview.overview_help") + " " + (_of_run(now) if now.in_run else t("preview.of_samples"))
    return f'{table}<p class="sb-note">{escape(help)} {every}</p>{_moving(now)}'


def _of_run(now: Known) -> str:
    """What the shares of the signal are shares of."""
    some = any(task.fair is None for task in now.in_run)
    return t("preview.of_run") + (f" {t('preview.of_sampled')}" if some else "")


def _here(choice: Choice, task: str) -> str:
    return f' aria-selected="{str(choice.task == task).lower()}"'


def _task(task: str, sampled: bool, now: Known) -> str:
    """The head of a task's line; without samples there is nothing to show on a click."""
    name = f"{swatch(now.colours.get(task, ''))}{escape(task)}"
    if not sampled:
        return f'<th scope="row">{name}</th>'
    return f'<th scope="row" class="task" tabindex="0" role="button" {attributes(act="task", task=task)}>{name}</th>'


def _sample_cells(report: TaskReport | None, groups: int) -> str:
    """What a task's samples say; where none could be scored, only how many groups there are."""
    if report is None:
        return f'<td class="number">{groups}</td>{3 * _NONE}'
    flat = round(report.flat_share * report.groups)
    worry = ' class="sb-warn"' if report.flat_share > 0.5 else ""
    spread = f"<span{worry}>{flat} ({percent(report.flat_share)})</span>"
    lost = f'<span class="sb-bad">{report.unscored}</span>' if report.unscored else "0"
    cells = (str(report.groups), spread, figure(report.mean), lost)
    return "".join(f'<td class="number">{cell}</td>' for cell in cells)


def _batches(task: TaskInRun | None) -> str:
    """A task's part of the batches, and how far it may fall."""
    if task is None:
        return f'<td class="number" title="{escape(t("preview.no_rows"), quote=True)}">-</td>'
    least = f' <span class="sb-note">{escape(t("preview.least", part=percent(task.least)))}</span>'
    return f'<td class="number">{percent(task.share)}{least if task.least < task.share else ""}</td>'


def _share(part: float | None, colour: str | None) -> str:
    width = f"--w:{part or 0:.1%};--c:{colour or 'gray'}"
    return f'<td class="number sb-share" style="{width}">{percent(part)}</td>'


def _moving(now: Known) -> str:
    """What the run's settings do to these figures while it goes on, and a task that another drowns."""
    if not now.in_run:
        return ""
    mixing, found = now.draft.mixing, []
    if len(now.in_run) > 1 and mixing.adapt != "none":
        found.append(t(f"adapt.{mixing.adapt}"))
    if len(now.in_run) > 1 and now.draft.convergence.freeze:
        found.append(t("preview.freeze"))
    if mixing.resample:
        found.append(_resampling(now))
    drowned = [task for task in now.in_run if task.is_drowned]
    warning = "".join(f'<p class="sb-warn">{escape(_drowned(task))}</p>' for task in drowned)
    return warning + "".join(f'<p class="sb-note">{escape(text)}</p>' for text in found)


def _resampling(now: Known) -> str:
    """What sampling in the place of groups without spread leaves of them, and what it costs."""
    more = sum(task.resampled or 0.0 for task in now.in_run)
    if not more:
        return t("preview.resample_none")
    left = ", ".join(f"{task.task} {percent(task.flat_share)}" for task in now.in_run if task.resampled)
    return t("preview.resample", more=percent(more), left=left)


def _drowned(task: TaskInRun) -> str:
    parts = {"task": task.task, "signal": percent(task.signal), "fair": percent(task.fair)}
    if task.is_drowned_by_scale:
        return t("preview.drowned", scaled=percent(task.scaled), **parts)
    return t("preview.silent", **parts)


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
