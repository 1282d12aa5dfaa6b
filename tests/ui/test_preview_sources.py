"""The form that brings sample outputs is filled in anew where the project changes what it shows, and only there."""

import pytest

from core.runs import RunFolder, runs_root
from core.spec import parse_draft
from ui.preview_sources import run_choices, sampled_runs, sources_token
from ui.preview_state import known


@pytest.fixture
def token(project):
    """What the form of a draft is filled in by."""

    def token(**fields):
        project.change(lambda _: parse_draft(fields, "test"))
        return sources_token(known(project))

    return token


@pytest.fixture
def run(home):
    """A run that has begun; its completions may come later."""

    def run(name):
        folder = RunFolder(runs_root() / name)
        folder.path.mkdir(parents=True)
        folder.spec_path.write_text("name: x\n")
        return folder

    return run


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"model": "other"}, id="model"),
        pytest.param({"grpo": {"num_generations": 4}}, id="completions a row"),
        pytest.param({"grpo": {"max_completion_length": 9}}, id="tokens"),
        pytest.param({"data": {"path": "rows.jsonl"}}, id="data"),
    ],
)
def test_what_the_form_shows_fills_it_in_anew(token, fields):
    assert token() != token(**fields)


def test_nothing_else_does(token, run):
    before = token()
    run("2026-a").completions.mkdir()
    assert token(grpo={"learning_rate": 0.5, "beta": 0.1}) == before


def test_a_run_can_be_taken_as_soon_as_it_has_completions(run):
    begun = run("2026-a")
    assert sampled_runs() == []
    begun.completions.mkdir()
    assert sampled_runs() == ["2026-a"]


def test_the_newest_run_is_chosen_first_and_what_is_chosen_stays_after_that(home):
    assert run_choices(["b", "a"], []).value == "b"
    assert "value" not in run_choices(["c", "b", "a"], ["b", "a"]).constructor_args
