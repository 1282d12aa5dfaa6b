"""The pages Train and Monitor in a real browser: a spec is typed, a run started, watched, stopped, found again."""

import pytest
import yaml
from playwright.sync_api import expect
from toys import spec_document, tagged_rows, write_rows

from core.runs import RunFolder, state
from core.spec import parse_draft


@pytest.fixture
def document(model, tmp_path):
    return spec_document(model, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))


@pytest.fixture
def page(open_page, project, document):
    project.change(lambda _: parse_draft(document, "test"))
    opened = open_page("train")
    expect(opened.locator("#start-run")).to_be_enabled()
    return opened


def write_spec(page, document):
    """Put a spec into the editor, as a paste would."""
    editor = page.locator("#spec .cm-content")
    editor.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(yaml.safe_dump(document, sort_keys=False))


def test_a_broken_spec_says_what_where_and_how_to_mend_it_and_cannot_start(page, document):
    document["rewards"]["shrt"] = document["rewards"].pop("short")
    write_spec(page, document)
    problems = page.locator("#problems")
    expect(problems).to_contain_text("the data has no task 'shrt'")
    expect(problems).to_contain_text("Did you mean 'short'?")
    expect(page.locator("#start-note")).to_contain_text("Errors to mend before a run can start: 2")
    expect(page.locator("#start-run")).to_be_disabled()


def test_an_empty_editor_cannot_start(page):
    page.locator("#spec .cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("Delete")
    expect(page.locator("#start-run")).to_be_disabled()
    expect(page.locator("#start-note")).to_contain_text("Errors to mend before a run can start: 1")


def test_a_run_is_started_watched_stopped_found_again_and_resumed(page, served, document):
    document["grpo"] |= {"max_steps": 400, "save_steps": 100, "eval_steps": 1000}
    write_spec(page, document)
    expect(page.locator("#start-note")).to_contain_text("Tasks: 2. Rows to train on: 36. Held out: 4.")
    page.locator("#start-run").click()
    status = page.locator("#status")
    expect(status).to_contain_text("running")
    expect(status).to_contain_text("of 400")
    curves = page.locator("#curves")
    expect(curves.get_by_text("short", exact=True)).to_be_visible()
    expect(curves.get_by_text("long", exact=True)).to_be_visible()
    (run,) = [RunFolder(path.parent) for path in (served / "runs").glob("*-toy/spec.yaml")]
    assert f"run={run.id}" in page.url

    page.reload()
    expect(page.get_by_label("Run", exact=True)).to_have_value(run.id)
    expect(page.locator("#status")).to_contain_text("running")

    page.locator("#stop-run").click()
    expect(page.locator("#status")).to_contain_text("stopped")
    assert state(run) == "stopped"
    assert run.last_step() < 400

    before = run.last_step()
    page.locator("#resume-run").click()
    expect(page.locator("#status")).to_contain_text("running")
    expect(page.locator("#stop-run")).to_be_enabled()
    while run.last_step() <= before:
        assert state(run) == "running"
    page.locator("#stop-run").click()
    expect(page.locator("#status")).to_contain_text("stopped")
    steps = [record["step"] for record in run.records() if record["split"] == "train"]
    assert steps == list(range(1, len(steps) + 1))


def test_a_run_that_goes_the_slower_way_says_so_and_why(page, document):
    document["name"] = "slower"
    document["engine"] = {"sampling": "trl"}
    document["lora"]["use_dora"] = True
    document["grpo"] |= {"max_steps": 1}
    write_spec(page, document)
    expect(page.locator("#start-note")).to_contain_text("Tasks: 2.")
    page.locator("#start-run").click()
    status = page.locator("#status")
    expect(status).to_contain_text("sampled by TRL's own, slower way: engine.sampling is trl.")
    expect(status).to_contain_text("The training pass is TRL's own, slower one")
    expect(status).to_contain_text("the adapter is Dora, not plain LoRA")
    expect(status).to_contain_text("finished")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["train", "monitor"])
def test_it_fits_a_narrow_window_in_light_and_dark(open_page, project, document, view, scheme):
    project.change(lambda _: parse_draft(document, "test"))
    page = open_page(view, width=390, height=844, scheme=scheme)
    expect(page.locator(".sb-step[aria-current]")).to_contain_text(view.title())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_is_typed_is_there_after_a_refresh_and_in_a_second_tab(page, open_page, document):
    document["grpo"]["max_steps"] = 77
    write_spec(page, document)
    expect(page.locator("#start-note")).to_contain_text("Tasks: 2.")
    page.reload()
    expect(page.locator("#spec")).to_contain_text("max_steps: 77")
    second = open_page("train")
    expect(second.locator("#spec")).to_contain_text("max_steps: 77")
    document["grpo"]["max_steps"] = 78
    write_spec(second, document)
    expect(page.locator("#spec")).to_contain_text("max_steps: 78")
