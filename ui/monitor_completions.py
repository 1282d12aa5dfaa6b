"""The completions browser: which groups, and each group's completions side by side with scores and advantages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

from core.completions import Found, Sampled, SampledGroup, Wanted, find, history, rewards_of, steps_of
from ui.html import attributes, button, figure, swatch
from ui.monitor_state import Known, Look
from ui.preview_tables import fold, select, table_html
from ui.texts import t

GROUPS = 8  # shown at once
HISTORY = 24  # points of one prompt's history


def completions_html(found: Known, look: Look) -> str:
    """What is wanted, and the groups that have it."""
    wanted = look.wanted
    tools = _tools(found, wanted)
    if wanted.prompt:
        return tools + _history(found, wanted)
    groups = find(found.run, wanted, GROUPS)
    if not groups.groups:
        nothing = t("sampled.none") if steps_of(found.run, wanted.split) else t("sampled.none_yet")
        more = "" if groups.more is None else _more(groups)
        return f'{tools}{_damaged(groups)}<p class="sb-note">{escape(nothing)}</p>{more}'
    cards = "".join(_card(group, found.colours, f"{n}") for n, group in enumerate(groups.groups))
    return f"{tools}{_damaged(groups)}{cards}{_more(groups)}"


def completions_token(found: Known, look: Look) -> str:
    """The newest completions follow the run; those of a step that was chosen stay."""
    wanted = look.wanted
    shards = found.run.completions.stat().st_mtime_ns if found.run.completions.exists() else 0
    return f"{found.run.id} {wanted} {shards if wanted.step is None else ''}"


def changed(wanted: Wanted, name: str, value: Any) -> Wanted:
    """What is wanted after a field of the browser was edited; another split or task begins at its newest."""
    if name in ("low", "high"):
        return replace(wanted, **{name: _number(value), "before": ""})
    if name == "step":
        number = _number(value)
        return replace(wanted, step=None if number is None else int(number), before="")
    wanted = replace(wanted, before="")
    if name == "errors":
        return replace(wanted, errors=bool(value))
    return replace(wanted, **{name: str(value)})


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _tools(found: Known, wanted: Wanted) -> str:
    steps = steps_of(found.run, wanted.split)
    splits = {"train": t("sampled.train"), "held_out": t("sampled.held_out")}
    tasks = {"": t("sampled.any_task")} | {task: task for task in found.series.tasks}
    rewards = {"": t("sampled.total")} | {name: name for name in rewards_of(found.run)}
    upto = f"{steps[0]} – {steps[-1]}" if steps else "-"
    fields = (
        select(t("sampled.split"), splits, wanted.split, "split"),
        _field(t("sampled.step"), "step", wanted.step, "number", t("sampled.newest"), f"{t('sampled.steps')} {upto}"),
        select(t("sampled.task"), tasks, wanted.task, "task"),
        select(t("sampled.reward"), rewards, wanted.reward, "reward"),
        _field(t("sampled.low"), "low", wanted.low, "number", "-"),
        _field(t("sampled.high"), "high", wanted.high, "number", "-"),
        _check(t("sampled.errors"), "errors", wanted.errors),
        _field(t("sampled.text"), "text", wanted.text, "search", t("sampled.text_help")),
        button(t("sampled.reset"), act="reset"),
    )
    return f'<div class="sb-toolbar sb-browse">{"".join(fields)}</div>'


def _field(label: str, name: str, value: Any, kind: str, placeholder: str, title: str = "") -> str:
    shown = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    step = ' step="any"' if kind == "number" else ""
    return (
        f'<label class="sb-select" title="{escape(title, quote=True)}"><span>{escape(label)}</span>'
        f'<input type="{kind}"{step} {attributes(edit=name)} value="{escape(shown, quote=True)}" '
        f'placeholder="{escape(placeholder, quote=True)}"></label>'
    )


def _check(label: str, name: str, checked: bool) -> str:
    on = " checked" if checked else ""
    return f'<label class="sb-select"><input type="checkbox" {attributes(edit=name)}{on}> {escape(label)}</label>'


def _damaged(found: Found) -> str:
    """Which files could not be read: what they hold is missing in what is shown."""
    words = escape(t("sampled.damaged", names=", ".join(found.damaged)))
    return f'<p class="sb-bad sb-note">{words}</p>' if found.damaged else ""


def _more(found: Found) -> str:
    if found.more is None:
        return ""
    label = t("sampled.earlier", step=found.more)
    return f"<p>{button(label, act='earlier', step=found.more, before=found.before)}</p>"


def earlier(wanted: Wanted, step: Any, before: Any) -> Wanted:
    """The same, further back."""
    return replace(changed(wanted, "step", step), before=str(before))


def _card(group: SampledGroup, colours: Mapping[str, str], place: str, history_link: bool = True) -> str:
    rewards = list(dict.fromkeys(name for one in group.completions for name in one.scores))
    columns = [*rewards, t("column.total"), t("column.advantage"), t("sampled.length")]
    lines = "".join(_line(one, rewards, f"{place}-{n}") for n, one in enumerate(group.completions))
    where = f'<span class="sb-note">{escape(t("sampled.where", step=group.step, mean=figure(group.mean)))}</span>'
    follow = button(t("sampled.follow"), kind="link", act="prompt", prompt=group.prompt) if history_link else ""
    colour = swatch(colours[group.task]) if group.task in colours else ""
    return (
        f'<div class="sb-card"><h4>{colour}{escape(group.task)} {where} {follow}</h4>'
        f"{fold(group.prompt, f'prompt-{place}')}"
        f"{table_html(t('column.completion'), columns, lines, kind='sb-tight')}</div>"
    )


def _line(one: Sampled, rewards: list[str], place: str) -> str:
    cells = "".join(f'<td class="number">{_score(one, name)}</td>' for name in rewards)
    cut = f' <span class="sb-chip">{escape(t("sampled.clipped"))}</span>' if one.clipped else ""
    advantage = "-" if one.advantage is None else f"{one.advantage:+.3g}"
    faint = "" if one.found else ' class="other"'
    return (
        f'<tr{faint}><td class="text">{fold(one.text, f"text-{place}")}{_errors(one)}</td>{cells}'
        f'<td class="number">{figure(one.total)}</td><td class="number">{advantage}</td>'
        f'<td class="number">{one.length}{cut}</td></tr>'
    )


def _score(one: Sampled, name: str) -> str:
    if name in one.errors:
        return f'<span class="sb-bad" title="{escape(one.errors[name], quote=True)}">✗</span>'
    return figure(one.scores.get(name))


def _errors(one: Sampled) -> str:
    return "".join(
        f'<p class="sb-bad sb-note"><code>{escape(name)}</code>: {escape(reason)}</p>'
        for name, reason in one.errors.items()
    )


def _history(found: Known, wanted: Wanted) -> str:
    """One prompt over the run: how its mean went, and its completions at each time."""
    searched = history(found.run, wanted.prompt, wanted.split, HISTORY)
    groups = searched.groups
    back = button(t("sampled.back"), act="prompt", prompt="")
    title = t("sampled.history", count=len(groups))
    means = " → ".join(f"{figure(group.mean)}" for group in groups)
    head = f"{_damaged(searched)}<p>{back} {escape(title)}</p>"
    head += f'<p class="sb-note">{escape(t("sampled.means"))} {escape(means)}</p>'
    if searched.more is not None:
        head += f'<p class="sb-note">{escape(t("sampled.searched", step=searched.more))}</p>'
    return head + "".join(_card(group, found.colours, f"h{n}", False) for n, group in enumerate(groups))
