"""What the sections of the page Data have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

from core.data.jsontext import dump
from core.prompts import as_text
from ui.html import attributes, copy_button
from ui.texts import t

LONG = 160  # characters past which a text is folded
MOST_CHARACTERS = 20_000  # of one value that a page is sent

# While a handler is busy the browser keeps no further event of it, unless told so: every edit counts, and of a choice
# the last one.
EVERY_EDIT: dict[str, Any] = {
    "trigger_mode": "multiple",
    "concurrency_limit": None,
    "api_visibility": "private",
}
LAST_CHOICE: dict[str, Any] = {**EVERY_EDIT, "trigger_mode": "always_last"}

# An edit draws its table anew: what had the focus has it again after that, so that Tab goes on from there, and a field
# whose change was refused says what holds.
REMEMBER_FOCUS = """(...given) => {
    const at = document.activeElement;
    window.sbFocus = at && (at.dataset.edit || at.dataset.act) ? {...at.dataset} : null;
    return given;
}"""
RESTORE_FOCUS = """() => setTimeout(() => {
    const fields = [...document.querySelectorAll("[data-edit], [data-act]")];
    for (const field of fields) {
        if (field.matches("input[type=text]") && field !== document.activeElement) {
            field.value = field.getAttribute("value") ?? "";
        }
    }
    const wanted = window.sbFocus;
    if (!wanted || document.activeElement !== document.body) return;
    const same = (field) => Object.entries(wanted).every(([name, value]) => field.dataset[name] === value);
    const again = fields.find(same);
    if (again) again.focus();
}, 60)"""


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        outputs: its components; `draw` of its module gives their updates.
        done: what ends its handlers: after each the page is drawn anew.
    """

    outputs: list[Any]
    done: list[Any] = field(default_factory=list)


def field_box(
    value: str, label: str, *, list_id: str = "", placeholder: str = "", size: int = 0, **data: object
) -> str:
    """A text field in a table, that triggers `input` with its data."""
    given = {"value": value, "aria-label": label, "placeholder": placeholder, "list": list_id, "size": size or ""}
    words = " ".join(f'{name}="{escape(str(said), quote=True)}"' for name, said in given.items() if said != "")
    return f'<input type="text" class="sb-field" {words} {attributes(**data)}>'


def plain(value: Any) -> str:
    """A value of a row as text: messages by their contents, all else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(part, dict) and "content" in part for part in value):
        return as_text(value)
    try:
        return dump(value)
    except TypeError:  # such as a date
        return str(value)


def readable(value: Any) -> str:
    """A value to read: short ones as they are, long ones in two lines that open on a click, to be copied there."""
    if value is None:
        return "-"
    text = plain(value)
    whole = f'<pre class="sb-text">{escape(text[:MOST_CHARACTERS])}</pre>'
    if len(text) <= LONG and text.count("\n") < 2:
        return whole
    start = f'<summary><span class="sb-text">{escape(" ".join(text[:600].split()))}</span></summary>'
    cut = t("text.cut", shown=f"{MOST_CHARACTERS:,}", whole=f"{len(text):,}") if len(text) > MOST_CHARACTERS else ""
    note = f' <span class="sb-note">{escape(cut)}</span>' if cut else ""
    return f'<details class="sb-long">{start}{whole}{copy_button()}{note}</details>'
