"""The sandbox: programs run as they would elsewhere, limits hold, and the sandbox itself survives what goes wrong."""

import os
import signal
import sys
import threading
import time

import psutil
import pytest

from core.sandbox import Limits, Pool, SandboxError, Wanted, level, run_python
from core.sandbox import client as sandbox_client
from core.sandbox.client import WEAK


def test_a_program_reads_its_input_and_writes_its_output():
    outcome = run_python("import sys\nprint(input()[::-1])\nprint('oops', file=sys.stderr)\nsys.exit(3)", "äbc\n")
    assert (outcome.stdout, outcome.stderr, outcome.exit_code, outcome.timed_out) == ("cbä\n", "oops\n", 3, False)


def test_the_program_is_main_and_finds_nothing_but_itself():
    outcome = run_python("import sys\nprint(__name__, sys.argv, sorted(n for n in globals() if n[0] != '_'))")
    assert outcome.stdout == "__main__ ['program.py'] ['sys']\n"


@pytest.mark.parametrize(
    "program", ["while True: pass", "import time\ntime.sleep(60)", "import os\nos.read(0, 1); os.pause"]
)
def test_a_program_ends_at_the_latest_when_its_time_is_up(program):
    start = time.perf_counter()
    outcome = run_python(program, limits=Limits(wall_s=0.5))
    assert time.perf_counter() - start < 5
    assert outcome.timed_out == ("os.pause" not in program)


def test_time_that_is_spent_computing_is_limited_by_the_kernel_too():
    outcome = run_python("import resource\nprint(resource.getrlimit(resource.RLIMIT_CPU))", limits=Limits(wall_s=2))
    assert outcome.stdout == "(3, 3)\n"


def test_memory_is_limited():
    outcome = run_python("x = bytearray(10**9)", limits=Limits(memory_mb=128))
    assert outcome.exit_code == 1
    assert outcome.stderr.endswith("MemoryError\n")


@pytest.mark.parametrize("descriptor", [1, 2])
def test_output_is_limited(descriptor):
    flood = f"import os\nwhile True: os.write({descriptor}, b'x' * 65536)"
    outcome = run_python(flood, limits=Limits(output_bytes=100_000))
    assert outcome.exit_code not in (0, None)
    assert len(outcome.stdout) == (100_000 if descriptor == 1 else 0)
    assert len(outcome.stderr) <= 4096


@pytest.mark.parametrize("program", ["\0", "(" * 100_000, "\ud800", "def"])
def test_a_program_that_cannot_be_compiled_has_failed(program):
    assert run_python(program).exit_code == 1


def test_a_signal_is_reported_as_a_negative_exit_code():
    assert run_python("import ctypes\nctypes.string_at(0)").exit_code == -signal.SIGSEGV


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys\nsys.exit('no')", "no\n"),
        ("raise SystemExit(7)", ""),
    ],
)
def test_a_program_ends_with_the_code_that_python_gives_it(program, said):
    outcome = run_python(program)
    assert (outcome.exit_code, outcome.stderr) == (7 if "7" in program else 1, said)


def test_what_a_program_left_to_its_end_is_done():
    program = (
        "import atexit, threading, time\natexit.register(print, 'last')\n"
        "threading.Thread(target=lambda: (time.sleep(0.05), print('thread'))).start()\nprint('first', end=' ')"
    )
    assert run_python(program).stdout == "first thread\nlast\n"


@pytest.mark.parametrize(
    "program",
    [
        "import asyncio\nasync def f():\n    await asyncio.sleep(0.01)\n    return 'ok'\nprint(asyncio.run(f()))",
        "import threading\nt = threading.Thread(target=print, args=('ok',))\nt.start()\nt.join()",
        "from concurrent.futures import ThreadPoolExecutor\nprint(ThreadPoolExecutor(2).submit(str, 'ok').result())",
        "import time\nassert time.strptime('2026-01-02', '%Y-%m-%d').tm_year == 2026\nprint('ok')",
        "import random\nrandom.seed(1)\nassert random.random() == 0.13436424411240122\nprint('ok')",
        "import decimal, fractions, statistics, re, json, heapq, bisect, typing, dataclasses, functools\nprint('ok')",
        "import sqlite3\nc = sqlite3.connect(':memory:')\nprint(c.execute(\"select 'ok'\").fetchone()[0])",
        "import io, contextlib\ns = io.StringIO()\nwith contextlib.redirect_stdout(s): print('ok')\nprint(s.getvalue(), end='')",
        "import sys\nsys.stdout.buffer.write(b'ok\\n')",
        "import os, io\nassert io.BytesIO(os.read(0, os.fstat(0).st_size)).read() == b''\nprint('ok')\nexit()",
        "import sys, resource, threading\nresource.setrlimit(resource.RLIMIT_STACK, (-1, -1))\nsys.setrecursionlimit(10**6)\n"
        "def f(n): return n and f(n - 1)\nprint('ok' if f(30000) == 0 else '')",
        "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor(16) as p:\n"
        "    print('ok' if sum(p.map(int, '1' * 50)) == 50 else '')",
        "def f(x: int): pass\nprint('ok' if f.__annotations__['x'] is int else '')",
        "print('ok' if len('1 ' * 2_000_000) else '')\nimport tomllib, zipfile, fileinput\n'ж'.encode('cp1251')",
        "import logging, unittest, doctest, argparse, hashlib\nprint(hashlib.md5(b'x').hexdigest() and 'ok')",
        "import signal\nsignal.signal(signal.SIGALRM, lambda *_: print('ok'))\nsignal.setitimer(signal.ITIMER_REAL, 0.01)\nsignal.pause()",
        "print(eval(compile('\"o\" + \"k\"', 'x', 'eval')))",
        "print('ö€𝄞'.encode('utf-16').decode('utf-16').replace('ö€𝄞', 'ok'))",
    ],
)
def test_honest_programs_can_do_what_they_need(program):
    outcome = run_python(program)
    assert (outcome.stdout, outcome.stderr, outcome.exit_code) == ("ok\n", "", 0)


def test_a_module_that_cannot_be_imported_is_named():
    assert run_python("import torch").stderr.endswith("ModuleNotFoundError: No module named 'torch'\n")


def test_nothing_is_carried_from_one_program_to_the_next(pool):
    first = run_python("import json, builtins\njson.mine = builtins.mine = 1\nprint(1)", pool=pool)
    second = run_python("import json, builtins\nprint(hasattr(json, 'mine'), hasattr(builtins, 'mine'))", pool=pool)
    assert (first.stdout, second.stdout) == ("1\n", "False False\n")


def test_several_threads_run_programs_at_the_same_time():
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.__setitem__(n, run_python(f"print({n})").stdout)) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: f"{n}\n" for n in range(8)}


def test_a_program_that_cannot_be_confined_is_not_run(monkeypatch, pool):
    good = sandbox_client.filters()[0]
    monkeypatch.setattr(sandbox_client, "filters", lambda: (good, b"no filter at all"))
    with pytest.raises(SandboxError, match="could not be started: OSError"):
        run_python("print(1)", pool=pool)


def test_a_missing_interpreter_is_an_error(monkeypatch, pool):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxError, match="/nowhere/python"):
        run_python("print(1)", pool=pool)


def test_a_server_that_breaks_says_why(monkeypatch, tmp_path, pool):
    broken = tmp_path / "server.py"
    broken.write_text("raise RuntimeError('no such luck')")
    monkeypatch.setattr(sandbox_client, "SERVER", broken)
    with pytest.raises(SandboxError, match="no such luck"):
        run_python("print(1)", pool=pool)


def test_a_server_that_has_died_is_replaced(pool):
    run_python("print(1)", pool=pool)
    with pool.server() as server:
        os.kill(server._process.pid, signal.SIGKILL)
        server._process.wait()
    assert run_python("print(2)", pool=pool).stdout == "2\n"


def test_a_server_that_dies_during_a_program_costs_that_program_only(pool):
    with pool.server() as server:
        victim = server._process.pid
    killer = threading.Timer(0.2, os.kill, (victim, signal.SIGKILL))
    killer.start()
    with pytest.raises(SandboxError, match="did not answer"):
        run_python("while True: pass", limits=Limits(wall_s=20), pool=pool)
    assert run_python("print(2)", pool=pool).stdout == "2\n"


def test_a_caller_that_is_interrupted_never_gets_the_answer_of_another_program(pool):
    def interrupt(*_):
        raise KeyboardInterrupt

    run_python("print(1)", pool=pool)
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_python("while True: pass", limits=Limits(wall_s=20), pool=pool)
    finally:
        signal.signal(signal.SIGALRM, before)
    for n in range(3):
        assert run_python(f"print({n})", pool=pool).stdout == f"{n}\n"


def test_a_fork_of_the_caller_does_not_end_its_servers(pool):
    run_python("print(1)", pool=pool)
    child = os.fork()
    if child == 0:
        pool.close()
        os._exit(0)
    os.waitpid(child, 0)
    with pool.server() as server:
        assert server.alive


def test_a_program_ends_when_whoever_asked_for_it_is_gone():
    caller = os.fork()
    if caller == 0:
        try:
            run_python("while True: pass", limits=Limits(wall_s=60), pool=Pool())
        finally:
            os._exit(0)
    running = _until(lambda: [p for p in psutil.Process(caller).children(recursive=True) if p.parent().pid != caller])
    os.kill(caller, signal.SIGKILL)
    os.waitpid(caller, 0)
    assert psutil.wait_procs(running, timeout=10)[1] == []


def test_servers_end_with_their_pool(pool):
    run_python("print(1)", pool=pool)
    with pool.server() as server:
        process = psutil.Process(server._process.pid)
    pool.close()
    assert not process.is_running()


class TestWithoutAFilter:
    """As on a system that cannot filter system calls."""

    def test_programs_are_refused_unless_the_user_says_so(self):
        with pytest.raises(SandboxError, match=f"set {WEAK}=1"):
            run_python("print(1)", pool=Pool(Wanted(seccomp=False)))

    def test_nobody_may_say_so_on_a_space(self, monkeypatch):
        monkeypatch.setenv(WEAK, "1")
        monkeypatch.setenv("SPACE_ID", "somebody/signalbox")
        with pytest.raises(SandboxError, match="cannot filter"):
            run_python("print(1)", pool=Pool(Wanted(seccomp=False)))

    def test_the_user_may_say_so(self, monkeypatch):
        monkeypatch.setenv(WEAK, "1")
        pool = Pool(Wanted(seccomp=False, landlock=False))
        assert run_python("print(1)", pool=pool).stdout == "1\n"
        assert level(pool).name == "weak"
        assert "start processes" in level(pool).possible
        assert "A program here can" in str(level(pool))
        pool.close()

    def test_limits_hold_and_processes_that_were_started_end(self):
        pool = Pool(Wanted(seccomp=False, landlock=False, weak=True))
        program = (
            "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(60)\n"
            "    os._exit(0)\nprint(1)"
        )
        assert run_python(program, pool=pool).stdout == "1\n"
        bomb = run_python("import os\nwhile True: os.fork()", limits=Limits(wall_s=0.5), pool=pool)
        assert bomb.timed_out or bomb.exit_code == 1
        with pool.server() as server:
            assert psutil.Process(server._process.pid).children(recursive=True) == []
        pool.close()


def test_a_sandbox_that_cannot_run_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr(sandbox_client, "SERVER", tmp_path / "missing.py")
    found = level(Pool())
    assert found.name == "none"
    assert str(found).startswith("Sandbox: none. Programs cannot be run here: the sandbox did not start")


@pytest.fixture
def pool():
    pool = Pool()
    yield pool
    pool.close()


def _until(condition):
    deadline = time.monotonic() + 10
    while not (found := condition()):
        assert time.monotonic() < deadline
    return found
