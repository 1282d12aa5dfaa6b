"""The page Monitor in a real browser: recorded runs, a run that goes on, and a live one on a toy model."""

import json
import os
import time
from dataclasses import replace

import pytest
from playwright.sync_api import expect
from toy_runs import append, make_run, record, reward_entry, scored_batch, spec_document, task_entry
from toys import spec_document as toy_spec
from toys import tagged_rows, write_rows

from core.extension import planned_steps
from core.launch import launch_and_leave
from core.runs import create_run, record_worker, state
from core.spec import parse_spec
from core.training.recorder import Recorder

TASKS = ["math", "code"]
REWARDS = ["exact", "brief"]


def entries(step, errors=0):
    math = task_entry("math", min(1.0, 0.2 + step / 60), REWARDS)
    code = task_entry("code", 0.1, REWARDS, errors=errors)
    failed = reward_entry("exact", 0.1, errors=errors, reasons={"no gold answer": errors} if errors else {})
    return [math, code | {"rewards": [failed, reward_entry("brief", 0.4)]}]


def records(steps, whole=60, errors=0):
    yield record(0, entries(0), split="held_out", steps=whole)
    for step in range(1, steps + 1):
        yield record(step, entries(step, errors), steps=whole)
    yield record(steps, entries(steps), split="held_out", steps=whole)


@pytest.fixture
def runs(served, project):
    """Makes runs that the served app lists; they are gone after the test."""
    made = []

    def make(name, *arguments, **options):
        made.append(make_run(served / "runs" / f"{project.name}-{name}", *arguments, **options))
        return made[-1]

    yield make
    for run in made:
        run.spec_path.unlink()


@pytest.fixture
def watch(open_page):
    """Opens a run at one of its tabs."""

    def watch(run, tab="overview", **options):
        page = open_page("monitor", run=run.id, tab=tab, **options)
        expect(page.locator("#status")).to_contain_text(run.id)
        return page

    return watch


def drawn(page, figure):
    return page.locator(f"#{figure} .scatterlayer .trace").first


PLOT = "document.querySelector('#curves .js-plotly-plot')"


def zoom(page, figure):
    """Drag over the middle of a figure's first plot, as a user would; the range of steps that is then shown."""
    plot, patience = page.locator(f"{figure} .nsewdrag").first, 50
    while page.evaluate(f"{PLOT}.layout.xaxis.range[0]") <= 1:  # what is drawn above it meanwhile moves it away
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        middle = box["y"] + box["height"] / 2
        page.mouse.move(box["x"] + box["width"] / 4, middle)
        page.mouse.down()
        page.mouse.move(box["x"] + 3 * box["width"] / 4, middle, steps=6)
        page.mouse.up()
        patience -= 1
        assert patience, "it does not zoom"
    return page.evaluate(f"{PLOT}.layout.xaxis.range")


REFERENCES = """() => [...document.querySelectorAll("#heat [style*='url('], #heat [clip-path]")].map((part) =>
    (part.getAttribute("clip-path") || part.getAttribute("style")).match(/url\\(['"]?([^'")]*)/)[1])"""


class TestOverview:
    def test_a_run_shows_its_state_its_tasks_its_alerts_and_their_curves(self, runs, watch):
        page = watch(runs("one", records(60, errors=2), spec_document(TASKS, REWARDS)))
        expect(page.locator("#status")).to_contain_text("step 60 of 60")
        table = page.locator("#run-table")
        expect(table.get_by_role("row", name="math")).to_contain_text("learning")
        expect(table.get_by_role("row", name="math")).to_contain_text("+0.8")
        expect(page.locator("#alerts")).to_contain_text("20% of the last scores failed: no gold answer")
        for task in TASKS:
            expect(page.locator("#curves").get_by_text(task, exact=True)).to_be_visible()
        expect(page.locator("#heat .heatmaplayer image")).to_be_visible()
        references = page.evaluate(REFERENCES)
        assert [one for one in references if not one.startswith("#")] == []  # else lost when the address changes
        assert references
        assert all(page.locator(f"[id='{one[1:]}']").count() for one in references)
        expect(page.locator("#overlay")).to_be_hidden()

    def test_all_tasks_in_one_plot_on_request(self, runs, watch):
        page = watch(runs("one", records(20)))
        page.get_by_label("all tasks in one plot, too").check()
        expect(drawn(page, "overlay")).to_be_attached()

    def test_a_run_that_has_not_begun_says_what_it_waits_for(self, runs, watch):
        run = runs("new", [], end=None)
        record_worker(run, os.getpid())
        page = watch(run)
        expect(page.locator("#status")).to_contain_text("loading the model")
        expect(page.locator("#monitor-tools")).to_contain_text("No step yet")

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize(
        ("tab", "part"),
        [
            ("overview", "#run-table table"),
            ("training", "#training .js-plotly-plot"),
            ("completions", "#run-completions .sb-browse"),
        ],
    )
    def test_it_fits_a_narrow_window(self, runs, watch, tab, part, scheme):
        page = watch(runs("one", records(60, errors=2)), tab, width=390, height=844, scheme=scheme)
        expect(page.locator(part)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390

    def test_weights_that_move_are_drawn_and_told(self, runs, watch):
        gate = {"kind": "gate", "reward": "exact", "above": 0.8}
        document = spec_document(TASKS, REWARDS)
        document["rewards"]["math"][1]["schedule"] = gate
        rows = [
            record(step, [task_entry("math", 0.5) | {"rewards": [reward_entry("exact", 0.5), brief]}])
            for step in range(1, 9)
            for brief in [reward_entry("brief", 0.5, weight=float(step > 6))]
        ]
        page = watch(runs("moving", rows, document), "parts")
        expect(page.locator("#weights-that-move")).to_contain_text("there since step 7")
        expect(drawn(page, "weights")).to_be_attached()
        page.get_by_role("tab", name="Overview").click()
        expect(page.locator("#run-table")).to_be_visible()
        expect(page.locator("#weights-note")).to_have_count(0)


class TestTabs:
    @pytest.mark.parametrize(("tab", "figure"), [("parts", "parts"), ("signal", "signal"), ("training", "training")])
    def test_an_open_tab_is_drawn_and_the_others_are_not(self, runs, watch, tab, figure):
        page = watch(runs("one", records(20)), tab)
        expect(drawn(page, figure)).to_be_attached()
        expect(page.locator("#curves .js-plotly-plot")).to_have_count(0)

    def test_run_and_tab_are_there_after_a_refresh(self, runs, watch):
        run = runs("one", records(20))
        page = watch(run)
        page.get_by_role("tab", name="Training").click()
        expect(drawn(page, "training")).to_be_attached()
        page.wait_for_url("**tab=training**")
        page.reload()
        expect(page.get_by_label("Run", exact=True)).to_have_value(run.id)
        expect(drawn(page, "training")).to_be_attached()

    def test_the_settings_are_those_of_the_run(self, runs, watch):
        page = watch(runs("one", records(20), spec_document(TASKS, name="its-own-name")), "log")
        page.locator("#settings-of button").first.click()
        expect(page.locator("#settings")).to_contain_text("its-own-name")


class TestLive:
    @pytest.fixture
    def running(self, runs):
        run = runs("live", records(20), end=None)
        record_worker(run, os.getpid())
        return run

    def test_a_further_step_is_shown_and_zoom_and_open_texts_stay(self, running, watch):
        page = watch(running)
        expect(page.locator("#status")).to_contain_text("step 20 of 60")
        expect(drawn(page, "curves")).to_be_attached()
        zoomed = zoom(page, "#curves")
        append(running, record(21, entries(21), steps=60))
        expect(page.locator("#status")).to_contain_text("step 21 of 60")
        page.wait_for_function(f"{PLOT}.data.flatMap((line) => line.x).includes(21)")
        same = f"(range) => JSON.stringify({PLOT}.layout.xaxis.range) === JSON.stringify(range)"
        page.wait_for_function(same, arg=zoomed)

    def test_a_zoom_of_a_figure_that_is_replaced_meanwhile_is_its_successors(self, running, watch):
        page = watch(running)
        expect(drawn(page, "curves")).to_be_attached()
        page.evaluate(f"window.before = {PLOT}")
        append(running, record(21, entries(21), steps=60))
        page.wait_for_function(f"!window.before.isConnected && {PLOT}?._fullLayout && {PLOT}.dataset.followed")
        page.evaluate("window.before.emit('plotly_relayout', {'xaxis.range[0]': 3, 'xaxis.range[1]': 9})")
        page.wait_for_function(f"JSON.stringify({PLOT}.layout.xaxis.range) === '[3,9]'")

    def test_a_worker_that_does_not_write_is_silent(self, running, watch):
        long_ago = replace(running.worker(), started=time.time() - 3600)  # its last record is of 2023
        running.process_path.write_text(json.dumps(vars(long_ago)), encoding="utf-8")
        page = watch(running)
        expect(page.locator("#alerts")).to_contain_text("Worker silent")

    def test_a_deleted_run_is_said_and_the_page_goes_on(self, runs, running, watch):
        other = runs("other", records(10))
        page = watch(running)
        aside = running.path.with_name(f".{running.id}")
        running.path.rename(aside)
        expect(page.get_by_text(f"There is no run {running.id} any more.").first).to_be_visible()
        aside.rename(running.path)
        page.get_by_label("Run", exact=True).click()
        page.locator(f'.sb-picker [data-run="{other.id}"]').click()
        expect(page.locator("#status")).to_contain_text(other.id)


class TestList:
    def test_200_runs_are_listed_found_by_typing_and_chosen(self, runs, watch):
        made = [
            runs(f"many-{n:03d}", [record(1, {"math": 0.5})], end="stopped" if n % 2 else "finished")
            for n in range(200)
        ]
        page = watch(made[0])
        field = page.get_by_label("Run", exact=True)
        field.click()
        expect(page.locator(".sb-picker .run:visible").nth(199)).to_be_attached()
        field.fill("many-137 stopped")
        expect(page.locator(".sb-picker .run:visible")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.locator("#status")).to_contain_text(made[137].id)
        expect(field).to_have_value(made[137].id)


class TestCompletions:
    @pytest.fixture
    def sampled(self, runs):
        run = runs("sampled", records(3))
        recorder = Recorder(run)
        for step in (1, 2, 3):
            texts = [f"<b>four</b> at\nstep {step}", "five", "six"]
            recorder.add("train", step, scored_batch("math", texts, [1.0, 0.0, 0.5], prompt="What is 2 + 2?"))
        recorder.add(
            "train", 3, scored_batch("code", ["def f(): pass"] * 2, [None, 1.0], prompt=f"Write f. {'Long ' * 400}")
        )
        return run

    def test_groups_are_side_by_side_and_text_is_text(self, sampled, watch):
        found = watch(sampled, "completions").locator("#run-completions")
        expect(found.locator(".sb-card")).to_have_count(4)
        expect(found).to_contain_text("<b>four</b> at")
        assert found.locator("b").count() == 0
        expect(found.locator(".sb-card").first).to_contain_text("no gold")

    def test_they_are_found_by_task_error_text_and_score(self, sampled, watch):
        page = watch(sampled, "completions")
        found = page.locator("#run-completions")
        found.get_by_label("Task").select_option("math")
        expect(found.locator(".sb-card")).to_have_count(3)
        found.get_by_label("Text").fill("STEP 2")
        found.get_by_label("Text").press("Enter")
        expect(found.locator(".sb-card")).to_have_count(1)
        expect(found).to_contain_text("step 2 · mean 0.5")
        found.get_by_role("button", name="Show the newest").click()
        found.get_by_label("failed scores only").check()
        expect(found.locator(".sb-card", has_text="math")).to_have_count(0)
        expect(found.locator(".sb-card")).to_contain_text("code")

    def test_one_prompt_is_followed_over_the_run(self, sampled, watch):
        found = watch(sampled, "completions").locator("#run-completions")
        found.get_by_label("Task").select_option("math")
        expect(found.locator(".sb-card")).to_have_count(3)
        found.get_by_role("button", name="this prompt over the run").first.click()
        expect(found).to_contain_text("times it was sampled: 3")
        expect(found).to_contain_text("0.5 → 0.5 → 0.5")
        found.get_by_role("button", name="Back to all prompts").click()
        expect(found.locator(".sb-card")).to_have_count(3)

    def test_a_long_text_opens_and_stays_open_while_the_run_goes_on(self, sampled, watch):
        page = watch(sampled, "completions")
        prompt = page.locator("#run-completions .sb-card").first.locator("details").first
        prompt.locator("summary").click()
        expect(prompt).to_have_attribute("open", "")
        append(sampled, record(4, entries(4), steps=60))
        expect(page.locator("#status")).to_contain_text("step 4 of 60")
        expect(prompt).to_have_attribute("open", "")


def test_two_runs_are_compared_by_curves_settings_and_ends(runs, watch):
    slow = runs("slow", records(60), spec_document(TASKS, grpo={"learning_rate": 1e-5}))
    fast = runs("fast", records(30), spec_document(TASKS, grpo={"learning_rate": 1e-4}), end="stopped")
    page = watch(slow, "compare")
    found = page.locator("#run-compare")
    found.get_by_label("Compare with").select_option(fast.id)
    expect(found).to_contain_text("grpo.learning_rate")
    expect(found.get_by_role("row", name="grpo.learning_rate")).to_contain_text("1e-05")
    expect(found.get_by_role("row", name="math")).to_contain_text("0.7")
    expect(drawn(page, "compared")).to_be_attached()
    page.wait_for_url("**with=**")
    page.reload()  # the address names both
    expect(found.get_by_role("row", name="grpo.learning_rate")).to_contain_text("1e-05")
    found.get_by_role("button", name="×").click()
    expect(found).to_contain_text("Choose a second run")
    page.wait_for_function("!location.search.includes('with=')")


@pytest.mark.usefixtures("runs_end")
def test_a_live_run_is_watched_killed_and_resumed(served, project, watch, model, tmp_path):
    document = toy_spec(model, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)), max_steps=3000, save_steps=5)
    document["grpo"]["eval_steps"] = 5000
    run = create_run(parse_spec(document, "test"))
    launch_and_leave(run)
    page = watch(run)
    expect(page.locator("#status")).to_contain_text("of 3000")
    for task in ("short", "long"):
        expect(page.locator("#curves").get_by_text(task, exact=True)).to_be_visible()
    while run.last_step() < 6:
        assert state(run) == "running"
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#kill-run").click()
    expect(page.locator("#status")).to_contain_text("lost")
    page.locator("#resume-run").click()
    expect(page.locator("#status")).to_contain_text("running")
    expect(page.locator("#stop-run")).to_be_enabled()
    page.locator("#stop-run").click()
    expect(page.locator("#status")).to_contain_text("stopped")
    steps = [one["step"] for one in run.records() if one["split"] == "train"]
    assert steps == list(range(1, len(steps) + 1))
    more = page.get_by_label("more steps")
    more.fill("many")
    more.press("Enter")
    expect(page.get_by_text("found 'many'")).to_be_visible()
    more.fill("5")
    page.get_by_role("button", name="Extend").click()
    expect(page.locator("#status")).to_contain_text("running")
    assert planned_steps(run) == 3005
