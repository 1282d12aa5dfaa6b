"""The page Preview in a real browser: samples are brought and scored, weights tried, rewards probed and compared."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import expect
from toys import write_rows

from core.preview import Group, write_groups
from core.runs import RunFolder
from core.spec import parse_draft

APP = Path(__file__).parents[2] / "app.py"
SLOW = "import time\n\ndef score(completion, row):\n    time.sleep(2)\n    return float(len(completion))\n"
BROKEN = """
def score(completion, row):
    if "x" in completion:
        raise ValueError("an <x> is here")
    return 1.0
"""
ROWS = [
    {"task": task, "prompt": f"{ask} {n}?", "answer": str(n)}
    for n in range(6)
    for task, ask in (("sum", "How much is"), ("word", "Say"))
]
ANSWERS = ("0", "It is 0.", "seven", "")


@pytest.fixture
def data(tmp_path):
    return write_rows(tmp_path / "rows.jsonl", ROWS)


@pytest.fixture
def draft(project, data, model):
    """Gives the project data and rewards: two for sums, one for words."""

    def draft(**changes):
        document = {
            "model": str(model),
            "data": {"path": str(data), "held_out": {"rows_per_task": 1}},
            "rewards": {
                "sum": [
                    {"name": "number", "weight": 1.0},
                    {"name": "length", "weight": 0.5, "params": {"unit": "characters", "maximum": 2, "margin": 10}},
                ],
                "word": [{"name": "exact_match"}],
            },
            **changes,
        }
        return project.change(lambda _: parse_draft(document, "test"))

    return draft


@pytest.fixture
def samples(project):
    """Writes groups to the project: of each task one with spread, and of words one without."""

    def samples(*groups):
        write_groups(project.samples_path, groups or SAMPLES)

    return samples


SAMPLES = (
    Group(ROWS[0], ANSWERS),
    Group(ROWS[1], ANSWERS),
    Group(ROWS[3], ("no", "never")),
)


def advantages(page):
    return page.locator("#preview-groups .sb-push").all_inner_texts()


class TestGettingSamples:
    def test_an_empty_page_says_what_comes_first(self, open_page, project, draft):
        page = open_page("preview")
        expect(page.locator("#preview-status")).to_contain_text("No rows yet")
        page.get_by_role("button", name="Choose data").click()
        expect(page.locator(".sb-step[aria-current]")).to_contain_text("Data")
        draft(rewards={})
        page.locator(".sb-step", has_text="Preview").click()
        expect(page.locator("#preview-status")).to_contain_text("No rewards yet")
        draft()
        expect(page.locator("#preview-status")).to_contain_text("Sample 4 rows of each task from the model")
        expect(page.locator("#bring")).to_be_visible()
        expect(page.locator("#preview-groups")).to_be_hidden()

    def test_what_is_pasted_is_scored_and_there_after_a_refresh_and_in_a_second_tab(self, open_page, draft):
        draft()
        page = open_page("preview")
        page.get_by_role("tab", name="Typed").click()
        page.locator("#typed-text textarea").fill("0\n---\n<img src=x onerror=alert(1)> ${1+1} {{x}}")
        page.locator("#typed-add").click()
        groups = page.locator("#preview-groups")
        expect(groups).to_contain_text("<img src=x onerror=alert(1)> ${1+1} {{x}}")
        expect(page.locator("#preview-status")).to_contain_text("Sample outputs: 2, groups: 1")
        expect(page.locator("#preview-groups .sb-push")).to_have_count(2)
        page.locator("#typed-text textarea").fill("7")
        page.locator("#typed-add").click()
        expect(groups.locator("tbody tr")).to_have_count(3)
        page.reload()
        expect(groups.locator("tbody tr")).to_have_count(3)
        expect(open_page("preview").locator("#preview-groups tbody tr")).to_have_count(3)

    def test_a_file_brings_samples_and_its_bad_rows_are_named(self, open_page, draft, tmp_path):
        draft()
        page = open_page("preview")
        page.get_by_role("tab", name="From a file").click()
        bad = write_rows(tmp_path / "bad.jsonl", [{"task": "sum", "prompt": "How much is 0?", "completion": 7}])
        page.locator("#preview-file input").set_input_files(bad)
        expect(page.get_by_text("bad.jsonl line 1")).to_be_visible()
        good = write_rows(
            tmp_path / "good.jsonl", [{"task": "sum", "prompt": "How much is 0?", "completion": ["0", "1"]}]
        )
        page.reload()
        page.get_by_role("tab", name="From a file").click()
        page.locator("#preview-file input").set_input_files(good)
        expect(page.locator("#preview-groups tbody tr")).to_have_count(2)

    def test_a_model_samples_with_progress_and_what_is_cancelled_loses_nothing(self, open_page, project, draft):
        draft(grpo={"num_generations": 4, "max_completion_length": 24})
        page = open_page("preview")
        page.get_by_role("button", name="Sample 4 rows of each task").click()
        status = page.locator("#preview-status")
        expect(status).to_contain_text("Sample outputs: 32, groups: 8")
        expect(page.locator("#preview-groups .sb-card")).to_have_count(8)
        before = project.samples_path.read_bytes()
        page.get_by_label("replace those there are").check()
        page.get_by_label("Completions a row").fill("256")
        page.get_by_label("Tokens at most").fill("400")
        page.locator("#sample").click()
        expect(status.locator("progress")).to_be_visible()
        status.get_by_role("button", name="Cancel").click()
        expect(status).to_contain_text("The last sampling was cancelled.")
        assert project.samples_path.read_bytes() == before

    def test_worked_examples_are_a_source(self, open_page, draft):
        draft()
        page = open_page("preview")
        page.get_by_role("tab", name="Worked examples").click()
        page.locator("#take-examples").click()
        expect(page.locator("#preview-groups")).to_contain_text("sum")

    def test_what_is_entered_stays_when_a_run_begins_which_can_be_taken_once_it_has_completions(
        self, open_page, draft, served, samples
    ):
        draft(grpo={"num_generations": 6})
        page = open_page("preview")
        completions, groups = page.get_by_label("Completions a row"), page.locator("#preview-groups .sb-card")
        expect(completions).to_have_value("6")
        completions.fill("5")
        run = RunFolder(served / "runs" / "2000-begun")
        run.path.mkdir(parents=True)
        try:
            run.spec_path.write_text("name: begun\n")
            samples(*SAMPLES[:1])  # once they are shown, the run has been seen too
            expect(groups).to_have_count(1)
            expect(completions).to_have_value("5")
            run.completions.mkdir()
            samples(*SAMPLES[:2])
            expect(groups).to_have_count(2)
            page.get_by_role("tab", name="Of a run").click()
            page.get_by_label("Run", exact=True).click()
            expect(page.get_by_role("option", name="2000-begun")).to_be_visible()
        finally:
            shutil.rmtree(run.path)
        page.get_by_role("tab", name="From a model").click()
        expect(completions).to_have_value("5")

    def test_what_comes_is_added_to_what_is_there_unless_asked_otherwise(self, open_page, draft, samples, tmp_path):
        draft()
        samples(Group(ROWS[0], ("typed by hand",)))
        page = open_page("preview")
        page.locator("#bring > button").click()
        page.get_by_role("tab", name="Worked examples").click()
        page.locator("#take-examples").click()
        expect(page.locator("#preview-groups .sb-card").nth(1)).to_be_visible()
        expect(page.locator("#preview-groups")).to_contain_text("typed by hand")
        page.get_by_label("replace those there are").check()
        page.get_by_role("tab", name="From a file").click()
        brought = [{"task": "sum", "prompt": "How much is 0?", "completion": ["0", "1"]}]
        page.locator("#preview-file input").set_input_files(write_rows(tmp_path / "brought.jsonl", brought))
        expect(page.locator("#preview-groups")).not_to_contain_text("typed by hand")
        expect(page.locator("#preview-groups .sb-card")).to_have_count(1)


class TestReadingScores:
    def test_tables_filter_sort_and_unfold(self, open_page, draft, samples):
        draft()
        samples(*SAMPLES[:2], Group(ROWS[3], ("no", "never\n" * 9)))
        page = open_page("preview")
        groups = page.locator("#preview-groups")
        expect(groups.locator(".sb-card")).to_have_count(3)
        expect(groups.locator(".sb-card").nth(2)).to_contain_text("no spread")
        overview = page.locator("#preview-overview")
        expect(overview.locator("tbody tr").nth(1)).to_contain_text("1 (50%)")
        groups.get_by_label("Order").select_option("flat")
        expect(groups.locator(".sb-card").first).to_contain_text("no spread")
        overview.get_by_role("button", name="word").click()
        expect(groups.locator(".sb-card")).to_have_count(2)
        long = groups.locator("details.sb-fold", has_text="never").first
        height = long.bounding_box()["height"]
        long.locator("summary").click()
        expect(long).to_have_attribute("open", "")
        assert long.bounding_box()["height"] > 2 * height
        groups.get_by_label("Task").select_option("sum")
        expect(groups.locator(".sb-card")).to_have_count(1)
        groups.get_by_role("button", name="Total").click()
        expect(groups.locator("th[aria-sort=descending]")).to_be_visible()
        totals = [float(text) for text in groups.locator("tbody tr td:nth-child(4)").all_inner_texts()]
        assert totals == sorted(totals, reverse=True)

    @pytest.mark.parametrize("clipboard", [True, False], ids=["with a clipboard", "by plain http, without one"])
    def test_a_text_is_copied(self, open_page, draft, samples, clipboard):
        draft()
        text = "several\nlines of an answer"
        samples(Group(ROWS[0], (text,)))
        page = open_page("preview")
        if clipboard:
            page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        else:
            page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        answer = page.locator("#preview-groups details.sb-fold", has_text="several").first
        answer.locator("summary").click()
        answer.get_by_role("button", name="Copy").click()
        expect(answer.get_by_role("button", name="Copied")).to_be_visible()
        page.locator("#bring > button").click()
        page.get_by_role("tab", name="Typed").click()
        page.locator("#typed-text textarea").focus()
        page.keyboard.press("ControlOrMeta+v")
        expect(page.locator("#typed-text textarea")).to_have_value(text)

    def test_an_error_is_red_with_its_reason_and_never_0(self, open_page, draft, samples):
        draft(rewards={"default": [{"name": "custom", "label": "mine", "params": {"code": BROKEN}}]})
        samples(Group(ROWS[0], ("an x", "a y", "a z")))
        page = open_page("preview")
        failed = page.locator("#preview-groups tbody tr").first
        expect(failed.locator(".sb-bad").first).to_contain_text("an <x> is here")
        expect(failed.locator("td").nth(3)).to_have_text("-")
        expect(page.locator("#preview-details")).to_contain_text("could not score 1 of 3 completions")

    def test_the_page_stays_responsive_while_a_slow_reward_runs_and_can_be_cancelled(self, open_page, draft, samples):
        draft(rewards={"default": [{"name": "custom", "label": "slow", "params": {"code": SLOW}}]})
        samples(Group(ROWS[0], tuple(f"answer {n}" for n in range(40))))
        page = open_page("preview")
        status = page.locator("#preview-status")
        expect(status).to_contain_text("Scoring:")
        page.locator(".sb-step", has_text="Rewards").click()
        expect(page.locator("#grid")).to_contain_text("slow")
        page.locator(".sb-step", has_text="Preview").click()
        expect(page).to_have_url(re.compile("view=preview"))  # what a refresh goes by
        expect(status).to_contain_text("Scoring:")
        page.reload()
        expect(status).to_contain_text("Scoring:")
        draft(rewards={"default": [{"name": "length", "params": {"unit": "characters", "maximum": 4}}]})
        expect(page.locator("#preview-groups")).to_contain_text("answer 39")
        draft(rewards={"default": [{"name": "custom", "label": "slow", "params": {"code": SLOW}}]})
        status.get_by_role("button", name="Cancel").click()
        expect(status.get_by_role("button", name="Score the samples")).to_be_visible()


class TestTrying:
    def test_weights_change_advantages_at_once_and_are_kept_only_on_request(self, open_page, project, draft, samples):
        draft()
        samples()
        page = open_page("preview")
        expect(page.locator("#preview-groups .sb-push")).to_have_count(10)
        before = advantages(page)
        weight = page.locator("[data-task=sum][data-key=length] input[type=number]")
        weight.fill("2")
        expect(page.locator("#preview-note")).to_contain_text("You are trying other weights.")
        expect(page.locator("#preview-groups .sb-push").nth(1)).not_to_have_text(before[1])
        assert project.draft().rewards["sum"][1].weight == 0.5
        expect(page.locator("[data-task=sum][data-key=length] input[type=range]")).to_have_value("2")

        page.reload()
        expect(page.locator("#preview-note")).to_contain_text("You are trying other weights.")
        expect(weight).to_have_value("2")
        page.get_by_role("button", name="Back to the kept ones").click()
        expect(weight).to_have_value("0.5")
        expect(page.locator("#preview-groups .sb-push").nth(1)).to_have_text(before[1])

        weight.fill("2")
        page.locator("#preview-weights [data-normalisation=scale_rewards]").select_option("none")
        expect(page.locator("#preview-note")).to_contain_text("You are trying other weights.")
        page.get_by_role("button", name="Keep these weights").click()
        expect(page.get_by_role("button", name="Keep these weights")).to_be_hidden()
        kept = project.draft()
        assert (kept.rewards["sum"][1].weight, kept.normalisation.scale_rewards) == (2.0, "none")

    def test_what_is_undone_is_undone_in_every_box_and_not_tried_again(self, open_page, project, draft, samples):
        draft()
        samples()
        page = open_page("preview")
        weights = page.locator("#preview-weights")
        length = weights.locator("[data-task=sum][data-key=length] input[type=number]")
        length.fill("2")
        weights.locator("[data-normalisation=scale_rewards]").select_option("none")
        expect(page.locator("#preview-note")).to_contain_text("You are trying other weights.")
        page.get_by_role("button", name="Back to the kept ones").click()
        expect(length).to_have_value("0.5")
        expect(weights.locator("[data-task=sum][data-key=length] input[type=range]")).to_have_value("0.5")
        expect(weights.locator("[data-normalisation=scale_rewards]")).to_have_value("group")
        weights.locator("[data-task=sum][data-key=number] input[type=number]").fill("3")
        page.get_by_role("button", name="Keep these weights").click()
        expect(page.get_by_role("button", name="Keep these weights")).to_be_hidden()
        kept = project.draft()
        assert [route.weight for route in kept.rewards["sum"]] == [3.0, 0.5]
        assert kept.normalisation.scale_rewards == "group"

        page.reload()  # a trial has ended before this page was there
        expect(length).to_have_value("0.5")
        length.fill("4")
        expect(page.locator("#preview-note")).to_contain_text("You are trying other weights.")

    def test_a_weight_that_nobody_moved_keeps_every_digit(self, open_page, project, draft, samples):
        draft(rewards={"sum": [{"name": "number"}, {"name": "exact_match", "weight": 1 / 3}]})
        samples()
        page = open_page("preview")
        page.locator("[data-task=sum][data-key=number] input[type=number]").fill("2")
        page.get_by_role("button", name="Keep these weights").click()
        expect(page.get_by_role("button", name="Keep these weights")).to_be_hidden()
        assert [route.weight for route in project.draft().rewards["sum"]] == [2.0, 1 / 3]

    def test_a_box_shows_the_weight_of_its_own_route_when_another_task_is_chosen(self, open_page, draft, samples):
        draft()
        samples()
        page = open_page("preview")
        boxes = page.locator("#preview-weights input[type=number]")
        page.locator("[data-task=sum][data-key=number] input[type=number]").fill("3")
        expect(page.locator("#preview-note")).to_contain_text("You are trying other weights.")
        page.locator("#preview-overview").get_by_role("button", name="word").click()
        expect(boxes).to_have_count(1)
        expect(boxes).to_have_value("1")
        page.get_by_role("button", name="Show all tasks").click()
        expect(boxes).to_have_count(3)
        assert [box.input_value() for box in boxes.all()] == ["3", "0.5", "1"]

    def test_what_is_tried_is_compared_with_what_is_kept(self, open_page, draft, samples):
        draft()
        samples()
        page = open_page("preview")
        page.locator("[data-task=sum][data-key=length] input[type=number]").fill("-4")
        page.locator("#compare > button").click()
        comparison = page.locator("#preview-comparison")
        expect(comparison).to_contain_text("Completions that change")
        expect(comparison.locator("tbody tr").first).to_contain_text("sum")
        assert comparison.locator("tbody tr").first.locator("td").first.inner_text() != "0 of 6"

    def test_a_saved_table_is_compared_with_the_present_one(self, open_page, project, draft, samples):
        draft()
        samples()
        page = open_page("preview")
        expect(page.locator("#preview-groups .sb-push")).to_have_count(10)
        page.locator("#compare > button").click()
        page.get_by_label("Name for the table").fill("first try")
        page.locator("#save-table").click()
        expect(page.get_by_text("is no name")).to_be_visible()
        page.get_by_label("Name for the table").fill("first")
        page.locator("#save-table").click()
        expect(page.get_by_text("The routing table is saved")).to_be_visible()
        assert (project.tables_path / "first.yaml").read_text().startswith("rewards:")
        draft(rewards={"default": [{"name": "length", "params": {"unit": "characters", "minimum": 3, "margin": 4}}]})
        page.get_by_label("Compare with").click()
        page.get_by_role("option", name="saved table: first").click()
        page.locator("#compare-now").click()
        comparison = page.locator("#preview-comparison")
        expect(comparison).to_contain_text("Completions that change")
        page.reload()
        page.locator("#compare > button").click()
        expect(comparison).to_contain_text("Completions that change")

    def test_probes_flag_a_reward_that_can_be_gamed_in_red_with_its_name(self, open_page, draft, samples):
        gamed = [{"name": "length", "params": {"unit": "characters", "maximum": 500}}]
        draft(rewards={"sum": gamed, "word": [{"name": "exact_match"}]})
        samples()
        page = open_page("preview")
        probes = page.locator("#preview-probes")
        card = probes.locator(".sb-card", has=page.get_by_role("heading", name="sum"))
        expect(card.locator(".sb-wrong")).to_contain_text("'echo'")
        expect(card.locator(".sb-wrong")).to_contain_text("reward")
        colour = card.locator(".sb-bad-row").first.locator("th").evaluate("found => getComputedStyle(found).color")
        assert colour == "rgb(192, 38, 45)"
        expect(probes.locator(".sb-card", has=page.get_by_role("heading", name="word"))).to_contain_text(
            "Nothing beats gold"
        )


class TestTakingAway:
    def test_every_format_is_what_the_command_gives(self, open_page, project, draft, samples, tmp_path):
        draft()
        samples()
        page = open_page("preview")
        expect(page.locator("#preview-groups .sb-push")).to_have_count(10)
        page.locator("#take-away > button").click()
        shown = page.locator(".sb-command pre").inner_text()
        assert shown.startswith("python app.py score ")
        words = [sys.executable, str(APP), *shown.split()[2:]]
        subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
        command = [json.loads(line) for line in (tmp_path / "scored.jsonl").read_text().splitlines()]
        files = {}
        for ending in ("JSONL", "PARQUET", "CSV"):
            with page.expect_download() as downloading:
                page.get_by_role("button", name=f"Download {ending}").click()
            files[ending] = tmp_path / downloading.value.suggested_filename
            downloading.value.save_as(files[ending])
        assert [json.loads(line) for line in files["JSONL"].read_text().splitlines()] == command
        rows = pq.read_table(files["PARQUET"]).to_pylist()
        expected = [
            (total, push) for row in command for total, push in zip(row["total"], row["advantages"], strict=True)
        ]
        assert [(row["total"], row["advantage"]) for row in rows] == expected
        assert len(files["CSV"].read_text().splitlines()) >= len(rows) + 1

    def test_a_download_that_fails_does_not_save_the_file_before_it(self, open_page, draft, samples):
        draft()
        samples()
        page, saved = open_page("preview"), []
        page.on("download", lambda download: saved.append(download))  # a method of a list takes no attributes
        expect(page.locator("#preview-groups .sb-push")).to_have_count(10)
        page.locator("#take-away > button").click()

        def take(ending):
            page.get_by_role("button", name=f"Download {ending}").click()

        with page.expect_download():
            take("JSONL")
        draft(rewards={"default": [{"name": "number", "params": {"nothing": 1}}]})
        scoring = page.locator("#preview-status .sb-progress")
        expect(scoring).to_contain_text("The samples could not be scored")
        take("PARQUET")
        expect(page.get_by_text("the samples are not scored yet")).to_be_visible()
        draft()
        expect(scoring).to_be_hidden()
        with page.expect_download(lambda download: download.suggested_filename.endswith(".csv")):
            take("CSV")
        assert [Path(download.suggested_filename).suffix for download in saved] == [".jsonl", ".csv"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_window_in_light_and_dark(open_page, draft, samples, scheme):
    draft()
    samples()
    page = open_page("preview", width=390, height=844, scheme=scheme)
    expect(page.locator("#preview-groups .sb-push")).to_have_count(10)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
