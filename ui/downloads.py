"""Files that are made at the moment they are asked for: something that is clicked and writes one, and the browser that
saves it. They lie in a folder of the app's own, which ends with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

from ui.messages import told

SAVE = """(file) => {
    if (!file) return;
    const link = document.createElement("a");
    link.href = file.url;
    link.download = file.orig_name;
    link.click();
}"""


def offer(clicked: gr.Button | gr.HTML, write: Callable[..., str | None], inputs: Any) -> None:
    """Let a click save the file whose path `write` gives: `gr.DownloadButton` saves what it held before the click."""
    file = gr.File(visible=False)
    clicked.click(told(write), inputs, file, api_visibility="private").success(
        None, file, None, js=SAVE, api_visibility="private"
    )


def new_folder() -> Path:
    """An empty folder for one file, which may then have any name."""
    return Path(tempfile.mkdtemp(dir=_folder().name))


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """The folder of all of them; it removes itself when the app ends."""
    return tempfile.TemporaryDirectory(prefix="signalbox-")
