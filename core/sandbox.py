"""Runs a program that a model wrote, as a child process with limits, and reports how it ended.

In: source text, standard input, limits. Out: an `Outcome`; a program that crashes, loops, floods its output or eats
memory has an outcome like any other. Only a process that could not be started is an error (`SandboxError`), since
that says nothing about the program.

The child is a fresh `python -I -S -B` in a session of its own, with an empty environment, in a fresh empty folder
that is removed afterwards. It limits its own address space, CPU time, file size, open files and core files before the
first line of the program runs. Standard output and error are files, so the limit on file size bounds them and no pipe
can block. Between this process and the program stands a keeper, a fork that only waits: a program that kills its
parent has ended its own run, not ours. When the program ends, or its time is up, its whole session's process group is
killed.

What this does NOT cover. The program runs as the same user, with the same view of the machine: it can read and write
every file that this user can, use the network, see other processes and signal them, start processes (as root without
bound) and let one survive by giving it a session of its own, and fill the disk with many files. Its output is its own
word: whoever tells a verdict by it must make the verdict hard to guess, and a program that inspects its own interpreter
can still forge what that interpreter reports. Only the standard library can be imported. Linux only.
"""

from __future__ import annotations

import math
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

# Runs in the child before the program. It reads the program and removes its file before any limit can stop it, forks
# into keeper and program, announces on file descriptor `started` the process id of the program, whose first line comes
# next, and leaves nothing of its own behind. The keeper ends as the program ended: by the same exit code or signal. The
# program leads a session, so it cannot leave its process group; the keeper kills that before the number is free again.
BOOT = """
import os, resource, signal, sys
memory, cpu, output, files, alarm, started = map(int, sys.argv[1:])
with open("program.py", encoding="utf-8", newline="") as file:
    source = file.read()
os.unlink("program.py")
for limit, value in (
    (resource.RLIMIT_AS, memory), (resource.RLIMIT_CPU, cpu), (resource.RLIMIT_FSIZE, output),
    (resource.RLIMIT_NOFILE, files), (resource.RLIMIT_CORE, 0),
):
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))
os.environ.clear()  # Python itself sets LC_CTYPE where there is no locale
child = os.fork()
signal.alarm(alarm)  # ends an honest program even where its parent was killed and cannot
if child:
    os.close(started)
    end = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:  # it ended before it had a session
        pass
    if end.si_code == os.CLD_EXITED:
        os._exit(end.si_status)
    if end.si_status not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(end.si_status, signal.SIG_DFL)
    os.kill(os.getpid(), end.si_status)
os.write(started, b"%d" % os.getpid())
os.close(started)
os.setsid()
sys.argv[:] = ["program.py"]
program = [source]
for name in [name for name in globals() if not name.startswith("__") and name != "program"]:
    del globals()[name]
del name
exec(compile(globals().pop("program").pop(), "program.py", "exec"))
"""


class SandboxError(Exception):
    """The process could not be started: nothing is known about the program."""


@dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes:
        wall_s: seconds from the start of the process to its end.
        memory_mb: MiB of address space; an idle Python has about 20.
        output_bytes: bytes of standard output, of standard error and of every file it writes, each.
        open_files: open files at a time.
    """

    wall_s: float = 2.0
    memory_mb: int = 256
    output_bytes: int = 1 << 20
    open_files: int = 64


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        stdout: what it wrote, cut at the limit.
        stderr: the end of what it wrote there, such as a traceback.
        exit_code: its exit code, -N where signal N ended it; None where it was killed because its time was up.
    """

    stdout: str
    stderr: str
    exit_code: int | None

    @property
    def timed_out(self) -> bool:
        """Whether it was killed because its time was up."""
        return self.exit_code is None


STDERR_TAIL = 4096  # bytes


def run_python(source: str, stdin: str = "", limits: Limits = Limits()) -> Outcome:
    """Run a Python program to its end or to its limits.

    Raises:
        SandboxError: the process could not be started, or its limits leave no room to.
    """
    if not hasattr(os, "pidfd_open"):
        raise SandboxError(f"programs can be run on Linux only, this is {sys.platform}")
    try:
        folder = tempfile.mkdtemp(prefix="signalbox-")
    except OSError as error:
        raise SandboxError(f"no temporary folder for the program: {error}") from error
    try:
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            return _run(source, stdin, limits, folder, (given, out, err))
    except OSError as error:
        raise SandboxError(f"the program could not be started: {error}") from error
    finally:
        _remove(folder)


def _run(
    source: str, stdin: str, limits: Limits, folder: str, files: tuple[IO[bytes], IO[bytes], IO[bytes]]
) -> Outcome:
    given, out, err = files
    given.write(stdin.encode("utf-8", "replace"))
    given.seek(0)
    with open(os.path.join(folder, "program.py"), "wb") as file:
        file.write(source.encode("utf-8", "replace"))
    started, announce = os.pipe()
    try:
        try:
            process = subprocess.Popen(
                _command(limits, announce),
                stdin=given,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={},
                start_new_session=True,
                pass_fds=(announce,),
            )
        finally:
            os.close(announce)
        os.set_blocking(started, False)
        in_time, begun = _wait(process, limits.wall_s, started)
    finally:
        os.close(started)
    tail = _tail(err)
    if not begun:
        reason = tail.strip().rpartition("\n")[2] if in_time else f"not even started after {limits.wall_s:g} s"
        raise SandboxError(f"the program could not be started within {limits}: {reason or 'no reason given'}")
    out.seek(0)
    text = out.read(limits.output_bytes).decode("utf-8", "replace")
    return Outcome(text, tail, process.returncode if in_time else None)


def _command(limits: Limits, announce: int) -> list[str]:
    seconds = math.ceil(limits.wall_s) + 1
    numbers = (limits.memory_mb << 20, seconds, limits.output_bytes, limits.open_files, seconds, announce)
    return [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", BOOT, *map(str, numbers)]


def _wait(keeper: subprocess.Popen[bytes], seconds: float, started: int) -> tuple[bool, bool]:
    """Wait for the end of a run, then kill what is left; returns whether it ended by itself, and whether it began.

    The keeper's group goes first: a program that has announced itself, but leads no session yet, is still in it.
    """
    program: int | None = None
    pidfd = os.pidfd_open(keeper.pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        in_time = bool(poll.poll(seconds * 1000))
        program = _announced(started)
        return in_time, program is not None
    finally:
        os.close(pidfd)
        for group in [keeper.pid] if program is None else [keeper.pid, program]:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        keeper.wait()


def _announced(started: int) -> int | None:
    """The process id that the program announced, if it began."""
    try:
        return int(os.read(started, 20) or b"0") or None
    except BlockingIOError:
        return None


def _tail(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - STDERR_TAIL))
    return file.read().decode("utf-8", "replace")


def _remove(folder: str) -> None:
    """Remove a folder that a hostile program may have made too deep for shutil, or taken all permissions from."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwx", folder], ["rm", "-rf", folder]):
            subprocess.run(command, check=False, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
