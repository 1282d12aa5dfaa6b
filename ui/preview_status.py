"""Where the sample outputs stand: how many there are, what is being done about them, what comes next."""

from __future__ import annotations

from html import escape

from core.errors import UserError
from core.jobs import Job
from core.preview import Group
from core.services import SERVICES, asks_outside
from ui.html import button, empty
from ui.messages import problem_list
from ui.preview_sampling import ROWS
from ui.preview_state import Known, samples
from ui.texts import t


def sampling(now: Known) -> Job | None:
    """The sampling of a project that runs or ran last."""
    return SERVICES.jobs.get(f"sample {now.project.name}")


def status_token(now: Known) -> str:
    """Changes whenever `status_html` does."""
    jobs = [f"{job.token} {job.cancelled()}" for job in (sampling(now), now.scored.job) if job is not None]
    return f"{now.project.name} {now.project.revision} {now.scored.fresh} {jobs} {SERVICES.sampler.state}"


def status_html(now: Known) -> str:
    """The next step of a page without samples, or what there is and what is being done."""
    if now.draft.data is None and not now.has_samples:
        return empty(t("preview.no_data"), button(t("preview.to_data"), kind="primary", act="page", page="data"))
    if not now.draft.rewards:
        return empty(
            t("preview.no_rewards"), button(t("preview.to_rewards"), kind="primary", act="page", page="rewards")
        )
    job = sampling(now)
    doing = sampling_html(job) if job is not None else ""
    try:
        groups = samples(now.project)
    except UserError as error:
        return problem_list(error.problems) + doing
    if groups:
        return _count(groups, now.scored.fresh) + doing + _scoring(now)
    return doing if job is not None and job.running else _first(now) + doing


def _first(now: Known) -> str:
    label = t("preview.sample_first", rows=ROWS, model=now.draft.model)
    return empty(t("preview.no_samples"), button(label, kind="primary", act="sample"))


def _count(groups: tuple[Group, ...], fresh: bool) -> str:
    count = sum(len(group.completions) for group in groups)
    remove = button(t("preview.remove"), kind="link danger", act="remove", count=count)
    words = escape(t("preview.count", count=count, groups=len(groups)))
    onward = button(t("preview.onward"), kind="primary", act="page", page="train") if fresh else ""
    return f'<div class="sb-answer"><p class="sb-note">{words} {remove}</p>{onward}</div>'


def sampling_html(job: Job) -> str:
    """A sampling: what it is doing, or why it failed."""
    if not job.running:
        stopped = f'<p class="sb-note">{escape(t("preview.sampling_cancelled"))}</p>' if job.cancelled() else ""
        return problem_list(job.problems) + stopped
    state = SERVICES.sampler.state
    if job.cancelled():
        text = t("preview.stopping")
    elif job.whole:
        text = t("preview.sampling", done=f"{job.done:,}", whole=f"{job.whole:,}")
    else:
        text = t("preview.loading", model=state.model or "") if state.what == "loading" else t("preview.starting")
    return progress_html(job, text, "cancel_sampling")


def progress_html(job: Job, text: str, cancel: str) -> str:
    """A bar, what is being done, and how to give it up."""
    known = f' value="{job.done}" max="{job.whole}"' if job.whole else ""
    stop = "" if job.cancelled() else button(t("preview.cancel"), act=cancel)
    return f'<div class="sb-progress"><progress{known}></progress><span>{escape(text)}</span>{stop}</div>'


def _scoring(now: Known) -> str:
    job = now.scored.job
    if job is not None and job.running:
        text = t("preview.scoring", done=f"{job.done:,}", whole=f"{job.whole:,}" if job.whole else "…")
        return progress_html(job, text, "cancel_scoring")
    if now.scored.fresh:
        return ""
    failed = problem_list(job.problems, jump=True) if job is not None else ""
    why = t("preview.asks") if asks_outside(now.draft.rewards) else t("preview.old")
    why = t("preview.failed") if failed else why
    again = button(t("preview.score"), kind="primary", act="score")
    return f'<div class="sb-progress"><span>{escape(why)}</span>{again}</div>{failed}'
