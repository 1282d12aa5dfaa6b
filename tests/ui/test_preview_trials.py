"""What is tried is only what differs, comes in the order in which it was said, and is kept to the last digit."""

import pytest

from core.errors import UserError
from core.projects import create_project
from core.spec import Normalisation, parse_draft
from ui import project_menu
from ui.preview_trials import TRIALS, Trial, Trials

REWARDS = {"sum": [{"name": "number"}, {"name": "exact_match", "weight": 1 / 3}]}
NUMBER, EXACT = ("sum", "number"), ("sum", "exact_match")


@pytest.fixture
def draft(project):
    return project.change(lambda _: parse_draft({"rewards": REWARDS}, "test"))


@pytest.fixture
def trials():
    return Trials()


@pytest.fixture
def move(trials, project, draft):
    """Says that something was moved, in the first drawing where no other is named; whether it is taken."""
    first = trials.drawing()

    def move(*weights, tab="a", number=1, drawn=first, **choices):
        return trials.move(project, {"weights": weights, "tab": tab, "number": number, "drawn": drawn, **choices})

    return move


@pytest.fixture
def tried(trials, project):
    return lambda: trials.of(project, project.draft())


class TestTrying:
    def test_it_is_only_what_differs(self, move, tried):
        move([*NUMBER, "2"], [*EXACT, ""], multi_objective_aggregation="sum_then_normalize", scale_rewards="group")
        assert tried() == Trial({NUMBER: 2.0})
        move([*NUMBER, "1"], number=2)
        assert not tried()

    def test_one_choice_of_the_normalisation_leaves_the_other(self, move, tried):
        move(scale_rewards="none")
        move(multi_objective_aggregation="normalize_then_sum", number=2)
        expected = Normalisation(multi_objective_aggregation="normalize_then_sum", scale_rewards="none")
        assert tried().normalisation == expected

    def test_two_tabs_add_to_it(self, move, tried):
        move([*NUMBER, "2"], number=7)
        move([*EXACT, "3"], tab="b")
        assert tried().weights == {NUMBER: 2.0, EXACT: 3.0}

    def test_what_comes_late_does_not_win_over_what_was_said_after_it(self, move, tried):
        assert move([*NUMBER, "2"], number=2)
        assert not move([*NUMBER, "1.5"], number=1)
        assert tried().weights == {NUMBER: 2.0}

    @pytest.mark.parametrize("text", ["much", "inf", "nan"])
    def test_what_is_no_number_is_not_tried(self, move, tried, text):
        with pytest.raises(UserError, match="number"):
            move([*NUMBER, text])
        assert not tried()


class TestKeeping:
    def test_a_weight_that_nobody_moved_keeps_every_digit(self, trials, move, project):
        move([*NUMBER, "2"])
        trials.keep(project)
        assert [route.weight for route in project.draft().rewards["sum"]] == [2.0, 1 / 3]

    @pytest.mark.parametrize("end", [Trials.keep, Trials.drop])
    def test_a_move_from_before_the_end_of_a_trial_begins_no_new_one(self, trials, move, tried, project, end):
        move([*NUMBER, "2"])
        end(trials, project)
        assert not move([*EXACT, "5"], number=2)
        assert not tried()
        assert move([*EXACT, "5"], number=1, tab="b", drawn=trials.drawing())
        assert tried().weights == {EXACT: 5.0}

    def test_a_trial_that_ended_between_two_looks_is_noticed(self, trials, move, project):
        before = trials.ended(project)
        move([*NUMBER, "2"])
        assert trials.ended(project) == before
        trials.drop(project)
        assert trials.ended(project) > before

    def test_what_cannot_be_kept_is_still_tried(self, trials, move, tried, project, monkeypatch):
        def full(*_):
            raise OSError("no space left")

        move([*NUMBER, "2"])
        with monkeypatch.context() as patched:
            patched.setattr("core.projects.write_atomically", full)
            with pytest.raises(OSError, match="no space left"):
                trials.keep(project)
        assert tried().weights == {NUMBER: 2.0}


@pytest.mark.parametrize(
    "leave",
    [
        pytest.param(lambda project: project_menu.deleted(project.name), id="deleted"),
        pytest.param(lambda project: project_menu.renamed(project.name, f"{project.name}-gone"), id="renamed"),
    ],
)
def test_a_project_with_the_name_of_one_that_is_gone_begins_without_its_trial(project, draft, leave):
    said = {"weights": [[*NUMBER, "2"]], "tab": "a", "number": 1, "drawn": TRIALS.drawing()}
    assert TRIALS.move(project, said)
    leave(project)
    again = create_project(project.name, draft)
    assert not TRIALS.of(again, again.draft())
