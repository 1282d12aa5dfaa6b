"""What the page Data sends: everything at first, then only what has changed."""

import gradio as gr
import pytest
from toys import tagged_rows, write_rows

from core.jobs import Job
from core.projects import create_project
from core.spec import DataSpec, Draft
from ui import data_head, data_page, data_reading, data_source, data_tags
from ui.data_browse import Query
from ui.data_page import redraw, show
from ui.data_reading import look


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALBOX_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SIGNALBOX_CACHE", str(tmp_path / "cache"))
    path = write_rows(tmp_path / "rows.jsonl", tagged_rows(40))
    return create_project(f"show-{tmp_path.name}", Draft(data=DataSpec(path=str(path))))


def sent(updates):
    return [update for update in updates[:-1] if update != gr.skip()]


def test_what_has_not_changed_is_not_sent_again(project):
    first = redraw(project.name, None, Query(), "", "prompt")
    below = len(first) - 2
    again = show(below, project.name, first[-1], Query(), "", "prompt")
    assert len(again) == len(first)
    assert sent(again) == []


def test_reading_that_ends_while_the_page_is_drawn_is_drawn_once_more(project, monkeypatch):
    """Else the page would say for ever that rows are read."""
    job = Job(data_reading.job_name(project))
    monkeypatch.setattr(data_page, "reading", lambda project: job)
    draw = data_head.head_html

    def drawn_while_it_ends(found, job):
        html = draw(found, job)
        job.state = "finished"
        return html

    monkeypatch.setattr(data_head, "head_html", drawn_while_it_ends)
    first = redraw(project.name, None, Query(), "", "prompt")
    assert "<progress" in first[0]
    again = show(len(first) - 2, project.name, first[-1], Query(), "", "prompt")
    assert "rows to train on" in again[0]


def test_another_query_alone_draws_the_rows_alone(project):
    first = redraw(project.name, None, Query(), "", "prompt")
    again = show(len(first) - 2, project.name, first[-1], Query(text="no such"), "", "prompt")
    assert len(again) == len(first)
    assert len(sent(again)) == 3  # box, rows, choices
    assert again[-1].query == Query(text="no such")


def test_the_ways_to_choose_rows_are_left_alone_while_there_are_rows(project):
    found = look(project)
    assert data_source.draw(found, False)[0] == gr.skip()
    assert data_source.draw(found, None)[0]._constructor_args[0]["open"] is False
    project.set(data=None)
    assert data_source.draw(look(project), False)[0]._constructor_args[0]["open"] is True


@pytest.mark.parametrize(
    ("within", "column", "values"),
    [
        pytest.param("short", "answer", [], id="choices that hold stay"),
        pytest.param("gone", "gone", ["", "prompt"], id="others are set back"),
    ],
)
def test_the_form_of_a_rule_is_set_only_where_its_choices_are_gone(project, within, column, values):
    given = [part._constructor_args[0] for part in data_tags.draw(look(project), within, column)[-2:]]
    assert [settings["value"] for settings in given if "value" in settings] == values
