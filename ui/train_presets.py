"""Where to begin, and a run's settings as text: presets, the file in and out, the command."""

from __future__ import annotations

import shlex
from html import escape
from pathlib import Path

from core.documents import parse_yaml
from core.errors import Problem, UserError
from core.project_files import export_yaml
from core.projects import Project
from core.run_presets import PRESETS, changes, find_preset
from core.runs import PROJECT
from core.spec import Draft, parse_draft, parse_spec
from ui.downloads import new_folder
from ui.html import button
from ui.preview_tables import copy_button
from ui.texts import t
from ui.train_state import Known


def presets_html(now: Known) -> str:
    """A button for each preset, and what the chosen one would change."""
    chosen = now.look.preset
    buttons = "".join(
        button(
            preset.title,
            kind="chosen" if preset.name == chosen else "",
            title=preset.help,
            act="preset",
            name=preset.name,
        )
        for preset in PRESETS
    )
    begin = f'<span class="sb-note">{escape(t("preset.begin"))}</span>'
    return f'<div class="sb-actions start">{begin}{buttons}</div>{_changes_html(now, chosen) if chosen else ""}'


def _changes_html(now: Known, name: str) -> str:
    preset = find_preset(name)
    found = changes(now.draft, preset)
    cancel = button(t("preset.cancel"), act="preset", name="")
    if not found:
        return f'<div class="sb-card"><p>{escape(t("preset.same"))}</p>{cancel}</div>'
    lines = "".join(
        f'<tr><th scope="row"><code>{escape(change.field.place).replace("_", "_<wbr>")}</code></th>'
        f'<td class="number">{escape(change.now or "-")}</td><td class="number">{escape(change.then)}</td>'
        f"<td>{escape(change.reason)}</td></tr>"
        for change in found
    )
    heads = (t("preset.now"), t("preset.then"))
    head = "".join(f'<th class="number">{escape(text)}</th>' for text in heads)
    use = button(t("preset.apply", count=len(found)), kind="primary", act="apply_preset", name=name)
    return (
        f'<div class="sb-card"><p>{escape(preset.help)}</p><div class="sb-scroll"><table class="sb-table sb-tight">'
        f"<thead><tr><th>{escape(t('preset.field'))}</th>{head}<th>{escape(t('preset.reason'))}</th></tr></thead>"
        f'<tbody>{lines}</tbody></table></div><div class="sb-actions start">{use}{cancel}</div></div>'
    )


def command_html(now: Known) -> str:
    """The command that starts the same run."""
    return (
        f'<p class="sb-note">{escape(t("take.command"))}</p>'
        f'<div class="sb-command"><pre class="sb-text">{escape(command(now.project))}</pre>{copy_button()}</div>'
    )


def command(project: Project) -> str:
    """The command that trains what the project holds."""
    return shlex.join(["python", "app.py", "train", str(project.draft_path)])


def write_spec(project: Project) -> str:
    """Write the spec to a file of its own; its path."""
    return str(export_yaml(project, new_folder()))


def imported(draft: Draft, path: Path) -> Draft:
    """A draft with what a file of a run spec names in the place of its own; what the file does not name stays."""
    try:
        found = read(path.read_text(encoding="utf-8"), path.name)
    except UnicodeDecodeError as error:
        raise UserError(Problem(path.name, f"not UTF-8 at byte {error.start}.", "Save it as UTF-8.")) from None
    return draft.model_copy(update={name: getattr(found, name) for name in found.model_fields_set})


def read(text: str, where: str) -> Draft:
    """A spec as text, which may be unfinished; relative paths start at Signalbox's own folder."""
    document = parse_yaml(text, where)
    if not isinstance(document, dict) or not document.get("data") or not document.get("rewards"):
        return parse_draft(document, where)
    spec = parse_spec(document, where, base=PROJECT)
    return Draft(**{name: getattr(spec, name) for name in spec.model_fields_set})


def merged(now: Draft, typed: Draft, shown: str) -> Draft:
    """What is typed, over what other tabs have changed since the text that it was typed into was shown."""
    try:
        before = read(shown, "what was shown") if shown else now
    except UserError:
        return typed
    if before == now:
        return typed
    changed = [name for name in Draft.model_fields if getattr(typed, name) != getattr(before, name)]
    return now.model_copy(update={name: getattr(typed, name) for name in changed})
