"""The app in a real browser, for the tests of its pages: one server and one browser, a project for each test."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect, sync_playwright
from toys import make_model

from core.projects import create_project, free_name
from core.run_signals import kill
from core.runs import RunFolder, worker_process

PROJECT = Path(__file__).parents[2]
# The shell has no windows of its own to draw, and takes a quarter less time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PATIENCE_MS = 60_000

expect.set_options(timeout=PATIENCE_MS)  # a busy machine is no failure


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def address(served):
    """The app, served by its own command on a free port; it and its runs end with the tests."""
    server, address = serve(served, free_port())
    yield address
    server.terminate()
    server.wait()
    end_runs(served)


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def serve(home, port):
    """The app on a port, its runs in a folder; its process and its address, once it answers."""
    environment = {**os.environ, "SIGNALBOX_RUNS": str(home / "runs"), "SIGNALBOX_CACHE": str(home / "cache")}
    with (home / "app.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, str(PROJECT / "app.py"), "--port", str(port)],
            cwd=home,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return server, answering(f"http://127.0.0.1:{port}/", server)


def end_runs(served):
    """No run is alive or waits after this."""
    (served / "runs" / "queue.json").unlink(missing_ok=True)  # or the end of one run would be the start of the next
    for run in map(RunFolder, (served / "runs").glob("2*")):
        if worker_process(run):
            kill(run)


@pytest.fixture
def runs_end(served):
    """A run that the test leaves alive, as a failed one does, is ended: another test's run would wait for it."""
    yield
    end_runs(served)


def answering(url, server, patience_s=60):
    """The address once the page answers."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=patience_s).close()
        except OSError:
            continue
        return url
    raise AssertionError("the app did not come up")


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def windows(browser):
    """One profile for the windows of all tests: what the app's scripts are is fetched and compiled once."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def project(served, monkeypatch):
    """A project of the served app, new for each test."""
    monkeypatch.setenv("SIGNALBOX_RUNS", str(served / "runs"))
    return create_project(free_name("test"))


@pytest.fixture
def open_page(windows, address, project):
    """Opens the test's project at one of its steps, in a window of its own; errors of scripts fail the test.

    What else the address is to name, such as a run, is given by its name there.
    """
    opened, complaints = [], []

    def open_page(view, width=1280, height=900, scheme="light", name=project.name, **named):
        page = windows.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(f"{error}\n{error.stack}"))
        page.goto(f"{address}?{urlencode({'project': name, 'view': view, **named})}")
        page.wait_for_selector("#main.ready")
        opened.append(page)
        return page

    yield open_page
    for page in opened:
        page.close()
    assert complaints == []
