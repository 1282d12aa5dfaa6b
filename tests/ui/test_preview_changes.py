"""A tab is sent only what it has not seen, and the sliders anew where they were drawn without a move of its own."""

from unittest.mock import Mock

import gradio as gr
import pytest

from core.spec import parse_draft
from ui.preview_page import PARTS, changes, moved
from ui.preview_state import Choice, known
from ui.preview_trials import TRIALS
from ui.preview_weights import note_html

SKIPPED = gr.skip()
WEIGHTS = [part.name for part in PARTS].index("weights")


@pytest.fixture
def choice(project):
    return Choice(project.name)


@pytest.fixture
def seen(project, choice):
    """What a tab has seen of a project with a reward."""
    project.change(lambda _: parse_draft({"rewards": {"sum": [{"name": "number"}]}}, "test"))
    return changes(known(project), {}, choice)[-1]


@pytest.fixture
def move(project, choice):
    """Moves a weight in a drawing; what the tab is sent."""

    def move(seen, drawn, number=1):
        said = {"weights": [["sum", "number", "2"]], "tab": "a", "number": number, "drawn": drawn}
        return moved(project.name, seen, choice, gr.EventData(None, said))

    return move


def test_what_has_been_seen_is_not_sent_again(project, seen, choice):
    assert all(value == SKIPPED for value in changes(known(project), seen, choice))


def test_a_move_leaves_the_sliders_of_its_drawing_alone(seen, move):
    sent = move(seen, seen["drawing"])
    assert sent[WEIGHTS] == SKIPPED
    assert sent[-1]["weights"] != seen["weights"]


def test_a_move_of_an_older_drawing_draws_them_anew(seen, move):
    assert move({**seen, "drawing": seen["drawing"] + 1}, seen["drawing"])[WEIGHTS] != SKIPPED


def test_a_move_of_before_the_end_of_a_trial_draws_them_anew(project, seen, move):
    TRIALS.drop(project)
    sent = move(seen, seen["drawing"])
    assert sent[WEIGHTS] != SKIPPED
    assert sent[-1]["drawing"] > seen["drawing"]


@pytest.mark.parametrize(
    ("schedule", "told"), [({"schedule": {"kind": "linear", "begin": 1, "end": 4}}, True), ({}, False)]
)
def test_a_weight_that_comes_about_in_a_run_is_said_beside_the_sliders(schedule, told):
    rewards = parse_draft({"rewards": {"math": [{"name": "length", **schedule}]}}, "test")
    now = Mock(trial=None, draft=rewards)
    assert ("in a run they begin with another" in note_html(now)) == told
