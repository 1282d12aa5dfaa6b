"""The app: its pages in their frame, connected, and served."""

from __future__ import annotations

import os
import socket
import threading

import gradio as gr

from core.errors import Problem, UserError
from core.queue import start_next_in_background
from core.runs import runs_root
from core.sandbox import level
from ui import data_page, frame, monitor_page, preview_page, rewards_page, train_page, try_page
from ui.plots import FOLLOW_PLOTS
from ui.texts import t
from ui.theme import STYLESHEET, theme

BUILDERS = {
    "data": data_page.build,
    "rewards": rewards_page.build,
    "preview": preview_page.build,
    "train": train_page.build,
    "monitor": monitor_page.build,
    "try": try_page.build,
}


def build_app() -> gr.Blocks:
    """The whole page."""
    with gr.Blocks(title=t("app.title"), analytics_enabled=False) as app:
        framed = frame.build(BUILDERS, app)
        views = framed.views
        started, watched = views["train"].links["started"], views["monitor"].links
        started.change(None, started, watched["run"], js="(started) => started", api_visibility="private")
        framed.strip.click(monitor_page.chosen_run, None, watched["run"], api_visibility="private")
        app.load(None, None, [watched["tab"], watched["tabs"]], js=monitor_page.TAB_IN_URL, api_visibility="private")
        for event in app.fns.values():
            if event.show_progress == "hidden":
                event.show_progress_on = [framed.unseen]
    return app


def serve(host: str, port: int) -> int:
    """Serve until Ctrl-C; runs go on without the app."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    if in_use(host, port):
        raise UserError(Problem(f"{host}:{port}", "something else listens there already.", "Name another with --port."))
    threading.Thread(target=_tell_level, daemon=True).start()  # the page does not wait for what it tries
    start_next_in_background()  # after a restart of the machine nobody else may be there to do it
    build_app().launch(
        server_name=host,
        server_port=port,
        theme=theme(),
        css_paths=[STYLESHEET],
        js=FOLLOW_PLOTS,
        allowed_paths=[str(runs_root() / "exports")],  # what the page Try & export links to
        footer_links=[],
        run_history=False,  # it keeps prompts and completions in the browser
        ssr_mode=False,
        show_error=True,
    )
    return 0


def _tell_level() -> None:
    print(level(), flush=True)


def in_use(host: str, port: int) -> bool:
    """Whether a server listens there; gradio would say so with a traceback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
