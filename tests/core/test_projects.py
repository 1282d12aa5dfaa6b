"""Projects outlive the page that shows them, and two tabs do not overwrite each other."""

import threading
from functools import partial

import pytest
from toys import bare_spec

from core.errors import UserError
from core.projects import (
    all_projects,
    any_project,
    create_project,
    delete_project,
    duplicate_project,
    find_project,
    free_name,
    project_from_run,
    projects_root,
    rename_project,
)
from core.runs import create_run
from core.spec import Draft, Mixing, Route


def test_a_new_project_is_empty_and_found_again():
    project = create_project("sums")
    assert find_project("sums") == project
    assert project.draft() == Draft(name="sums")
    assert [found.name for found in all_projects()] == ["sums"]


def test_what_is_set_is_there_for_whoever_opens_it_next():
    create_project("sums").set(rewards={"math": (Route(name="math_answer"),)})
    assert find_project("sums").draft().rewards["math"][0].name == "math_answer"


def with_setting(name, draft):
    return draft.model_copy(update={"grpo": {**draft.grpo, name: 1}})


def test_changes_of_two_tabs_to_different_fields_are_both_kept():
    project = create_project("sums")
    gate = threading.Barrier(8)

    def tab(n):
        gate.wait()
        for i in range(5):
            project.change(partial(with_setting, f"{n}-{i}"))

    tabs = [threading.Thread(target=tab, args=(n,)) for n in range(8)]
    for each in tabs:
        each.start()
    for each in tabs:
        each.join()
    assert len(project.draft().grpo) == 40


def test_a_change_that_fails_leaves_the_draft_as_it_was():
    project = create_project("sums", Draft(name="sums", model="mine"))

    def broken(draft):
        raise UserError("no")

    with pytest.raises(UserError):
        project.change(broken)
    assert project.draft().model == "mine"


def test_the_revision_changes_with_the_draft_and_with_the_samples():
    project = create_project("sums")
    first = project.revision
    project.set(mixing=Mixing(strategy="natural"))
    second = project.revision
    project.samples_path.write_text("{}\n")
    assert len({first, second, project.revision}) == 3


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "../up", "a b", "x" * 81, "a\n"])
def test_a_name_that_is_no_safe_folder_is_refused(name):
    with pytest.raises(UserError, match="no name for a project"):
        create_project(name)


def test_a_name_in_another_script_is_fine():
    assert create_project("数学").draft().name == "数学"


def test_a_taken_name_is_refused_and_a_free_one_proposed():
    create_project("sums")
    with pytest.raises(UserError, match="already"):
        create_project("sums")
    assert free_name("sums") == "sums-2"
    assert free_name("other") == "other"


def test_a_missing_project_is_named_with_a_close_one():
    create_project("sums")
    with pytest.raises(UserError, match="Did you mean 'sums'"):
        find_project("sum")


def test_a_copy_has_everything_and_goes_its_own_way():
    project = create_project("sums", Draft(name="sums", model="mine"))
    project.samples_path.write_text("{}\n")
    copy = duplicate_project(project, "copy")
    copy.set(model="other")
    assert project.draft().model == "mine"
    assert copy.samples_path.read_text() == "{}\n"
    with pytest.raises(UserError, match="already"):
        duplicate_project(project, "copy")


def test_a_renamed_project_is_found_under_its_new_name_only():
    renamed = rename_project(create_project("sums"), "adds")
    assert [project.name for project in all_projects()] == ["adds"]
    create_project("sums")
    with pytest.raises(UserError, match="already"):
        rename_project(renamed, "sums")


def test_a_deleted_project_is_gone_for_every_tab():
    project = create_project("sums")
    delete_project(project)
    assert all_projects() == []
    with pytest.raises(UserError, match="no project 'sums'"):
        project.set(model="mine")


def test_a_draft_broken_by_hand_says_where():
    project = create_project("sums")
    project.draft_path.write_text("rewards: [")
    with pytest.raises(UserError, match="line 1"):
        project.draft()


def test_a_folder_without_a_draft_does_not_keep_the_app_from_opening():
    (projects_root() / "first").mkdir(parents=True)
    assert any_project().name == "first-2"
    assert any_project().name == "first-2"


def test_a_project_that_cannot_be_written_leaves_nothing_behind(monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.projects.write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        create_project("sums")
    assert list(projects_root().iterdir()) == []


def test_a_project_that_is_deleted_cannot_be_changed_any_more():
    project = create_project("sums")
    project.path.rename(projects_root() / ".gone")
    with pytest.raises(UserError, match="there is no project 'sums'"):
        project.set(model="mine")


def test_a_tab_that_waits_while_its_project_is_deleted_is_told_so_and_writes_nothing():
    project = create_project("sums")
    waiting, told = threading.Event(), []

    def tab():
        waiting.set()
        try:
            project.set(model="mine")
        except UserError as error:
            told.append(str(error))

    with project.locked():
        thread = threading.Thread(target=tab)
        thread.start()
        waiting.wait(10)
        project.path.rename(projects_root() / ".gone")  # as a delete does, under the lock
    thread.join()
    assert "there is no project 'sums'" in told[0]
    assert all_projects() == []


def test_new_runs_are_named_after_the_project_unless_the_user_named_them():
    project = rename_project(create_project("one"), "two")
    assert project.draft().name == "two"
    assert duplicate_project(project, "three").draft().name == "three"
    project.set(name="mine")
    assert duplicate_project(project, "four").draft().name == "mine"


def test_a_name_too_long_for_a_folder_in_its_script_is_refused():
    with pytest.raises(UserError, match="no name for a project"):
        create_project("𠀀" * 80)


class TestFromRun:
    def test_a_run_becomes_a_draft_that_can_be_changed_and_the_run_stays(self):
        run = create_run(bare_spec("toy", max_steps=6))
        before = run.spec_path.read_bytes()
        first, second = project_from_run(run), project_from_run(run)
        assert (first.name, second.name) == ("toy", "toy-2")
        assert first.draft().finished() == run.spec()
        assert second.draft().name == "toy-2"
        first.set(grpo={"max_steps": 12})
        assert run.spec_path.read_bytes() == before

    def test_a_name_that_no_project_may_have_is_changed(self):
        assert project_from_run(create_run(bare_spec(".hidden"))).name == "hidden"
