"""What a run's worker printed, and the settings it was started with: no page's form changes these."""

from __future__ import annotations

from core.runs import RunFolder

LOG_LINES = 60
LOG_BYTES = 64_000  # more than these lines ever hold, less than a long run's log


def log_tail(run: RunFolder) -> str:
    """The last lines of the worker's log, without rewritten progress bars."""
    try:
        with run.log_path.open("rb") as file:
            file.seek(max(0, run.log_path.stat().st_size - LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(line.rpartition("\r")[2] for line in text.rstrip("\n").split("\n")[-LOG_LINES:])


def log_token(run: RunFolder) -> str:
    """Changes when something was printed."""
    return f"{run.id} {run.log_path.stat().st_size if run.log_path.exists() else -1}"


def settings(run: RunFolder) -> str:
    """The run's own spec, as it was written."""
    return run.spec_path.read_text(encoding="utf-8", errors="replace")
