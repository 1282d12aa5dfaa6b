"""The page Try & export in a real browser, on a run that was really trained: asked, evaluated, taken along, brought."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import expect
from toys import spec_document, tagged_rows, write_rows

from core.evaluation import evaluation_files
from core.runs import RunFolder, create_run
from core.spec import parse_spec

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture(scope="session")
def trained(served, model, tmp_path_factory):
    """A run of three steps, trained by the command."""
    home = tmp_path_factory.mktemp("trained")
    document = spec_document(model, write_rows(home / "rows.jsonl", tagged_rows(20)), max_steps=3, eval_steps=3)
    (home / "run.yaml").write_text(yaml.safe_dump(document))
    folder = served / "runs" / "trained"
    environment = {**os.environ, "SIGNALBOX_CACHE": str(served / "cache")}
    command = [sys.executable, str(APP), "train", str(home / "run.yaml"), "--out", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return RunFolder(folder)


@pytest.fixture
def open_run(open_page, trained):
    """Opens the page at the trained run."""

    def open_run(**window):
        page = open_page("try", run=trained.id, **window)
        expect(page.locator("#try-head")).to_contain_text("against its base")
        page.wait_for_function("location.search.includes('adapter=')")  # the form is filled once more with it
        return page

    return open_run


def tab(page, name):
    page.get_by_role("tab", name=name).click()


def open_evaluation(page):
    """Its tab, with the run's own settings in the form: Gradio fills them in once the tab is drawn."""
    tab(page, "Evaluate")
    expect(page.locator("#eval-tokens input")).to_have_value("12")


def sides(page):
    """The texts of the last turn, base first."""
    turn = page.locator("#try-talk .sb-turn").last
    return [turn.locator(f"[data-side={side}] pre") for side in ("base", "adapter")]


def ask(page):
    """Ask, and wait for the answers; those to a question of another test of the same run are cleared before."""
    talk, clear = page.locator("#try-talk"), page.get_by_role("button", name="Clear")
    expect(talk.get_by_text("answer beside each other").or_(clear)).to_be_visible()
    if clear.is_visible():
        clear.click()
    expect(talk).to_contain_text("answer beside each other")
    page.locator("#ask").click()
    expect(page.locator("#try-talk .sb-answers")).to_be_visible()


def ask_at_length(page, tokens):
    """Ask for long answers. Gradio writes what a form holds once more after it is unfolded, over what is typed by then:
    that counts as asked only where the box says so afterwards."""
    box = page.locator("#ask-tokens input")
    asked = page.locator("#try-talk .sb-turn")
    for _ in range(5):
        box.fill(tokens)
        page.locator("#ask").click()
        expect(asked).to_have_count(1)
        if box.input_value() == tokens:
            return
    raise AssertionError("what was typed never stayed")


def choose(page, elem_id, option):
    page.locator(f"#{elem_id} input").click()
    page.get_by_role("option", name=option).click()


def test_a_run_that_has_ended_has_a_model_card_in_the_place_of_pefts_blank_one(trained):
    card = (trained.adapter / "README.md").read_text()
    assert "after 3 steps" in card
    assert "More Information Needed" not in card
    assert (trained.adapter / "curves.png").exists()


class TestSideBySide:
    def test_a_held_out_row_is_answered_by_both_and_scored_by_its_tasks_rewards(self, open_run):
        page = open_run()
        expect(page.locator("#ask-row input")).to_have_value(re.compile(r"^1\. Take your time|^1\. Be brief"))
        ask(page)
        talk = page.locator("#try-talk")
        expect(talk).to_contain_text("12 tokens")
        expect(talk.locator(".sb-answers tbody tr")).to_have_count(2)
        for value in talk.locator(".sb-answers .sb-total .number").all_inner_texts():
            assert 0 <= float(value) <= 1
        page.reload()
        expect(page.locator("#try-talk .sb-answers")).to_be_visible()
        expect(page.locator("#try-run input")).to_have_value("trained")

    def test_another_turn_goes_on_and_clearing_ends_it(self, open_run):
        page = open_run()
        ask(page)
        page.locator("#follow-text textarea, #follow-text input").fill("And <b>now</b>?")
        page.locator("#follow-send").click()
        expect(page.locator("#try-talk .sb-turn")).to_have_count(2)
        expect(page.locator("#try-talk .sb-answers")).to_have_count(2)
        expect(page.locator("#try-talk .sb-asked").last).to_have_text("And <b>now</b>?")
        page.get_by_role("button", name="Clear").click()
        expect(page.locator("#try-talk")).to_contain_text("answer beside each other")

    def test_a_question_of_ones_own_is_asked_of_a_checkpoint(self, open_run, trained):
        page = open_run()
        choose(page, "try-adapter", "checkpoint after step 2")
        expect(page.locator("#try-head")).to_contain_text("Checkpoint after step 2")
        page.get_by_text("my own question").click()
        page.locator("#ask-text textarea").fill("")
        page.locator("#ask").click()
        expect(page.get_by_text("there is no text")).to_be_visible()
        page.locator("#ask-text textarea").fill("How are you?")
        ask(page)
        expect(page.locator("#try-talk")).to_contain_text("trained · checkpoint-2")
        expect(page.locator("#try-talk .sb-asked")).to_have_text("How are you?")
        page.reload()  # the address names it
        expect(page.locator("#try-head")).to_contain_text("Checkpoint after step 2")

    def test_answers_are_read_while_they_are_written_found_after_a_refresh_and_cancelled(self, open_run):
        page = open_run()
        page.locator("#ask-settings").get_by_text("How answers are sampled").click()
        expect(page.locator("#ask-tokens input")).to_have_value("12")  # Gradio fills in the run's when it is opened
        page.locator("#ask-heat input").fill("0")  # the likeliest tokens of a random model go round and round
        ask_at_length(page, "30000")
        base, _ = sides(page)
        expect(base).to_have_text(re.compile(r".{20}", re.DOTALL))
        before = len(base.inner_text())
        page.reload()
        base, _ = sides(page)
        page.wait_for_function("n => document.querySelector('[data-side=base] pre')?.innerText.length > n", arg=before)
        page.locator("#try-talk").get_by_role("button", name="Cancel").click()
        expect(page.locator("#try-talk")).to_contain_text("broken off")
        expect(base).not_to_be_empty()


class TestEvaluate:
    def test_an_evaluation_goes_on_when_the_page_is_left_and_its_figures_stay(self, open_run, trained):
        page = open_run()
        open_evaluation(page)
        page.locator("#eval-samples input").fill("32")
        page.locator("#eval-start").click()
        begun = re.compile("Sampling and scoring|32 answers each by each model")  # a fast one may have ended by now
        expect(page.get_by_role("main")).to_contain_text(begun)
        page.reload()
        tab(page, "Evaluate")
        lines = page.locator("#eval-results .sb-evaluation tbody tr")
        expect(lines).to_have_count(2)
        assert len(evaluation_files(trained)) == 1
        expect(page.locator("#eval-results")).to_contain_text("4 held-out rows, 32 answers each by each model")
        before = lines.first.locator("td").nth(4).inner_text()
        threshold = page.get_by_label("total from which answers of").first
        threshold.fill("-1")
        threshold.press("Enter")
        expect(lines.first.locator("td").nth(4)).to_contain_text("1.000")
        threshold.fill("")
        threshold.press("Enter")
        expect(lines.first.locator("td").nth(4)).to_have_text(re.compile(re.escape(before.split()[0])))

    def test_it_can_be_cancelled_and_leaves_nothing(self, open_run, trained):
        page = open_run()
        open_evaluation(page)
        kept = len(evaluation_files(trained))
        page.locator("#eval-samples input").fill("256")
        page.locator("#eval-tokens input").fill("30000")
        page.locator("#eval-start").click()
        page.locator("#eval-progress").get_by_role("button", name="Cancel").click()
        expect(page.locator("#eval-progress")).to_contain_text("cancelled")
        assert len(evaluation_files(trained)) == kept


class TestExport:
    def test_the_adapter_is_made_once_and_downloaded_also_after_a_refresh(self, open_run, tmp_path):
        page = open_run()
        tab(page, "Export")
        page.locator("#export-files [data-file=adapter]").click()
        link = page.locator("#export-files a")
        expect(link).to_contain_text("Download")
        page.reload()
        tab(page, "Export")
        with page.expect_download() as loading:
            link.click()
        loading.value.save_as(tmp_path / "adapter.zip")
        with zipfile.ZipFile(tmp_path / "adapter.zip") as archive:
            assert {"README.md", "adapter_model.safetensors", "curves.png"} <= set(archive.namelist())
            assert "multi-task GRPO" in archive.read("README.md").decode()

    def test_a_whole_run_leaves_and_comes_back_under_another_name(self, open_run, tmp_path):
        page = open_run()
        tab(page, "Export")
        page.locator("#export-files [data-file=run]").click()
        link = page.locator("#export-files tr", has_text="The whole run").locator("a")
        expect(link).to_be_visible()
        with page.expect_download() as loading:
            link.click()
        loading.value.save_as(tmp_path / "taken.zip")
        page.locator("#import-run").get_by_text("Bring a run from elsewhere").click()
        page.locator("#import-file input").set_input_files(tmp_path / "taken.zip")
        expect(page.locator("#try-run input")).to_have_value("taken")
        expect(page.locator("#try-head")).to_contain_text("after step 3")

    def test_a_file_that_is_no_run_is_refused_in_words(self, open_run, tmp_path):
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
            archive.writestr("../evil.txt", "x")
        page = open_run()
        tab(page, "Export")
        page.locator("#import-run").get_by_text("Bring a run from elsewhere").click()
        page.locator("#import-file input").set_input_files(tmp_path / "evil.zip")
        expect(page.get_by_text("there is no spec.yaml in it")).to_be_visible()

    def test_a_token_leaves_the_page_with_the_click(self, open_run, served):
        page = open_run()
        tab(page, "Export")
        page.locator("#hub").get_by_text("Push to the Hugging Face Hub").click()
        page.locator("#hub-repository input, #hub-repository textarea").fill("no-owner")
        page.locator("#hub-token input").fill("hf_SecretOfTheTest")
        page.locator("#hub-push").click()
        expect(page.locator("#hub-pushed")).to_contain_text("is no repository")
        expect(page.locator("#hub-token input")).to_have_value("")
        assert "hf_SecretOfTheTest" not in page.content()
        for file in served.rglob("*"):
            assert not file.is_file() or b"hf_SecretOfTheTest" not in file.read_bytes(), file


def test_a_run_without_an_adapter_says_what_to_do(open_page, served, model, tmp_path, project):
    rows = write_rows(tmp_path / "rows.jsonl", tagged_rows(10))
    run = create_run(parse_spec(spec_document(model, rows), "toy"), served / "runs" / "unstarted")
    page = open_page("try", run=run.id)
    expect(page.locator("#try-head")).to_contain_text("has no adapter yet. It has not been started yet.")
    expect(page.locator("#ask")).to_be_hidden()
    page.get_by_role("button", name="Watch it in Monitor").click()
    expect(page.locator(".sb-step[aria-current]")).to_contain_text("Monitor")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "dark")])
def test_nothing_is_wider_than_the_window_and_texts_can_be_read(open_run, width, scheme):
    page = open_run(width=width, scheme=scheme)
    ask(page)
    for name in ("Side by side", "Evaluate", "Export"):
        tab(page, name)
        expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", dark)[:3])) < 200) == (scheme == "dark")
