"""The top of the page Data: what the model will train on in one sentence, what is wrong with it, what to do next."""

from __future__ import annotations

from html import escape

from core.data import task_counts
from core.errors import Problem
from core.jobs import Job
from core.readiness import page_of
from core.routing import RoutingTable
from core.spec import DataSpec
from ui.data_edits import strangers
from ui.data_reading import Look
from ui.data_source import example_names
from ui.html import button, empty
from ui.messages import problem_list
from ui.texts import t

MOST_PROBLEMS = 8  # that are seen at once; the others are folded


def head_html(found: Look, job: Job | None) -> str:
    """The answer to the page's question as far as there is one."""
    if job is not None and job.running:
        return progress_html(job)
    ended = _ended(job)
    if found.draft.data is None:
        buttons = [
            button(t("data.example", name=name), kind="primary", act="example", name=name) for name in example_names()
        ]
        return ended + empty(t("data.empty"), *buttons)
    return f"{ended}{_summary(found)}{_rewards(found)}{_problems(problems_of(found))}"


def progress_html(job: Job) -> str:
    """How far reading has come, what waits for it, and a way to give it up."""
    line = job.line or [job]
    now, waiting = line[0], len(line) - 1
    said = (
        t("read.part", rows=f"{now.done:,}", whole=f"{now.whole:,}")
        if now.whole
        else t("read.rows", rows=f"{now.done:,}")
    )
    bar = f' value="{now.done}" max="{now.whole}"' if now.whole else ""
    leave = t("read.leave") + (f" {t('read.waiting', count=waiting)}" if waiting else "")
    cancel = button(t("read.cancel"), act="cancel")
    return (
        f'<div class="sb-reading" role="status"><p>{escape(said)}</p>'
        f'<progress{bar} aria-label="{escape(t("read.label"), quote=True)}"></progress>{cancel}</div>'
        f'<p class="sb-note">{escape(leave)}</p>'
    )


def _ended(job: Job | None) -> str:
    """How the last reading ended, where that was not well."""
    problems = job.earlier + job.problems if job is not None and not job.running else ()
    cancelled = job is not None and job.state == "cancelled"
    if not problems and not cancelled:
        return ""
    words = [t("read.cancelled")] if cancelled else []
    words += [t("read.failed")] if problems else []
    close = button(t("read.dismiss"), kind="link", act="dismiss")
    return f'<div class="sb-mend"><p>{escape(" ".join(words))} {close}</p>{problem_list(problems)}</div>'


def _summary(found: Look) -> str:
    assert found.draft.data is not None
    source = source_name(found.draft.data)
    data = found.found.data
    if data is None:
        return f'<p class="sb-answer sb-bad">{escape(t("data.unreadable", source=source))}</p>'
    rows, held = f"{len(data.train):,}", f"{len(data.held_out):,}"
    tasks = len(task_counts(data.train))
    words = (
        t("data.answer_one", rows=rows, held=held)
        if tasks == 1
        else t("data.answer", rows=rows, tasks=tasks, held=held)
    )
    onward = button(t("data.onward"), kind="primary", act="page", page="rewards")
    answer = f'<strong>{escape(words)}</strong> <span class="sb-note">{escape(source)}</span>'
    return f'<div class="sb-answer"><p>{answer}</p>{onward}</div>'


def source_name(data: DataSpec) -> str:
    """Where the rows come from, in a few words."""
    if data.reasoning_gym is not None:
        return t("data.from_gym", names=", ".join(task.name for task in data.reasoning_gym.tasks))
    if data.hub is not None:
        return f"{data.hub} ({data.hub_split})"
    paths = [data.path] if isinstance(data.path, str) else data.path or ()
    names = [path.rstrip("/").rpartition("/")[2] for path in paths]
    more = t("data.more_files", count=len(names) - 3) if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def uncovered(found: Look) -> list[str]:
    """Tasks that no reward scores."""
    if found.found.data is None:
        return []
    table = RoutingTable(found.draft.rewards)
    return [task for task in task_counts(found.found.data.train) if not table.of(task)]


def _rewards(found: Look) -> str:
    """What the rewards of the project say about other tasks than these rows have; nothing is changed unasked."""
    if found.found.data is None or not found.draft.rewards:
        return ""
    notes = []
    if lost := strangers(found.draft, task_counts(found.found.data.train)):
        notes.append((t("data.strangers", tasks=", ".join(lost)), button(t("data.forget"), kind="link", act="forget")))
    if bare := uncovered(found):
        notes.append(
            (t("data.uncovered", tasks=", ".join(bare)), button(t("data.suggest"), kind="link", act="suggest"))
        )
    return "".join(f'<p class="sb-mend">{escape(words)} {action}</p>' for words, action in notes)


def problems_of(found: Look) -> list[Problem]:
    """What is wrong with the rows and their mix; what the notes above say is not said twice."""
    named = {f"task {task!r}" for task in uncovered(found)}
    gone = found.found.data is not None and strangers(found.draft, task_counts(found.found.data.train))
    named |= {f"tasks.{task}" for task in gone or ()}
    here = [
        problem
        for problem in found.found.problems
        if page_of(problem, found.found) == "data" or problem.where.startswith(("tasks", "mixing"))
    ]
    return [problem for problem in [*here, *found.warnings] if problem.where not in named]


def _problems(problems: list[Problem]) -> str:
    ordered = sorted(problems, key=lambda problem: problem.severity != "error")
    first, rest = ordered[:MOST_PROBLEMS], ordered[MOST_PROBLEMS:]
    if not rest:
        return problem_list(first, jump=True)
    more = f"<summary>{escape(t('data.more_problems', count=len(rest)))}</summary>{problem_list(rest, jump=True)}"
    return f'{problem_list(first, jump=True)}<details class="sb-help">{more}</details>'
