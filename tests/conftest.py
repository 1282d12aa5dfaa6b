"""Every test has a home of its own: nothing is read from or written to the user's cache and runs."""

import os

# A toy model is too small to share out between threads, which spin while one of them waits for a core that another
# process has: set before torch is imported, and handed on to all that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
from hypothesis import settings

# A busy machine is no failure, so no example has a deadline. Where a failure must be the change's own fault, hypothesis
# tries the same examples every time.
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Caches and runs go below the test's own folder."""
    monkeypatch.setenv("SIGNALBOX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SIGNALBOX_RUNS", str(tmp_path / "runs"))
    return tmp_path
