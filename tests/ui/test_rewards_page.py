"""The page Rewards in a real browser: a grid is filled by presets, clicks and code, and survives whatever happens."""

import re

import pytest
from playwright.sync_api import expect
from toys import write_rows

from core.preview import Group, write_groups
from core.projects import create_project, free_name
from core.spec import DataSpec, Draft, Route
from core.weight_schedules import Gate
from ui.schedule_form import kinds

MATHS = [{"task": "math", "prompt": f"{n} + 1?", "answer": str(n + 1)} for n in range(20)]
CHAT = [{"task": "chat", "prompt": f"Say hello, {n}."} for n in range(20)]


@pytest.fixture
def draft(project, tmp_path):
    """Two tasks, one of them with answers."""
    data = DataSpec(path=str(write_rows(tmp_path / "rows.jsonl", MATHS + CHAT)))
    return project.change(lambda draft: draft.model_copy(update={"data": data}))


@pytest.fixture
def samples(project):
    """A group of each task."""
    maths = Group({"task": "math", "prompt": "1 + 1?", "answer": "2"}, ("2", "3", "two", ""))
    chat = Group({"task": "chat", "prompt": "Say hello."}, ("hello", "hello hello", "", "no"))
    write_groups(project.samples_path, [maths, chat])


def rewards(project):
    return {task: [route.key for route in routes] for task, routes in project.draft().rewards.items()}


def task(page, name):
    return page.locator("#grid th.task").filter(has_text=name)


def add(page, words, name):
    """Add the reward of that name once the search has left the library with it alone or first."""
    page.get_by_label("Search the library").fill(words)
    found = page.locator("#library tr").first
    expect(found.locator("code")).to_have_text(name)
    found.get_by_role("button", name="Add").click()


def write_code(page, code):
    page.locator("#param-code .cm-content").click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(code)


def test_an_empty_project_says_what_to_do_next(open_page):
    page = open_page("rewards")
    expect(page.locator("#grid")).to_contain_text("No tasks yet")
    page.get_by_role("button", name="Choose data").click()
    expect(page.locator(".sb-step[aria-current]")).to_contain_text("Data")


def test_a_preset_fills_a_task_in_one_click(open_page, project, draft):
    page = open_page("rewards")
    expect(page.locator("#grid")).to_contain_text("nothing scores it")
    task(page, "math").click()
    page.locator("#presets .primary").click()  # the one that suits
    expect(page.locator("#grid td.cell")).to_have_count(2)
    assert rewards(project) == {"math": ["math_answer", "repetition"]}


def test_the_library_says_which_columns_a_task_lacks_and_is_searched_by_words(open_page, draft):
    page = open_page("rewards")
    task(page, "chat").click()
    library = page.locator("#library")
    expect(library).to_contain_text("needs tests: not in this task")
    page.get_by_label("Search the library").fill("tool calls")
    expect(library.locator("tr").first).to_contain_text("tool_calls")
    page.get_by_label("Search the library").fill("zzz")
    expect(library).to_contain_text("No reward has the words zzz.")


def test_a_reward_is_added_changed_tried_and_removed(open_page, project, draft, samples):
    page = open_page("rewards")
    task(page, "chat").click()
    add(page, "length in range", "length")
    expect(page.locator("#apply-route")).to_be_visible()
    page.get_by_label("Weight").fill("0.25")
    page.get_by_label("Maximum").fill("1")
    page.locator("#try-route").click()
    expect(page.locator("#tried")).to_contain_text("hello hello")
    assert rewards(project) == {"chat": ["length"]}
    page.locator("#apply-route").click()
    cell = page.locator("#grid td.cell")
    expect(cell).to_contain_text("× 0.25")
    (route,) = project.draft().rewards["chat"]
    assert route == Route(name="length", weight=0.25, params={"maximum": 1})
    answers = iter([False, True])
    page.on("dialog", lambda dialog: dialog.accept() if next(answers) else dialog.dismiss())
    page.get_by_role("button", name="Remove from chat").click()  # asked, and kept
    expect(cell).to_contain_text("× 0.25")
    page.get_by_role("button", name="Remove from chat").click()
    expect(cell).to_have_count(0)
    assert rewards(project) == {}


def test_a_schedule_that_cannot_be_chosen_any_more_stays_one_of_the_choices():
    """A gate whose other reward was removed must not keep the form from being applied."""
    assert [kind for _, kind in kinds("gate", others=[])] == ["constant", "linear", "step", "gate"]
    assert [kind for _, kind in kinds("constant", others=[])] == ["constant", "linear", "step"]
    assert [kind for _, kind in kinds("constant", others=["format"])][-1] == "gate"


def test_a_weight_may_come_about_during_a_run(open_page, project, draft):
    project.set(rewards={"chat": (Route(name="length"), Route(name="think_format_reward", label="format"))})
    page = open_page("rewards")
    page.locator("#grid td.cell").filter(has_text="1").first.click()
    expect(page.get_by_label("Maximum")).to_be_visible()
    expect(page.locator("#schedule-gate")).to_be_hidden()
    page.locator("#schedule input").click()
    page.get_by_role("option", name="once another reward is good enough").click()
    gate = page.locator("#schedule-gate")
    gate.get_by_label("Above").fill("0.8")
    page.locator("#apply-route").click()
    expect(page.locator("#grid")).to_contain_text("0 until format reaches 0.8")
    expect(page.locator(".toast-wrap, .toast-body").first).to_contain_text("chat is scored by length")
    length, _ = project.draft().rewards["chat"]
    assert length.schedule == Gate(kind="gate", reward="format", above=0.8)
    expect(gate.get_by_label("Above")).to_have_value("0.8")
    gate.get_by_label("Above").fill("")
    page.locator("#apply-route").click()
    expect(page.locator(".toast-wrap, .toast-body").first).to_contain_text("schedule.above")
    assert project.draft().rewards["chat"][0] == length
    page.locator("#schedule input").click()
    page.get_by_role("option", name="always this weight").click()
    page.locator("#apply-route").click()
    expect(page.locator("#grid")).not_to_contain_text("0 until format")
    assert project.draft().rewards["chat"][0].schedule is None


def test_a_form_of_another_project_is_not_on_screen(open_page, project, draft):
    project.set(rewards={"chat": (Route(name="length"),)})
    other = create_project(free_name("other"))
    page = open_page("rewards")
    page.locator("#grid td.cell").click()
    expect(page.locator("#apply-route")).to_be_visible()
    page.get_by_label("Project").click()
    page.get_by_role("option", name=other.name).click()
    expect(page.locator("#grid")).to_contain_text("No tasks yet")
    expect(page.locator("#apply-route")).to_have_count(0)


def test_samples_that_could_not_be_scored_say_why_and_are_not_said_to_be_missing(open_page, project, draft, samples):
    project.set(rewards={"math": (Route(name="lenght"),)})
    page = open_page("rewards")
    note = page.locator("#grid-note")
    expect(note).to_contain_text("which these rewards have not scored")
    expect(note).to_contain_text("there is no reward called 'lenght'")


def test_a_wrong_value_is_named_and_nothing_is_kept(open_page, project, draft):
    project.set(rewards={"chat": (Route(name="length", params={"maximum": 9}),)})
    page = open_page("rewards")
    page.locator("#grid td.cell").click()
    page.get_by_label("Minimum").fill("20")
    page.locator("#apply-route").click()
    expect(page.get_by_text(re.compile("minimum", re.I)).first).to_be_visible()
    expect(page.locator("#grid")).to_contain_text("!")


def test_cells_show_mean_coverage_errors_and_time_of_the_samples(open_page, project, draft, samples):
    project.set(rewards={"math": (Route(name="exact_match"),), "chat": (Route(name="exact_match"),)})
    page = open_page("rewards")
    cells = page.locator("#grid td.cell")
    expect(cells.first).to_contain_text(re.compile(r"0\.25\s*100%\s*\d"))
    expect(cells.nth(1)).to_contain_text("100% !")  # chat has no answers: errors, and no mean of 0
    expect(cells.nth(1)).to_contain_text("-")


def test_the_default_route_scores_what_has_none_and_another_tasks_reward_is_one_click_away(open_page, project, draft):
    project.set(rewards={"math": (Route(name="exact_match"),), "default": (Route(name="length"),)})
    page = open_page("rewards")
    expect(task(page, "chat")).to_contain_text("takes the default route")
    page.get_by_label("Score chat by exact_match too").click()
    expect(task(page, "chat")).not_to_contain_text("takes the default route")
    assert rewards(project) == {"math": ["exact_match"], "chat": ["length", "exact_match"], "default": ["length"]}


def test_a_reward_of_ones_own_is_written_tried_and_saved_in_versions(open_page, project, draft, samples):
    page = open_page("rewards")
    task(page, "math").click()
    add(page, "your own function", "custom")
    tried = page.locator("#tried")

    write_code(page, "def score(completion, row):\nreturn 1")
    page.locator("#try-route").click()
    expect(tried).to_contain_text("line 2")

    write_code(page, "def score(completion, row):\n    print('seen', completion)\n    return len(completion) / 0")
    page.locator("#try-route").click()
    expect(tried).to_contain_text("ZeroDivisionError")
    expect(tried).to_contain_text("line 3")
    expect(tried).to_contain_text("seen two")

    for number in (1, 2):
        write_code(page, f"def score(completion, row):\n    return {number}.5")
        page.locator("#apply-route").click()
        expect(page.locator("#grid td.cell")).to_contain_text(f"{number}.5")
    expect(page.locator("#diff")).to_contain_text("-    return 1.5")
    expect(page.locator("#diff")).to_contain_text("+    return 2.5")


def test_a_reward_that_hangs_ends_at_its_limit_and_the_page_answers_meanwhile(open_page, project, draft, samples):
    code = "def score(completion, row):\n    while True: pass"
    project.set(rewards={"math": (Route(name="custom", params={"code": code, "timeout_s": 2.0}),)})
    page = open_page("rewards")
    page.locator("#grid td.cell").click()
    page.locator("#try-route").click()
    page.locator("#nav").get_by_text("Train").click()
    expect(page.locator(".sb-step[aria-current]")).to_contain_text("Train")
    page.locator("#nav").get_by_text("Rewards").click()
    expect(page.locator("#tried")).to_contain_text("no score within 2 s")
    expect(page.locator("#grid td.cell")).to_contain_text("100% !")


def test_two_tabs_and_a_refresh_show_the_same(open_page, project, draft):
    first, second = open_page("rewards"), open_page("rewards")
    task(first, "math").click()
    first.locator("#presets .primary").click()
    expect(second.locator("#grid td.cell")).to_have_count(2)
    second.reload()
    expect(second.locator("#grid td.cell")).to_have_count(2)


def test_names_and_completions_are_text_whatever_they_hold(open_page, project, tmp_path):
    hostile = "<img src=x onerror=alert(1)> ${1+1} {{value}}"
    rows = [{"task": hostile, "prompt": "p", "answer": "a"} for _ in range(10)]
    project.set(
        data=DataSpec(path=str(write_rows(tmp_path / "rows.jsonl", rows))),
        rewards={hostile: (Route(name="exact_match", label="<b>bold</b>"),)},
    )
    write_groups(project.samples_path, [Group(rows[0], (hostile,))])
    page = open_page("rewards")
    expect(task(page, "img src")).to_contain_text(hostile)
    page.locator("#grid td.cell").click()
    page.locator("#try-route").click()
    expect(page.locator("#tried")).to_contain_text(hostile)
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_window_in_light_and_dark(open_page, project, draft, samples, scheme):
    project.set(rewards={"math": (Route(name="math_answer"),)})
    page = open_page("rewards", width=390, height=844, scheme=scheme)
    page.locator("#grid td.cell").click()
    expect(page.locator("#apply-route")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_draft_without_data_can_be_given_rewards(open_page, project):
    project.change(lambda _: Draft(name="x", rewards={"default": (Route(name="length"),)}))
    page = open_page("rewards")
    expect(page.locator("#grid td.cell")).to_have_count(1)
