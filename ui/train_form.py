"""The settings of a run as a form: fields made from their declarations, each with default, help and faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from core.errors import Problem
from core.memory import batch_of
from core.options import check_options, grpo_settings
from core.run_fields import RunField, by_group, matching, run_fields, task_fields, task_place
from core.spec import Draft
from ui.html import LISTEN, attributes, swatch
from ui.texts import t
from ui.train_state import Known

# What a field holds is told beside its value: a select, a text area or a checkbox that was touched shows its own state
# whatever new HTML says. The field that has the focus is left alone.
FORM = (
    LISTEN
    + """
const follow = () => element.querySelectorAll('[data-edit][data-now]').forEach((field) => {
    if (field === document.activeElement) return;
    if (field.type === 'checkbox') field.checked = field.dataset.now === 'true';
    else if (field.value !== field.dataset.now) field.value = field.dataset.now;
});
new MutationObserver(follow).observe(
    element, {subtree: true, childList: true, attributes: true, attributeFilter: ['data-now']});
"""
)


def simple_html(now: Known) -> str:
    """The few fields that most runs are decided by, in plain words."""
    helps = _plain_helps()
    fields = [field for field in run_fields(now.draft) if field.simple]
    hints = {"grpo.per_device_train_batch_size": _batch_hint(now.draft)}
    wrong = _wrong(now)
    cells = "".join(
        _field(now, field, helps[field.place], wrong, hints.get(field.place, ""), view="simple") for field in fields
    )
    return f'<div class="sb-options simple">{cells}</div>'


def _plain_helps() -> dict[str, str]:
    return {
        "name": t("simple.name"),
        "model": t("simple.model"),
        "grpo.max_steps": t("simple.max_steps"),
        "grpo.num_generations": t("simple.num_generations"),
        "grpo.per_device_train_batch_size": t("simple.batch"),
        "grpo.max_completion_length": t("simple.length"),
        "grpo.learning_rate": t("simple.learning_rate"),
        "lora.r": t("simple.rank"),
    }


def _batch_hint(draft: Draft) -> str:
    """How many prompts a step takes."""
    if check_options("grpo", draft.grpo) or not grpo_settings(draft.grpo)["num_generations"]:
        return ""
    batch = batch_of(draft.grpo, 0)
    if batch.completions % batch.group:
        return ""
    return t("simple.batch_hint", prompts=batch.completions // batch.group, group=batch.group)


def advanced_html(now: Known, words: str, only_given: bool) -> str:
    """Every other field, under the libraries' own headings; those that match a search."""
    fields = [field for field in run_fields(now.draft) if field.changed or not only_given]
    found = matching(fields, words)
    if not found:
        return f'<p class="sb-note">{escape(t("train.no_option", words=words))}</p>'
    wrong = _wrong(now)
    unfolded = bool(words) or only_given
    return "".join(_group(now, group, own, wrong, unfolded) for group, own in by_group(found).items())


def _group(
    now: Known, group: str, fields: Sequence[RunField], wrong: Mapping[str, list[Problem]], unfolded: bool
) -> str:
    given = sum(field.changed for field in fields)
    faulty = any(field.place in wrong for field in fields)
    count = t("train.group_given", given=given, count=len(fields)) if given else t("train.group", count=len(fields))
    body = "".join(_field(now, field, field.help, wrong) for field in fields)
    opened = " open" if unfolded or faulty else ""
    title = escape(group.replace("`", ""))
    return (
        f'<details class="sb-group" data-fold="{escape(group, quote=True)}"{opened}><summary>{title} '
        f'<span class="sb-note">{escape(count)}</span></summary><div class="sb-options">{body}</div></details>'
    )


def tasks_html(now: Known) -> str:
    """Share, system prompt and prompt template of each task."""
    if not now.tasks:
        return f'<p class="sb-note">{escape(t("train.no_data"))}</p>'
    return "".join(_task(now, task) for task in now.tasks)


def _task(now: Known, task: str) -> str:
    wrong = _wrong(now)
    helps = {
        "share": t("task.share"),
        "system_prompt": t("task.system_prompt"),
        "prompt_template": t("task.prompt_template"),
    }
    body = "".join(
        _field(now, field, helps.get(field.name, field.help), wrong) for field in task_fields(now.draft, task)
    )
    title = f"{swatch(now.colours[task])}{escape(task)}"
    return f'<section class="sb-card"><h4>{title}</h4><div class="sb-options">{body}</div></section>'


def _wrong(now: Known) -> dict[str, list[Problem]]:
    """Findings by the place of their field."""
    found: dict[str, list[Problem]] = {}
    for finding in now.of_draft:
        if finding.problem.severity == "error":
            found.setdefault(finding.problem.where, []).append(finding.problem)
    return found


def _field(
    now: Known,
    field: RunField,
    help: str,
    wrong: Mapping[str, list[Problem]],
    hint: str = "",
    view: str = "option",
) -> str:
    """One field: its name, its box, what is wrong with it, its default and its help."""
    place = task_place(field.place, field.task)
    refused = now.look.refused.get((field.place, field.task))
    problems = refused.problems if refused else tuple(wrong.get(place, ()))
    kinds = ["sb-option", field.kind, "given" if field.changed else "", "wrong" if problems else ""]
    said = "".join(f'<p class="sb-bad fault">{escape(f"{p.what} {p.mend}".strip())}</p>' for p in problems)
    name = _id(field, view)
    box = _box(field, name, refused.text if refused else field.text, bool(problems))
    lines = f'<p class="help">{escape(help.replace("`", ""))}</p>' if help else ""
    noted = f'<p class="sb-note">{escape(hint)}</p>' if hint else ""
    label = f'<label for="{name}">{escape(field.name).replace("_", "_<wbr>")}</label>'
    return (
        f'<div class="{" ".join(filter(None, kinds))}"><div class="name">{label}{_default(field)}</div>'
        f'<div class="value">{box}{noted}</div>{lines}{said}</div>'
    )


def _default(field: RunField) -> str:
    """What holds where nothing is said; where something is, a way back to it.

    Clearing the box does the same, so Tab goes from box to box.
    """
    default = field.shown(field.default) or t("train.unset")
    said = t("train.default", default=default)
    if field.library:
        whose = "PEFT" if field.place.startswith("lora.") else "TRL"
        said = t("train.default_other", default=default, whose=whose, library=field.library)
    asked = attributes(act="reset", place=field.place, task=field.task)
    back = f'<button type="button" class="sb-button link" tabindex="-1" {asked}>{escape(t("train.reset"))}</button>'
    return f'<span class="sb-note">{escape(said)}</span>{back if field.changed else ""}'


def _box(field: RunField, name: str, text: str, faulty: bool) -> str:
    given = {"edit": "option", "place": field.place, "task": field.task, "now": text}
    words = f'id="{name}" {attributes(**given)}' + (' aria-invalid="true"' if faulty else "")
    match field.kind:
        case "switch":
            return f'<input type="checkbox" {words}{" checked" if text == "true" else ""}>'
        case "choice":
            return f"<select {words}>{_choices(field, text)}</select>"
        case "long_text":
            return f'<textarea rows="2" {words}>{escape(text)}</textarea>'
    mode = ' inputmode="decimal"' if field.kind in ("number", "integer") else ""
    known = f'<datalist id="{name}-known">{_known(field)}</datalist>' if field.choices else ""
    listed = f' list="{name}-known"' if field.choices else ""
    value = escape(text, quote=True)
    return f'<input type="text" value="{value}" spellcheck="false" autocomplete="off"{mode}{listed} {words}>{known}'


def _choices(field: RunField, text: str) -> str:
    """The choices; nothing chosen is one where that is the default."""
    blank = [""] if field.default is None else []
    null = [field.shown(None)] if field.optional and field.default is not None else []
    found = [*blank, *map(field.shown, field.choices), *null]
    known = found if text in found else [text, *found]
    return "".join(
        f'<option value="{escape(choice, quote=True)}"{" selected" if choice == text else ""}>'
        f"{escape(choice or t('train.unset'))}</option>"
        for choice in known
    )


def _known(field: RunField) -> str:
    return "".join(f'<option value="{escape(field.shown(choice), quote=True)}">' for choice in field.choices)


def _id(field: RunField, view: str) -> str:
    return escape(f"{view}-{field.place.replace('.', '-')}{f'-{field.task}' if field.task else ''}", quote=True)
