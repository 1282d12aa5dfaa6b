"""More steps for a run that has ended."""

import pytest
from toys import bare_spec, end_run, write_steps

from core.errors import UserError
from core.extension import extend, extended_steps, planned_steps, wants_more, working_spec
from core.runs import create_run, record_worker


@pytest.fixture
def run():
    return create_run(bare_spec(max_steps=6, learning_rate=0.5))


@pytest.fixture
def finished(run):
    return end_run(write_steps(run, range(1, 7)), "finished", 6)


class TestExtend:
    def test_its_spec_stays_and_the_worker_sees_the_new_number(self, finished):
        before = finished.spec_path.read_bytes()
        assert extend(finished, 4) == 10
        assert finished.spec_path.read_bytes() == before
        assert finished.spec().grpo["max_steps"] == 6
        assert working_spec(finished).grpo == {"max_steps": 10, "learning_rate": 0.5}

    def test_twice_is_both(self, finished):
        extend(finished, 4)
        assert extend(finished, 5) == extended_steps(finished) == 15

    def test_a_run_that_finished_early_goes_on_from_where_it_is(self, run):
        end_run(write_steps(run, range(1, 4)), "finished", 3)
        assert extend(run, 2) == 5
        assert extend(run, 2) == 7

    def test_one_that_finished_early_after_it_was_extended_too(self, finished):
        extend(finished, 100)
        end_run(write_steps(finished, range(1, 21), of=106, checkpoint=False), "finished", 20)
        assert not wants_more(finished)
        assert extend(finished, 10) == 30
        assert wants_more(finished)

    @pytest.mark.parametrize("reason", ["stopped", "failed", "lost"])
    def test_a_run_that_ended_early_is_given_steps_beyond_those_it_had(self, run, reason):
        end_run(write_steps(run, range(1, 4)), reason, 3)
        assert extend(run, 1) == 7

    def test_a_run_of_epochs_is_extended_by_steps(self):
        run = create_run(bare_spec(num_train_epochs=2))
        end_run(write_steps(run, range(1, 10), of=9), "finished", 9)
        assert extend(run, 1) == 10
        assert working_spec(run).grpo["max_steps"] == 10

    @pytest.mark.parametrize("steps", [0, -1])
    def test_no_steps_are_no_extension(self, finished, steps):
        with pytest.raises(UserError, match="above 0"):
            extend(finished, steps)

    def test_a_run_that_works_is_not_extended(self, run):
        import os

        record_worker(run, os.getpid())
        with pytest.raises(UserError, match="running is not extended"):
            extend(run, 1)

    def test_a_run_that_never_began_is_not_extended(self, run):
        with pytest.raises(UserError, match="created is not extended"):
            extend(run, 1)

    def test_a_run_that_its_own_settings_ended_is_not_extended(self, run):
        end_run(write_steps(run, range(1, 4)), "failed", remedy="edit")
        with pytest.raises(UserError, match="its own settings ended it"):
            extend(run, 4)
        assert extended_steps(run) is None

    def test_a_run_without_a_checkpoint_is_not_extended(self, run):
        end_run(write_steps(run, range(1, 4), checkpoint=False), "failed", 3)
        with pytest.raises(UserError, match="no checkpoint"):
            extend(run, 1)


class TestPlan:
    def test_it_is_what_the_spec_says_before_there_are_steps(self, run):
        assert planned_steps(run) == 6

    def test_how_many_steps_epochs_make_is_not_known_before_the_first(self):
        assert planned_steps(create_run(bare_spec(num_train_epochs=2))) is None

    def test_a_run_wants_no_more_once_the_added_steps_are_done(self, finished):
        assert not wants_more(finished)
        extend(finished, 2)
        assert wants_more(finished)
        write_steps(finished, range(1, 9), of=8)
        assert not wants_more(finished)

    def test_a_run_without_extension_works_by_its_spec(self, run):
        assert working_spec(run) == run.spec()
