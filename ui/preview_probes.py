"""The probes of a project's rewards, scored in the background, and as HTML: what earns points that it should not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from html import escape

from core.errors import UserError
from core.jobs import Job
from core.probes import CONTAINS_GOLD, GOLD, Probe, TaskProbes, probe_task
from core.projects import Project
from core.routing import RoutingTable, check_routes
from core.sampling import ModelChoice
from core.scored_file import needs_tokens
from core.scoring import ScoringCancelled
from core.services import SERVICES, asks_outside
from core.spec import Draft
from ui.html import button, figure, swatch
from ui.messages import problem_list
from ui.preview_sampling import rows_of
from ui.preview_state import Choice, Known, rows_report
from ui.preview_status import progress_html
from ui.preview_tables import fold, table_html
from ui.texts import t

ROWS = 4  # of each task
SAME = 1e-9  # totals nearer than this are equal

LAST_PROBED: dict[str, str] = {}  # project -> what its last probing was of, so that nothing is probed twice by itself


@dataclass(frozen=True)
class Probed:
    """What the probes of a draft got.

    Attributes:
        token: of the draft.
        tasks: the tasks of the data that have rewards.
    """

    token: str
    tasks: tuple[TaskProbes, ...]


def probing(project: Project) -> Job | None:
    """The probing of a project that runs or ran last."""
    return SERVICES.jobs.get(f"probe {project.name}")


def draft_token(draft: Draft) -> str:
    """What probes depend on."""
    return repr((draft.data, draft.rewards, draft.model))


def start_when_due(now: Known) -> None:
    """Probe rewards that have changed, where nobody outside is asked and their samples are scored already."""
    ready = now.scored.fresh and not (now.scored.job and now.scored.job.running)
    job = probing(now.project)
    new = LAST_PROBED.get(now.project.name) != draft_token(now.draft)
    if ready and new and not asks_outside(now.draft.rewards) and not (job and job.running):
        start(now.project)


def start(project: Project) -> None:
    """Probe the rewards as they are."""
    draft = project.draft()
    if rows_report(draft).data is None:
        return
    LAST_PROBED[project.name] = draft_token(draft)
    try:
        SERVICES.jobs.start(f"probe {project.name}", lambda job: probe_all(draft, job))
    except UserError:  # another tab was faster
        return


def probe_all(draft: Draft, job: Job) -> Probed:
    """The probes of every task that has rewards."""
    if wrong := [problem for problem in check_routes(draft.rewards) if problem.severity == "error"]:
        raise UserError(wrong)
    table = RoutingTable(draft.rewards)
    scorer = SERVICES.scorer.with_table(table)
    count = None
    if needs_tokens(draft):
        count = partial(SERVICES.sampler.token_ids, ModelChoice(draft.model))
    rows = {task: found for task, found in rows_of(draft, ROWS).items() if table.of(task)}
    found: list[TaskProbes] = []
    for n, (task, of_task) in enumerate(rows.items()):
        job.progress(n, len(rows))
        if job.cancelled():
            raise ScoringCancelled
        found.append(probe_task(task, of_task, scorer, count))
    return Probed(draft_token(draft), tuple(found))


def probes_token(now: Known, choice: Choice) -> str:
    """Changes whenever `probes_html` does."""
    job = probing(now.project)
    return f"{draft_token(now.draft)} {job.token if job else ''} {job.cancelled() if job else ''} {choice.task}"


def probes_html(now: Known, choice: Choice) -> str:
    """What is known of the probes of the tasks that are shown."""
    job = probing(now.project)
    again = button(t("preview.probe"), act="probe")
    if job is None:
        return f'<p class="sb-note">{escape(t("preview.probes_help"))} {again}</p>'
    if job.running:
        text = t("preview.stopping") if job.cancelled() else t("preview.probing", done=job.done, whole=job.whole or "…")
        return progress_html(job, text, "cancel_probing")
    if not isinstance(job.result, Probed):
        return f"{problem_list(job.problems)}{again}"
    old = (
        ""
        if job.result.token == draft_token(now.draft)
        else f'<p class="sb-warn">{escape(t("preview.probes_old"))} {again}</p>'
    )
    shown = [found for found in job.result.tasks if choice.task in ("", found.task)]
    tables = "".join(task_html(found, now.colours) for found in shown)
    return f'{old}<p class="sb-note">{escape(t("preview.probes_help"))}</p>{tables}'


def task_html(found: TaskProbes, colours: Mapping[str, str]) -> str:
    """The probes of one task; what should not be is red, with the reward that caused it."""
    kinds = {
        "gold": t("preview.probe_gold"),
        "empty": t("preview.probe_empty"),
        "echo": t("preview.probe_echo"),
        "wrong": t("preview.probe_wrong"),
        "keywords": t("preview.probe_keywords"),
        "overlong": t("preview.probe_overlong"),
        "repeated": t("preview.probe_repeated"),
    }
    keys = list(dict.fromkeys(key for probe in found.probes for key in probe.rewards))
    heads = [t("column.total"), *keys, t("preview.beats")]
    lines = "".join(_line(found, probe, kinds.get(probe.kind, probe.kind), keys) for probe in found.probes)
    said = t("preview.spelling", spelling=found.spelling) if found.spelling else t("preview.no_reference")
    highest = t("preview.highest", total=figure(found.highest))
    colour = swatch(colours[found.task]) if found.task in colours else ""
    verdict = "" if found.problems else _verdict(found, kinds)
    title = f'<h4>{colour}{escape(found.task)} <span class="sb-note">{escape(said)} {escape(highest)}</span></h4>'
    wrong = f'<div class="sb-wrong">{problem_list(found.problems, jump=True)}</div>'
    table = table_html(t("preview.kind"), heads, lines, last=t("preview.example"))
    return f'<section class="sb-card">{title}{wrong}{verdict}{table}</section>'


def _verdict(found: TaskProbes, kinds: Mapping[str, str]) -> str:
    """What is said of probes of which none earns what it should not; what holds gold and more may earn as much."""
    gold = next((probe.total for probe in found.probes if probe.kind == GOLD), None)
    ties = [
        kinds[probe.kind].lower()
        for probe in found.probes
        if probe.kind in CONTAINS_GOLD and None not in (gold, probe.total) and abs(probe.total - gold) < SAME
    ]
    if found.spelling and ties:
        return f'<p class="sb-warn">{escape(t("preview.probes_tie", kinds=", ".join(ties)))}</p>'
    fine = t("preview.probes_fine") if found.spelling else t("preview.probes_cheap")
    return f'<p class="sb-good">{escape(fine)}</p>'


def _line(found: TaskProbes, probe: Probe, kind: str, keys: list[str]) -> str:
    cells = "".join(f'<td class="number">{figure(probe.rewards.get(key))}</td>' for key in keys)
    total = figure(probe.total)
    if probe.errors:
        total += f' <span class="sb-bad">{escape(t("preview.probe_errors", count=probe.errors))}</span>'
    wins = "-" if probe.kind == GOLD or not found.spelling else t("preview.of", part=probe.wins, whole=probe.rows)
    bad = ' class="sb-bad-row"' if faulty(found, probe) else ""
    example = fold(probe.example, f"probe {found.task} {probe.kind}")
    return (
        f'<tr{bad}><th scope="row">{escape(kind)}</th><td class="number">{total}</td>{cells}'
        f'<td class="number">{escape(wins)}</td><td class="text">{example}</td></tr>'
    )


def faulty(found: TaskProbes, probe: Probe) -> bool:
    """Whether a probe earns what it should not, or gold less than there is."""
    if probe.kind == GOLD:
        short = found.highest is not None and (probe.total is None or probe.total < found.highest - SAME)
        return short or probe.errors > 0
    paid = not found.spelling and found.highest is not None and (probe.total or 0.0) > found.highest - SAME
    return probe.wins > 0 or paid
