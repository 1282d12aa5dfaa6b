"""The pages Train and Monitor in a real browser: a spec is typed, a run started, watched, stopped, found again."""

import re
import time

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
    show_view(page, "YAML")
    editor = page.locator("#spec .cm-content")
    editor.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(yaml.safe_dump(document, sort_keys=False))


def show_view(page, name):
    page.get_by_role("tab", name=name, exact=True).click()


def option(page, place, view="train-simple"):
    """The box of a field in one of the views."""
    return page.locator(f"#{view} [data-edit=option][data-place='{place}']")


def enter(field, text):
    field.fill(text)
    field.press("Tab")


def settled(look, wanted):
    """What is on disk once it is what it should be; a page writes it a moment after the entry."""
    for _ in range(600):
        if (found := look()) == wanted:
            break
        time.sleep(0.1)
    assert found == wanted


def test_a_broken_spec_says_what_where_and_how_to_mend_it_and_cannot_start(page, document):
    document["rewards"]["shrt"] = document["rewards"].pop("short")
    write_spec(page, document)
    problems = page.locator("#problems")
    expect(problems).to_contain_text("the data has no task 'shrt'")
    expect(problems).to_contain_text("Did you mean 'short'?")
    expect(page.locator("#start-note")).to_contain_text("Errors to mend before a run can start: 2")
    expect(page.locator("#start-run")).to_be_disabled()


def test_an_empty_editor_cannot_start(page):
    show_view(page, "YAML")
    page.locator("#spec .cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.press("Delete")
    expect(page.locator("#start-run")).to_be_disabled()
    expect(page.locator("#start-note")).to_contain_text("Errors to mend before a run can start: 1")


@pytest.mark.usefixtures("runs_end")
def test_a_run_is_started_watched_stopped_found_again_and_resumed(page, served, document):
    document["grpo"] |= {"max_steps": 4000, "save_steps": 1000, "eval_steps": 5000}
    write_spec(page, document)
    expect(page.locator("#start-note")).to_contain_text("Tasks: 2. Rows to train on: 36. Held out: 4.")
    page.locator("#start-run").click()
    status = page.locator("#status")
    expect(status).to_contain_text("running")
    expect(status).to_contain_text("of 4000")
    curves = page.locator("#curves")
    expect(curves.get_by_text("short", exact=True)).to_be_visible()
    expect(curves.get_by_text("long", exact=True)).to_be_visible()
    page.wait_for_url("**run=*-toy*")
    run = RunFolder(served / "runs" / re.search(r"run=([^&]+)", page.url)[1])

    page.reload()
    expect(page.get_by_label("Run", exact=True)).to_have_value(run.id)
    expect(page.locator("#status")).to_contain_text("running")

    page.locator("#stop-run").click()
    expect(page.locator("#status")).to_contain_text("stopped")
    assert state(run) == "stopped"
    assert run.last_step() < 4000

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


@pytest.mark.usefixtures("runs_end")
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
    show_view(page, "YAML")
    expect(page.locator("#spec")).to_contain_text("max_steps: 77")
    second = open_page("train")
    show_view(second, "YAML")
    expect(second.locator("#spec")).to_contain_text("max_steps: 77")
    document["grpo"]["max_steps"] = 78
    write_spec(second, document)
    expect(page.locator("#spec")).to_contain_text("max_steps: 78")


def test_a_field_of_the_form_changes_the_draft_and_every_view_of_it(page, open_page, project):
    second = open_page("train")
    enter(option(page, "grpo.learning_rate"), "3e-4")
    settled(lambda: project.draft().grpo["learning_rate"], 3e-4)
    show_view(page, "YAML")
    expect(page.locator("#spec")).to_contain_text("learning_rate: 0.0003")
    expect(option(second, "grpo.learning_rate")).to_have_value("0.0003")
    show_view(page, "Advanced")
    expect(option(page, "grpo.learning_rate", "train-advanced")).to_have_value("0.0003")
    show_view(page, "Simple")
    row = page.locator("#train-simple .sb-option", has=page.locator("[data-place='grpo.learning_rate'][data-edit]"))
    row.get_by_role("button", name="reset").click()
    settled(lambda: "learning_rate" in project.draft().grpo, False)
    expect(option(page, "grpo.learning_rate")).to_have_value("0.0001")


def test_the_text_changes_the_form_and_the_focus_goes_on_to_the_next_field(page, document):
    document["grpo"]["max_steps"] = 9
    write_spec(page, document)
    show_view(page, "Simple")
    expect(option(page, "grpo.max_steps")).to_have_value("9")
    enter(option(page, "grpo.max_steps"), "11")
    expect(page.locator("#train-summary")).to_contain_text("a step")
    expect(option(page, "grpo.num_generations")).to_be_focused()


def test_what_cannot_be_taken_stays_in_the_field_with_the_reason_and_nothing_else_changes(page, project):
    before = project.draft()
    enter(option(page, "grpo.learning_rate"), "fast")
    expect(page.locator("#train-simple")).to_contain_text("'fast' is not a number. Write a number, such as 0.0001.")
    expect(option(page, "grpo.learning_rate")).to_have_value("fast")
    enter(option(page, "grpo.max_completion_length"), "0")
    expect(page.locator("#train-simple")).to_contain_text("it must be at least 1")
    assert project.draft() == before
    enter(option(page, "grpo.learning_rate"), "0.5")
    expect(page.locator("#train-simple")).not_to_contain_text("is not a number")
    settled(lambda: project.draft().grpo["learning_rate"], 0.5)


def test_advanced_options_are_searched_set_and_found_again(page, project):
    show_view(page, "Advanced")
    page.locator("#option-search").locator("input, textarea").fill("KL coefficient")
    beta = option(page, "grpo.beta", "train-advanced")
    expect(beta).to_be_visible()
    expect(option(page, "grpo.seed", "train-advanced")).to_have_count(0)
    enter(beta, "0.04")
    settled(lambda: project.draft().grpo.get("beta"), 0.04)
    page.locator("#option-search").locator("input, textarea").fill("scheduler_type")
    option(page, "grpo.lr_scheduler_type", "train-advanced").select_option("cosine")
    settled(lambda: project.draft().grpo.get("lr_scheduler_type"), "cosine")
    page.locator("#option-search").locator("input, textarea").fill("mask_truncated")
    option(page, "grpo.mask_truncated_completions", "train-advanced").check()
    settled(lambda: project.draft().grpo.get("mask_truncated_completions"), True)
    page.locator("#option-search").locator("input, textarea").fill("nothing like this")
    expect(page.locator("#train-advanced")).to_contain_text("No option here has the words nothing like this.")
    page.locator("#option-search").locator("input, textarea").fill("")
    page.locator("#option-only input").check()
    expect(option(page, "grpo.beta", "train-advanced")).to_be_visible()
    expect(option(page, "grpo.seed", "train-advanced")).to_have_count(0)


def test_a_task_gets_a_system_prompt(page, project):
    show_view(page, "Tasks")
    box = page.locator("#train-tasks textarea[data-place='system_prompt'][data-task='long']")
    enter(box, "Write much.")
    settled(lambda: {name: task.system_prompt for name, task in project.draft().tasks.items()}, {"long": "Write much."})


def test_a_preset_says_what_it_changes_before_it_does(page, project):
    before = project.draft()
    page.get_by_role("button", name="Quick look on a laptop").click()
    card = page.locator("#train-presets .sb-card")
    expect(card).to_contain_text("grpo.max_steps")
    expect(card).to_contain_text("Enough to see a reward move, over in minutes.")
    assert project.draft() == before
    card.get_by_role("button", name=re.compile("Set .* fields?")).click()
    settled(lambda: project.draft().grpo.get("max_steps"), 20)
    expect(option(page, "grpo.max_steps")).to_have_value("20")
    expect(card).to_have_count(0)


def test_what_blocks_a_run_leads_to_where_it_is_mended(page, project):
    enter(option(page, "grpo.num_generations"), "3")
    problems = page.locator("#problems")
    expect(problems).to_contain_text("a generation batch of 8 completions is not made of whole groups of 3")
    expect(page.locator("#start-run")).to_be_disabled()
    show_view(page, "YAML")
    problems.get_by_role("button", name="grpo.num_generations").click()
    expect(option(page, "grpo.num_generations")).to_be_focused()
    enter(option(page, "grpo.num_generations"), "4")
    expect(page.locator("#start-run")).to_be_enabled()
    enter(option(page, "grpo.max_completion_length"), "600")
    expect(problems).to_contain_text("the model's context of 512 tokens")
    project.set(rewards={})
    expect(page.locator("#start-note")).to_contain_text("choose rewards on the page Rewards")


def test_a_field_of_a_task_is_found_whatever_the_task_is_called(page, document, project, tmp_path):
    rows = [{**row, "task": {"long": "short answers"}.get(row["task"], row["task"])} for row in tagged_rows(20)]
    document["data"]["path"] = str(write_rows(tmp_path / "spaced.jsonl", rows))
    document["rewards"]["short answers"] = document["rewards"].pop("long")
    document["tasks"] = {"short answers": {"prompt_template": "Say it."}}
    project.change(lambda _: parse_draft(document, "test"))
    page.locator("#problems").get_by_role("button", name="tasks.short answers.prompt_template").click()
    field = page.locator("#train-tasks [data-place='prompt_template'][data-task='short answers'][data-edit=option]")
    expect(field).to_be_focused()
    expect(field).to_have_value("Say it.")


def test_a_reward_that_is_wrong_leads_to_the_page_rewards(page, document):
    document["rewards"]["shrt"] = document["rewards"].pop("short")
    write_spec(page, document)
    page.locator("#problems").get_by_role("button", name="rewards.shrt").click()
    expect(page.locator(".sb-step[aria-current]")).to_contain_text("Rewards")


def test_a_forecast_of_the_model_says_which_tasks_would_teach_and_is_kept(page, project):
    page.get_by_role("button", name="Forecast: 8 prompts of each task").click()
    table = page.locator("#train-forecast")
    expect(table).to_contain_text("Teaches", timeout=240_000)
    expect(table).to_contain_text("of 8")
    expect(page.locator("#train-summary")).to_contain_text("have a spread of rewards")
    page.reload()
    expect(page.locator("#train-forecast")).to_contain_text("4 completions a prompt")
    enter(option(page, "grpo.max_completion_length"), "10")
    expect(page.locator("#train-forecast")).to_contain_text("It is of earlier settings.")


def test_a_file_of_a_run_spec_goes_out_and_in_and_the_command_is_shown(page, project, tmp_path):
    page.get_by_role("button", name="Take along").click()
    expect(page.locator("#train-command")).to_contain_text(f"python app.py train {project.draft_path}")
    with page.expect_download() as saved:
        page.locator("#export-spec").click()
    text = saved.value.path().read_text()
    assert parse_draft(yaml.safe_load(text), "test") == project.draft()
    other = tmp_path / "run.yaml"
    other.write_text(yaml.safe_dump({"name": "imported", "grpo": {"max_steps": 3}}))
    page.locator("#train-take input[type=file]").set_input_files(other)
    settled(lambda: (project.draft().name, project.draft().grpo), ("imported", {"max_steps": 3}))
    assert project.draft().rewards != {}
    expect(option(page, "name")).to_have_value("imported")
