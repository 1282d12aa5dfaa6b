"""Files that are made at the moment they are asked for: a button that writes one, and the browser that saves it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.messages import told

SAVE = """(file) => {
    const link = document.createElement("a");
    link.href = file.url;
    link.download = file.orig_name;
    link.click();
}"""


def offer(button: gr.Button, write: Callable[..., str], inputs: Any) -> None:
    """Make a button save the file whose path `write` gives: `gr.DownloadButton` saves what it held before the click."""
    file = gr.File(visible=False)
    button.click(told(write), inputs, file, api_visibility="private").success(
        None, file, None, js=SAVE, api_visibility="private"
    )
