"""Which process it is: told apart from every other by what no clock can change, and never by its command line.

A pid alone is used again, and a start time in seconds since the epoch moves whenever the wall clock is stepped, since
the kernel counts from boot. So on Linux a process is known by its pid, the kernel's own start ticks and the boot that
they count from; elsewhere by its pid and start time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
BOOT_ID = PROC / "sys/kernel/random/boot_id"
START_TIME_TOLERANCE = 2.0  # seconds; how exactly systems other than Linux give a start time


@dataclass(frozen=True)
class Identity:
    """One process, as good for all time.

    Attributes:
        pid: its process id.
        started: its start time, seconds since the epoch, by the clock as it was.
        ticks: when it started, in the kernel's ticks since boot; None where the system does not say.
        boot: the boot that they count from; None where the system does not say.
    """

    pid: int
    started: float
    ticks: int | None = None
    boot: str | None = None


def identify(pid: int) -> Identity:
    """The process that has this pid now; `psutil.NoSuchProcess` where none has."""
    started = psutil.Process(pid).create_time()
    found = _stat(pid)
    return Identity(pid, started, found[1], _boot()) if found else Identity(pid, started)


def alive(identity: Identity) -> bool:
    """Whether this very process still runs; one that has ended and was not waited for does not."""
    if identity.ticks is not None and (boot := _boot()) is not None:
        found = _stat(identity.pid)
        return boot == identity.boot and found is not None and found[0] not in "ZX" and found[1] == identity.ticks
    try:
        process = psutil.Process(identity.pid)
        same = abs(process.create_time() - identity.started) < START_TIME_TOLERANCE
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _stat(pid: int) -> tuple[str, int] | None:
    """State and start ticks of a process (proc_pid_stat(5): fields 3 and 22); None where there is none."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError, NotADirectoryError):
        return None
    fields = text.rpartition(")")[2].split()  # a name may hold spaces and brackets
    return fields[0], int(fields[19])


def _boot() -> str | None:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return None
