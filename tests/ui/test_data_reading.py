"""Rows read in the background: changes wait for their turn, and what fails is said once."""

import threading

import pytest
from toys import tagged_rows, write_rows

from core.errors import Problem, UserError
from core.projects import create_project
from core.spec import DataSpec, Draft
from ui import data_reading
from ui.data_edits import rename_task, tags_of, with_data
from ui.data_reading import dismiss, edit, look, raw_of, reading, take
from ui.data_source import _check_files
from ui.data_tasks import table_html


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALBOX_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SIGNALBOX_CACHE", str(tmp_path / "cache"))
    path = write_rows(tmp_path / "rows.jsonl", tagged_rows(40))
    return create_project(f"reading-{tmp_path.name}", Draft(data=DataSpec(path=str(path))))


def held_out(rows):
    return lambda draft: with_data(draft, held_out=draft.data.held_out.model_copy(update={"rows_per_task": rows}))


@pytest.fixture
def busy(project, monkeypatch):
    """A reading that goes on until it is let go; clicks do not wait for it."""
    gate = threading.Event()
    monkeypatch.setattr(data_reading, "PATIENCE_S", 0)

    def prepare():
        gate.wait(30)
        return held_out(3)

    take(project, prepare)
    first = reading(project)
    yield gate
    gate.set()
    first.wait(30)


def test_what_is_changed_while_rows_are_read_is_done_after_that(project, busy):
    edit(project, lambda draft: rename_task(draft, "short", "brief", ["short", "long"]))
    edit(project, held_out(2))
    assert tags_of(project.draft()).rename == {}
    busy.set()
    assert reading(project).wait(30)
    draft = project.draft()
    assert (tags_of(draft).rename, draft.data.held_out.rows_per_task) == ({"short": "brief"}, 2)


def test_a_change_that_is_refused_is_said_and_takes_no_other_along(project, busy):
    def refused(draft):
        raise UserError(Problem("task", "no such name."))

    edit(project, refused)
    edit(project, held_out(2))
    busy.set()
    job = reading(project)
    assert job.wait(30)
    assert [problem.what for problem in job.earlier] == ["no such name."]
    assert project.draft().data.held_out.rows_per_task == 2
    dismiss(project)
    assert reading(project) is None


def test_cancelling_gives_up_what_waits_too(project, busy):
    edit(project, held_out(2))
    job = reading(project)
    job.cancel()
    busy.set()
    assert job.wait(30)
    assert job.state == "cancelled"
    assert project.draft().data.held_out == DataSpec(path="x").held_out


def test_looking_for_rows_without_a_tag_is_cancelled(project, tmp_path):
    rows = [{"prompt": f"{n}?"} for n in range(20)]
    data = DataSpec(path=str(write_rows(tmp_path / "bare.jsonl", rows)))
    project.set(data=None)

    class Asked:
        whole = 0

        def cancelled(self):
            return True

        def progress(self, done, whole):
            raise AssertionError("it went on")

    with pytest.raises(data_reading.ReadingCancelled):
        raw_of(data, True, Asked())
    assert len(raw_of(data, True).untagged) == 20


def test_a_counting_that_fails_is_said_and_not_done_again(project, monkeypatch, capsys):
    asked = []

    def broken(data, draft):
        asked.append(draft)
        raise ValueError("what is that")

    monkeypatch.setattr(data_reading, "task_statistics", broken)
    found = look(project)
    again = look(project)
    assert len(asked) == 1
    assert "what is that" in again.uncounted[0].what
    assert found.token == again.token
    counts = {"short": 10, "long": 10}
    html = table_html(again.draft, counts, {}, dict.fromkeys(counts, 0.5), again.statistics, again.uncounted)
    assert "what is that" in html
    assert "…" not in html
    assert "ValueError" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "content"), [("rows.txt", "hello"), ("rows.csv", "")])
def test_a_file_that_can_never_be_rows_does_not_take_the_place_of_any(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=name):
        _check_files([tmp_path / name])
