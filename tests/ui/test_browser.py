"""The app in a real browser: a stranger opens it, uploads data, starts a run, watches it, stops it, comes back."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import expect, sync_playwright
from toys import make_model, spec_document, tagged_rows, write_rows

from core.runs import RunFolder, kill, state, worker_process

PROJECT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def address(home):
    """The app, served by its own command on a free port; it and its runs end with the tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "SIGNALBOX_RUNS": str(home / "runs"), "SIGNALBOX_CACHE": str(home / "cache")}
    with (home / "app.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, str(PROJECT / "app.py"), "--port", str(port)],
            cwd=home,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    yield answering(f"http://127.0.0.1:{port}/", server)
    server.terminate()
    server.wait()
    for run in map(RunFolder, (home / "runs").glob("2*")):
        if worker_process(run):
            kill(run)


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


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield opened
        opened.close()


@pytest.fixture
def page(browser, address):
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    opened.set_default_timeout(PATIENCE_MS)
    complaints = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(address)
    yield opened
    opened.close()
    assert complaints == []


def write_spec(page, document):
    """Put a spec into the editor, as a paste would."""
    editor = page.locator("#spec .cm-content")
    editor.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture
def document(model, tmp_path):
    return spec_document(model, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))


def test_the_example_is_ready_to_start_at_once(page):
    note = page.locator("#start-note")
    expect(note).to_contain_text("No errors. Tasks: 4. Rows to train on: 480. Held out: 32.")
    expect(note).to_contain_text("(limits, system calls filtered")
    expect(page.locator("#start-run")).to_be_enabled()
    for task in ("math", "code", "sentiment", "json"):
        expect(page.locator("#tasks")).to_contain_text(task)


def test_a_broken_spec_says_what_where_and_how_to_mend_it_and_cannot_start(page, document):
    expect(page.locator("#start-run")).to_be_enabled()
    document["rewards"]["shrt"] = document["rewards"].pop("short")
    write_spec(page, document)
    problems = page.locator("#problems")
    expect(problems).to_contain_text("the data has no task 'shrt'")
    expect(problems).to_contain_text("Did you mean 'short'?")
    expect(page.locator("#start-note")).to_contain_text("Errors to mend before a run can start: 2")
    expect(page.locator("#start-run")).to_be_disabled()


def test_an_empty_editor_cannot_start(page):
    expect(page.locator("#start-run")).to_be_enabled()
    page.locator("#spec .cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("Delete")
    expect(page.locator("#start-run")).to_be_disabled()
    expect(page.locator("#start-note")).to_contain_text("Pick an example")


def test_an_upload_becomes_a_spec_with_its_tasks(page, tmp_path):
    rows = [{"category": "sums", "question": f"{n} + 1?", "solution": str(n + 1)} for n in range(12)]
    path = write_rows(tmp_path / "my sums.jsonl", rows)
    expect(page.locator("#start-run")).to_be_enabled()
    page.locator("input[type=file][multiple]").set_input_files(path)
    expect(page.locator("#spec")).to_contain_text("task_column: category")
    expect(page.locator("#tasks")).to_contain_text("math_answer")
    expect(page.locator("#start-note")).to_contain_text("Tasks: 1. Rows to train on: 10. Held out: 2.")


def test_an_upload_with_other_columns_is_there_to_be_mended(page, tmp_path):
    path = write_rows(tmp_path / "odd.jsonl", [{"skill": "a", "ask": f"{n}?"} for n in range(12)])
    expect(page.locator("#start-run")).to_be_enabled()
    page.locator("input[type=file][multiple]").set_input_files(path)
    expect(page.locator("#problems")).to_contain_text("Set data.task_column")
    expect(page.locator("#spec")).to_contain_text("odd.jsonl")
    expect(page.locator("#spec")).to_contain_text("task_column: task")


def test_an_upload_that_cannot_be_read_says_where(page, tmp_path):
    path = tmp_path / "broken.jsonl"
    path.write_text('{"task": "a", "prompt": "x"}\n{"task": "a", "prompt"\n')
    expect(page.locator("#start-run")).to_be_enabled()
    page.locator("input[type=file][multiple]").set_input_files(path)
    expect(page.locator("#problems")).to_contain_text("broken.jsonl line 2")
    expect(page.locator("#start-run")).to_be_disabled()


def test_a_run_is_started_watched_stopped_found_again_and_resumed(page, home, document, address):
    expect(page.locator("#start-run")).to_be_enabled()
    document["grpo"] |= {"max_steps": 400, "save_steps": 100, "eval_steps": 1000}
    write_spec(page, document)
    expect(page.locator("#start-note")).to_contain_text("Tasks: 2. Rows to train on: 36. Held out: 4.")
    page.locator("#start-run").click()
    status = page.locator("#status")
    expect(status).to_contain_text("running")
    expect(status).to_contain_text("of 400", timeout=PATIENCE_MS)
    curves = page.locator("#curves")
    expect(curves.get_by_text("short", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(curves.get_by_text("long", exact=True)).to_be_visible()
    (run,) = [RunFolder(path.parent) for path in (home / "runs").glob("*-toy/spec.yaml")]
    assert f"run={run.id}" in page.url

    page.reload()
    expect(page.get_by_label("Run", exact=True)).to_have_value(run.id)
    expect(page.locator("#status")).to_contain_text("running")

    page.locator("#stop-run").click()
    expect(page.locator("#status")).to_contain_text("stopped", timeout=PATIENCE_MS)
    assert state(run) == "stopped"
    assert run.last_step() < 400

    before = run.last_step()
    page.locator("#resume-run").click()
    expect(page.locator("#status")).to_contain_text("running", timeout=PATIENCE_MS)
    expect(page.locator("#stop-run")).to_be_enabled()
    while run.last_step() <= before:
        assert state(run) == "running"
    page.locator("#stop-run").click()
    expect(page.locator("#status")).to_contain_text("stopped", timeout=PATIENCE_MS)
    steps = [record["step"] for record in run.records() if record["split"] == "train"]
    assert steps == list(range(1, len(steps) + 1))


def test_a_run_that_goes_the_slower_way_says_so_and_why(page, document):
    expect(page.locator("#start-run")).to_be_enabled()
    document["name"] = "slower"
    document["engine"] = {"sampling": "trl"}
    document["lora"]["use_dora"] = True
    document["grpo"] |= {"max_steps": 1}
    write_spec(page, document)
    expect(page.locator("#start-note")).to_contain_text("Tasks: 2.")
    page.locator("#start-run").click()
    status = page.locator("#status")
    expect(status).to_contain_text("sampled by TRL's own, slower way: engine.sampling is trl.", timeout=PATIENCE_MS)
    expect(status).to_contain_text("The training pass is TRL's own, slower one")
    expect(status).to_contain_text("the adapter is Dora, not plain LoRA")
    expect(status).to_contain_text("finished", timeout=PATIENCE_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_window_in_light_and_dark(browser, address, scheme):
    page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.goto(address)
    expect(page.locator("#start-run")).to_be_enabled(timeout=PATIENCE_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
