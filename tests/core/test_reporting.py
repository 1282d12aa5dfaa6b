"""Trackers are checked before a run starts, and get each task's metrics."""

import pytest
from toy_runs import task_entry

from core.reporting import TRACKERS, check_reporting, task_metrics


@pytest.mark.parametrize("report_to", ["none", "all", ["none"], [], None])
def test_no_tracker_needs_nothing(report_to):
    assert check_reporting(report_to) == []


def test_one_that_is_not_there_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (problem,) = check_reporting("swanlab")
    assert (problem.where, problem.what) == ("grpo.report_to", "swanlab is not installed.")
    assert problem.mend == "pip install swanlab, or use none."


@pytest.mark.parametrize("name", TRACKERS)
def test_one_that_is_there_is_fine(monkeypatch, name):
    monkeypatch.setattr("importlib.util.find_spec", lambda module: module)
    assert check_reporting([name]) == []


def test_a_mistyped_one_is_named():
    (problem,) = check_reporting(["wandv"])
    assert problem.what == "there is no tracker 'wandv'."
    assert "wandb" in problem.mend


def test_what_does_not_exist_is_left_out():
    found = task_metrics([task_entry("math", 0.5, ["exact"]), task_entry("code", None, ["exact"], signal=None)])
    assert found["tasks/math/reward"] == found["tasks/math/rewards/exact"] == 0.5
    assert "tasks/code/reward" not in found
    assert "tasks/code/signal" not in found
    assert found["tasks/code/share"] == 0.5
