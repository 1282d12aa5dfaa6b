"""Which adapters a run has, and what is said where it has none."""

import json
import os
import shutil

import pytest
from toys import make_model, make_run, spec_document, tagged_rows, write_rows

from core.errors import UserError
from core.run_adapters import find_adapter, no_adapter, run_adapters, save_step
from core.run_data import note_rows, run_rows
from core.runs import CHECKPOINT_COMPLETE, create_run, record_worker
from core.spec import parse_spec


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def rows(tmp_path):
    return write_rows(tmp_path / "rows.jsonl", tagged_rows(20))


@pytest.fixture
def run(model, rows, tmp_path):
    return make_run(tmp_path / "runs" / "toy", model, rows)


@pytest.fixture
def new(model, rows):
    return create_run(parse_spec(spec_document(model, rows, save_steps=7), "toy"))


def test_what_somebody_has_put_beside_the_adapters_is_none(run):
    before = run_adapters(run)
    shutil.copytree(run.checkpoints / "checkpoint-2", run.checkpoints / "checkpoint-2-copy")
    (run.checkpoints / "checkpoint-mine").mkdir()
    (run.best / "step-2-copy").mkdir(parents=True)
    assert run_adapters(run) == before


def test_the_result_comes_before_the_checkpoints(run):
    assert [(one.name, one.step) for one in run_adapters(run)] == [("adapter", 2), ("checkpoint-2", 2)]
    assert find_adapter(run).path == run.adapter
    assert find_adapter(run, "checkpoint-2").model.adapter == str(run.checkpoints / "checkpoint-2")


def test_a_result_that_is_older_than_a_checkpoint_says_its_own_step_and_is_not_the_choice(run):
    """Stopped after step 1, resumed, and killed after the checkpoint of step 2."""
    save_step(run.adapter, 1)
    assert [(one.name, one.step) for one in run_adapters(run)] == [("checkpoint-2", 2), ("adapter", 1)]
    assert find_adapter(run).name == "checkpoint-2"


def test_a_torn_checkpoint_is_none(run):
    (run.checkpoints / "checkpoint-2" / CHECKPOINT_COMPLETE).unlink()
    assert [one.name for one in run_adapters(run)] == ["adapter"]


def test_one_that_is_gone_is_named_with_those_that_are_there(run):
    with pytest.raises(UserError, match=r"no adapter 'checkpoint-1'.*Did you mean 'checkpoint-2'"):
        find_adapter(run, "checkpoint-1")


@pytest.mark.parametrize(("file", "fault"), [("adapter_model.safetensors", "is missing"), ("", "cannot be read")])
def test_one_with_a_damaged_file_is_no_adapter_to_load_or_export(run, file, fault):
    if file:
        (run.adapter / file).unlink()
    else:
        (run.adapter / "adapter_model.safetensors").write_bytes(b"{")
    with pytest.raises(UserError, match=f"the adapter's adapter_model.safetensors {fault}"):
        find_adapter(run, "adapter")


def test_a_run_without_an_adapter_says_what_to_do(new):
    assert "has not been started" in no_adapter(new).mend
    record_worker(new, os.getpid())
    assert "after step 7" in no_adapter(new).mend
    new.exit_path.write_text(json.dumps({"reason": "failed", "message": "", "step": 0, "attempt": 1}))
    assert "before its first checkpoint" in no_adapter(new).mend
    with pytest.raises(UserError, match="no adapter yet"):
        find_adapter(new)


def test_its_rows_are_those_of_its_data_and_files_that_are_gone_are_said(run, rows):
    assert len(run_rows(run).held_out) == 4
    rows.unlink()
    with pytest.raises(UserError, match=r"rows\.jsonl"):
        run_rows(run)


def test_a_file_that_does_not_say_which_rows_a_run_had_is_named(run):
    run.data_path.write_text("[1]")
    with pytest.raises(UserError, match="does not say which rows"):
        run_rows(run)


def test_rows_that_were_added_since_the_start_are_refused_since_the_split_is_another(run, rows):
    note_rows(run, run_rows(run))
    assert len(run_rows(run).held_out) == 4
    write_rows(rows, tagged_rows(25))
    with pytest.raises(UserError, match="the data has changed since the run was started"):
        run_rows(run)
