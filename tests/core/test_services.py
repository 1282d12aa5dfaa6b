"""Samples are scored once for all tabs, again when they or the routes change, and not for another weight."""

import threading

import pytest

from core.errors import UserError
from core.preview import Group, write_groups
from core.projects import create_project
from core.services import Services, asks_outside
from core.spec import Draft, Route

EXACT = Route(name="exact_match")


@pytest.fixture
def services():
    made = Services()
    yield made
    made.close()


@pytest.fixture
def project():
    project = create_project("sums", Draft(name="sums", rewards={"math": (EXACT,)}))
    write_groups(project.samples_path, [Group({"task": "math", "prompt": "1+1?", "answer": "2"}, ("2", "3"))])
    return project


def settled(services, project):
    """What is known once the scoring has ended."""
    services.scored(project)
    job = services.jobs.get(f"score {project.name}")
    assert job.wait(60)
    assert job.problems == ()
    return services.scored(project)


def test_samples_are_scored_in_the_background_and_found_by_whoever_looks_next(services, project):
    first = services.scored(project)
    assert not first.fresh
    found = settled(services, project)
    assert found.fresh
    assert found.preview.scores.values.tolist() == [[1.0], [0.0]]
    assert services.scored(project).job is found.job


def test_another_weight_is_reckoned_without_scoring(services, project):
    job = settled(services, project).job
    project.set(rewards={"math": (EXACT.model_copy(update={"weight": 3.0}),)})
    found = services.scored(project)
    assert found.job is job
    assert found.preview.scores.totals.tolist() == [3.0, 0.0]


def test_another_route_is_scored_anew(services, project):
    job = settled(services, project).job
    project.set(rewards={"math": (EXACT, Route(name="length", params={"maximum": 1, "margin": 1}))})
    assert not services.scored(project).fresh
    found = settled(services, project)
    assert found.job is not job
    assert found.preview.scores.keys == ("exact_match", "length")


def test_other_samples_are_scored_anew(services, project):
    settled(services, project)
    write_groups(project.samples_path, [Group({"task": "math", "prompt": "1+1?", "answer": "2"}, ("2", "2", "2"))])
    assert len(settled(services, project).preview.scores.tasks) == 3


def test_broken_routes_end_with_their_problem_and_are_not_tried_again(services, project):
    project.set(rewards={"math": (Route(name="exakt"),)})
    services.scored(project)
    job = services.jobs.get("score sums")
    assert job.wait(60)
    assert (job.state, job.problems[0].mend) == ("failed", "Did you mean 'exact_match'?")
    assert services.scored(project).job is job


def test_without_samples_nothing_starts(services):
    project = create_project("none", Draft(name="none", rewards={"math": (EXACT,)}))
    assert services.scored(project).preview is None
    assert services.jobs.get("score none") is None


def test_a_judge_is_asked_when_told_to_and_not_before(services, project):
    judge = Route(name="llm_judge", params={"base_url": "http://localhost:1/v1", "model": "m"})
    assert asks_outside({"math": (judge,)})
    assert not asks_outside({"math": (EXACT,)})
    project.set(rewards={"math": (judge,)})
    assert services.scored(project).job is None


def test_of_two_tabs_that_look_at_once_one_scores_and_what_is_known_is_of_the_routes_of_now(services, project):
    settled(services, project)
    tables = [(EXACT,), (EXACT, Route(name="length", params={"maximum": 1, "margin": 1}))]

    def tab(n):
        for turn in range(5):
            project.set(rewards={"math": tables[(turn + n) % 2]})
            services.scored(project)

    tabs = [threading.Thread(target=tab, args=(n,)) for n in range(2)]
    for each in tabs:
        each.start()
    for each in tabs:
        each.join()
    found = services.scored(project)
    while not found.fresh:
        job = services.jobs.get("score sums")
        assert job.wait(60)
        assert job.state in ("finished", "cancelled")
        found = services.scored(project)
    assert found.preview.scores.keys == tuple(route.key for route in project.draft().rewards["math"])


def test_a_project_is_not_left_while_work_goes_on_whose_result_would_be_lost(services, project):
    gate = threading.Event()
    job = services.jobs.start("sample sums", lambda job: gate.wait(10))
    with pytest.raises(UserError, match="goes on: sample sums"):
        services.leave(project)
    gate.set()
    assert job.wait(10)
    settled(services, project)
    services.leave(project)
    assert services.jobs.get("score sums") is None
    first = services.scored(project).job  # scored anew, as a project of that name that nobody knows
    assert first is services.jobs.get("score sums")
