"""Pieces of HTML that can be clicked and edited, for tables that no component draws.

All text is escaped here or by `escape`: rows, prompts and completions are data, never markup. The template holds only
the value, so braces in it are never evaluated.

What can be clicked carries `data-act` (and further `data-` attributes that say what is meant): the component triggers
`click` with these. What can be edited carries `data-edit`: the component triggers `input` with these and `value`.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

LISTEN = """
element.addEventListener('click', (event) => {
    const target = event.target.closest('[data-act]');
    if (target && element.contains(target)) trigger('click', {...target.dataset});
});
element.addEventListener('keydown', (event) => {
    const target = event.target.closest('[data-act]');
    if (target && target.tagName !== 'BUTTON' && (event.key === 'Enter' || event.key === ' ')) {
        event.preventDefault();
        trigger('click', {...target.dataset});
    }
});
// New HTML is patched into the old: a field that was typed in would go on showing what was typed.
new MutationObserver(() => element.querySelectorAll('input[data-edit]').forEach((field) => {
    if (field !== document.activeElement && field.type !== 'checkbox') field.value = field.getAttribute('value') ?? '';
})).observe(element, {subtree: true, childList: true, attributes: true, attributeFilter: ['value', 'data-edit']});
element.addEventListener('change', (event) => {
    const target = event.target.closest('[data-edit]');
    if (target) {
        const value = target.type === 'checkbox' ? target.checked : target.value;
        trigger('input', {...target.dataset, value: value});
    }
});
"""


def live_html(elem_id: str, value: str = "", **settings: Any) -> gr.HTML:
    """An HTML component whose marked parts trigger events; see the module."""
    return gr.HTML(value, elem_id=elem_id, js_on_load=LISTEN, elem_classes="live", **settings)


def said(event: gr.EventData) -> dict[str, Any]:
    """The `data-` attributes of what was clicked or edited."""
    data: dict[str, Any] = event._data or {}
    return data


def attributes(**values: object) -> str:
    """`data-` attributes, escaped.

    >>> attributes(act="open", task='a"b')
    'data-act="open" data-task="a&quot;b"'
    """
    return " ".join(f'data-{name}="{escape(str(value), quote=True)}"' for name, value in values.items())


def button(label: str, *, kind: str = "", title: str = "", disabled: bool = False, **data: object) -> str:
    """A button that triggers `click` with its data."""
    hint = f' title="{escape(title, quote=True)}"' if title else ""
    off = " disabled" if disabled else ""
    return f'<button type="button" class="sb-button {kind}"{hint}{off} {attributes(**data)}>{escape(label)}</button>'


def swatch(colour: str) -> str:
    """A task's colour, beside its name."""
    return f'<span class="sb-swatch" style="background:{colour}" aria-hidden="true"></span>'


def figure(value: float | None, unit: str = "") -> str:
    """A number in three digits, or a dash where there is none."""
    return "-" if value is None else f"{value:.3g}{escape(unit)}"


def empty(text: str, *actions: str) -> str:
    """What an empty page says: the next step, and buttons that take it."""
    return f'<div class="sb-empty"><p>{escape(text)}</p><div class="sb-actions">{"".join(actions)}</div></div>'
