import math

import numpy as np
import pytest
from toys import make_model, spec_document, tagged_rows, write_rows

from core.errors import UserError
from core.forecast import (
    FILE,
    Forecast,
    TaskForecast,
    favoured,
    forecast_token,
    kept_forecast,
    kind_of,
    sampling_settings,
    start_forecast,
)
from core.projects import create_project
from core.services import SERVICES
from core.spec import Draft, parse_draft

NAN = math.nan


@pytest.fixture(scope="module", autouse=True)
def started():
    yield
    SERVICES.close()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALBOX_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SIGNALBOX_CACHE", str(tmp_path / "cache"))
    document = spec_document(make_model(tmp_path / "model"), write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))
    return create_project("toy", parse_draft(document, "test"))


@pytest.mark.parametrize(
    ("totals", "kind"),
    [
        ([0.0, 1.0], "spread"),
        ([0.5, 0.5, 0.5], "flat"),
        ([1.0, 1.0], "easy"),
        ([0.0, 0.0], "hard"),
        ([0.0, NAN, 0.0], "hard"),
        ([1.0, NAN], "unknown"),
        ([NAN, NAN], "unknown"),
        ([], "unknown"),
    ],
)
def test_a_group_teaches_or_there_is_a_reason_why_it_does_not(totals, kind):
    assert kind_of(np.array(totals), 0.0, 1.0) == kind


def test_without_bounds_nothing_is_called_easy_or_hard():
    assert [kind_of(np.array([value] * 2), None, None) for value in (0.0, 1.0)] == ["flat", "flat"]


@pytest.mark.parametrize(
    ("parts", "times"),
    [
        ({}, 3.0),
        ({"grpo": {"loss_type": "dr_grpo"}}, 3.0),
        ({"grpo": {"loss_type": "grpo"}}, None),
        ({"normalisation": {"task_tokens": "equal"}}, None),
    ],
)
def test_a_loss_that_adds_up_tokens_favours_long_completions(parts, times):
    def found(**lengths):
        counts = {
            "groups": 8,
            "spread": 4,
            "easy": 0,
            "hard": 4,
            "flat": 0,
            "unknown": 0,
            "reward": 0.5,
            "clipped": 0.0,
        }
        tasks = tuple(TaskForecast(task, length=length, **counts) for task, length in lengths.items())
        return favoured(Forecast("", 0.0, "embedded", 4, tasks), parse_draft(parts, "test"))

    told = found(a=30.0, b=10.0, c=20.0)
    assert (told and (told.longest, told.shortest, told.times)) == (times and ("a", "b", times))
    assert found(a=19.0, b=10.0) is None
    assert found(a=19.0, b=0.0) is None


def test_a_share_is_of_the_groups_that_could_be_judged():
    task = TaskForecast("a", groups=8, spread=3, easy=1, hard=1, flat=1, unknown=2, reward=0.5, length=9.0, clipped=0.0)
    assert (task.scored, task.share) == (6, 0.5)
    none = TaskForecast(
        "a", groups=2, spread=0, easy=0, hard=0, flat=0, unknown=2, reward=None, length=9.0, clipped=0.0
    )
    assert (none.share, none.interval) == (None, None)


def test_it_samples_as_the_run_would():
    settings = sampling_settings(Draft(grpo={"temperature": "0.7", "num_generations": 4, "top_k": 5}))
    assert (settings.temperature, settings.num_generations, settings.top_k) == (0.7, 4, 5)
    assert settings.max_completion_length == 128
    assert settings.seed == 42


def test_settings_that_cannot_be_sampled_with_are_named():
    with pytest.raises(UserError, match=r"grpo\.top_p"):
        sampling_settings(Draft(grpo={"top_p": 2.0}))


def test_what_the_chat_template_is_told_is_part_of_what_it_is_of():
    thinks = [Draft(grpo={"chat_template_kwargs": {"enable_thinking": on}}) for on in (True, False)]
    assert forecast_token(thinks[0]) != forecast_token(thinks[1])


def test_it_is_of_what_was_sampled_and_scored_and_of_nothing_else():
    draft = Draft(grpo={"max_steps": 5})
    assert forecast_token(draft) == forecast_token(Draft(grpo={"max_steps": 50, "learning_rate": 0.1}))
    assert forecast_token(draft) != forecast_token(Draft(grpo={"temperature": 0.5}))
    assert forecast_token(draft) != forecast_token(Draft(model="other"))


def test_a_forecast_of_the_toy_model_counts_every_group_and_is_kept_with_the_project(project):
    job = start_forecast(project, groups=3)
    assert job.wait(300)
    assert (job.state, job.problems) == ("finished", ())
    found = kept_forecast(project)
    assert found == job.result
    assert found.token == forecast_token(project.draft())
    assert {task.task for task in found.tasks} == {"short", "long"}
    for task in found.tasks:
        assert task.groups == task.spread + task.easy + task.hard + task.flat + task.unknown == 3
        assert 1 <= task.length <= 12
    assert found.completions == 4

    cancelled = start_forecast(project, groups=20)
    cancelled.cancel()
    assert cancelled.wait(300)
    assert kept_forecast(project) == found


def test_a_file_that_does_not_read_is_no_forecast(project):
    assert kept_forecast(project) is None
    (project.path / FILE).write_text('{"token": "x"')
    assert kept_forecast(project) is None


def test_without_rows_it_says_so(project):
    project.change(lambda draft: Draft(rewards=draft.rewards))
    with pytest.raises(UserError, match="data"):
        start_forecast(project)
