"""What several tests of the core begin with; a test module that needs another run or model defines its own."""

import subprocess
import sys

import pytest
from toys import make_model, make_run, tagged_rows, write_rows


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny random model."""
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def run(model, tmp_path):
    """A run of that model which has ended, with its adapters."""
    return make_run(tmp_path / "runs" / "toy", model, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))


@pytest.fixture
def worker():
    """A process that stands in for a worker: it sleeps in a group of its own until it is ended."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"],
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
