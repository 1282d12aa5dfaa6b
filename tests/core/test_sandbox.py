"""The sandbox: limits hold, nothing of the parent gets in, nothing of the program is left behind."""

import os
import select
import sys
import tempfile
import time

import pytest

from core.sandbox import Limits, SandboxError, run_python


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


def test_files_are_limited_in_size_and_number():
    large = run_python("open('large', 'wb').write(b'x' * 10**7)", limits=Limits(output_bytes=1000))
    many = run_python("files = [open('/dev/null') for _ in range(100)]", limits=Limits(open_files=32))
    assert "File too large" in large.stderr
    assert "Too many open files" in many.stderr


def test_the_environment_is_empty(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    program = "import os\nprint(dict(os.environ), open('/proc/self/environ').read())"
    assert run_python(program).stdout == "{} \n"


def test_no_file_of_the_parent_is_open_in_the_child(tmp_path):
    with open(tmp_path / "private", "w") as file:
        os.set_inheritable(file.fileno(), True)
        outcome = run_python("import os\nprint(sorted(os.listdir('/proc/self/fd')))")
    assert outcome.stdout == "['0', '1', '2', '3']\n"  # 3 is the listing's own


def test_the_folder_is_fresh_empty_and_gone_afterwards():
    program = "import os\nprint(os.getcwd(), os.listdir())\nopen('left', 'w').write('x')"
    first, second = (run_python(program).stdout.split(maxsplit=1) for _ in range(2))
    assert first[1] == second[1] == "[]\n"
    assert first[0] != second[0]
    assert not os.path.exists(first[0])
    assert not os.path.exists(second[0])


@pytest.mark.parametrize(
    "program",
    [
        "import os\nfor _ in range(2000):\n    os.mkdir('d')\n    os.chdir('d')",
        "import os\nos.mkdir('d', 0)\nos.chmod('.', 0)",
    ],
    ids=["very deep", "not permitted"],
)
def test_a_folder_made_hard_to_remove_is_gone_afterwards(program, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run_python(program).exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_processes_that_the_program_started_end_with_it():
    program = "import os, time\nchild = os.fork()\nif not child: time.sleep(60)\nprint(child)"
    child = int(run_python(program).stdout)
    assert _ends(child)


def _ends(pid):
    """Whether a process is gone or about to be: a killed process may take a moment to die."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], 5)[0])
    finally:
        os.close(pidfd)


def test_a_fork_bomb_ends_when_its_time_is_up():
    outcome = run_python("import os\nfor _ in range(5): os.fork()\nwhile True: pass", limits=Limits(wall_s=0.5))
    assert outcome.timed_out


@pytest.mark.parametrize("program", ["\0", "(" * 100_000, "\ud800", "def"])
def test_a_program_that_cannot_be_compiled_has_failed(program):
    assert run_python(program).exit_code == 1


def test_a_signal_is_reported_as_a_negative_exit_code():
    assert run_python("import os\nos.kill(os.getpid(), 9)").exit_code == -9


def test_a_program_that_kills_its_parent_has_ended_its_own_run():
    program = "import os, time\nprint(os.getpid(), flush=True)\nos.kill(os.getppid(), 9)\ntime.sleep(60)"
    outcome = run_python(program)
    assert outcome.exit_code == -9
    assert _ends(int(outcome.stdout))


def test_a_program_cannot_leave_its_process_group():
    assert "Operation not permitted" in run_python("import os\nos.setsid()").stderr


def test_a_program_out_of_time_is_killed_with_what_it_started():
    program = "import os, time\nos.fork()\nos.write(1, b'%d\\n' % os.getpid())\ntime.sleep(60)"
    outcome = run_python(program, limits=Limits(wall_s=0.5))
    assert outcome.timed_out
    assert len(outcome.stdout.split()) == 2
    assert all(_ends(int(pid)) for pid in outcome.stdout.split())


def test_a_process_that_has_no_time_to_start_is_an_error():
    with pytest.raises(SandboxError, match="not even started"):
        run_python("print(1)", limits=Limits(wall_s=0.0001))


def test_a_missing_interpreter_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SandboxError, match="/nowhere/python"):
        run_python("print(1)")


def test_no_room_for_temporary_files_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(SandboxError, match="no temporary folder"):
        run_python("print(1)")
