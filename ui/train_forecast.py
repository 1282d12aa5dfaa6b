"""The tasks of a run, and for each whether the base model's answers would teach it anything: the forecast."""

from __future__ import annotations

import time
from html import escape

from core.data import task_counts
from core.forecast import GROUPS, TaskForecast, favoured
from core.jobs import Job
from core.routing import RoutingTable, has_schedules
from core.services import SERVICES
from ui.html import button, swatch
from ui.messages import problem_list
from ui.preview_status import progress_html
from ui.texts import t
from ui.train_checks import spoken
from ui.train_state import Known

LITTLE = 0.25  # of the prompts: below this most of a batch is wasted


def forecast_token(now: Known) -> str:
    """Changes whenever `forecast_html` does; its age counts in minutes."""
    job = now.forecast_job
    doing = f"{job.token} {job.cancelled()} {SERVICES.sampler.state}" if job is not None else ""
    age = int((time.time() - now.forecast.time) // 60) if now.forecast else 0
    return f"{now.token} {doing} {age}"


def forecast_html(now: Known) -> str:
    """A line for each task, and how to get, renew or give up a forecast."""
    if not now.tasks:
        return ""
    return f"{_status(now)}{_table(now)}{_favoured(now)}"


def _favoured(now: Known) -> str:
    """That the run's loss counts the tasks unalike, by the length of what was sampled."""
    found = favoured(now.forecast, now.draft) if now.forecast else None
    if found is None:
        return ""
    words = {"loss": found.loss, "longest": found.longest, "shortest": found.shortest}
    return f'<p class="sb-note">{escape(t("forecast.favoured", times=f"{found.times:.2g}", **words))}</p>'


def _status(now: Known) -> str:
    job = now.forecast_job
    if job is not None and job.running:
        return progress_html(job, _doing(job), "cancel_forecast")
    failed = problem_list(job.problems) if job is not None else ""
    stopped = f'<p class="sb-note">{escape(t("forecast.cancelled"))}</p>' if job and job.state == "cancelled" else ""
    made = now.forecast
    label = t("forecast.again") if made else t("forecast.make", groups=GROUPS)
    why = _why_not(now)
    action = button(label, kind="" if made else "primary", act="forecast", disabled=bool(why), title=why)
    said = f'<span class="sb-note">{escape(why)}</span>' if why else ""
    if made is None:
        return f'<p class="sb-note">{escape(t("forecast.help"))}</p><p>{action} {said}</p>{failed}{stopped}'
    words = {
        "age": spoken(max(1.0, time.time() - made.time)),
        "model": made.model,
        "completions": made.completions,
    }
    old = "" if now.forecast_fits else f' <span class="sb-warn">{escape(t("forecast.old"))}</span>'
    whole = f" {escape(t('schedule.whole'))}" if has_schedules(now.draft.rewards) else ""
    return f'<p class="sb-note">{escape(t("forecast.made", **words))}{whole}{old} {action} {said}</p>{failed}{stopped}'


def _why_not(now: Known) -> str:
    """Why no forecast can be made; empty where one can."""
    if not now.draft.rewards:
        return t("train.no_rewards")
    return t("forecast.errors") if now.preflight.errors else ""


def _doing(job: Job) -> str:
    state = SERVICES.sampler.state
    if job.cancelled():
        return t("forecast.stopping")
    if not job.whole:
        return t("forecast.loading") if state.what == "loading" else t("forecast.starting")
    if job.done >= job.whole:
        return t("forecast.scoring")
    return t("forecast.sampling", done=f"{job.done:,}", whole=f"{job.whole:,}")


def _table(now: Known) -> str:
    found = {task.task: task for task in now.forecast.tasks} if now.forecast else {}
    held_out = task_counts(now.report.data.held_out) if now.report.data else {}
    heads = [t("forecast.teaches"), t("forecast.easy"), t("forecast.hard"), t("forecast.tokens")] if found else []
    lines = "".join(_line(now, task, rows, held_out.get(task, 0), found) for task, rows in now.tasks.items())
    head = "".join(f'<th class="number">{escape(name)}</th>' for name in heads)
    return (
        f'<div class="sb-scroll"><table class="sb-table sb-tight sb-forecast"><thead><tr><th>{escape(t("column.task"))}'
        f"</th>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _line(now: Known, task: str, rows: int, held: int, found: dict[str, TaskForecast]) -> str:
    routes = RoutingTable(now.draft.rewards).of(task)
    rewards = ", ".join(f"{route.key} × {route.weight:g}" for route in routes) or t("grid.uncovered")
    counted = t("forecast.rows", rows=f"{rows:,}", held=f"{held:,}")
    notes = "".join(f'<span class="sb-note rewards">{escape(text)}</span>' for text in (rewards, counted))
    name = f"{swatch(now.colours[task])}{escape(task)}{notes}"
    more = _forecast_cells(found.get(task)) if found else ""
    return f'<tr><th scope="row">{name}</th>{more}</tr>'


def _forecast_cells(found: TaskForecast | None) -> str:
    if found is None:
        return '<td class="number">-</td>' * 4
    cut = f'<span class="sb-note under">{escape(t("forecast.clipped", share=f"{found.clipped:.0%}"))}</span>'
    return (
        f'<td class="number">{_teaches(found)}</td><td class="number">{found.easy}</td>'
        f'<td class="number">{found.hard}</td>'
        f'<td class="number">{found.length:.0f}{cut if found.clipped else ""}</td>'
    )


def _teaches(found: TaskForecast) -> str:
    """The share of prompts with a spread, of how many, and where it may lie."""
    kind = "sb-bad" if found.spread == 0 and found.scored else "sb-warn" if (found.share or 0) < LITTLE else ""
    share = "-" if found.share is None else f"{found.share:.0%}"
    more = [t("forecast.of", part=found.spread, whole=found.scored)]
    if found.interval is not None:
        low, high = (f"{end:.0%}" for end in found.interval)
        more.append(t("forecast.between", low=low, high=high))
    failed = t("forecast.unknown", count=found.unknown) if found.unknown else ""
    return (
        f'<span class="{kind}">{escape(share)}</span>'
        f'<span class="sb-note under">{"<br>".join(map(escape, more))}</span>'
        f'<span class="sb-bad under">{escape(failed)}</span>'
    )
