"""The tasks of the data: their rows, how training mixes them, and what is done to a task as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

from core import run_form
from core.data import task_counts
from core.data.statistics import Lengths, TaskStatistics
from core.errors import Problem
from core.mixing import shares
from core.readiness import report
from core.spec import Draft
from ui.data_edits import drop_task, rename_task, set_held_out, set_share
from ui.data_figures import balance_chart
from ui.data_parts import EVERY_EDIT, LAST_CHOICE, Section, field_box
from ui.data_reading import Look, edit
from ui.frame import opened
from ui.html import button, figure, live_html, said, swatch
from ui.messages import problem_list, told
from ui.texts import t
from ui.theme import task_colours

NUMBERS = [
    t(f"column.{name}") for name in ("rows", "in_training", "held_out", "prompt_length", "answer_length", "copies")
]
WORDS = [t(f"column.{name}") for name in ("empty_columns", "language")]


def build(project: gr.Textbox) -> Section:
    """Table, chart, mixing and how many rows are held out."""
    with gr.Column(elem_id="tasks-section", visible=False) as box:
        table = live_html("data-tasks")
        with gr.Row():
            with gr.Column(scale=3, min_width=300):
                chart = gr.Plot(show_label=False, container=False, elem_id="balance")
            with gr.Column(scale=2, min_width=260):
                names = {"equal": t("mix.equal"), "natural": t("mix.natural"), "temperature": t("mix.temperature")}
                choices = [(name, strategy) for strategy, name in names.items()]
                mixing = gr.Radio(choices, label=t("mix.label"), info=t("mix.help"), elem_id="mixing")
                held_out = live_html("rows-per-task")
    done = [
        table.input(edited, [project], None, **EVERY_EDIT),
        table.click(clicked, [project], None, **EVERY_EDIT),
        mixing.input(mix, inputs_kwargs={"name": project, "strategy": mixing}, **LAST_CHOICE),
        held_out.input(hold_out, [project], None, **EVERY_EDIT),
    ]
    return Section([box, table, chart, mixing, held_out], done)


def draw(look: Look) -> tuple[Any, ...]:
    """Updates of box, table, chart, mixing and held-out rows."""
    if look.found.data is None or look.draft.data is None:
        return gr.Column(visible=False), "", None, gr.skip(), ""
    counts = task_counts(look.found.data.train)
    mix = shares(counts, look.draft.mixing, look.draft.tasks)
    held = task_counts(look.found.data.held_out)
    table = table_html(look.draft, counts, held, mix, look.statistics, look.uncounted)
    kept = held_out_html(look.draft.data.held_out.rows_per_task)
    return gr.Column(visible=True), table, balance_chart(counts, mix), look.draft.mixing.strategy, kept


def held_out_html(rows: int) -> str:
    """The field for the number of held-out rows."""
    field = field_box(str(rows), t("mix.held_out"), size=8, edit="held_out")
    label, help = escape(t("mix.held_out")), escape(t("mix.held_out_help"))
    return f'<div class="sb-number"><span class="name">{label}</span><span class="sb-note">{help}</span>{field}</div>'


def table_html(
    draft: Draft,
    counts: Mapping[str, int],
    held_out: Mapping[str, int],
    mix: Mapping[str, float],
    statistics: Sequence[TaskStatistics] | None,
    uncounted: Sequence[Problem] = (),
) -> str:
    """One line a task; numbers that are still being counted are dots, and dashes where that failed (`uncounted`)."""
    known = {found.task: found for found in statistics or ()}
    unknown = "-" if uncounted else "…"
    head = f'<th scope="col">{escape(t("column.task"))}</th>'
    head += "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in NUMBERS)
    head += "".join(f'<th scope="col">{escape(name)}</th>' for name in WORDS)
    whole = max(sum(counts.values()), 1)
    lines = [
        _line(colour, task, rows, rows / whole, held_out.get(task, 0), mix[task], draft, known.get(task), unknown)
        for (task, rows), colour in zip(counts.items(), task_colours(counts).values(), strict=True)
    ]
    return (
        f'<div class="sb-scroll"><table class="sb-table sb-tasks"><thead><tr>{head}</tr></thead>'
        f'<tbody>{"".join(lines)}</tbody></table></div><p class="sb-note">{escape(t("tasks.caption"))}</p>'
        + (f'<p class="sb-note">{escape(t("tasks.uncounted"))}</p>{problem_list(uncounted)}' if uncounted else "")
    )


def _line(
    colour: str,
    task: str,
    rows: int,
    part: float,
    held: int,
    mix: float,
    draft: Draft,
    known: TaskStatistics | None,
    unknown: str,
) -> str:
    name = field_box(task, t("tasks.rename", task=task), size=max(8, min(len(task), 28)), edit="rename", task=task)
    own = draft.tasks[task].share if task in draft.tasks else None
    share = field_box(
        "" if own is None else f"{100 * own:g}",
        t("tasks.share", task=task),
        placeholder=_percent(mix),
        size=5,
        edit="share",
        task=task,
    )
    cells = [f'{rows:,} <span class="sb-note">{_percent(part)} %</span>', share, f"{held:,}", *_numbers(known, unknown)]
    numbers = "".join(f'<td class="number">{cell}</td>' for cell in cells)
    actions = button(t("tasks.browse"), kind="link", act="browse", task=task)
    actions += button(t("tasks.split"), kind="link", act="split", task=task)
    actions += button(t("tasks.drop"), kind="link", act="drop", task=task)
    title = f'<span class="sb-name">{swatch(colour)}{name}</span><div class="sb-row-actions">{actions}</div>'
    return f'<tr><th scope="row" class="name">{title}</th>{numbers}{_words(known, unknown)}</tr>'


def _percent(part: float) -> str:
    return f"{100 * part:.3g}"


def _numbers(known: TaskStatistics | None, unknown: str) -> list[str]:
    if known is None:
        return [unknown] * 3
    return [_length(known.prompt), _length(known.answer), f"{known.duplicates:,}" if known.duplicates else "0"]


def _length(found: Lengths | None) -> str:
    """The middle, and what 95 % of the rows stay below."""
    if found is None:
        return "-"
    title = escape(
        t("tasks.lengths", median=f"{found.median:.0f}", most=f"{found.p95:.0f}", longest=f"{found.longest:,}"),
        quote=True,
    )
    return f'<span title="{title}">{figure(found.median)} <span class="sb-note">≤ {figure(found.p95)}</span></span>'


def _words(known: TaskStatistics | None, unknown: str) -> str:
    if known is None:
        return f"<td>{unknown}</td>" * 2
    gaps = [t("tasks.gaps", column=name, rows=f"{rows:,}") for name, rows in known.missing.items() if rows < known.rows]
    missing = "".join(f'<span class="sb-chip missing">{escape(gap)}</span>' for gap in gaps) or "-"
    language = "-" if known.language is None else f"{known.language} {known.language_share:.0%}"
    return f"<td>{missing}</td><td>{escape(language)}</td>"


@told
def edited(name: str, event: gr.EventData) -> None:
    """Rename or merge a task, or give it a share of its own."""
    match said(event):
        case {"edit": "rename", "task": str(task), "value": str(value)} if value.strip() != task:
            found = opened(name)
            edit(found, lambda draft: rename_task(draft, task, value, tasks_of(draft)))
        case {"edit": "share", "task": str(task), "value": str(value)}:
            opened(name).change(lambda draft: set_share(draft, task, value))


def tasks_of(draft: Draft) -> list[str]:
    """The tasks that a draft's rows have by now."""
    data = report(draft).data
    return list(task_counts(data.train)) if data else []


@told
def clicked(name: str, event: gr.EventData) -> None:
    """Leave a task out."""
    match said(event):
        case {"act": "drop", "task": str(task)}:
            edit(opened(name), lambda draft: drop_task(draft, task))


@told
def mix(name: str, strategy: str) -> None:
    """Balance batches in another way."""
    opened(name).change(lambda draft: run_form.edit(draft, "mixing.strategy", strategy))


@told
def hold_out(name: str, event: gr.EventData) -> None:
    """Hold out so many rows a task."""
    match said(event):
        case {"edit": "held_out", "value": str(value)}:
            edit(opened(name), lambda draft: set_held_out(draft, value))
