"""Real workers with more steps than they were started with, and those that come after them."""

import threading

import pandas as pd
import pytest
from toys import spec_document, steps, tagged_rows, write_rows

from core.extension import extend
from core.launch import launch
from core.queue import enqueue, place
from core.runs import create_run, state
from core.spec import parse_spec


@pytest.fixture
def document(folders, tmp_path):
    def made(**grpo):
        return parse_spec(spec_document(folders(), write_rows(tmp_path / "rows.jsonl", tagged_rows(20)), **grpo), "toy")

    return made


def prompts(run):
    """The prompts of each training step, in the order in which the model saw them."""
    shards = sorted(run.completions.glob("train-*.parquet"))
    return {shard.name: pd.read_parquet(shard)["prompt"].tolist() for shard in shards}


def wait_for(run, *wanted):
    ticking = threading.Event()
    while state(run) not in wanted:
        assert state(run) in ("created", "queued", "running"), run.log_path.read_text()
        ticking.wait(0.1)


class TestExtension:
    def test_an_extended_run_sees_the_rows_that_a_longer_one_would_have_seen(self, start):
        longer, process = start(max_steps=7, eval_steps=1000)
        assert process.wait(timeout=120) == 0, longer.log_path.read_text()
        run, process = start(max_steps=4, eval_steps=1000)
        assert process.wait(timeout=120) == 0, run.log_path.read_text()
        spec = run.spec_path.read_bytes()
        assert extend(run, 3) == 7
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        assert (state(run), run.exit().message) == ("finished", "All 7 steps done.")
        assert run.spec_path.read_bytes() == spec
        assert steps(run) == list(range(1, 8))
        assert prompts(run) == prompts(longer)
        assert {record["steps"] for record in run.records() if record["step"] > 4} == {7}

    def test_the_time_that_it_has_worked_goes_on_where_it_ended(self, start):
        run, process = start(max_steps=2, eval_steps=1000)
        assert process.wait(timeout=120) == 0, run.log_path.read_text()
        extend(run, 1)
        assert launch(run).wait(timeout=120) == 0, run.log_path.read_text()
        records = run.records()
        worked = [record["elapsed"] for record in records]
        assert worked == sorted(worked)
        assert worked[-1] == pytest.approx(sum(record["seconds"]["all"] for record in records), abs=0.01)


def test_a_run_of_the_queue_is_started_by_the_attendant_of_the_one_before(document):
    first, second = create_run(document(max_steps=1)), create_run(document(max_steps=1))
    enqueue(first)
    enqueue(second)
    assert (state(second), place(second)) == ("queued", 1)
    wait_for(first, "finished")
    wait_for(second, "finished")
    assert steps(second) == [1]
    assert f"Started {second.id}, which was next in the queue." in first.log_path.read_text()
