import json
from dataclasses import replace

import pytest
from toys import make_model, spec_document, tagged_rows, write_rows

from core import preflight as module
from core.errors import Problem
from core.machine import this_machine
from core.preflight import preflight
from core.probes import TaskProbes
from core.readiness import report
from core.spec import parse_draft


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALBOX_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("SIGNALBOX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def document(model, tmp_path):
    return spec_document(model, write_rows(tmp_path / "rows.jsonl", tagged_rows(20)))


def flown(document, **given):
    draft = parse_draft(document, "test")
    return preflight(draft, report(draft), **given)


def said(found):
    return [(f.page, f.problem.where, f.problem.severity) for f in found.findings]


def test_a_sound_run_has_estimates_and_nothing_against_it(document):
    found = flown(document)
    assert found.findings == ()
    assert found.memory.verdict == "fits"
    assert (found.time.steps, found.time.evaluations) == (6, 3)
    assert 0 < found.disk.whole < found.disk.free
    assert found.facts.layers == 2
    assert set(found.lengths) == {"short", "long"}


def test_what_the_check_finds_leads_to_its_page(document):
    document["rewards"]["shrt"] = document["rewards"].pop("short")
    document["grpo"]["num_generations"] = 3
    pages = {(f.page, f.problem.where) for f in flown(document).errors}
    assert ("train", "grpo.num_generations") in pages
    assert {("rewards", "rewards.shrt"), ("rewards", "task 'short'")} <= pages


def test_errors_come_before_warnings(document):
    document["data"]["held_out"] = {"rows_per_task": 0}
    document["grpo"]["num_generations"] = 3
    assert [f.problem.severity for f in flown(document).findings] == ["error", "warning"]


def test_completions_that_fill_the_context_are_an_error(document):
    document["grpo"]["max_completion_length"] = 600
    (found,) = flown(document).findings
    assert found.problem.where == "grpo.max_completion_length"
    assert "the model's context of 512 tokens" in found.problem.what


def test_a_prompt_and_a_completion_that_do_not_fit_together_are_an_error_for_their_task(document, tmp_path):
    rows = [{"task": "long", "prompt": "x" * 300, "answer": "y"}, *tagged_rows(20)]
    document["data"]["path"] = str(write_rows(tmp_path / "long.jsonl", rows))
    document["grpo"]["max_completion_length"] = 300
    (found,) = flown(document).errors
    assert "longest prompt of 'long' (303 tokens)" in found.problem.what
    assert found.problem.mend == "Set it to 209 at most, or shorten the prompts."


def test_reference_answers_longer_than_a_completion_are_a_warning_with_their_share(document, tmp_path):
    rows = [{**row, "answer": "x" * (20 if row["task"] == "long" else 2)} for row in tagged_rows(20)]
    document["data"]["path"] = str(write_rows(tmp_path / "golds.jsonl", rows))
    (found,) = flown(document).findings
    assert found.problem.severity == "warning"
    assert "100% of the reference answers of 'long' are longer (up to 20 tokens)" in found.problem.what
    assert "25" in found.problem.mend


def test_what_probes_found_leads_to_the_page_with_the_probes(document):
    problem = Problem("task 'long'", "the probe 'echo' earns 1.", "", "warning")
    found = flown(document, probes=(TaskProbes("long", "as it is", 1.0, (), (problem,)),))
    assert said(found) == [("preview", "task 'long'", "warning")]


def test_of_a_model_that_is_not_here_nothing_is_reckoned(document):
    document["model"] = "nobody/has-this-model"
    found = flown(document)
    assert (found.facts, found.lengths, found.memory, found.time, found.disk) == (None,) * 5
    assert found.findings == ()


def test_too_little_memory_is_a_warning_with_both_figures(document, monkeypatch):
    monkeypatch.setattr(module, "this_machine", lambda: replace(this_machine(), free=0.1, gpu=None))
    (found,) = flown(document).findings
    assert (found.page, found.problem.where, found.problem.severity) == ("train", "engine.memory_gb", "warning")
    assert "0.1 GB of memory are free" in found.problem.what


@pytest.mark.parametrize(("free", "severity"), [(0.5, "error"), (1.1, "warning")])
def test_a_disk_that_will_be_full_stops_the_run_and_one_that_nearly_is_does_not(document, monkeypatch, free, severity):
    whole = flown(document).disk.whole
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: type("Usage", (), {"free": int(whole * free)}))
    (found,) = flown(document).findings
    assert (found.problem.where, found.problem.severity) == ("grpo.save_total_limit", severity)


def test_completions_take_room_for_every_generation_of_a_step(document):
    document["data"]["held_out"] = {"rows_per_task": 0}
    once = flown(document).disk.completions
    document["grpo"] |= {"gradient_accumulation_steps": 3, "steps_per_generation": 1}
    assert flown(document).disk.completions == 3 * once > 0


def test_options_that_are_wrong_leave_the_estimates_out_and_are_said_themselves(document):
    document["grpo"]["learning_rate"] = "fast"
    found = flown(document)
    assert (found.memory, found.time) == (None, None)
    assert [f.problem.where for f in found.errors] == ["grpo.learning_rate"]


def test_lengths_are_counted_once_while_other_settings_change(document, monkeypatch):
    calls = []
    count = module.token_lengths
    monkeypatch.setattr(module, "token_lengths", lambda *given: calls.append(given) or count(*given))
    for steps in (5, 6, 7):
        flown(json.loads(json.dumps({**document, "grpo": {**document["grpo"], "max_steps": steps}})))
    assert len(calls) == 1
