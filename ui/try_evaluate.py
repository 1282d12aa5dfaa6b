"""The tab that evaluates: base against adapter over the held-out rows, each task's figures with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import ValidationError

from core.errors import UserError
from core.estimates import Estimate
from core.evaluation import (
    Evaluation,
    Row,
    TaskResult,
    evaluate,
    evaluation_files,
    evaluation_settings,
    read_evaluation,
    task_results,
)
from core.jobs import Job, about_run
from core.progress import number, percent
from core.run_adapters import SIDES, Side, find_adapter
from core.services import SERVICES
from core.spec import RunSpec
from core.spec_errors import form_faults
from ui.frame import QUIET
from ui.html import attributes, button, said, swatch
from ui.messages import problem_list, told
from ui.preview_tables import fold, select
from ui.texts import t
from ui.try_state import Known, Look, adapter_label, colours, run_of

MOST_CHANGED = 8
MOST_ANSWERS = 4  # of a side that a row shows


class Form:
    """What an evaluation is asked with."""

    def __init__(self) -> None:
        gr.HTML(f'<p class="sb-note">{escape(t("eval.intro"))}</p>')
        narrow: dict[str, Any] = {"precision": 0, "minimum": 1, "min_width": 150}
        with gr.Row(elem_classes="sb-form-row"):
            self.samples = gr.Number(
                4, label=t("eval.samples"), info=t("eval.samples_help"), elem_id="eval-samples", **narrow
            )
            self.tokens = gr.Number(
                128, label=t("try.tokens"), info=t("eval.tokens_help"), elem_id="eval-tokens", **narrow
            )
            narrow |= {"minimum": 0}
            self.rows = gr.Number(0, label=t("eval.rows"), info=t("eval.rows_help"), elem_id="eval-rows", **narrow)
            self.start = gr.Button(t("eval.start"), variant="primary", elem_id="eval-start", min_width=140)

    def connect(self, run: gr.Textbox, adapter: gr.Textbox, refresh: dict[str, Any]) -> None:
        """Let the form start an evaluation; `refresh` shows it."""
        given = {"run": run, "adapter": adapter, "num_generations": self.samples, "rows_per_task": self.rows}
        given |= {"max_completion_length": self.tokens}
        self.start.click(told(start), None, None, inputs_kwargs=given, **QUIET).then(**refresh)


def fill(now: Known) -> Any:
    """The length limit of a run, for the form."""
    return evaluation_settings(now.spec).max_completion_length if now.spec else gr.skip()


def start(run: str, adapter: str, rows_per_task: int | None, **settings: int | None) -> None:
    """Evaluate in the background."""
    one = find_adapter(run_of(run), adapter)
    chosen = _settings(one.run.spec(), rows_per_task=rows_per_task or None, **settings)

    def work(job: Job) -> Evaluation:
        return evaluate(one, chosen, SERVICES.sampler, SERVICES.preview, job.progress, job.cancelled)

    SERVICES.jobs.start(f"evaluate {about_run(one.run.id)}", work)


def _settings(spec: RunSpec, **given: Any) -> Any:
    """How answers are sampled; `UserError` names what cannot be."""
    try:
        return evaluation_settings(spec, **given)
    except ValidationError as error:
        raise form_faults(error) from None


def act(look: Look, run: str, event: gr.EventData) -> Look:
    """Another evaluation, k or threshold; or the end of one that goes on."""
    look, doing = look.of(run_of(run).id), said(event)
    if doing.get("act") == "cancel":
        SERVICES.jobs.cancel(f"evaluate {about_run(look.run)}")
    match doing:
        case {"edit": "file" | "k" as name, "value": str(value)}:
            return replace(look, **{name: int(value) if name == "k" else value})
        case {"edit": "threshold", "task": str(task), "value": value}:
            return look.with_threshold(task, str(value))
    return look


def progress_token(now: Known) -> str:
    """Changes whenever `progress_html` does."""
    job = now.job("evaluate")
    return f"{now.id} {job.token} {job.cancelled()}" if job else now.id


def progress_html(now: Known) -> str:
    """How far an evaluation is, or why there is none."""
    job = now.job("evaluate")
    if job is None:
        return ""
    if not job.running:
        stopped = f'<p class="sb-note">{escape(t("eval.cancelled"))}</p>' if job.state == "cancelled" else ""
        return problem_list(job.problems) + stopped
    words = t("try.stopping") if job.cancelled() else t("eval.going", done=percent(job.done / max(1, job.whole)))
    stop = "" if job.cancelled() else button(t("try.cancel"), act="cancel")
    bar = f'<progress value="{job.done}" max="{max(1, job.whole)}"></progress>'
    return f'<div class="sb-progress">{bar}<span>{escape(words)}</span>{stop}</div>'


def results_token(now: Known) -> str:
    """Changes whenever `results_html` does."""
    files = [path.name for path in evaluation_files(now.run)] if now.run else []
    return f"{now.id} {files} {now.look}"


def results_html(now: Known) -> str:
    """The evaluation that is looked at."""
    files = evaluation_files(now.run) if now.run else []
    if not files:
        return f'<p class="sb-note">{escape(t("eval.none"))}</p>'
    path = next((file for file in files if file.name == now.look.file), files[0])
    try:
        found = read_evaluation(path)
    except UserError as error:
        return _toolbar(files, path) + problem_list(error.problems)
    k = now.look.k if now.look.k in found.ks else found.ks[-1]
    results = task_results(found, now.look.thresholds)
    shade = colours(list(found.tasks))
    tables = _table(results, k, shade)
    rest = _left_out(results) + _changed(found, shade) + _how()
    return _toolbar(files, path, found.ks, k) + _about(found) + tables + rest


def _name(path: Path) -> str:
    try:
        found = read_evaluation(path)
    except UserError:
        return path.name
    adapter = adapter_label(found.adapter, found.step)
    when = f"{datetime.fromtimestamp(found.time):%Y-%m-%d %H:%M}"
    return t("eval.name", time=when, adapter=adapter, samples=found.settings.num_generations)


def _toolbar(files: Sequence[Path], path: Path, ks: Sequence[int] = (), k: int = 1) -> str:
    names = {file.name: _name(file) for file in files}
    chosen = select(t("eval.k"), {str(one): str(one) for one in ks}, str(k), "k") if len(ks) > 1 else ""
    return f'<div class="sb-toolbar">{select(t("eval.which"), names, path.name, "file")}{chosen}</div>'


def _about(found: Evaluation) -> str:
    s = found.settings
    values: dict[str, object] = {
        "rows": len(found.rows),
        "samples": s.num_generations,
        "tokens": s.max_completion_length,
    }
    values |= {"temperature": f"{s.temperature:g}", "seconds": f"{found.seconds:.0f}"}
    return f'<p class="sb-note">{escape(t("eval.about", **values))}</p>'


def _table(results: Sequence[TaskResult], k: int, shade: dict[str, str]) -> str:
    """A line for each task: thresholds to edit, and base, adapter and change of reward, pass@1 and pass@k."""
    ks = list(dict.fromkeys([1, k]))
    spans = [t("eval.reward"), *(t("eval.pass", k=one) for one in ks)]
    top = "".join(f'<th scope="colgroup" colspan="3" class="sb-span">{escape(name)}</th>' for name in spans)
    three = "".join(
        f'<th scope="col" class="number">{escape(name)}</th>'
        for name in (t("try.base"), t("try.adapter"), t("eval.change"))
    )
    head = (
        f'<thead><tr><th scope="col" rowspan="2">{escape(t("column.task"))}</th>'
        f'<th scope="col" rowspan="2" class="number">{escape(t("eval.passes"))}</th>{top}</tr>'
        f"<tr>{three * len(spans)}</tr></thead>"
    )
    widest = max((abs(end) for r in results for end in (r.change.reward.low, r.change.reward.high) if end), default=1.0)
    lines = "".join(_line(result, ks, shade[result.task], widest) for result in results)
    return f'<div class="sb-scroll"><table class="sb-table sb-evaluation">{head}<tbody>{lines}</tbody></table></div>'


def _line(result: TaskResult, ks: Sequence[int], colour: str, widest: float) -> str:
    verdict = {"better": t("eval.better"), "worse": t("eval.worse"), "unclear": t("eval.unclear")}[result.verdict]
    kind = {"better": "sb-good", "worse": "sb-bad", "unclear": "sb-note"}[result.verdict]
    cells = _estimate(result.base.reward) + _estimate(result.adapter.reward) + _change(result.change.reward, widest)
    for k in ks:
        cells += _estimate(result.base.passes[k]) + _estimate(result.adapter.passes[k])
        cells += _change(result.change.passes[k], 1.0)
    return (
        f'<tr><th scope="row">{swatch(colour)}{escape(result.task)}<span class="sb-verdict sb-note">'
        f"{escape(t('eval.prompts', count=result.prompts))}</span>"
        f'<span class="sb-verdict {kind}">{escape(verdict)}</span></th>'
        f'<td class="number">{_threshold(result)}</td>{cells}</tr>'
    )


def _threshold(result: TaskResult) -> str:
    value = "" if result.threshold is None else f"{result.threshold:g}"
    label = escape(t("eval.passes_of", task=result.task), quote=True)
    data = attributes(edit="threshold", task=result.task)
    shown = f'aria-label="{label}" value="{value}" placeholder="-"'
    return f'<input class="sb-field" size="6" inputmode="decimal" {shown} {data}>'


def _estimate(found: Estimate) -> str:
    return f'<td class="number">{number(found.value)}{_ends(found)}</td>'


def _ends(found: Estimate, sign: bool = False) -> str:
    if found.low is None or found.high is None or found.low == found.high:
        return ""
    form = "+.2f" if sign else ".2f"
    return f'<span class="sb-ends">{found.low:{form}} … {found.high:{form}}</span>'


def _change(found: Estimate, widest: float) -> str:
    """A difference, and its interval as a line around the middle of the cell, which is no difference."""
    bar = ""
    if found.low is not None and found.high is not None and found.value is not None and found.low < found.high:
        left, right, at = (50 + 50 * max(-1.0, min(1.0, end / widest)) for end in (found.low, found.high, found.value))
        side = "up" if found.low > 0 else "down" if found.high < 0 else "still"
        style = f"--l:{left:.1f}%;--r:{100 - right:.1f}%;--at:{at:.1f}%"
        bar = f'<span class="sb-interval {side}" style="{style}" aria-hidden="true"><i></i><b></b></span>'
    return f'<td class="number sb-change">{number(found.value, sign=True)}{_ends(found, sign=True)}{bar}</td>'


def _left_out(results: Sequence[TaskResult]) -> str:
    """Answers that count for nothing, and why."""
    names: dict[Side, str] = {"base": t("try.base"), "adapter": t("try.with_adapter")}
    lines = []
    for result in results:
        for side in SIDES:
            counts = result.counts[side]
            if counts.errors or counts.not_applicable:
                values = {"side": names[side], "task": result.task, "reason": counts.reason or ""}
                words = t("eval.left_out", errors=counts.errors, none=counts.not_applicable, **values)
                lines.append(f'<p class="{"sb-bad" if counts.errors else "sb-note"}">{escape(words)}</p>')
    return "".join(lines)


def _changed(found: Evaluation, shade: dict[str, str]) -> str:
    """The rows whose mean reward changed most, with the first answers of each side."""
    rows = [(abs(change), n, row) for n, row in enumerate(found.rows) if (change := _mean_change(row))]
    most = [row for _, _, row in sorted(rows, key=lambda one: (-one[0], one[1]))[:MOST_CHANGED]]
    if not most:
        return ""
    cards = "".join(_card(row, shade[row.task], f"changed {n}") for n, row in enumerate(most))
    return f'<h3 class="sb-heading">{escape(t("eval.most_changed"))}</h3>{cards}'


def _mean_change(row: Row) -> float | None:
    base, adapter = row.base.scored, row.adapter.scored
    return sum(adapter) / len(adapter) - sum(base) / len(base) if base and adapter else None


def _mean_of(totals: Sequence[float]) -> str:
    return t("eval.mean_of", count=len(totals), mean=number(sum(totals) / len(totals)))


def _card(row: Row, colour: str, place: str) -> str:
    names: dict[Side, str] = {"base": t("try.base"), "adapter": t("try.with_adapter")}
    sides = "".join(
        f'<div class="sb-side {side}"><p class="sb-note">{escape(names[side])}, {_mean_of(row.side(side).scored)}</p>'
        + "".join(fold(text, f"{place} {side} {n}") for n, text in enumerate(row.side(side).completions[:MOST_ANSWERS]))
        + "</div>"
        for side in SIDES
    )
    change = number(_mean_change(row), sign=True)
    return (
        f'<section class="sb-card"><h4>{swatch(colour)}{escape(row.task)} <span class="sb-note">{change}</span></h4>'
        f'{fold(row.prompt, f"{place} prompt")}<div class="sb-sides">{sides}</div></section>'
    )


def _how() -> str:
    words = escape(t("eval.how_text"))
    return f'<details class="sb-help"><summary>{escape(t("eval.how"))}</summary><p>{words}</p></details>'
