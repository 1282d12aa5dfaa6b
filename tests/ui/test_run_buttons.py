"""What is offered for a run in each of its states, and that it is done."""

import json
from types import SimpleNamespace

import pytest
from toys import bare_spec, end_run, write_steps

from core.errors import UserError
from core.extension import planned_steps
from core.projects import find_project
from core.queue import read_queue
from core.runs import create_run, runs_root, state
from ui.run_buttons import _steps, buttons_html, clicked


@pytest.fixture
def run():
    return create_run(bare_spec("toy"))


def queue(*runs):
    document = {"at_once": 1, "runs": [run.id for run in runs], "notes": []}
    (runs_root() / "queue.json").write_text(json.dumps(document))


def click(run, act):
    return clicked(SimpleNamespace(_data={"act": act, "run": run.id}))


def offered(run):
    html = buttons_html(run)
    names = ("start", "resume", "stop", "kill", "cancel", "sooner", "later", "duplicate", "extend")
    return [name for name in names if f'data-act="{name}"' in html]


def test_a_new_run_is_started_or_copied(run):
    assert offered(run) == ["start", "duplicate"]


def test_a_waiting_run_is_moved_and_taken_out(run):
    other = create_run(bare_spec("other"))
    queue(other, run)
    assert offered(run) == ["cancel", "sooner", "later", "duplicate"]
    click(run, "sooner")
    assert read_queue().runs == (run.id, other.id)
    click(run, "cancel")
    assert read_queue().runs == (other.id,)
    assert state(run) == "created"


def test_a_stopped_run_goes_on_and_may_get_more_steps(run):
    end_run(write_steps(run, range(1, 4)))
    assert "resume" in offered(run)
    assert planned_steps(run) == 6


def test_a_copy_is_a_project_and_leads_to_its_page(run):
    name, page = click(run, "duplicate")
    assert page == "train"
    assert find_project(name).draft().finished().data == run.spec().data


@pytest.mark.parametrize("text", ["many", "1.5", "٣x"])
def test_steps_that_are_no_number_are_named(text):
    with pytest.raises(UserError, match="how many steps more"):
        _steps(text)
