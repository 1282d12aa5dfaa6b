"""A fork server: `python -P -s -S server.py SOCKET SETTINGS` runs untrusted code in confined children, a job at a time.

A job comes as a message on the socket, with its files as descriptors beside it; the answer says how its process ended.
The server is small (no torch, no user's environment), so that a fork takes a millisecond and no secret is in its
memory. It ends when its socket does, and its children with it. Standard library only.
"""

from __future__ import annotations

import atexit
import builtins
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import confine
import function
import solution
import tester

# What programs may import: no file can be opened later.
MODULES = """
abc argparse array ast asyncio base64 binascii bisect builtins calendar cmath codecs collections colorsys
concurrent.futures contextlib contextvars copy csv ctypes dataclasses datetime decimal difflib dis doctest enum errno
fnmatch fractions functools gc getpass glob graphlib gzip hashlib heapq hmac html html.parser inspect io ipaddress
itertools json keyword linecache locale logging math mmap multiprocessing numbers operator optparse os pathlib pickle
platform pprint queue random re reprlib resource sched secrets select shlex shutil signal socket sqlite3 statistics
string stringprep struct subprocess symtable sys tempfile textwrap threading time timeit token tokenize traceback
types typing unicodedata unittest unittest.mock urllib.parse uuid warnings weakref xml.etree.ElementTree zlib zoneinfo
_strptime encodings.ascii encodings.cp1252 encodings.hex_codec encodings.idna encodings.latin_1 encodings.rot_13
encodings.unicode_escape encodings.raw_unicode_escape encodings.utf_16 encodings.utf_16_le encodings.utf_16_be
encodings.utf_32 encodings.utf_8_sig encodings.base64_codec encodings.punycode concurrent.futures.thread
multiprocessing.pool asyncio.selector_events fileinput tomllib tracemalloc zipfile encodings.utf_32_le
encodings.utf_32_be encodings.cp437 encodings.cp1251 encodings.gbk encodings.gb18030 encodings.big5
encodings.shift_jis encodings.euc_jp encodings.euc_kr encodings.iso8859_1 encodings.iso8859_15 encodings.koi8_r
"""

THREAD_STACK = 1 << 20  # bytes
READY = b"!"  # what a child says once it is confined


class CallerGone(Exception):
    """Nobody waits for the answer any more."""


class Server:
    """Takes jobs until its socket ends.

    Args:
        control: where jobs come from and answers go to.
        child_filter: seccomp's filter for children; empty where there is none.
        others: threads that the user may run beside ours: a limit on threads counts them, too.
        family: a file that lists the processes whose parent this one is; None where the kernel has none.
    """

    def __init__(self, control: socket.socket, child_filter: bytes, others: int, family: int | None) -> None:
        self._control = control
        self._child_filter = child_filter
        self._others = others
        self._family = family
        # Children that end are heard of through a pipe, so that one `select` waits for them and for the socket.
        self._ended, wake = os.pipe()
        os.set_blocking(self._ended, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Answer jobs, one after another."""
        while True:
            message, descriptors, _, _ = socket.recv_fds(self._control, 1 << 16, 8)
            if not message:
                return
            job = json.loads(message)
            try:
                answer = self._run(job, dict(zip(job["files"], descriptors, strict=True)))
            except OSError as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            for descriptor in descriptors:
                os.close(descriptor)
            self._control.sendall(json.dumps(answer).encode())

    def _run(self, job: dict[str, Any], files: dict[str, int]) -> dict[str, Any]:
        deadline = time.monotonic() + job["wall_s"]
        ready, announce = os.pipe()
        children: list[int] = []
        standard = (files["stdin"], files["stdout"], files["stderr"])
        try:
            try:
                if job["kind"] == "program":
                    keep = [files["program"]]
                    children.append(self._fork(job, announce, standard, keep, lambda: run(*keep)))
                elif job["kind"] == "function":
                    keep = [files["program"], files["request"], files["result"]]
                    children.append(self._fork(job, announce, standard, keep, lambda: call(*keep)))
                else:
                    self._start_test(job, files, announce, standard, children)
            finally:
                os.close(announce)
                confine.roam()
            code = self._wait(children[-1], deadline)
            os.set_blocking(ready, False)
            said = b"".join(iter(lambda: _read_some(ready), b""))
        finally:
            os.close(ready)
            self._end(children)
        if said != READY * len(children):
            reason = said.replace(READY, b"").decode("utf-8", "replace")
            return {"error": reason or "it was not even started in its time"}
        return {"exit_code": code}

    def _start_test(
        self,
        job: dict[str, Any],
        files: dict[str, int],
        announce: int,
        standard: tuple[int, int, int],
        children: list[int],
    ) -> None:
        """The program and its tester, each with what the other must not see."""
        confine.stay_on_this_core()
        theirs, ours = socket.socketpair()
        with theirs, ours:  # while they are open here, a dead child is not noticed at the other end
            keep = [files["program"], theirs.fileno()]
            children.append(self._fork(job, announce, standard, keep, lambda: solve(files["program"], theirs.fileno())))
            keep = [files["tests"], files["verdicts"], ours.fileno()]
            scratch = (files["stdin"], files["scratch"], files["scratch"])
            tests, verdicts = files["tests"], files["verdicts"]
            children.append(self._fork(job, announce, scratch, keep, lambda: test(tests, ours.fileno(), verdicts)))

    def _fork(
        self,
        job: dict[str, Any],
        announce: int,
        standard: tuple[int, int, int],
        keep: list[int],
        action: Callable[[], None],
    ) -> int:
        """Start a confined child that keeps some open files and does something; its process id."""
        server = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for number, descriptor in enumerate(standard):
                os.dup2(descriptor, number)
            limits = {**job["limits"], "processes": job["limits"]["processes"] + self._others}
            confine.confine_child(server, limits, self._child_filter, sorted({announce, *keep}))
            os.write(announce, READY)
            os.close(announce)
        except BaseException as error:  # nothing untrusted may run in a child that is not confined
            os.write(announce, f"{type(error).__name__}: {error}".encode())
            os._exit(1)
        return leave(action)

    def _wait(self, pid: int, deadline: float) -> int | None:
        """The exit code of a child, -N for signal N; None where its time is up. Its number is its own till `_end`."""
        while True:
            end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if end:
                return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            heard, _, _ = select.select([self._ended, self._control.fileno()], [], [], left)
            if self._control.fileno() in heard:  # a caller says nothing while a job runs
                raise CallerGone
            _read_some(self._ended)

    def _end(self, children: list[int]) -> None:
        """Kill what is left of a job: its sessions, and what has left them where nothing forbade that."""
        for pid in children:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # one that had no session yet
            os.waitpid(pid, 0)
        while self._family is not None:
            orphans = os.pread(self._family, 1 << 16, 0).split()
            if not orphans:
                return
            for orphan in map(int, orphans):
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, 0)


def run(program: int) -> None:
    """A whole program, as `python program.py` would."""
    source = read(program)
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv[:] = ["program.py"]
    exec(compile(source, "program.py", "exec", dont_inherit=True), module.__dict__)


def call(program: int, request: int, result: int) -> None:
    """A reward function."""
    function.main(read(program), json.loads(read(request)), result)


def solve(program: int, descriptor: int) -> None:
    """A program under test."""
    solution.main(read(program), descriptor)


def test(tests: int, descriptor: int, verdicts: int) -> None:
    """The tester of a program."""
    tester.main(**json.loads(read(tests)), descriptor=descriptor, verdicts=verdicts)


def read(descriptor: int) -> str:
    """The whole text of a file, which is closed."""
    with open(descriptor, encoding="utf-8", errors="surrogatepass", newline="") as file:
        file.seek(0)
        return file.read()


def leave(action: Callable[[], None]) -> NoReturn:
    """Do something and end this process as Python would, but without taking the interpreter apart."""
    code = 0
    try:
        action()
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if code and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # such as at the limit of its size
            code = code or 1
    os._exit(code & 0xFF)


def _read_some(descriptor: int) -> bytes:
    """What a pipe holds right now."""
    try:
        return os.read(descriptor, 4096)
    except BlockingIOError:
        return b""


def _amend() -> None:
    """What programs expect of a Python that was started otherwise, or that may look at files."""
    for name in ("exit", "quit"):  # of the module site
        setattr(builtins, name, sys.exit)
    os.fstat = _fstat  # glibc's looks at files by their path, too, which no child may
    limit = resource.setrlimit
    # Programs ask for a larger stack, which is as large as it may be already.
    resource.setrlimit = lambda number, limits: None if number == resource.RLIMIT_STACK else limit(number, limits)
    sys.orig_argv[:], sys.executable = [], ""
    threading.stack_size(THREAD_STACK)  # address space counts: with the usual 8 MiB a program has room for few threads


def _fstat(fd: int) -> os.stat_result:
    """The size of an open file."""
    place = os.lseek(fd, 0, os.SEEK_CUR)
    size = os.lseek(fd, 0, os.SEEK_END)
    os.lseek(fd, place, os.SEEK_SET)
    return os.stat_result((0o100600, 0, 0, 1, 0, 0, size, 0, 0, 0))


def _family() -> int | None:
    with suppress(OSError):
        return os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY)
    return None


def main(descriptor: str, settings: str) -> None:
    """Load what programs may import, give up every right that is not needed, and serve."""
    known = json.loads(settings)
    for name in MODULES.split():
        with suppress(ImportError):
            importlib.import_module(name)
    _amend()
    sys.path.clear()
    os.chdir("/")
    os.environ.clear()  # Python itself sets LC_CTYPE where there is no locale
    control = socket.socket(fileno=int(descriptor))
    server = Server(control, bytes.fromhex(known["child_filter"]), known["others"], _family())
    layers = confine.confine_server(bytes.fromhex(known["filter"]), landlock=known["landlock"])
    control.sendall(json.dumps(layers).encode())
    gc.collect()
    gc.freeze()  # what is here already is never looked through in a child, which would copy its pages
    with suppress(CallerGone):
        server.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
