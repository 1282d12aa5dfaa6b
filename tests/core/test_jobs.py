"""A job runs beside the page, can be looked at and cancelled, and never ends without saying how."""

import threading

import pytest

from core.errors import Cancelled, Problem, UserError
from core.jobs import Jobs, about_run


def ended(job):
    assert job.wait(10)
    return job


def test_a_job_ends_with_its_result_and_its_progress():
    def work(job):
        job.progress(3, 3)
        return "done"

    job = ended(Jobs().start("count", work))
    assert (job.state, job.result, job.done, job.whole) == ("finished", "done", 3, 3)


def test_a_second_job_of_a_name_waits_for_the_first():
    jobs, gate = Jobs(), threading.Event()
    first = jobs.start("count", lambda job: gate.wait(10))
    with pytest.raises(UserError, match="already"):
        jobs.start("count", lambda job: None)
    jobs.start("other", lambda job: None)
    gate.set()
    ended(first)
    assert ended(jobs.start("count", lambda job: 2)).result == 2
    assert jobs.get("count").result == 2


def test_a_cancelled_job_stops_at_its_next_look():
    jobs, started = Jobs(), threading.Event()

    def work(job):
        started.set()
        while not job.cancelled():
            pass
        raise Cancelled

    job = jobs.start("count", work)
    started.wait(10)
    jobs.cancel("count")
    jobs.cancel("never started")
    assert ended(job).state == "cancelled"


def test_what_goes_wrong_after_a_cancel_is_not_hidden_by_it(capsys):
    jobs, cancelled = Jobs(), threading.Event()

    def work(job):
        cancelled.wait(10)
        raise OSError("the disk is full")

    job = jobs.start("count", work)
    job.cancel()
    cancelled.set()
    assert ended(job).state == "failed"
    assert "the disk is full" in capsys.readouterr().err


def test_the_jobs_of_a_project_that_go_on_are_known():
    jobs, gate = Jobs(), threading.Event()
    one = jobs.start("sample sums", lambda job: gate.wait(10))
    jobs.start("sample others", lambda job: gate.wait(10))
    ended(jobs.start("score sums", lambda job: None))
    assert jobs.running("sums") == [one]
    gate.set()


def test_a_project_and_a_run_of_one_name_have_jobs_of_their_own():
    jobs, gate = Jobs(), threading.Event()
    look_up = jobs.start("look up the model of sums", lambda job: gate.wait(10))
    push = jobs.start(f"push {about_run('sums')}", lambda job: gate.wait(10))
    assert jobs.running("sums") == [look_up]
    jobs.forget("sums")
    assert (look_up.cancelled(), push.cancelled()) == (True, False)
    gate.set()


def test_a_problem_for_the_user_is_kept():
    def work(job):
        raise UserError(Problem("file", "it is empty."))

    job = ended(Jobs().start("count", work))
    assert (job.state, str(job.problems[0])) == ("failed", "file: it is empty.")


def test_a_bug_is_a_failed_job_with_its_reason(capsys):
    job = ended(Jobs().start("count", lambda job: 1 / 0))
    assert job.state == "failed"
    assert "ZeroDivisionError" in job.problems[0].what
    assert "Traceback" in capsys.readouterr().err


def test_the_token_changes_with_progress():
    gate, told = threading.Event(), threading.Event()

    def work(job):
        job.progress(1, 2)
        told.set()
        gate.wait(10)

    jobs = Jobs()
    job = jobs.start("count", work)
    told.wait(10)
    before = job.token
    gate.set()
    ended(job)
    assert job.token != before


class TestLine:
    """Jobs of one name that wait for each other."""

    @pytest.fixture
    def gate(self):
        return threading.Event()

    def test_each_is_done_after_the_one_before_and_knows_which_is_at_work(self, gate):
        jobs, done = Jobs(), []

        def first(job):
            job.progress(1, 2)
            gate.wait(10)
            done.append("first")

        one = jobs.start("read", first)
        two, three = (jobs.line_up("read", lambda job, word=word: done.append(word)) for word in ("second", "third"))
        assert jobs.get("read") is three
        assert three.line == [one, two, three]
        assert not two.wait(0)
        gate.set()
        ended(three)
        assert done == ["first", "second", "third"]
        assert three.line == []

    def test_what_went_wrong_before_is_still_known_and_holds_up_nobody(self, gate):
        jobs = Jobs()

        def wrong(job):
            gate.wait(10)
            raise UserError(Problem("file", "it is gone."))

        jobs.start("read", wrong)
        jobs.line_up("read", lambda job: None)
        last = jobs.line_up("read", lambda job: "read")
        gate.set()
        assert (ended(last).state, last.result) == ("finished", "read")
        assert [problem.what for problem in last.earlier] == ["it is gone."]

    def test_cancelling_is_meant_for_all_of_them(self):
        jobs, started, done = Jobs(), threading.Event(), []

        def work(job):
            started.set()
            while not job.cancelled():
                pass
            raise Cancelled

        first = jobs.start("read", work)
        second = jobs.line_up("read", lambda job: done.append("second"))
        started.wait(10)
        jobs.cancel("read")
        assert [ended(job).state for job in (first, second)] == ["cancelled", "cancelled"]
        assert done == []

    def test_the_token_follows_the_one_that_is_at_work(self, gate):
        jobs = Jobs()
        first = jobs.start("read", lambda job: gate.wait(10))
        last = jobs.line_up("read", lambda job: None)
        before = last.token
        first.progress(5, 9)
        assert last.token != before
        gate.set()
        ended(last)

    def test_nothing_waits_where_nothing_runs(self):
        jobs = Jobs()
        ended(jobs.start("read", lambda job: 1))
        assert ended(jobs.line_up("read", lambda job: 2)).result == 2


def test_a_job_that_has_ended_is_dismissed_and_one_that_runs_is_not():
    jobs, gate = Jobs(), threading.Event()
    job = jobs.start("read", lambda job: gate.wait(10))
    jobs.dismiss("read")
    assert jobs.get("read") is job
    gate.set()
    ended(job)
    jobs.dismiss("read")
    jobs.dismiss("never started")
    assert jobs.get("read") is None
