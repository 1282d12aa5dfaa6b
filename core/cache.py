"""Where things that can be made again are kept: converted models, Arrow files of datasets."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """`$SIGNALBOX_CACHE`, else `$XDG_CACHE_HOME/signalbox`, else `~/.cache/signalbox`; made when missing."""
    named = os.environ.get("SIGNALBOX_CACHE")
    parent = os.environ.get("XDG_CACHE_HOME")
    folder = Path(named) if named else Path(parent or "~/.cache").expanduser() / "signalbox"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
