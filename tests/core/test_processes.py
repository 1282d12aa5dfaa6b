"""Telling a process from every other, under any clock."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from core import processes
from core.processes import Identity, alive, identify


@pytest.fixture
def child():
    """A process that waits until its input is closed."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.communicate()


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """A system that has no /proc."""
    monkeypatch.setattr(processes, "PROC", tmp_path)
    monkeypatch.setattr(processes, "BOOT_ID", tmp_path / "boot_id")


def test_a_live_process_is_alive(child):
    assert alive(identify(child.pid))


def test_the_ticks_are_those_of_the_kernel(child):
    found = identify(child.pid)
    up = float(Path("/proc/uptime").read_text().split()[0])
    age = up - found.ticks / os.sysconf("SC_CLK_TCK")
    assert 0 <= age < 60


def test_the_wall_clock_does_not_matter(child):
    assert alive(replace(identify(child.pid), started=0.0))


@pytest.mark.parametrize("change", [{"ticks": 1}, {"boot": "another"}])
def test_a_pid_that_is_used_again_is_another_process(child, change):
    assert not alive(replace(identify(child.pid), **change))


def test_a_zombie_is_not_alive(child):
    found = identify(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not alive(found)


def test_a_process_that_is_gone_is_not_alive(child):
    found = identify(child.pid)
    child.kill()
    child.wait()
    assert not alive(found)
    with pytest.raises(psutil.NoSuchProcess):
        identify(child.pid)


def test_a_name_with_brackets_and_spaces_is_read_over(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "PROC", tmp_path)
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (a) b) S " + " ".join(map(str, range(4, 22))) + " 1234 0 0")
    assert processes._stat(7) == ("S", 1234)


class TestElsewhere:
    def test_start_times_tell_processes_apart(self, child, elsewhere):
        found = identify(child.pid)
        assert (found.ticks, found.boot) == (None, None)
        assert alive(found)
        assert not alive(Identity(found.pid, found.started - 100))

    def test_a_process_that_is_gone_is_not_alive(self, child, elsewhere):
        found = identify(child.pid)
        child.kill()
        child.wait()
        assert not alive(found)
