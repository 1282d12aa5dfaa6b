"""The page Data in a real browser: rows are chosen, mapped, tagged, mended, mixed and looked at."""

import json
import re

import pytest
from playwright.sync_api import expect
from toys import tagged_rows, write_rows

from core.data import load_data, task_counts
from core.spec import Mixing, TaskSpec


@pytest.fixture
def page(open_page):
    opened = open_page("data")
    expect(opened.locator("#data-head")).to_contain_text("No rows yet")
    return opened


def upload(page, *paths):
    """Drop files on the page; the field is folded once there are rows."""
    if not page.locator("#upload input[type=file]").count():
        page.get_by_text("Choose other rows, or more").click()
    page.locator("#upload input[type=file]").set_input_files([str(path) for path in paths])


def write_csv(path, header, rows):
    path.write_text("\n".join(",".join(map(str, line)) for line in [header, *rows]) + "\n", encoding="utf-8")
    return path


def pick(page, field, option):
    page.locator(f"#{field} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def name_of(page, task):
    return page.get_by_label(f"Name of the task {task}", exact=True)


def enter(field, text):
    """Type into a field of a table and leave it."""
    field.fill(text)
    field.press("Tab")


def head(page):
    return page.locator("#data-head")


def lines(page):
    return page.locator("#data-tasks tbody tr")


def test_the_example_is_one_click(page, project):
    page.get_by_role("button", name="Use the example four_tasks").first.click()
    expect(head(page)).to_contain_text("480 rows to train on in 4 tasks, and 32 held out.")
    expect(lines(page)).to_have_count(4)
    expect(page.locator("#balance .plotly text", has_text="sentiment").first).to_be_visible()
    expect(page.locator("#first-rows")).to_contain_text("math")
    assert set(project.draft().rewards) == {"math", "code", "sentiment", "json"}
    page.get_by_role("button", name="Next: rewards").click()
    expect(page.locator("#grid")).to_contain_text("math_answer")


def test_a_csv_with_odd_columns_is_mapped_in_place_and_gets_rewards(page, project, tmp_path):
    rows = [[n, f"{n} plus 1?", n + 1, ["sums", "more"][n % 2]] for n in range(40)]
    upload(page, write_csv(tmp_path / "odd.csv", ["Nr", "Satz", "Wert", "Sorte"], rows))
    expect(head(page)).to_contain_text("odd.csv cannot be used yet")
    expect(head(page)).to_contain_text("there is no column 'prompt'. Known: Nr, Satz, Sorte, Wert.")
    pick(page, "prompt-column", "Satz")
    expect(head(page)).to_contain_text("all of one task")
    pick(page, "task-column", "Sorte")
    expect(head(page)).to_contain_text("in 2 tasks")
    pick(page, "answer-column", "Wert")
    expect(page.locator("#browse-rows dt", has_text="answer").first).to_be_visible()
    assert {task: route.name for task, (route,) in project.draft().rewards.items()} == {
        "sums": "math_answer",
        "more": "math_answer",
    }


def test_files_without_tags_are_a_task_each_and_another_is_added(page, project, tmp_path):
    files = [
        write_csv(tmp_path / f"{name}.csv", ["question", "answer"], [[f"{name} {n}?", n] for n in range(20)])
        for name in ("alpha", "beta", "gamma")
    ]
    upload(page, *files[:2])
    expect(lines(page)).to_have_count(2)
    expect(name_of(page, "alpha")).to_have_value("alpha")
    page.get_by_text("Choose other rows, or more").click()
    page.get_by_label("are added to them").check()
    page.locator("#upload input[type=file]").set_input_files(str(files[2]))
    expect(lines(page)).to_have_count(3)
    assert list(project.draft().data.tags.files.values()) == ["alpha", "beta", "gamma"]


def test_rows_without_a_tag_are_listed_and_mended_one_after_the_other(page, project, tmp_path):
    rows = tagged_rows(20)
    for n in (3, 7):
        del rows[n]["task"]
    upload(page, write_rows(tmp_path / "gaps.jsonl", rows))
    expect(page.locator("#untagged")).to_contain_text("Rows without a tag: 2")
    expect(head(page)).to_contain_text("gaps.jsonl line 4")
    enter(page.get_by_label("Task of gaps.jsonl line 4"), "short")
    expect(page.locator("#untagged")).to_contain_text("Rows without a tag: 1")
    expect(page.get_by_label("Task of gaps.jsonl line 8")).to_have_value("")
    enter(page.get_by_label("Task of gaps.jsonl line 8"), "long")
    expect(head(page)).to_contain_text("in 2 tasks")
    expect(page.locator("#untagged")).not_to_be_visible()
    assert project.draft().data.tags.rows == {"gaps.jsonl line 4": "short", "gaps.jsonl line 8": "long"}


def test_tasks_are_renamed_merged_split_left_out_and_taken_back(page, project, tmp_path):
    rows = [{"task": "abc"[n % 3], "prompt": f"number {n}?", "answer": str(n)} for n in range(60)]
    upload(page, write_rows(tmp_path / "three.jsonl", rows))
    expect(lines(page)).to_have_count(3)
    enter(name_of(page, "a"), "first")
    expect(name_of(page, "first")).to_be_visible()
    assert "first" in project.draft().rewards
    enter(name_of(page, "c"), "b")
    expect(lines(page)).to_have_count(2)
    lines(page).filter(has=name_of(page, "b")).get_by_role("button", name="Leave out").click()
    expect(lines(page)).to_have_count(1)
    expect(head(page)).to_contain_text("all of one task")
    page.get_by_text("Tags: by file, by rule, tasks left out").click()
    page.get_by_role("button", name="Take back in").click()
    expect(lines(page)).to_have_count(2)
    lines(page).filter(has=name_of(page, "first")).get_by_role("button", name="Split").click()
    expect(page.locator("#rule-within input")).to_have_value("first")
    page.get_by_label("this text").fill("3")
    page.get_by_label("become the task").fill("threes")
    page.get_by_role("button", name="Add the rule").click()
    expect(lines(page)).to_have_count(3)
    assert set(task_counts(load_data(project.draft().data).train)) == {"first", "b", "threes"}


def test_a_broken_file_says_the_line_and_shows_it(page, tmp_path):
    path = write_rows(tmp_path / "broken.jsonl", tagged_rows(10))
    text = path.read_text(encoding="utf-8").splitlines()
    text[6] = '{"task": "short", "prompt": oops}'
    path.write_text("\n".join(text), encoding="utf-8")
    upload(page, path)
    expect(head(page)).to_contain_text("broken JSON at character")
    page.get_by_role("button", name="broken.jsonl line 7").click()
    expect(page.locator("#browse-rows")).to_contain_text('7  {"task": "short", "prompt": oops}')


def test_rows_are_browsed_by_task_text_and_page_and_a_warning_leads_to_its_row(page, tmp_path):
    rows = [{"task": "ab"[n % 2], "prompt": f"question {n}: " + "word " * 60} for n in range(60)]
    rows[59]["prompt"] = rows[1]["prompt"]
    upload(page, write_rows(tmp_path / "rows.jsonl", rows))
    shown = page.locator("#browse-rows tbody tr")
    expect(shown).to_have_count(10)
    first = shown.first.inner_text()
    page.locator("#browse-rows").get_by_role("button", name="Next").click()
    expect(shown.first).not_to_have_text(first)
    page.get_by_label("Text in the prompt").fill("QUESTION 1:")
    expect(shown.first).to_contain_text("question 1:")
    page.get_by_label("Text in the prompt").fill("question 1")
    pick(page, "browse-task", "a")
    expect(shown.first).to_contain_text("question 1")
    expect(shown.first).to_contain_text("a")
    long = page.locator("#browse-rows details").first
    long.locator("summary").click()
    expect(long.locator("pre")).to_be_visible()
    head(page).get_by_role("button", name="rows.jsonl line 60").click()
    expect(page.locator("#browse-rows")).to_contain_text("Only rows.jsonl line 60 is shown.")
    expect(shown).to_have_count(1)


def test_the_mix_and_the_held_out_rows_are_edited_here(page, project, tmp_path):
    project.set(mixing=Mixing(adapt="worst"))
    rows = [{"task": "many" if n % 4 else "few", "prompt": f"{n}?"} for n in range(80)]
    upload(page, write_rows(tmp_path / "rows.jsonl", rows))
    share = page.get_by_label("Share of few in training, in %")
    expect(share).to_have_attribute("placeholder", "50")
    page.get_by_label("temperature: between the two").check()
    expect(share).to_have_attribute("placeholder", "36.6")
    page.get_by_label("natural: as the rows are").check()
    expect(share).to_have_attribute("placeholder", "25")
    enter(share, "40")
    expect(page.get_by_label("Share of many in training, in %")).to_have_attribute("placeholder", "60")
    enter(share, "a lot")
    expect(page.get_by_text("is no part of a batch")).to_be_visible()
    expect(share).to_have_value("40")
    enter(page.locator("#rows-per-task input"), "2")
    expect(head(page)).to_contain_text("and 4 held out")
    draft = project.draft()
    assert (draft.mixing.strategy, draft.tasks["few"].share, draft.data.held_out.rows_per_task) == ("natural", 0.4, 2)
    assert draft.mixing.adapt == "worst", "the rest of the mixing stays"


def test_other_rows_leave_the_users_own_rewards_alone(page, project, tmp_path):
    page.get_by_role("button", name="Use the example four_tasks").first.click()
    expect(lines(page)).to_have_count(4)
    before = project.draft().rewards
    upload(page, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))
    expect(head(page)).to_contain_text("These tasks have rewards or settings but no rows any more: math, code")
    assert project.draft().rewards == before
    page.get_by_role("button", name="Suggest rewards for them").click()
    expect(head(page)).not_to_contain_text("No reward scores these tasks yet")
    page.get_by_role("button", name="Remove what they have").click()
    expect(head(page)).not_to_contain_text("no rows any more")
    assert set(project.draft().rewards) == {"short", "long"}


def test_a_refresh_and_a_second_tab_show_the_same(page, open_page, tmp_path):
    upload(page, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))
    expect(lines(page)).to_have_count(2)
    second = open_page("data")
    expect(lines(second)).to_have_count(2)
    enter(name_of(second, "short"), "brief")
    expect(name_of(page, "brief")).to_have_value("brief")
    page.reload()
    expect(name_of(page, "brief")).to_have_value("brief")


def test_markup_in_rows_is_shown_not_obeyed(page, tmp_path):
    rows = [{"task": "<b>t</b>", "prompt": f"<img src=x onerror=alert(1)> {n}"} for n in range(10)]
    upload(page, write_rows(tmp_path / "rows.jsonl", rows))
    expect(page.locator("#browse-rows")).to_contain_text("<img src=x onerror=alert(1)>")
    assert page.locator("#browse-rows img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_window_in_light_and_dark(open_page, project, tmp_path, scheme):
    page = open_page("data", width=390, height=844, scheme=scheme)
    expect(head(page)).to_contain_text("No rows yet")
    upload(page, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))
    expect(lines(page)).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#browse-rows").bounding_box()["width"] <= 390


def test_a_refused_rule_leaves_the_form_as_it_is(page, project, tmp_path):
    rows = [{"task": "ab"[n % 2], "prompt": f"number {n}?", "answer": str(n)} for n in range(40)]
    upload(page, write_rows(tmp_path / "rows.jsonl", rows))
    expect(lines(page)).to_have_count(2)
    page.get_by_text("Tags: by file, by rule, tasks left out").click()
    pick(page, "rule-column", "answer")
    pick(page, "rule-within", "a")
    page.get_by_label("become the task").fill("low")
    page.get_by_role("button", name="Add the rule").click()
    expect(page.get_by_text("the rule says no text to look for").first).to_be_visible()
    page.get_by_label("this text").fill("1")
    expect(page.locator("#rule-column input")).to_have_value("answer")
    expect(page.locator("#rule-within input")).to_have_value("a")
    page.get_by_role("button", name="Add the rule").click()
    expect(lines(page)).to_have_count(3)
    (rule,) = project.draft().data.tags.rules
    assert (rule.column, rule.within, rule.task) == ("answer", "a", "low")


def test_the_ways_to_choose_rows_stay_open_while_one_is_filled_in(page, project, tmp_path):
    upload(page, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))
    expect(lines(page)).to_have_count(2)
    page.get_by_text("Choose other rows, or more").click()
    page.get_by_role("tab", name="Hugging Face Hub").click()
    page.get_by_placeholder("openai/gsm8k").fill("openai/gsm8k")
    project.change(lambda draft: draft.model_copy(update={"tasks": {"short": TaskSpec(share=0.25)}}))  # another tab
    expect(page.get_by_label("Share of short in training, in %")).to_have_value("25")
    expect(page.get_by_placeholder("openai/gsm8k")).to_be_visible()


def test_the_filter_that_is_shown_is_the_one_that_is_used(page, project, tmp_path):
    rows = [{"task": "ab"[n % 2], "prompt": f"number {n}?"} for n in range(80)]
    upload(page, write_rows(tmp_path / "rows.jsonl", rows))
    expect(lines(page)).to_have_count(2)
    pick(page, "browse-task", "a")
    shown = page.locator("#browse-rows")
    expect(shown).to_contain_text(re.compile("1 to 10 of 3"))
    enter(name_of(page, "a"), "first")
    expect(page.locator("#browse-task input")).to_have_value("every task")
    expect(shown).to_contain_text(re.compile("1 to 10 of [67]"))
    expect(shown).to_contain_text("number 1?")


def test_what_is_edited_while_rows_are_read_is_done_after_that(page, project, tmp_path):
    path = tmp_path / "large.jsonl"
    line = json.dumps({"task": "T", "prompt": "N " + "word " * 40, "answer": "1"})
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line.replace("T", "ab"[n % 2]).replace("N", str(n)) + "\n" for n in range(60_000))
    upload(page, path)
    expect(lines(page)).to_have_count(2)
    enter(name_of(page, "a"), "first")
    enter(name_of(page, "b"), "second")
    enter(page.locator("#rows-per-task input"), "3")
    expect(name_of(page, "first")).to_be_visible()
    expect(name_of(page, "second")).to_be_visible()
    expect(head(page)).to_contain_text("and 6 held out")
    expect(page.get_by_text("this is being done already")).to_have_count(0)
    assert set(project.draft().rewards) == {"first", "second"}


def test_enter_in_the_number_of_held_out_rows_counts_once(page, project, tmp_path):
    upload(page, write_rows(tmp_path / "rows.jsonl", tagged_rows(40)))
    expect(lines(page)).to_have_count(2)
    field = page.locator("#rows-per-task input")
    field.fill("2")
    field.press("Enter")
    field.press("Tab")
    expect(head(page)).to_contain_text("and 4 held out")
    expect(page.get_by_text("this is being done already")).to_have_count(0)


def test_a_long_text_is_copied_also_where_the_browser_has_no_clipboard(page, tmp_path):
    rows = [{"task": "ab"[n % 2], "prompt": f"question {n}: " + "word " * 60} for n in range(20)]
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.reload()
    page.wait_for_selector("#main.ready")
    upload(page, write_rows(tmp_path / "rows.jsonl", rows))
    long = page.locator("#browse-rows details").first
    long.locator("summary").click()
    long.get_by_role("button", name="Copy").click()
    expect(long.get_by_role("button", name="Copied")).to_be_visible()
    page.locator("#browse-text textarea, #browse-text input").first.focus()
    page.keyboard.press("Control+V")
    expect(page.locator("#browse-text textarea, #browse-text input").first).to_have_value(
        re.compile("^question .*word")
    )


def test_a_large_file_shows_its_progress_and_is_cancelled(page, project, tmp_path):
    path = tmp_path / "large.jsonl"
    line = json.dumps({"task": "t", "prompt": "{n} " + "word " * 40, "answer": "1"})
    with path.open("w", encoding="utf-8") as file:
        file.writelines(line.replace("{n}", str(n)) + "\n" for n in range(700_000))
    upload(page, path)
    expect(head(page)).to_contain_text("Reading rows:")
    page.reload()
    page.locator("#data-head").get_by_role("button", name="Cancel").click()
    expect(head(page)).to_contain_text("Reading was cancelled; what was being read has changed nothing.")
    assert project.draft().data is None
    page.get_by_role("button", name="Dismiss").click()
    expect(head(page)).not_to_contain_text("cancelled")


def test_an_upload_under_way_is_cancelled(page, tmp_path):
    path = tmp_path / "slow.jsonl"
    path.write_text('{"task": "t", "prompt": "p"}\n' * 100_000, encoding="utf-8")
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 50_000}
    network = page.context.new_cdp_session(page)
    network.send("Network.emulateNetworkConditions", slow)
    upload(page, path)
    page.get_by_role("button", name="Cancel the upload").click()
    expect(page.get_by_role("button", name="Cancel the upload")).to_be_hidden()
    network.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    upload(page, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))
    expect(lines(page)).to_have_count(2)
