"""None of the hostile programs escapes, outlives its limits, forges a verdict or leaves a process, whoever runs it."""

import ctypes
import os
import shutil
import sys
import traceback
from pathlib import Path

import hostile
import psutil
import pytest

from core.sandbox import Pool, Wanted, level, run_tests
from core.sandbox import client as sandbox_client

PR_CAPBSET_DROP, CAPABILITIES = 24, 64
SOLVED = f"""
class Error(Exception): pass
def f(x):
    if x < 0: raise Error
    return 9.25
def retry(f):
    try: f()
    except Error: raise ValueError
def words(): return {hostile.SECRET!r}
class Solver:
    def f(self, x): return f(x)
solver = Solver()
"""


@pytest.fixture(scope="module")
def pool():
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def nothing_left(pool):
    """Afterwards, the servers have no child."""
    yield
    with pool.server() as server:
        assert psutil.Process(server._process.pid).children(recursive=True) == []


@pytest.mark.parametrize("name", hostile.ESCAPES)
def test_no_way_out(pool, nothing_left, name):
    assert not hostile.escaped(hostile.ESCAPES[name], pool)


@pytest.mark.parametrize("name", hostile.HOGS)
def test_no_more_than_its_share(pool, nothing_left, name):
    assert not hostile.outlived(hostile.HOGS[name], pool)


@pytest.mark.parametrize("name", hostile.FORGERIES)
def test_no_forged_verdict(pool, nothing_left, name):
    assert hostile.forged(hostile.FORGERIES[name], pool) == []


def test_a_program_that_solves_the_task_passes_the_same_tests(pool):
    assert run_tests(SOLVED, hostile.TESTS, limits=hostile.LIMITS, pool=pool) == [True] * len(hostile.TESTS)


def test_nothing_that_is_forbidden_can_be_done_here(pool):
    found = level(pool)
    assert (found.name, found.possible) == ("strong" if found.layers["landlock"] else "good", ())


def test_the_filter_holds_without_landlock():
    pool = Pool(Wanted(landlock=False))
    try:
        assert level(pool).name == "good"
        assert hostile.successes(pool) == []
    finally:
        pool.close()


def test_a_plain_user_is_as_safe_as_root(tmp_path):
    assert _as_somebody_else(tmp_path, _become_user) == []


def test_root_without_capabilities_as_in_a_container_is_as_safe(tmp_path):
    assert _as_somebody_else(tmp_path, _drop_capabilities) == []


def _become_user():
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(1000, 1000, 1000)
        os.setresuid(1000, 1000, 1000)


def _drop_capabilities():
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    assert libc.capset(header, (ctypes.c_uint32 * 6)()) == 0


def _as_somebody_else(tmp_path, become):
    """What succeeds in a process of other rights, whose sandbox lies where it can be read."""
    shutil.copytree(sandbox_client.SERVER.parent, tmp_path / "jail")
    for path in [tmp_path, *tmp_path.parents]:
        if path.stat().st_uid == os.getuid() and path.stat().st_mode & 0o5 != 0o5:
            path.chmod(path.stat().st_mode | 0o5)
    python = _everybodys_python()
    said, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            sandbox_client.SERVER = tmp_path / "jail" / "server.py"
            sys.executable = python
            become()
            pool = Pool()
            passed = run_tests(SOLVED, hostile.TESTS, limits=hostile.LIMITS, pool=pool)
            failed = [] if all(passed) else ["an honest program does not pass"]
            text = repr(hostile.successes(pool) + failed)
            pool.close()
        except BaseException:
            text = repr(traceback.format_exc())
        os.write(tell, text.encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(said) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return eval(text, {})


def _everybodys_python():
    """An interpreter that any user may run: the server needs no more than the standard library."""
    own = Path(os.path.realpath(sys.executable))
    if all(path.stat().st_mode & 0o1 for path in [own, *own.parents]) or os.getuid() != 0:
        return str(own)
    found = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
    assert found, f"{own} is in a folder that other users cannot enter; install a Python in /usr for this test"
    return found
