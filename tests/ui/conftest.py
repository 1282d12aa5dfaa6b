"""The app in a real browser, for the tests of its pages: one server and one browser, a project for each test."""

import shutil
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect, sync_playwright
from served_app import end_runs, free_port, serve
from toys import make_model

from core.projects import create_project, free_name

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


@pytest.fixture
def runs_end(served):
    """A run that the test leaves alive, as a failed one does, is ended: another test's run would wait for it."""
    yield
    end_runs(served)


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
