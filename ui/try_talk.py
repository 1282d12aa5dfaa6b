"""The conversation with base and adapter as HTML: what was asked, what each side says, what its rewards make of it."""

from __future__ import annotations

from html import escape

from core.jobs import Job
from core.run_adapters import SIDES, Side
from core.services import SERVICES
from core.tries import Answer, Cell, Try, Turn
from ui.html import attributes, button, figure
from ui.messages import problem_list
from ui.preview_tables import copy_button
from ui.texts import t
from ui.try_state import TRIES, Known, model_label


def talk_token(now: Known) -> str:
    """Changes whenever `talk_html` does."""
    one, job = TRIES.get(now.id), TRIES.job(now.id)
    heard = f"{id(one)} {one.version}" if one else ""
    doing = f"{job.state} {job.cancelled()} {job.started}" if job else ""
    return f"{now.id} {heard} {doing} {SERVICES.sampler.state if job and job.running else ''}"


def talk_html(now: Known) -> str:
    """All turns, and what is being done."""
    one, job = TRIES.get(now.id), TRIES.job(now.id)
    if one is None:
        return f'<p class="sb-note">{escape(t("try.nothing_asked"))}</p>'
    turns = "".join(_turn(one, turn, n, job) for n, turn in enumerate(one.turns))
    return f'<div class="sb-talk">{turns}</div>{_doing(one, job)}'


def answering(now: Known) -> bool:
    """Whether an answer is being written."""
    job = TRIES.job(now.id)
    return job is not None and job.running


def can_follow(now: Known) -> bool:
    """Whether the conversation can go on."""
    one = TRIES.get(now.id)
    whole = one is not None and bool(one.turns) and all(a.whole for a in one.turns[-1].answers.values())
    return whole and not answering(now)


def _turn(one: Try, turn: Turn, number: int, job: Job | None) -> str:
    head = t("try.turn", task=one.task) if number else t("try.asked", task=one.task)
    going = job is not None and job.running and number == len(one.turns) - 1
    sides = "".join(_side(one, side, turn.answers[side], going, f"{number} {side}") for side in one.sides)
    return (
        f'<section class="sb-turn"><p class="sb-note">{escape(head)}</p>'
        f'<pre class="sb-text sb-asked">{escape(turn.question)}</pre>'
        f'<div class="sb-sides">{sides}</div>{_scores(one.sides, turn)}</section>'
    )


def _side(one: Try, side: Side, answer: Answer, going: bool, place: str) -> str:
    name = t("try.base") if side == "base" else t("try.with_adapter")
    which = model_label(one.run.spec().model) if side == "base" else f"{one.run.id} · {one.adapter.name}"
    notes = _notes(answer, going)
    caret = '<span class="sb-caret" aria-hidden="true">▍</span>' if going and answer.text and not answer.whole else ""
    said = escape(answer.text) or (
        "" if not answer.whole else f'<span class="sb-note">{escape(t("preview.blank"))}</span>'
    )
    return (
        f'<article class="sb-card sb-side {side}" {attributes(side=side)}><h4>{escape(name)} '
        f'<span class="sb-note">{escape(which)}</span></h4><pre class="sb-text">{said}{caret}</pre>'
        f'<p class="sb-note">{escape(notes)}</p>{copy_button() if answer.whole else ""}</article>'
    )


def _notes(answer: Answer, going: bool) -> str:
    if answer.whole:
        parts = [t("try.tokens_said", count=answer.tokens), *([t("try.clipped")] if answer.clipped else [])]
        return " · ".join(parts)
    if not going:
        return t("try.broken_off")
    return "" if answer.text else t("try.reading")


def _scores(sides: tuple[Side, ...], turn: Turn) -> str:
    """A line for each reward, a column for each side."""
    answers = [turn.answers[side] for side in sides]
    if unscored := next((answer.unscored for answer in answers if answer.unscored), ""):
        return f'<p class="sb-bad">{escape(unscored)}</p>'
    if not any(answer.cells for answer in answers):
        return ""
    names = [t("try.base") if side == "base" else t("try.with_adapter") for side in sides]
    heads = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in [t("try.weight"), *names])
    first = next(answer.cells for answer in answers if answer.cells)
    lines = "".join(_line(n, cell, answers) for n, cell in enumerate(first))
    totals = "".join(f'<td class="number">{_total(answer)}</td>' for answer in answers)
    total = f'<tr class="sb-total"><th scope="row">{escape(t("column.total"))}</th><td></td>{totals}</tr>'
    return (
        f'<div class="sb-scroll"><table class="sb-table sb-tight sb-answers"><thead><tr><th scope="col">'
        f"{escape(t('try.reward'))}</th>{heads}</tr></thead><tbody>{lines}{total}</tbody></table></div>"
    )


def _line(n: int, cell: Cell, answers: list[Answer]) -> str:
    cells = "".join(_cell(answer.cells[n] if n < len(answer.cells) else None) for answer in answers)
    return (
        f'<tr><th scope="row"><code>{escape(cell.key)}</code></th>'
        f'<td class="number">{figure(cell.weight)}</td>{cells}</tr>'
    )


def _cell(cell: Cell | None) -> str:
    if cell is not None and cell.error is not None:
        return f'<td class="failed sb-bad">! {escape(cell.error)}</td>'
    return f'<td class="number">{figure(cell.value if cell else None)}</td>'


def _total(answer: Answer) -> str:
    if any(cell.error is not None and cell.weight for cell in answer.cells):
        return f'<span class="sb-bad" title="{escape(t("preview.no_total"), quote=True)}">!</span>'
    return figure(answer.total)


def _doing(one: Try, job: Job | None) -> str:
    """What goes on, with a way to cancel it; afterwards what went wrong, and a way to clear up."""
    if job is not None and job.running:
        stop = "" if job.cancelled() else button(t("try.cancel"), act="cancel")
        bar = f"<progress></progress><span>{escape(_words(one, job))}</span>"
        return f'<div class="sb-progress" aria-live="polite">{bar}{stop}</div>'
    failed = problem_list(job.problems) if job is not None else ""
    return f'{failed}<div class="sb-actions start">{button(t("try.clear"), act="clear")}</div>'


def _words(one: Try, job: Job) -> str:
    sampler = SERVICES.sampler.state
    if job.cancelled():
        return t("try.stopping")
    if all(one.turns[-1].answers[side].whole for side in SIDES if side in one.sides):
        return t("try.scoring")
    if sampler.what == "loading":
        return t("try.loading", model=sampler.model or "")
    return t("try.answering")
