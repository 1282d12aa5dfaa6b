"""Two routing tables on the same samples: the one that is kept, a saved one, or one with an earlier version of a
reward function, against the one that is shown."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from core.comparison import Comparison, CompletionChange, TaskChange, Unranked, compare
from core.documents import parse_yaml
from core.errors import Problem, UserError
from core.jobs import Job
from core.preview import Preview
from core.progress import percent
from core.projects import NAME, Project
from core.reward_versions import read_version, saved_rewards, versions
from core.runs import write_atomically
from core.services import SERVICES
from core.spec import Draft, Normalisation, Routes, parse_draft
from ui.html import figure, swatch
from ui.messages import problem_list
from ui.preview_state import Choice, Known, samples
from ui.preview_status import progress_html
from ui.preview_tables import fold, table_html
from ui.texts import t

KEPT, TABLE, REWARD = "kept", "table/", "reward/"
SHOWN = 20  # completions


@dataclass(frozen=True)
class Earlier:
    """The samples under the routing table that is compared with.

    Attributes:
        against: its name among `choices`.
        preview: the scores.
        normalisation: its own.
    """

    against: str
    preview: Preview
    normalisation: Normalisation


def choices(project: Project) -> list[tuple[str, str]]:
    """What there is to compare with: what it is called, and its name."""
    found = [(t("preview.kept_table"), KEPT)]
    for path in sorted(project.tables_path.glob("*.yaml")):
        found.append((t("preview.saved_table", name=path.stem), f"{TABLE}{path.stem}"))
    for name in saved_rewards(project.rewards_path):
        for version in versions(project.rewards_path, name):
            label = t("preview.version", name=name, number=version.number)
            found.append((label, f"{REWARD}{name}/{version.number}"))
    return found


def save_table(project: Project, name: str, routes: Routes, normalisation: Normalisation) -> None:
    """Save a routing table under a name, in place of another of that name."""
    name = name.strip()
    if not NAME.fullmatch(name):
        raise UserError(Problem(t("preview.table_name"), t("preview.bad_name", name=name[:90]), ""))
    project.tables_path.mkdir(exist_ok=True)
    text = Draft(rewards=routes, normalisation=normalisation).to_yaml()
    write_atomically(project.tables_path / f"{name}.yaml", text)


def earlier(project: Project, against: str) -> Draft:
    """The draft with the rewards to compare with."""
    draft = project.draft()
    if against not in [name for _, name in choices(project)]:
        raise UserError(Problem(t("preview.against"), t("preview.no_table"), ""))
    if against.startswith(TABLE):
        path = project.tables_path / f"{against.removeprefix(TABLE)}.yaml"
        saved = parse_draft(parse_yaml(path.read_text(encoding="utf-8"), str(path)), str(path))
        return draft.model_copy(update={"rewards": saved.rewards, "normalisation": saved.normalisation})
    name, _, number = against.removeprefix(REWARD).rpartition("/")
    code = read_version(project.rewards_path, name, int(number))
    return draft.model_copy(update={"rewards": _with_code(draft.rewards, name, code)})


def _with_code(routes: Routes, name: str, code: str) -> Routes:
    """The routes with other code in those that use a function of this name."""

    def is_meant(label: str | None, function: object) -> bool:
        return name in (label, function)

    return {
        task: tuple(
            route.model_copy(update={"params": {**route.params, "code": code}})
            if route.name == "custom" and is_meant(route.label, route.params.get("function"))
            else route
            for route in given
        )
        for task, given in routes.items()
    }


def comparing(project: Project) -> Job | None:
    """The scoring for a comparison that runs or ran last."""
    return SERVICES.jobs.get(f"compare {project.name}")


def start(project: Project, against: str) -> None:
    """Score the samples by the rewards to compare with, in the background."""
    if against == KEPT:
        return
    draft, groups = earlier(project, against), samples(project)

    def work(job: Job) -> Earlier:
        return Earlier(against, SERVICES.preview(groups, draft, job.progress, job.cancelled), draft.normalisation)

    SERVICES.jobs.start(f"compare {project.name}", work)


def chosen(project: Project, against: str) -> str:
    """What is compared with: what the tab has chosen, else what was compared last."""
    job = comparing(project)
    return against or (job.result.against if job is not None and isinstance(job.result, Earlier) else KEPT)


def comparison_token(now: Known, choice: Choice) -> str:
    """Changes whenever `comparison_html` does."""
    job = comparing(now.project)
    return f"{now.token} {choice.task} {choice.against} {job.token if job else ''} {job.cancelled() if job else ''}"


def comparison_html(now: Known, choice: Choice) -> str:
    """What is otherwise under the rewards that are shown."""
    job, against = comparing(now.project), chosen(now.project, choice.against)
    if now.preview is None or now.scored.preview is None:
        return ""
    if against == KEPT:
        if not now.trial:
            return f'<p class="sb-note">{escape(t("preview.compare_help"))}</p>'
        before = Earlier(KEPT, now.scored.preview, now.draft.normalisation)
    elif job is not None and job.running:
        text = t("preview.scoring", done=job.done, whole=job.whole or "…")
        return progress_html(job, text, "cancel_comparing")
    elif job is None or not isinstance(job.result, Earlier) or job.result.against != against:
        failed = problem_list(job.problems) if job is not None else ""
        return f'{failed}<p class="sb-note">{escape(t("preview.compare_press"))}</p>'
    else:
        before = job.result
    try:
        found = compare(before.preview, now.preview, before.normalisation, now.normalisation)
    except UserError:
        return f'<p class="sb-warn">{escape(t("preview.compare_old"))}</p>'
    return changes_html(found, now, choice)


def changes_html(found: Comparison, now: Known, choice: Choice) -> str:
    """A line for each task, then the completions whose advantages change most."""
    tasks = [task for task in found.tasks if choice.task in ("", task.task)]
    changes = [change for change in found.changes if choice.task in ("", change.task)]
    lost = [other for other in found.unranked if choice.task in ("", other.task)]
    columns = (
        t("preview.flips"),
        t("preview.ties"),
        t("preview.signs"),
        t("preview.moved"),
        t("preview.unranked"),
    )
    lines = "".join(_task_line(task, now.colours.get(task.task, "")) for task in tasks)
    return table_html(t("column.task"), columns, lines) + _changes(changes, lost, now)


def _task_line(task: TaskChange, colour: str) -> str:
    values = (
        t("preview.of", part=task.flips, whole=task.pairs),
        task.ties,
        t("preview.of", part=task.sign_changes, whole=task.completions),
        percent(task.moved),
        task.unranked,
    )
    cells = "".join(f'<td class="number">{escape(str(value))}</td>' for value in values)
    return f'<tr><th scope="row">{swatch(colour) if colour else ""}{escape(task.task)}</th>{cells}</tr>'


def _changes(changes: list[CompletionChange], lost: list[Unranked], now: Known) -> str:
    moved = [change for change in changes if abs(change.change) > 5e-4 or change.before.rank != change.after.rank]
    lines = "".join(_change(change, now) for change in moved[:SHOWN]) + "".join(
        _lost(other, now) for other in lost[:SHOWN]
    )
    if not lines:
        return f'<p class="sb-good">{escape(t("preview.no_change"))}</p>'
    columns = (t("column.total"), t("preview.rank"), t("column.advantage"), t("column.change"))
    note = t("preview.changes", shown=min(SHOWN, len(moved)), count=len(moved), whole=len(changes))
    return f'<p class="sb-note">{escape(note)}</p>{table_html(t("column.completion"), columns, lines)}'


def _text(change: CompletionChange | Unranked, now: Known) -> str:
    assert now.preview is not None
    text = now.preview.groups[change.group].completions[change.place]
    colour = now.colours.get(change.task)
    where = f"{change.task} · {t('preview.group', number=change.group + 1)}"
    label = f'<span class="sb-note">{swatch(colour) if colour else ""}{escape(where)}</span>'
    return f'<td class="text">{label}{fold(text, f"change {change.group} {change.place}")}</td>'


def _change(change: CompletionChange, now: Known) -> str:
    one, other = change.before, change.after
    flip = ' class="sb-warn"' if one.rank != other.rank else ""
    return (
        f'<tr>{_text(change, now)}<td class="number">{figure(one.total)} → {figure(other.total)}</td>'
        f'<td class="number"><span{flip}>{one.rank} → {other.rank}</span></td>'
        f'<td class="number">{one.advantage:+.3f} → {other.advantage:+.3f}</td>'
        f'<td class="number">{change.change:+.3f}</td></tr>'
    )


def _lost(other: Unranked, now: Known) -> str:
    """A completion without a total on one side: the reason in red."""
    reasons = [reason for reason in (other.before, other.after) if reason]
    return (
        f'<tr>{_text(other, now)}<td colspan="4" class="sb-bad">{escape(" → ".join(dict.fromkeys(reasons)))}</td></tr>'
    )
