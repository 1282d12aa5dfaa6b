"""Pieces of HTML that can be clicked and edited, for tables that no component draws.

All text is escaped here or by `escape`: rows, prompts and completions are data, never markup. The template holds only
the value, so braces in it are never evaluated.

What can be clicked carries `data-act` (and further `data-` attributes that say what is meant): the component triggers
`click` with these, after a question where `data-ask` holds one: what cannot be taken back is asked once; that in
`data-leaves` is asked where something is typed and not applied yet (`window.sbUnapplied`). What can be edited carries
`data-edit`: the component triggers `input` with these and `value`. A button with `data-takes` says as `value` what
stands in the field beside it, which has `data-given`; Enter there is a click on it. A button that copies the text
beside it carries `data-copy`.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from ui.texts import t

LISTEN = """
const tell = (target) => {
    const leaves = window.sbUnapplied && target.dataset.leaves;
    const question = target.dataset.ask || leaves;
    if (question && !window.confirm(question)) return;
    if (leaves) window.sbUnapplied = false;
    const field = 'takes' in target.dataset && target.parentElement.querySelector('[data-given]');
    trigger('click', field ? {...target.dataset, value: field.value} : {...target.dataset});
};
element.addEventListener('click', (event) => {
    const target = event.target.closest('[data-act]');
    if (target && element.contains(target)) tell(target);
});
element.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && 'given' in event.target.dataset) {
        event.target.parentElement.querySelector('[data-takes]').click();
    }
    const target = event.target.closest('[data-act]');
    if (target && target.tagName !== 'BUTTON' && (event.key === 'Enter' || event.key === ' ')) {
        event.preventDefault();
        tell(target);
    }
});
// New HTML is patched into the old: a field that was typed in would go on showing what was typed, and one that has
// become another's would show it as that one's.
const whose = new WeakMap();
new MutationObserver(() => element.querySelectorAll('input[data-edit]').forEach((field) => {
    const now = JSON.stringify(field.dataset), other = whose.has(field) && whose.get(field) !== now;
    whose.set(field, now);
    if (field.type === 'checkbox' || (field === document.activeElement && !other)) return;
    field.value = field.getAttribute('value') ?? '';
})).observe(element, {subtree: true, childList: true, attributes: true});
element.addEventListener('change', (event) => {
    const target = event.target.closest('[data-edit]');
    if (target) {
        const value = target.type === 'checkbox' ? target.checked : target.value;
        trigger('input', {...target.dataset, value: value});
    }
});
"""
# A button copies the text beside it, and says so. Pages that come by plain http from another machine have no clipboard.
COPY = """
const toClipboard = async (text) => {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const focused = document.activeElement, box = document.createElement('textarea');
    box.value = text;
    box.style.cssText = 'position: fixed; top: 0; opacity: 0';
    document.body.append(box);
    box.select();
    const copied = document.execCommand('copy');
    box.remove();
    focused?.focus();
    if (!copied) throw new Error('the browser does not copy');
};
element.addEventListener('click', (event) => {
    const copy = event.target.closest('[data-copy]');
    if (!copy) return;
    const says = (text) => {
        copy.textContent = text;
        const again = () => { copy.textContent = copy.dataset.copy; };
        for (const left of ['pointerleave', 'blur']) copy.addEventListener(left, again, {once: true});
    };
    const text = copy.parentElement.querySelector('pre').textContent;
    toClipboard(text).then(() => says(copy.dataset.copied), () => says(copy.dataset.failed));
});
"""
# Texts that were opened stay open when the HTML around them is drawn anew; they can be copied.
READ = (
    COPY
    + """
const unfolded = new Map();
element.addEventListener('toggle', (event) => {
    if (event.target.dataset.fold) unfolded.set(event.target.dataset.fold, event.target.open);
}, true);
new MutationObserver(() => element.querySelectorAll('details[data-fold]').forEach((text) => {
    const open = unfolded.get(text.dataset.fold);
    if (open !== undefined && text.open !== open) text.open = open;
})).observe(element, {childList: true, subtree: true});
"""
)


def live_html(elem_id: str, value: str = "", **settings: Any) -> gr.HTML:
    """An HTML component whose marked parts trigger events; see the module."""
    return gr.HTML(value, elem_id=elem_id, js_on_load=LISTEN + COPY, elem_classes="live", **settings)


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


def button(
    label: str, *, kind: str = "", title: str = "", disabled: bool = False, elem_id: str = "", **data: object
) -> str:
    """A button that triggers `click` with its data."""
    named = f' id="{escape(elem_id, quote=True)}"' if elem_id else ""
    hint = f' title="{escape(title, quote=True)}"' if title else ""
    off = " disabled" if disabled else ""
    given = f'class="sb-button {kind}"{hint}{off} {attributes(**data)}'
    return f'<button type="button"{named} {given}>{escape(label)}</button>'


def copy_button() -> str:
    """A button that copies the text beside it."""
    label = t("text.copy")
    says = attributes(copy=label, copied=t("text.copied"), failed=t("text.not_copied"))
    return f'<button type="button" class="sb-copy" {says}>{escape(label)}</button>'


def swatch(colour: str) -> str:
    """A task's colour, beside its name."""
    return f'<span class="sb-swatch" style="background:{colour}" aria-hidden="true"></span>'


def figure(value: float | None, unit: str = "") -> str:
    """A number in three digits, whole from a thousand on, or a dash where there is none."""
    if value is None:
        return "-"
    whole = 1000 <= abs(value) < 1e9
    return f"{value:,.0f}{escape(unit)}" if whole else f"{value:.3g}{escape(unit)}"


def empty(text: str, *actions: str) -> str:
    """What an empty page says: the next step, and buttons that take it."""
    return f'<div class="sb-empty"><p>{escape(text)}</p><div class="sb-actions">{"".join(actions)}</div></div>'
