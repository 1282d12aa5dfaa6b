"""A job runs beside the page, can be looked at and cancelled, and never ends without saying how."""

import threading

import pytest

from core.errors import Problem, UserError
from core.jobs import Jobs


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
        raise RuntimeError("stopped half way")

    job = jobs.start("count", work)
    started.wait(10)
    jobs.cancel("count")
    jobs.cancel("never started")
    assert ended(job).state == "cancelled"


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
