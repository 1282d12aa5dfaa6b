"""The top of the page Monitor: which run, what it is doing, what needs a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from core import progress
from core.alerts import Alert
from core.columns import Key
from core.errors import UserError
from core.extension import extended_steps
from core.options import grpo_settings
from core.run_actions import actions
from core.run_list import RunLine
from core.runs import State
from core.series import Series
from core.step_time import evaluations_apart
from core.ways import ways_of
from ui.html import attributes, empty
from ui.messages import problem_list
from ui.monitor_state import SPANS, Known, Look, spec_of, spec_problems
from ui.preview_tables import select
from ui.run_buttons import buttons_html
from ui.texts import t

# A field that shows the chosen run and, while it is typed in, filters the list below it.
PICK = """
const field = () => element.querySelector('.sb-picker input');
const filter = () => {
    const words = field().value.toLowerCase().split(/\\s+/).filter(Boolean);
    element.querySelectorAll('.sb-picker [data-run]').forEach((run) => {
        run.hidden = field().dataset.typed && !words.every((word) => run.textContent.toLowerCase().includes(word));
    });
};
element.addEventListener('focusin', (event) => { if (event.target === field()) field().select(); });
element.addEventListener('input', (event) => {
    if (event.target === field()) { field().dataset.typed = '1'; filter(); }
});
element.addEventListener('focusout', (event) => {
    if (!element.querySelector('.sb-picker')?.contains(event.relatedTarget)) {
        delete field().dataset.typed; field().value = field().getAttribute('value'); filter();
    }
});
element.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') document.activeElement.blur();
    if (event.key === 'Enter' && event.target === field()) {
        element.querySelector('.sb-picker [data-run]:not([hidden])')?.click();
    }
});
element.addEventListener('click', (event) => {
    if (event.target.closest('.sb-picker [data-run]')) setTimeout(() => document.activeElement.blur(), 0);
});
new MutationObserver(() => {
    if (!field()) return;
    if (document.activeElement !== field()) field().value = field().getAttribute('value');
    filter();
}).observe(element, {childList: true, subtree: true, attributes: true, attributeFilter: ['value']});
"""


def picker_html(lines: Sequence[RunLine], chosen: str) -> str:
    """The runs there are, newest first, found by typing."""
    rows = "".join(_run(line, line.id == chosen) for line in lines)
    label = escape(t("watch.run"), quote=True)
    return (
        f'<div class="sb-picker"><label><span>{escape(t("watch.run"))}</span>'
        f'<input type="text" aria-label="{label}" value="{escape(chosen, quote=True)}" autocomplete="off" '
        f'placeholder="{escape(t("watch.search"), quote=True)}"></label>'
        f'<span class="sb-note">{escape(t("watch.runs", count=len(lines)))}</span>'
        f'<div class="list" tabindex="-1">{rows}</div></div>'
    )


def _run(line: RunLine, chosen: bool) -> str:
    when = datetime.fromtimestamp(line.started).strftime("%Y-%m-%d %H:%M")
    steps = f"{line.step}/{line.steps}" if line.steps else "-"
    here = ' aria-current="true"' if chosen else ""
    return (
        f'<button type="button" class="run"{here} {attributes(act="run", run=line.id)}>'
        f"{state_chip(line.state)}<span class='name'>{escape(line.id)}</span>"
        f"<span class='number'>{escape(steps)}</span><span class='sb-note'>{when}</span></button>"
    )


def state_chip(state: State | str) -> str:
    """A run's state; the word says it, colour only helps."""
    return f'<span class="sb-chip state {escape(state)}">{escape(state)}</span>'


def status_html(found: Known) -> str:
    """State, progress, time left, and what can be done."""
    now = t("watch.stopping_now") if found.stopping else found.state
    series, last = found.series, found.series.last
    parts = [state_chip(now), f'<strong class="name">{escape(found.run.id)}</strong>']
    if found.state == "queued":
        parts.append(f"<span>{escape(t('watch.place', place=found.place))}</span>")
    if last is None:
        parts.append(f"<span>{escape(t('watch.loading'))}</span>" if found.state == "running" else "")
    else:
        done, steps = int(last["step"]), extended_steps(found.run) or int(last["steps"])
        parts.append(
            f'<progress max="{steps}" value="{done}" aria-label="{escape(t("watch.progress_label"))}"></progress>'
        )
        parts.append(f"<span>{escape(t('watch.step', step=done, steps=steps))}</span>")
        if _evaluates(found, last):
            parts.append(f"<span>{escape(t('watch.evaluating'))}</span>")
        parts += [f'<span class="sb-note">{escape(text)}</span>' for text in _times(found, series)]
    if found.alerts:
        parts.append(f'<span class="sb-chip stalled">{escape(t("watch.alerts", count=len(found.alerts)))}</span>')
    if series.read < 1:
        parts.append(f'<span class="sb-note">{escape(t("watch.reading", share=f"{series.read:.0%}"))}</span>')
    parts.append(f"{buttons_html(found.run)}")
    return f'<div class="sb-status">{"".join(parts)}</div>{_ending(found)}'


def _evaluates(found: Known, last: Mapping[str, Any]) -> bool:
    """Whether held-out rows are being scored: the last step is one after which they are, and no record of it is there.

    A step that ends the run at a stop is followed by none, which nobody can know from here.
    """
    spec = spec_of(found.run)
    if found.state != "running" or found.stopping or last["split"] != "train" or spec is None:
        return False
    if not found.series.held_out.length:  # the run has no held-out rows: with any they are scored before the first step
        return False
    apart = evaluations_apart(grpo_settings(spec.grpo), last["steps"])
    return bool(last["step"] % apart == 0 or last["step"] == last["steps"])


def _times(found: Known, series: Series) -> list[str]:
    left = progress.left_of(series)
    took = float(series.train.values(Key("seconds/all")).sum(where=series.train.values(Key("seconds/all")) > 0))
    texts = [t("watch.took", time=progress.duration(took))]
    return (
        [t("watch.left", time=progress.duration(left)), *texts]
        if found.state == "running" and not found.stopping and left is not None
        else texts
    )


def _ending(found: Known) -> str:
    """How it ended, its result, and which parts of a step go TRL's slower way."""
    end = found.run.exit() if found.state not in ("running", "queued") else None
    lines = [end.message] if end else []
    if end and found.series.step and "resume" in actions(found.run) and not found.run.whole_checkpoints():
        lines.append(t("watch.no_checkpoint"))
    if end and found.run.adapter.exists():
        lines.append(t("watch.adapter", path=found.run.adapter))
    lines += engine_lines(found)
    broken = problem_list(found.queue.problems) if isinstance(found.queue, UserError) else ""
    broken += problem_list(spec_problems(found.run))
    return "".join(f'<p class="sb-note">{escape(line)}</p>' for line in lines) + broken


def engine_lines(found: Known) -> list[str]:
    """Which parts of a step are TRL's own, slower way, and why; nothing where all is ours."""
    reasons = {part: way.reason for part, way in ways_of(found.run).items() if not way.ours}
    lines = []
    if "sampling" in reasons:
        lines.append(t("watch.sampling", reason=reasons["sampling"]))
    if "training" in reasons:
        lines.append(t("watch.training", reason=reasons["training"]))
    return lines


def _why_nothing(found: Known) -> str:
    """Why a run has no records, in a word."""
    if found.series.read < 1:
        return "reading"
    if found.state in ("created", "queued", "running"):
        return found.state
    end = found.run.exit()
    return "missing" if end and end.step else "ended"


def tools_token(found: Known, look: Look) -> str:
    """Changes whenever `tools_html` does."""
    return f"{look.span} {look.overlay} {_why_nothing(found) if found.series.last is None else ''}"


def alerts_html(found: Known) -> str:
    """What needs a look now, and folded what did before."""
    if found.series.last is None:
        return ""
    now = "".join(_alert(alert) for alert in found.alerts)
    if not now and found.state not in ("lost", "failed"):
        now = f'<p class="sb-note sb-calm">✓ {escape(t("watch.no_alerts"))}</p>'
    past = "".join(_alert(alert) for alert in found.past_alerts)
    if past:
        title = escape(t("watch.past_alerts", count=len(found.past_alerts)))
        past = f'<summary>{title}</summary><ul class="sb-alerts">{past}</ul>'
        past = f'<details class="sb-more" data-fold="past-alerts">{past}</details>'
    return f'<ul class="sb-alerts">{now}</ul>{past}' if found.alerts else now + past


def _alert(alert: Alert) -> str:
    step = t("watch.at_step", step=alert.step)
    return (
        f'<li><strong>{escape(alert.title)}</strong> <span class="sb-note">{escape(step)}</span>'
        f'<span class="reason">{escape(alert.reason)}</span> <span class="mend">{escape(alert.mend)}</span></li>'
    )


def tools_html(found: Known, look: Look) -> str:
    """Which steps are shown; before there are any, why and what comes."""
    if found.series.last is None:
        return empty(t(f"nothing.{_why_nothing(found)}"))
    names = {
        "all": t("watch.span_all"),
        "half": t("watch.span_half"),
        "1000": t("watch.span_last", count=1000),
        "200": t("watch.span_last", count=200),
    }
    spans = {span: names[span] for span in SPANS}
    checked = " checked" if look.overlay else ""
    return (
        f'<div class="sb-toolbar">{select(t("watch.span"), spans, look.span, "span")}'
        f'<label class="sb-select"><input type="checkbox" {attributes(edit="overlay")}{checked}> '
        f"{escape(t('watch.overlay'))}</label></div>"
    )
