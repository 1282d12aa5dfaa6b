"""What figures of all pages share."""

from __future__ import annotations

NEUTRAL = "#808080"


def shortened(name: str, most: int = 28) -> str:
    """A name that fits over a small plot; markup in it is shown, not obeyed."""
    text = name if len(name) <= most else name[: most - 1] + "…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
