"""The frame around the pages: projects side by side, the address, and what is gone."""

import re
from collections import Counter

import pytest
from playwright.sync_api import expect

from core.projects import all_projects, create_project, delete_project, find_project, free_name
from core.spec import Route

NAMED = "document.location.search"


@pytest.fixture
def menu(open_page, project):
    """The open menu of projects; every question is answered by yes."""
    page = open_page("rewards")
    expect(picked(page)).to_have_value(project.name)
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#manage-projects").click()
    return page


def picked(page):
    return page.get_by_label("Project", exact=True)


def names():
    return {project.name for project in all_projects()}


def test_a_project_is_made_renamed_copied_and_deleted(menu, project):
    project.set(rewards={"chat": (Route(name="length"),)})
    menu.get_by_label("Name", exact=True).fill(f"{project.name}-b")
    menu.get_by_role("button", name="Rename").click()
    expect(picked(menu)).to_have_value(f"{project.name}-b")
    menu.get_by_label("Name", exact=True).fill(f"{project.name}-c")
    menu.get_by_role("button", name="Duplicate").click()
    expect(picked(menu)).to_have_value(f"{project.name}-c")
    assert find_project(f"{project.name}-c").draft().rewards == find_project(f"{project.name}-b").draft().rewards
    menu.locator("#delete-project").click()
    expect(picked(menu)).not_to_have_value(f"{project.name}-c")
    assert {f"{project.name}-b"} == {name for name in names() if name.startswith(project.name + "-")}


def test_a_name_that_is_none_says_so_and_changes_nothing(menu, project):
    menu.get_by_label("Name", exact=True).fill("../elsewhere")
    menu.get_by_role("button", name="Rename").click()
    expect(menu.get_by_text("is no name for a project").first).to_be_visible()
    assert project.name in names()


def test_an_export_comes_back_by_import(menu, project, tmp_path):
    project.set(rewards={"chat": (Route(name="length"),)})
    with menu.expect_download() as saved:
        menu.get_by_role("button", name="Export everything").click()
    saved.value.save_as(tmp_path / "mine.zip")
    with menu.expect_file_chooser() as chooser:
        menu.get_by_role("button", name="Import").click()
    chooser.value.set_files(tmp_path / "mine.zip")
    expect(picked(menu)).to_have_value("mine")
    assert find_project("mine").draft().rewards == project.draft().rewards
    delete_project(find_project("mine"))


def test_two_projects_are_open_side_by_side(open_page, project):
    other = create_project(free_name("other"))
    project.set(rewards={"default": (Route(name="length"),)})
    other.set(rewards={"default": (Route(name="repetition"),)})
    one, two = open_page("rewards"), open_page("rewards", name=other.name)
    expect(one.locator("#grid")).to_contain_text("length")
    expect(two.locator("#grid")).to_contain_text("repetition")
    other.set(rewards={"default": (Route(name="repetition", weight=7.0),)})
    expect(two.locator("#grid")).to_contain_text("× 7")
    expect(one.locator("#grid")).not_to_contain_text("repetition")
    assert one.evaluate(NAMED) != two.evaluate(NAMED)


def test_an_address_of_a_project_that_is_not_there_says_which_one_is_shown(open_page, project):
    page = open_page("rewards", name="no-such-project")
    expect(page.get_by_text("There is no project no-such-project").first).to_be_visible()
    expect(picked(page)).not_to_have_value("no-such-project")


def test_a_project_that_is_deleted_elsewhere_gives_way_and_it_is_said(open_page, project):
    page = open_page("rewards")
    expect(page.locator("#grid")).to_contain_text("No tasks yet")
    delete_project(project)
    expect(page.get_by_text(f"The project {project.name} is no more").first).to_be_visible()


def test_a_project_file_that_was_edited_into_nonsense_says_what_is_wrong_with_it(open_page, project):
    page = open_page("rewards")
    expect(page.locator("#grid")).to_contain_text("No tasks yet")
    good = project.draft_path.read_text()
    project.draft_path.write_text("rewards: [")
    expect(page.get_by_text("not valid YAML").first).to_be_visible()
    project.draft_path.write_text(good + "rewards: {default: [{name: length}]}\n")
    expect(page.locator("#grid")).to_contain_text("length")


def test_an_idle_page_asks_for_itself_and_the_frame_and_for_nothing_else(open_page):
    page, asked = open_page("train"), []
    expect(page.locator(".sb-step[aria-current]")).to_be_visible()
    asks = re.compile("/queue/join|/run/")  # through Gradio's queue, or past it
    page.on("request", lambda request: asks.search(request.url) and asked.append(request.post_data_json["fn_index"]))
    with page.expect_request(lambda _: len(asked) >= 12):  # what opening it asked for is among the first
        pass
    rounds = Counter(asked[6:])
    often = [event for event, count in rounds.items() if count > 2]  # the beat comes once or twice meanwhile
    assert len(often) <= 2
    assert max(rounds.values()) <= rounds.total() / 2 + 1
