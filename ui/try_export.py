"""The tab that takes a run along: files to download, the Hub, the model card, and runs that come from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from core.exports import (
    KINDS,
    Kind,
    export_adapter,
    export_gguf,
    export_merged,
    export_path,
    gguf_converter,
    is_current,
    no_converter,
)
from core.hub import push_adapter
from core.jobs import Job, about_run
from core.model_card import model_card
from core.progress import percent
from core.run_adapters import RunAdapter, find_adapter
from core.run_files import export_run, import_run
from core.services import SERVICES
from ui.frame import QUIET
from ui.html import button, said
from ui.messages import problem_list, told
from ui.texts import t
from ui.try_state import Known, run_of

MAKERS: dict[Kind, Callable[..., Path]] = {
    "adapter": export_adapter,
    "merged": export_merged,
    "gguf": export_gguf,
    "run": lambda adapter, *told: export_run(adapter.run, *told),
}


class Hub:
    """The form that pushes."""

    def __init__(self) -> None:
        with gr.Row():
            self.repository = gr.Textbox(
                label=t("export.repository"), info=t("export.repository_help"), elem_id="hub-repository", min_width=200
            )
            self.token = gr.Textbox(
                label=t("export.token"),
                info=t("export.token_help"),
                type="password",
                elem_id="hub-token",
                min_width=200,
            )
        with gr.Row(elem_classes="sb-form-row"):
            self.private = gr.Checkbox(True, label=t("export.private"), elem_id="hub-private", min_width=160)
            self.push = gr.Button(t("export.push"), elem_id="hub-push", min_width=160)

    def connect(self, run: gr.Textbox, adapter: gr.Textbox, refresh: dict[str, Any]) -> None:
        """Let the form push; the token leaves the page with the click."""
        given = {"run": run, "adapter": adapter, "repository": self.repository, "private": self.private}
        given |= {"token": self.token}
        self.push.click(told(push), None, self.token, inputs_kwargs=given, **QUIET).then(**refresh)


def push(run: str, adapter: str, repository: str | None, private: bool, token: str | None) -> str:
    """Push in the background; returns what the token's box holds afterwards: nothing."""
    one = find_adapter(run_of(run), adapter)

    def work(job: Job) -> str:
        return push_adapter(one, repository or "", token or "", private, job.cancelled)

    SERVICES.jobs.start(f"push {about_run(one.run.id)}", work)
    return ""


def act(run: str, adapter: str, event: gr.EventData) -> None:
    """Make a file, or give up making it."""
    one = find_adapter(run_of(run), adapter)
    match said(event):
        case {"act": "make", "file": str(kind)} if kind in KINDS:
            maker = MAKERS[kind]
            SERVICES.jobs.start(_name(one, kind), lambda job: maker(one, job.progress, job.cancelled))
        case {"act": "cancel", "file": str(kind)} if kind in KINDS:
            SERVICES.jobs.cancel(_name(one, kind))


def bring(file: str | None) -> tuple[Any, str]:
    """A run from elsewhere; which is then looked at."""
    if not file:
        return None, gr.skip()
    run = import_run(Path(file))
    gr.Info(escape(t("export.imported", run=run.id)))
    return None, run.id


def _name(adapter: RunAdapter, kind: Kind) -> str:
    """By the file that it makes: of the whole run there is one, whichever adapter is looked at."""
    return f"export {export_path(adapter, kind).name} {about_run(adapter.run.id)}"


def _job(adapter: RunAdapter, kind: Kind) -> Job | None:
    return SERVICES.jobs.get(_name(adapter, kind))


def making(now: Known) -> bool:
    """Whether a file is being made or pushed."""
    jobs = [_job(now.adapter, kind) for kind in KINDS] if now.adapter else []
    return any(job is not None and job.running for job in [*jobs, now.job("push")])


def files_token(now: Known) -> str:
    """Changes whenever `files_html` does."""
    if now.adapter is None:
        return now.id
    jobs = [_job(now.adapter, kind) for kind in KINDS]
    doing = [f"{job.token} {job.cancelled()}" if job else "" for job in jobs]
    files = [_stamp(export_path(now.adapter, kind)) for kind in KINDS]
    return f"{now.token} {doing} {files} {[is_current(now.adapter, kind) for kind in KINDS]}"


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def files_html(now: Known) -> str:
    """A line for each kind of file: what it is for, and its download once it is made."""
    if now.adapter is None:
        return ""
    names: dict[Kind, tuple[str, str]] = {
        "adapter": (t("export.adapter"), t("export.adapter_help")),
        "merged": (t("export.merged"), t("export.merged_help")),
        "gguf": (t("export.gguf"), t("export.gguf_help")),
        "run": (t("export.run"), t("export.run_help")),
    }
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}<span class="sb-note">{escape(what)}</span></th>'
        f"<td>{_state(now.adapter, kind)}</td></tr>"
        for kind, (name, what) in names.items()
    )
    head = f'<th scope="col">{escape(t("export.what"))}</th><th scope="col">{escape(t("export.state"))}</th>'
    return f'<table class="sb-table sb-exports"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>'


def _state(adapter: RunAdapter, kind: Kind) -> str:
    job, path = _job(adapter, kind), export_path(adapter, kind)
    if job is not None and job.running:
        known = f' value="{job.done}" max="{job.whole}"' if job.whole else ""
        words = t("export.packing", done=percent(job.done / job.whole)) if job.whole else t("export.making")
        words = t("try.stopping") if job.cancelled() else words
        stop = "" if job.cancelled() else button(t("try.cancel"), act="cancel", file=kind)
        return f'<div class="sb-progress"><progress{known}></progress><span>{escape(words)}</span>{stop}</div>'
    if kind == "gguf" and gguf_converter() is None:
        missing = no_converter()
        return f'<span class="sb-note">{escape(f"{missing.what} {missing.mend}")}</span>'
    failed = problem_list(job.problems) if job is not None else ""
    ended = f'<span class="sb-note">{escape(t("export.cancelled"))}</span>' if job and job.state == "cancelled" else ""
    if not path.exists():
        return f"{button(t('export.make'), act='make', file=kind)} {ended}{failed}"
    old = "" if is_current(adapter, kind) else f'<span class="sb-warn">{escape(t("export.old"))}</span> '
    again = button(t("export.again"), act="make", file=kind)
    return f'<div class="sb-actions start">{_link(path)} {old}{again}{ended}</div>{failed}'


def _link(path: Path) -> str:
    """A file that the browser saves; the address is relative, since the app may be served below another path."""
    address = escape(f"gradio_api/file={quote(str(path))}", quote=True)
    name = escape(path.name, quote=True)
    label = escape(f"{t('export.download')} ({size(path.stat().st_size)})")
    return f'<a class="sb-button primary" href="{address}" download="{name}">{label}</a>'


def size(count: int) -> str:
    """Bytes as people write them.

    >>> size(999), size(1_234_567), size(2_000_000_000)
    ('999 bytes', '1.2 MB', '2.0 GB')
    """
    for unit, many in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= many:
            return f"{count / many:.1f} {unit}"
    return f"{count} bytes"


def push_token(now: Known) -> str:
    """Changes whenever `push_html` does."""
    job = now.job("push")
    return f"{now.id} {job.token}" if job else now.id


def push_html(now: Known) -> str:
    """What came of the last push."""
    job = now.job("push")
    if job is None:
        return ""
    if job.running:
        return f'<div class="sb-progress"><progress></progress><span>{escape(t("export.pushing"))}</span></div>'
    if job.state == "finished":
        address = escape(str(job.result), quote=True)
        link = f'<a href="{address}" target="_blank" rel="noopener">{address}</a>'
        return f'<p class="sb-good">{escape(t("export.pushed"))} {link}</p>'
    return problem_list(job.problems)


def card_token(now: Known) -> str:
    """Changes whenever the card does."""
    files = sorted((now.run.path / "evaluations").glob("*.json")) if now.run else []
    return f"{now.token} {len(files)}"


def card_text(now: Known) -> str:
    """The model card as it would be written now."""
    return model_card(now.adapter) if now.adapter is not None and now.spec is not None else ""
