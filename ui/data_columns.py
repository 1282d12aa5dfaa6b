"""Which column is what: three to choose, all others to name; below them the first rows."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from core.data.raw import RawColumn
from core.projects import Project
from core.spec import DataSpec
from ui.data_first import apply_template, first_rows_html
from ui.data_mapping import (
    answer_column,
    choose_answer_column,
    choose_prompt_column,
    choose_task_column,
    name_column,
    read_as_text,
)
from ui.data_parts import EVERY_EDIT, LAST_CHOICE, Section, field_box, readable
from ui.data_reading import Look, edit, raw_of
from ui.frame import opened
from ui.html import attributes, live_html, said
from ui.messages import told
from ui.texts import t

NONE = ""  # the choice of no column


def build(project: gr.Textbox) -> Section:
    """Three columns to choose, all others to name, and the first rows."""
    with gr.Column(elem_id="columns-section", visible=False) as box:
        gr.HTML(f'<h3 class="sb-heading">{escape(t("columns.title"))}</h3>')
        with gr.Row():
            settings: dict[str, Any] = {"interactive": True, "min_width": 200, "allow_custom_value": False}
            prompt = gr.Dropdown(
                [], label=t("columns.prompt"), info=t("columns.prompt_help"), elem_id="prompt-column", **settings
            )
            task = gr.Dropdown(
                [], label=t("columns.task"), info=t("columns.task_help"), elem_id="task-column", **settings
            )
            answer = gr.Dropdown(
                [], label=t("columns.answer"), info=t("columns.answer_help"), elem_id="answer-column", **settings
            )
        table = live_html("data-columns")
    first = live_html("first-rows")
    done = [
        prompt.input(choose_prompt, inputs_kwargs={"name": project, "column": prompt}, **LAST_CHOICE),
        task.input(choose_task, inputs_kwargs={"name": project, "column": task}, **LAST_CHOICE),
        answer.input(choose_answer, inputs_kwargs={"name": project, "column": answer}, **LAST_CHOICE),
        table.input(edited, [project], None, **EVERY_EDIT),
        first.click(apply_template, [project], None, api_visibility="private"),
    ]
    return Section([box, prompt, task, answer, table, first], done)


def draw(look: Look) -> tuple[Any, ...]:
    """Updates of box, the three columns, the table of the others, and the first rows."""
    data, columns = look.draft.data, look.raw.columns
    first = first_rows_html(look) if look.found.data is not None else ""
    if data is None or not columns:
        return gr.Column(visible=False), gr.skip(), gr.skip(), gr.skip(), "", first
    names = [column.name for column in columns]
    none = [(t("columns.none"), NONE)]
    return (
        gr.Column(visible=True),
        gr.Dropdown(choices=names, value=_there(data.prompt_column, names)),
        gr.Dropdown(choices=[(t("columns.by_file"), NONE), *names], value=_there(data.task_column, names) or NONE),
        gr.Dropdown(choices=[*none, *names], value=answer_column(data, columns) or NONE),
        table_html(data, columns, unfolded=look.found.data is None),
        first,
    )


def _there(name: str, names: Sequence[str]) -> str | None:
    return name if name in names else None


def table_html(data: DataSpec, columns: Sequence[RawColumn], *, unfolded: bool = False) -> str:
    """Every column of the files: what is in it, and what rewards call it."""
    roles = {data.task_column: t("columns.is_task"), data.prompt_column: t("columns.is_prompt")}
    names = {of: name for name, of in data.columns.items()}
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in TITLES)
    lines = "".join(_line(column, roles.get(column.name), names.get(column.name, ""), data) for column in columns)
    fold = f'<details class="sb-help"{" open" if unfolded else ""}><summary>'
    return (
        f"{fold}{escape(t('columns.all', count=len(columns)))}</summary>"
        f'<div class="sb-scroll"><table class="sb-table sb-columns"><thead><tr>{head}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div></details>"
    )


TITLES = [t(f"column.{name}") for name in ("in_file", "contents", "first_values", "read_as", "as_text")]


def _line(column: RawColumn, role: str | None, name: str, data: DataSpec) -> str:
    values = "".join(f"<li>{readable(value)}</li>" for value in column.examples[:3])
    box = (
        escape(role)
        if role
        else field_box(
            name,
            t("columns.rename", column=column.name),
            placeholder=column.name,
            size=14,
            edit="name",
            column=column.name,
        )
    )
    checked = " checked" if column.name in data.text_columns else ""
    label = escape(t("columns.text", column=column.name), quote=True)
    tick = f'<input type="checkbox" aria-label="{label}"{checked} {attributes(edit="text", column=column.name)}>'
    return (
        f'<tr><th scope="row"><code>{escape(column.name)}</code></th><td>{escape(column.kind or "-")}</td>'
        f'<td><ul class="sb-values">{values}</ul></td><td>{box}</td><td>{tick}</td></tr>'
    )


def _columns(project: Project) -> tuple[RawColumn, ...]:
    data = project.draft().data
    return raw_of(data, False).columns if data is not None else ()


@told
def choose_prompt(name: str, column: str | None) -> None:
    """Take prompts from a column."""
    project = opened(name)
    columns = _columns(project)
    if column:
        edit(project, lambda draft: choose_prompt_column(draft, column, columns))


@told
def choose_task(name: str, column: str | None) -> None:
    """Take tags from a column, or one for each file."""
    project = opened(name)
    columns = _columns(project)
    edit(project, lambda draft: choose_task_column(draft, column or None, columns), strict=False)


@told
def choose_answer(name: str, column: str | None) -> None:
    """Let rewards read a column as the answer."""
    project = opened(name)
    columns = _columns(project)
    edit(project, lambda draft: choose_answer_column(draft, column or None, columns))


@told
def edited(name: str, event: gr.EventData) -> None:
    """Name a column for rewards, or read it as text."""
    match said(event):
        case {"edit": "name", "column": str(column), "value": str(value)}:
            edit(opened(name), lambda draft: name_column(draft, column, value))
        case {"edit": "text", "column": str(column), "value": bool(value)}:
            edit(opened(name), lambda draft: read_as_text(draft, column, value))
