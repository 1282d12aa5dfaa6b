"""The app is killed while a run is at work: the run goes on, and the app that is started anew shows all of it."""

import pytest
from playwright.sync_api import expect
from served_app import end_runs, free_port, serve
from toys import spec_document, tagged_rows, write_rows

from core.launch import launch_and_leave
from core.projects import create_project
from core.runs import create_run, state
from core.spec import parse_spec

STEPS = "[...document.querySelectorAll('#curves .js-plotly-plot')].flatMap((p) => p.data).flatMap((line) => line.x)"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALBOX_RUNS", str(tmp_path / "runs"))
    create_project("first")
    yield tmp_path
    end_runs(tmp_path)


def test_a_run_outlives_the_app_and_an_open_page_goes_on_with_the_next_one(home, browser, model):
    document = spec_document(model, write_rows(home / "rows.jsonl", tagged_rows(20)), max_steps=3000, save_steps=1000)
    document["grpo"]["eval_steps"] = 5000
    run = create_run(parse_spec(document, "test"))
    port = free_port()
    server, address = serve(home, port)
    try:
        launch_and_leave(run)
        page = browser.new_page()
        page.goto(f"{address}?view=monitor&run={run.id}")
        expect(page.locator("#status")).to_contain_text("of 3000")
        server.kill()
        server.wait()
        gone = run.last_step()
        while run.last_step() < gone + 20:
            assert state(run) == "running"
        server, _ = serve(home, port)
        page.wait_for_function(f"Math.max(...{STEPS}) > {gone + 20}")
        shown = page.evaluate(f"Math.max(...{STEPS})")
        steps = [record["step"] for record in run.records() if record["split"] == "train"]
        assert steps[:shown] == list(range(1, shown + 1)), "no gap"
        page.locator("#stop-run").click()
        expect(page.locator("#status")).to_contain_text("stopped")
    finally:
        server.kill()
        server.wait()
