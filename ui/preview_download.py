"""The scored samples as a file to take away, and the command that makes the same."""

from __future__ import annotations

import shlex
from html import escape

from core.errors import Problem, UserError
from core.projects import Project
from core.scored_table import FORMATS, write_table
from core.services import SERVICES
from ui.downloads import new_folder
from ui.html import button, copy_button
from ui.preview_state import Known
from ui.texts import t


def download_html(now: Known) -> str:
    """A button for each format, and the command."""
    buttons = "".join(
        button(t("preview.download", format=ending.removeprefix(".").upper()), act="download", ending=ending)
        for ending in FORMATS
    )
    kept = f'<p class="sb-warn">{escape(t("preview.download_kept"))}</p>' if now.trial else ""
    return (
        f'<div class="sb-actions start">{buttons}</div>{kept}<p class="sb-note">{escape(t("preview.command_help"))}</p>'
        f'<div class="sb-command"><pre class="sb-text">{escape(command(now.project))}</pre>{copy_button()}</div>'
    )


def command(project: Project) -> str:
    """The command that scores the same samples by the same rewards."""
    words = ["python", "app.py", "score", str(project.samples_path), "--plan", str(project.draft_path)]
    return f"{shlex.join(words)} --out scored.jsonl"


def write_download(project: Project, ending: str) -> str:
    """Write the samples, scored under the kept weights, to a file of its own; its path."""
    scored = SERVICES.scored(project)
    if scored.preview is None or not scored.fresh:
        raise UserError(Problem(t("preview.take_away"), t("preview.not_scored"), t("preview.wait")))
    path = new_folder() / f"{project.name}-scored{ending}"
    write_table(path, scored.preview, project.draft().normalisation)
    return str(path)
