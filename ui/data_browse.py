"""Rows to look at: of a task, with a text in their prompt, or the one that a problem names."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from html import escape
from itertools import islice
from typing import Any

import gradio as gr
import pyarrow.compute as pc
from datasets import Dataset

from core.data import Data, column, task_counts
from core.data.browsing import Page, browse
from core.data.files import TEXT_FORMATS
from core.data.mapping import PLACE, PROMPT, TASK
from core.data.paths import data_files
from core.data.tagging import file_of
from core.errors import UserError
from core.spec import Draft
from ui.data_parts import Section, readable
from ui.data_reading import Look, look
from ui.frame import QUIET, opened
from ui.html import button, live_html, said, swatch
from ui.messages import told
from ui.texts import t
from ui.theme import task_colours

ROWS = 10  # on a page
EVERY = ""  # the choice of all tasks
TRAIN, HELD_OUT = "train", "held_out"
PLACED = re.compile(r"(.+ (?:line|row|item) [1-9]\d*)(?:,|$)")
LINES = 3  # of a file that an excerpt shows
MOST_OF_A_LINE = 4000


@dataclass(frozen=True)
class Query:
    """What is looked for.

    Attributes:
        task: of this task; empty: of any.
        text: with this in their prompt.
        split: train or held_out.
        offset: rows to pass over.
        place: this one row alone.
    """

    task: str = EVERY
    text: str = ""
    split: str = TRAIN
    offset: int = 0
    place: str = ""


def build(project: gr.Textbox) -> tuple[Section, gr.State, list[Any]]:
    """Filters and rows; also the query, which says what the filters say, and these for who sets them."""
    query = gr.State(Query())
    with gr.Column(elem_id="browse-section", visible=False) as box:
        gr.HTML(f'<h3 class="sb-heading">{escape(t("browse.title"))}</h3>')
        with gr.Row():
            settings: dict[str, Any] = {"interactive": True, "min_width": 160}
            task = gr.Dropdown(
                [(t("browse.every"), EVERY)], value=EVERY, label=t("column.task"), elem_id="browse-task", **settings
            )
            text = gr.Textbox(label=t("browse.text"), elem_id="browse-text", max_lines=1, min_width=160)
            split = gr.Radio(
                [(t("browse.train"), TRAIN), (t("browse.held_out"), HELD_OUT)],
                value=TRAIN,
                label=t("browse.split"),
                elem_id="browse-split",
            )
        rows = live_html("browse-rows")
    filters, looking = [task, text, split], {"name": project, "before": query}
    asked = {**looking, "task": task, "text": text, "split": split}
    for event in (task.input, text.change, split.input):
        event(sought, outputs=[query, rows], inputs_kwargs=asked, trigger_mode="always_last", **QUIET)
    rows.click(turned, outputs=[query, rows], inputs_kwargs=looking, **QUIET)
    return Section([box, rows, query, *filters]), query, filters


def draw(found: Look, asked: Query, shown: Query | None) -> tuple[tuple[Any, ...], Query]:
    """Updates of box, rows, query and filters; also the query as it is now.

    Args:
        found: what is known of the rows.
        asked: what is looked for.
        shown: what the filters say; None: they are to be set.
    """
    data = found.found.data
    query, html = (asked, rows_html(found, asked)) if data is None else _rows(found, data, asked)
    box = gr.Column(visible=data is not None or (found.draft.data is not None and bool(query.place)))
    if data is None and query == shown:
        return (box, html, *(gr.skip(),) * 4), query
    choices = [(t("browse.every"), EVERY), *(task_counts(data.train) if data else ())]
    if query == shown:  # who types goes on typing
        return (box, html, gr.skip(), gr.Dropdown(choices=choices), gr.skip(), gr.skip()), query
    return (box, html, query, gr.Dropdown(choices=choices, value=query.task), query.text, query.split), query


@told
def sought(name: str, before: Query, task: str | None, text: str, split: str) -> tuple[Any, Any]:
    """What the filters say, from the first page on, and its rows; nothing where that is shown already."""
    query = Query(task or EVERY, text.strip(), split)
    if query == replace(before, offset=0):
        return gr.skip(), gr.skip()
    return query, rows_html(look(opened(name)), query)


@told
def turned(name: str, before: Query, event: gr.EventData) -> tuple[Query, str]:
    """Another page, or from a single row back to what the filters say."""
    query = before
    match said(event):
        case {"act": "turn", "offset": str(offset)}:
            query = replace(before, offset=int(offset))
        case {"act": "all"}:
            query = replace(before, place="", offset=0)
    return query, rows_html(look(opened(name)), query)


def place_of(where: str) -> str:
    """The row that a problem is about; empty where it is about none."""
    found = PLACED.match(where)
    return found[1] if found else ""


def target(element: str) -> str:
    """What to scroll to, said in a way that counts as a change."""
    return f"{element} {time.monotonic()}"


def rows_html(found: Look, query: Query) -> str:
    """A page of rows, the row of a place, or what the file says at that place."""
    data = found.found.data
    if data is None:
        return excerpt(found.draft, query.place) if query.place else ""
    return _rows(found, data, query)[1]


def _rows(found: Look, data: Data, query: Query) -> tuple[Query, str]:
    """What can be looked for, and its rows."""
    tasks = list(task_counts(data.train))
    query = fitted(query, tasks)
    if query.place:
        return query, _placed(found, data, query)
    dataset = data.traced_train if query.split == TRAIN else data.traced_held_out
    page = browse(dataset, query.task or None, query.text, query.offset, ROWS)
    if (there := fitted(query, tasks, page.total)) != query:
        query, page = there, browse(dataset, there.task or None, there.text, there.offset, ROWS)
    if not page.total:
        return query, f'<p class="sb-note">{escape(t("browse.nothing"))}</p>'
    return query, table_html(page, tasks) + _pager(page)


def fitted(query: Query, tasks: Collection[str], total: int | None = None) -> Query:
    """The query without a task that there is no more, and no page past the last of `total` rows where that is known."""
    offset = query.offset if total is None else min(query.offset, max(total - 1, 0) // ROWS * ROWS)
    if query.task in (EVERY, *tasks):
        return replace(query, offset=offset)
    return replace(query, task=EVERY, offset=0)


def _placed(found: Look, data: Data, query: Query) -> str:
    """The one row, in whichever split it is."""
    for dataset in (data.traced_train, data.traced_held_out):
        if (page := _row_at(dataset, query.place)) is not None:
            return _only(query.place) + table_html(page, list(task_counts(data.train)))
    return _only(query.place) + (
        excerpt(found.draft, query.place) or f'<p class="sb-note">{escape(t("browse.gone"))}</p>'
    )


def _row_at(dataset: Dataset, place: str) -> Page | None:
    if not len(dataset):
        return None
    at = pc.index(column(dataset, PLACE), place).as_py()
    return Page((browse(dataset, offset=at, limit=1).rows[0],), 1, 0) if at >= 0 else None


def _only(place: str) -> str:
    again = button(t("browse.all"), kind="link", act="all")
    return f'<p class="sb-note">{escape(t("browse.only", place=place))} {again}</p>'


def table_html(page: Page, tasks: list[str]) -> str:
    """Rows with their task, place, prompt and further columns, long texts folded."""
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in TITLES)
    colours = task_colours(tasks)
    lines = "".join(_line(row, colours) for row in page.rows)
    return (
        f'<div class="sb-scroll"><table class="sb-table sb-rows"><thead><tr>{head}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


TITLES = [t(f"column.{name}") for name in ("task", "prompt", "further")]


def _line(row: dict[str, Any], colours: Mapping[str, str]) -> str:
    task = str(row[TASK])
    colour = swatch(colours[task]) if task in colours else ""
    further = "".join(
        f"<dt>{escape(name)}</dt><dd>{readable(value)}</dd>"
        for name, value in row.items()
        if name not in (TASK, PROMPT, PLACE) and value is not None
    )
    place = escape(str(row.get(PLACE, "")))
    return (
        f'<tr><td class="task"><span class="sb-name">{colour}{escape(task)}</span>'
        f'<span class="sb-note">{place}</span></td>'
        f'<td class="prompt">{readable(row[PROMPT])}</td><td><dl class="sb-fields">{further or "-"}</dl></td></tr>'
    )


def _pager(page: Page) -> str:
    last = min(page.offset + ROWS, page.total)
    before, after = page.offset - ROWS, page.offset + ROWS
    back = button(t("browse.back"), act="turn", offset=max(before, 0), disabled=page.offset <= 0)
    forth = button(t("browse.forth"), act="turn", offset=after, disabled=after >= page.total)
    count = t("browse.count", first=f"{page.offset + 1:,}", last=f"{last:,}", total=f"{page.total:,}")
    return f'<div class="sb-actions start sb-pager">{back}<span class="sb-note">{escape(count)}</span>{forth}</div>'


def excerpt(draft: Draft, place: str) -> str:
    """The lines of a text file from a place on, as they are there."""
    number = int(place.rpartition(" ")[2])
    lines = _lines(draft, place, number)
    if not lines:
        return ""
    shown = "\n".join(f"{number + n}  {line[:MOST_OF_A_LINE]}" for n, line in enumerate(lines))
    note = f'<p class="sb-note">{escape(t("browse.excerpt", place=place))}</p>'
    return f'{note}<pre class="sb-text sb-excerpt">{escape(shown)}</pre>'


def _lines(draft: Draft, place: str, number: int) -> list[str]:
    data = draft.data
    if data is None or data.path is None or " line " not in place:
        return []
    try:
        found = [file.path for file in data_files(data.path) if file.name == file_of(place)]
    except UserError:
        return []
    if not found or found[0].suffix.lower() not in TEXT_FORMATS:
        return []
    with found[0].open(encoding="utf-8", errors="replace") as file:
        return [line.rstrip("\n") for line in islice(file, number - 1, number - 1 + LINES)]
