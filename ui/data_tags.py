"""How rows get their tags where a column is not enough: by file, by rule, by hand; new names, tasks left out."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from core.data import task_counts
from core.data.mapping import PROMPT
from core.data.raw import RawColumn, Untagged
from core.spec import CONDITIONS, Draft, TagRule, Tags
from ui.data_edits import (
    add_rule,
    keep_name,
    remove_rule,
    restore_task,
    tag_file,
    tag_rest,
    tag_row,
    tags_of,
)
from ui.data_parts import EVERY_EDIT, Section, field_box, readable
from ui.data_reading import MOST_UNTAGGED, Look, edit
from ui.frame import opened
from ui.html import button, live_html, said
from ui.messages import told
from ui.texts import t

ALL = ""  # the choice of all rows
MOST_SHOWN = 30


def build(project: gr.Textbox, lost: gr.HTML) -> tuple[Section, gr.Accordion, gr.Dropdown, list[gr.Textbox]]:
    """Rows without a tag to mend (`lost`); files, rules, names and tasks left out; a form for one more rule.

    Also the fold around it, the choice of a task to split, and the two choices that depend on the rows, as text.
    """
    with gr.Column(elem_id="tags-section", visible=False) as box, gr.Accordion(t("tags.title"), open=False) as fold:
        table = live_html("data-tags")
        gr.HTML(f'<h4 class="sb-heading">{escape(t("rule.title"))}</h4><p class="sb-note">{escape(t("rule.help"))}</p>')
        with gr.Row():
            settings: dict[str, Any] = {"interactive": True, "min_width": 150}
            within = gr.Dropdown(
                [(t("rule.all"), ALL)], value=ALL, label=t("rule.within"), elem_id="rule-within", **settings
            )
            column = gr.Dropdown([PROMPT], value=PROMPT, label=t("rule.column"), elem_id="rule-column", **settings)
            condition = gr.Dropdown(
                _conditions(), value="contains", label=t("rule.condition"), elem_id="rule-condition", **settings
            )
            value = gr.Textbox(label=t("rule.value"), elem_id="rule-value", max_lines=1, min_width=150)
            task = gr.Textbox(label=t("rule.task"), elem_id="rule-task", max_lines=1, min_width=150)
        add = gr.Button(t("rule.add"), elem_id="rule-add")
    done = [
        lost.input(edited, [project], None, **EVERY_EDIT),
        table.input(edited, [project], None, **EVERY_EDIT),
        table.click(clicked, [project], None, **EVERY_EDIT),
        add.click(
            add_a_rule,
            outputs=[value, task],
            inputs_kwargs={"name": project, "within": within}
            | {"column": column, "condition": condition, "value": value, "task": task},
            api_visibility="private",
        ),
    ]
    chosen = [gr.Textbox(ALL, visible=False), gr.Textbox(PROMPT, visible=False)]
    for choice, carrier in zip((within, column), chosen, strict=True):
        choice.change(None, choice, carrier, js="(chosen) => chosen", api_visibility="private")
    return Section([lost, box, table, within, column], done), fold, within, chosen


def _conditions() -> list[tuple[str, str]]:
    words = {"equals": t("rule.equals"), "contains": t("rule.contains"), "matches": t("rule.matches")}
    return [(words[name], name) for name in CONDITIONS]


def draw(look: Look, within: str | None, column: str | None) -> tuple[Any, ...]:
    """Updates of the rows without a tag, the box, what is in it, and the choices of the form, which stays as it is."""
    if look.draft.data is None:
        return gr.HTML("", visible=False), gr.Column(visible=False), "", gr.skip(), gr.skip()
    tasks = list(task_counts(look.found.data.train)) if look.found.data else []
    names = _rule_columns(look.draft, look.raw.columns)
    gym = look.draft.data.reasoning_gym is not None
    lost = lost_html(look.raw.untagged, look.draft, tasks)
    return (
        gr.HTML(lost, visible=bool(lost)),
        gr.Column(visible=True),
        table_html(tags_of(look.draft), [] if gym else look.raw.columns),
        gr.Dropdown(choices=[(t("rule.all"), ALL), *tasks], **_still(within, [ALL, *tasks], ALL)),
        gr.Dropdown(choices=names, **_still(column, names, PROMPT)),
    )


def _still(chosen: str | None, choices: Sequence[str], otherwise: str) -> dict[str, str]:
    """What to choose, where what is chosen is among the choices no more."""
    return {} if chosen in choices else {"value": otherwise}


def _rule_columns(draft: Draft, columns: Sequence[RawColumn]) -> list[str]:
    assert draft.data is not None
    named = [*draft.data.columns]
    moved = {draft.data.prompt_column, draft.data.task_column, *draft.data.columns.values()}
    return list(
        dict.fromkeys([PROMPT, *named, *(column.name for column in columns if column.name not in moved), "task"])
    )


def lost_html(rows: Sequence[Untagged], draft: Draft, tasks: Sequence[str]) -> str:
    """The rows without a tag, each with a field for one, and one field for all of them."""
    if not rows or draft.data is None:
        return ""
    count = f"{len(rows)}+" if len(rows) >= MOST_UNTAGGED else str(len(rows))
    known = list(dict.fromkeys([*tasks, *draft.rewards, *tags_of(draft).files.values(), *tags_of(draft).rows.values()]))
    options = "".join(f'<option value="{escape(name, quote=True)}">' for name in known)
    lines = "".join(_lost_line(row, draft.data.prompt_column) for row in rows[:MOST_SHOWN])
    more = f'<p class="sb-note">{escape(t("lost.more", count=MOST_SHOWN))}</p>' if len(rows) > MOST_SHOWN else ""
    every = field_box("", t("lost.all"), list_id="known-tasks", placeholder=t("lost.tag"), edit="rest")
    return (
        f'<section class="sb-mend"><h3 class="sb-heading">{escape(t("lost.title", count=count))}</h3>'
        f'<p class="sb-note">{escape(t("lost.help"))}</p><datalist id="known-tasks">{options}</datalist>'
        f'<label class="sb-all">{escape(t("lost.all"))} {every}</label>'
        f'<div class="sb-scroll"><table class="sb-table sb-lost">{lines}</table></div>{more}</section>'
    )


def _lost_line(row: Untagged, prompt: str) -> str:
    box = field_box(
        "",
        t("lost.one", place=row.place),
        list_id="known-tasks",
        placeholder=t("lost.tag"),
        size=14,
        edit="row",
        place=row.place,
    )
    return (
        f'<tr><th scope="row"><code>{escape(row.place)}</code></th><td>{box}</td>'
        f"<td>{readable(row.fields.get(prompt))}</td></tr>"
    )


def table_html(tags: Tags, columns: Sequence[RawColumn]) -> str:
    """What gives rows their tags beside the task column, each to be changed or taken back."""
    files = list(dict.fromkeys(file for column in columns for file in column.files))
    parts = [_files(tags, files) if files else "", _rules(tags.rules), _rest(tags), _renamed(tags), _dropped(tags)]
    return "".join(parts)


def _files(tags: Tags, files: Sequence[str]) -> str:
    lines = "".join(_file(file, tags.files.get(file, "")) for file in files)
    return f'<h4 class="sb-heading">{escape(t("tags.files"))}</h4><table class="sb-table sb-short">{lines}</table>'


def _file(file: str, tag: str) -> str:
    label, hint = t("tags.file", file=file), t("tags.by_column")
    box = field_box(tag, label, placeholder=hint, size=18, edit="file", file=file)
    return f'<tr><th scope="row"><code>{escape(file)}</code></th><td>{box}</td></tr>'


def _rules(rules: Sequence[TagRule]) -> str:
    if not rules:
        return ""
    lines = "".join(f"<li>{_rule(position, rule)}</li>" for position, rule in enumerate(rules))
    return f'<h4 class="sb-heading">{escape(t("tags.rules"))}</h4><ol class="sb-rules">{lines}</ol>'


def _rule(position: int, rule: TagRule) -> str:
    name = next(name for name in CONDITIONS if getattr(rule, name) is not None)
    words = next(words for words, condition in _conditions() if condition == name)
    where = t("tags.within", task=rule.within) if rule.within else ""
    content = rule.model_dump_json(exclude_none=True)
    remove = button(t("tags.remove"), kind="link", act="unrule", rule=content, position=position)
    condition = f"<code>{escape(rule.column)}</code> {escape(words)} <code>{escape(str(getattr(rule, name)))}</code>"
    return f"{condition} → <strong>{escape(rule.task)}</strong> {escape(where)} {remove}"


def _rest(tags: Tags) -> str:
    box = field_box(tags.default or "", t("tags.rest"), placeholder=t("tags.no_rest"), size=18, edit="rest")
    return f'<label class="sb-all">{escape(t("tags.rest"))} {box}</label>'


def _renamed(tags: Tags) -> str:
    lines = "".join(
        f"<li>{escape(old)} → <strong>{escape(new)}</strong> "
        f"{button(t('tags.undo'), kind='link', act='unname', task=old)}</li>"
        for old, new in tags.rename.items()
        if old != new
    )
    return f'<h4 class="sb-heading">{escape(t("tags.renamed"))}</h4><ul class="sb-rules">{lines}</ul>' if lines else ""


def _dropped(tags: Tags) -> str:
    lines = "".join(
        f"<li>{escape(task)} {button(t('tags.restore'), kind='link', act='restore', task=task)}</li>"
        for task in tags.drop
    )
    return f'<h4 class="sb-heading">{escape(t("tags.dropped"))}</h4><ul class="sb-rules">{lines}</ul>' if lines else ""


@told
def edited(name: str, event: gr.EventData) -> None:
    """Tag a row, a file, or all that have no tag."""
    project = opened(name)
    match said(event):
        case {"edit": "row", "place": str(place), "value": str(task)}:
            edit(project, lambda draft: tag_row(draft, place, task), strict=False)
        case {"edit": "file", "file": str(file), "value": str(task)}:
            edit(project, lambda draft: tag_file(draft, file, task), strict=False)
        case {"edit": "rest", "value": str(task)}:
            edit(project, lambda draft: tag_rest(draft, task), strict=False)


@told
def clicked(name: str, event: gr.EventData) -> None:
    """Take back a rule, a new name, or a task left out."""
    project = opened(name)
    match said(event):
        case {"act": "unrule", "rule": str(content), "position": str(position)}:
            rule = TagRule.model_validate_json(content)
            edit(project, lambda draft: remove_rule(draft, rule, int(position)), strict=False)
        case {"act": "unname", "task": str(task)}:
            edit(project, lambda draft: keep_name(draft, task))
        case {"act": "restore", "task": str(task)}:
            edit(project, lambda draft: restore_task(draft, task))


@told
def add_a_rule(name: str, column: str, condition: str, value: str, task: str, within: str | None) -> tuple[str, str]:
    """Give the rows that a rule describes another task."""
    edit(opened(name), lambda draft: add_rule(draft, column, condition, value, task, within or ALL))
    return "", ""
