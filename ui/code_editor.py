"""Around the code of a reward of the user's own: templates, columns at hand, a trial with its faults, versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from core.errors import Problem, UserError
from core.preview import Group
from core.projects import Project
from core.reward_templates import templates
from core.reward_trial import Fault, Trial, try_code
from core.reward_versions import Version, diff, read_version, versions
from core.sandbox import level
from ui.html import figure
from ui.messages import told
from ui.texts import t

# What is typed and not applied is overwritten only where somebody says so.
KEEP_TYPED = f"""(code) => {{
    if (window.sbUnapplied && !window.confirm({json.dumps(t("code.overwrite"))})) return code;
    window.sbUnapplied = false;
    return "";
}}"""
MOST_CODE = 200_000  # bytes of an uploaded file
TRIED = 24  # completions that a trial shows


def draw_editor(project: Project, name: str, columns: Sequence[str], code: gr.Code) -> None:
    """Draw what stands below the code, inside `gr.render`; `name` is the label under which versions are saved."""
    chips = "".join(f'<span class="sb-chip">{escape(column)}</span>' for column in columns)
    gr.HTML(
        f'<p class="sb-note">{escape(t("code.columns"))} {chips or "-"}</p><p class="sb-note">{escape(notice())}</p>'
    )
    with gr.Row():
        for template in templates(columns):
            gr.Button(t("code.template", title=template.title), size="sm").click(
                lambda kept, text=template.code: kept or text, code, code, js=KEEP_TYPED, api_visibility="private"
            )
        upload = gr.UploadButton(t("code.upload"), file_types=[".py"], size="sm")
    upload.upload(told(uploaded), upload, code, api_visibility="private")
    saved = versions(project.rewards_path, name)
    if not saved:
        return
    choices = [(version_label(version), version.number) for version in saved]
    with gr.Row(equal_height=True):
        words: dict[str, Any] = {"min_width": 160, "interactive": True}
        before = saved[min(1, len(saved) - 1)].number
        one = gr.Dropdown(choices, value=saved[0].number, label=t("code.version"), elem_id="version", **words)
        other = gr.Dropdown(choices, value=before, label=t("code.against"), elem_id="against", **words)
        restore = gr.Button(t("code.restore"), size="sm", elem_id="restore-version")
    changes = gr.HTML(diff_html(project, name, before, saved[0].number), elem_id="diff")
    gr.on(
        [one.input, other.input],
        told(lambda new, old: diff_html(project, name, old, new)),
        inputs_kwargs={"new": one, "old": other},
        outputs=changes,
        api_visibility="private",
    )
    restore.click(
        told(lambda number: read_version(project.rewards_path, name, number)), one, code, api_visibility="private"
    )


def notice() -> str:
    """Where the code runs and how well it is kept in there."""
    return t("code.notice", level=level())


def version_label(version: Version) -> str:
    """A version's number and when it was saved, in the server's time."""
    return f"{version.number:04} · {version.time.astimezone():%Y-%m-%d %H:%M}"


def uploaded(path: str) -> str:
    """The text of an uploaded file."""
    data = Path(path).read_bytes()
    if len(data) > MOST_CODE:
        raise UserError(Problem(Path(path).name, f"it has {len(data):,} bytes.", f"At most {MOST_CODE:,} are taken."))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(Problem(Path(path).name, f"not UTF-8 at byte {error.start}.", "Save it as UTF-8.")) from None


def diff_html(project: Project, name: str, old: int, new: int) -> str:
    """What changed between two versions, added and removed lines marked by sign and colour."""
    lines = diff(project.rewards_path, name, old, new).splitlines()
    if not lines:
        return f'<p class="sb-note">{escape(t("code.same"))}</p>'
    kinds = {"+": "sb-good", "-": "sb-bad"}
    marked = "\n".join(f'<span class="{kinds.get(line[:1], "")}">{escape(line)}</span>' for line in lines)
    return f'<pre class="sb-text sb-code">{marked}</pre>'


def try_on_samples(groups: Sequence[Group], settings: dict[str, Any]) -> str:
    """A trial of the code on completions of these groups, as HTML."""
    rows = [group.fields for group in groups for _ in group.completions][:TRIED]
    texts = [text for group in groups for text in group.completions][:TRIED]
    given = {name: value for name, value in settings.items() if name not in ("code", "function")}
    return trial_html(try_code(settings.get("code", ""), settings.get("function", ""), rows, texts, given), texts)


def trial_html(trial: Trial, texts: Sequence[str]) -> str:
    """What the function said of each completion, where it failed, and what it printed."""
    parts = [_failed(trial.failed)] if trial.failed else []
    if trial.missing:
        names = ", ".join(f"{name} ({count})" for name, count in trial.missing.items())
        parts.append(f'<p class="sb-bad">{escape(t("code.missing", columns=names))}</p>')
    if trial.scores and not trial.failed:
        parts.append(_scores(trial, texts))
    if trial.printed:
        title = escape(t("code.printed"))
        parts.append(
            f'<details open><summary>{title}</summary><pre class="sb-text">{escape(trial.printed)}</pre></details>'
        )
    if trial.contract:
        took = figure(trial.seconds, " s")
        parts.append(f'<p class="sb-note">{escape(t(f"contract.{trial.contract}"))} · {took}</p>')
    return "".join(parts)


def _scores(trial: Trial, texts: Sequence[str]) -> str:
    lines = []
    for i, score in enumerate(trial.scores):
        fault = trial.faults.get(i)
        cell = fault_html(fault) if fault else figure(score)
        lines.append(f'<tr><td class="number">{cell}</td><td><pre class="sb-text">{escape(texts[i])}</pre></td></tr>')
    head = f"<tr><th>{escape(t('column.score'))}</th><th>{escape(t('column.completion'))}</th></tr>"
    return f'<div class="sb-scroll"><table class="sb-table">{head}{"".join(lines)}</table></div>'


def _failed(fault: Fault) -> str:
    return f'<div class="sb-fault">{fault_html(fault)}</div>'


def fault_html(fault: Fault) -> str:
    """A fault in words, and its line among the lines around it."""
    if fault.spot is None:
        return f'<span class="sb-bad">{escape(fault.what)}</span>'
    lines = "\n".join(
        f'<span class="{"sb-bad" if number == fault.spot.line else ""}">{number:>4}  {escape(text)}</span>'
        for number, text in fault.spot.around
    )
    where = escape(t("code.line", line=fault.spot.line))
    return (
        f'<span class="sb-bad">{escape(fault.what)} ({where})</span>'
        f'<details><summary>{where}</summary><pre class="sb-text sb-code">{lines}</pre></details>'
    )
