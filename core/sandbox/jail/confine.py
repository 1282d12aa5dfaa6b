"""What a process may do is taken from it here, layer by layer; standard library only.

The fork server calls `confine_server` once; every child inherits what that did and calls `confine_child` before the
first untrusted line. A layer that cannot be set up in a child ends the child, never the other way round.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from contextlib import suppress

LINUX = sys.platform == "linux"
# The handle is taken before confinement: looking for a library spawns processes and opens files.
LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 22, 36, 38
SECCOMP_MODE_FILTER = 2
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446  # the same number on every architecture
LANDLOCK_VERSION = 1
# Rights that each version of Landlock knows: of files, of TCP, and whether signals and abstract sockets are scoped.
LANDLOCK_FILES = {1: 13, 2: 14, 3: 15, 5: 16}
LANDLOCK_TCP, LANDLOCK_SCOPED = 4, 6

# User ids of nobody: the first that may be taken. In a container there may be 65536 of them only.
STRANGERS = (1_879_000_000, 61_000)
NOBODY = 65_534
STACK = 64 << 20  # bytes of the first thread's
M_ARENA_MAX = -8  # mallopt(3)
CORES = os.sched_getaffinity(0) if LINUX else set()


def become_nobody() -> bool:
    """Give up root, which no limit on processes binds; whether this process is not root now."""
    if os.getuid() != 0:
        return True
    for user in [*(first + os.getpid() % 4096 for first in STRANGERS), NOBODY]:
        with suppress(OSError, ValueError):
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            return True
    return False


def _prctl(option: int, *arguments: int | ctypes.Array[ctypes.c_char] | ctypes._CData) -> None:
    if LIBC.prctl(option, *arguments, *[0] * (4 - len(arguments))) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def confine_server(filter_program: bytes, landlock: bool) -> dict[str, bool]:
    """Confine this process and all its children to come.

    Args:
        filter_program: seccomp's, as compiled for this machine; empty where there is none.
        landlock: whether to use Landlock where the kernel has it.

    Returns:
        Which layers hold: "user" (not root), "landlock", "seccomp".
    """
    layers = {"user": become_nobody(), "landlock": False, "seccomp": False}
    if not LINUX:
        return layers
    LIBC.mallopt(M_ARENA_MAX, 1)  # each further arena would take 64 MiB of a program's address space
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    layers["landlock"] = landlock and _landlock()
    if filter_program:
        with suppress(OSError):
            load_filter(filter_program)
            layers["seccomp"] = True
    return layers


def _landlock() -> bool:
    """A Landlock domain without a single rule; whether a directory cannot be read any more."""
    version = LIBC.syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION)
    if version < 1:
        return False
    files = (1 << max(bits for known, bits in LANDLOCK_FILES.items() if known <= version)) - 1
    rights = struct.pack("=QQQ", files, 3 if version >= LANDLOCK_TCP else 0, 3 if version >= LANDLOCK_SCOPED else 0)
    size = 24 if version >= LANDLOCK_SCOPED else 16 if version >= LANDLOCK_TCP else 8
    rules = LIBC.syscall(LANDLOCK_CREATE_RULESET, rights, ctypes.c_size_t(size), 0)
    if rules < 0:
        return False
    restricted: bool = LIBC.syscall(LANDLOCK_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    try:
        os.listdir("/")
    except OSError:
        return restricted
    return False


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def stay_on_this_core() -> None:
    """Keep this process, and children forked now, on the core where it is: two that ask and answer each other in turn
    wait three times as long for each other across cores."""
    if LINUX:
        with suppress(OSError):
            os.sched_setaffinity(0, {LIBC.sched_getcpu()})


def roam() -> None:
    """Let this process run on every core again that it may use; children stay where they are."""
    if LINUX:
        with suppress(OSError):
            os.sched_setaffinity(0, CORES)


def load_filter(program: bytes) -> None:
    """Install a seccomp filter for this process; OSError where the kernel refuses it."""
    header = _Program(len(program) // 8, program)
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(header))  # type: ignore[arg-type]


def confine_child(parent: int, limits: dict[str, int], filter_program: bytes, keep: list[int]) -> None:
    """Take from this child what it does not need, but for open files `keep`; OSError where a layer cannot be set up.

    Args:
        parent: the server's process id.
        limits: `memory`, `output` in bytes, `cpu` in seconds, `files` open at a time.
        filter_program: the second seccomp filter, on top of the server's; empty where there is none.
        keep: file descriptors that stay open, in ascending order.
    """
    os.setsid()
    if LINUX:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise OSError("the server has ended")
    for first, last in zip([2, *keep], [*keep, 1 << 16], strict=True):
        os.closerange(first + 1, last)
    values = {
        "RLIMIT_AS": limits["memory"],
        "RLIMIT_CPU": limits["cpu"],
        "RLIMIT_FSIZE": limits["output"],
        "RLIMIT_NOFILE": limits["files"],
        "RLIMIT_NPROC": limits["processes"],
        "RLIMIT_STACK": STACK,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_SIGPENDING": 256,  # also of timers
    }
    for name, value in values.items():
        number = getattr(resource, name, None)
        if number is not None:
            hard = resource.getrlimit(number)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (value, value))
    if filter_program:
        load_filter(filter_program)
