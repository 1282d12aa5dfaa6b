"""What the page shows of a run: only what its folder says."""

import json

import numpy as np
import pytest

from core.metrics import ScoredBatch
from core.runs import RunFolder
from core.scores import Scores
from core.series import Series
from core.training.recorder import Recorder
from ui.monitor_page import (
    COMPLETIONS_SHOWN,
    engine_lines,
    error_lines,
    held_out_rows,
    latest_completions,
    log_tail,
    status_line,
)


def record(step, split="train", errors=0, **rewards):
    reasons = {"no gold": errors} if errors else {}
    tasks = [
        {
            "task": task,
            "reward": value,
            "scored": 8,
            "rewards": [{"reward": "math_answer", "errors": errors, "reasons": reasons}],
        }
        for task, value in rewards.items()
    ]
    return {"step": step, "steps": 10, "split": split, "tasks": tasks, "seconds": {"all": 2.0}}


class TestStatusLine:
    @pytest.mark.parametrize(
        ("state", "records", "shown"),
        [
            pytest.param("running", [], "**running**: loading the model", id="before the first record"),
            pytest.param("running", [record(4)], "**running** · step 4 of 10 · 0:12 left", id="six steps of 2 s"),
            pytest.param("stopped", [record(4)], "**stopped** · step 4 of 10", id="no time left to tell"),
            pytest.param("failed", [], "**failed**", id="failed before anything"),
        ],
    )
    def test_it_tells_state_step_and_time_left(self, state, records, shown):
        assert status_line(state, Series.of(records)).startswith(shown)


class TestEngineLines:
    def test_what_is_trl_own_is_said_with_its_reason(self, tmp_path):
        run = RunFolder(tmp_path)
        assert engine_lines(run) == []
        ways = {"sampling": {"ours": True, "reason": ""}, "training": {"ours": False, "reason": "it is too round"}}
        run.engine_path.write_text(json.dumps(ways))
        assert engine_lines(run) == ["The training pass is TRL's own, slower one: it is too round."]


class TestErrorLines:
    def test_errors_of_the_latest_step_are_said_with_their_reason(self):
        (line,) = error_lines(Series.of([record(1), record(2, errors=3, math=None)]))
        assert line == "Task math, step 2: 3 completions could not be scored by math_answer: no gold"

    def test_errors_of_earlier_steps_are_past(self):
        assert error_lines(Series.of([record(1, errors=3, math=None), record(2, math=0.5)])) == []


class TestHeldOutRows:
    def test_there_is_no_comparison_before_the_second_evaluation(self):
        assert held_out_rows(Series.of([record(0, "held_out", math=0.1), record(1, math=0.2)])) == []

    def test_first_and_last_are_compared_and_what_is_missing_is_a_dash(self):
        records = [record(0, "held_out", math=0.1, code=None), record(5, "held_out", math=0.6, code=0.3)]
        assert held_out_rows(Series.of(records)) == [
            ["math", "0.100", "0.600", "+0.500", "8"],
            ["code", "-", "0.300", "-", "8"],
        ]


class TestLatestCompletions:
    @pytest.fixture
    def run(self, tmp_path):
        return RunFolder(tmp_path)

    def test_a_new_run_has_none(self, run):
        assert latest_completions(run, None) == latest_completions(run, 3) == []

    def test_each_group_comes_in_turn_with_text_as_text_and_a_dash_for_no_total(self, run):
        n = 24
        batch = ScoredBatch(
            prompts=("2+2?",) * n,
            completions=("<b>4</b>",) * n,
            scores=Scores(
                ("math",) * n,
                ("exact",),
                np.array([[np.nan]] + [[1.0]] * (n - 1)),
                np.ones((n, 1)),
                {(0, 0): "no gold"},
                np.full((n, 1), np.nan),
            ),
            groups=np.arange(n) // 8,
            advantages=np.zeros(n),
            lengths=np.ones(n, dtype=np.int64),
            clipped=np.zeros(n, dtype=bool),
        )
        Recorder(run).add("train", 3, batch)
        rows = latest_completions(run, 3)
        assert len(rows) == COMPLETIONS_SHOWN
        assert rows[0] == ["math", "2+2?", "<b>4</b>", "-", "+0.000", "no gold"]
        assert rows[1] == ["math", "2+2?", "<b>4</b>", "1.000", "+0.000", "-"]


def test_the_log_shows_its_last_lines_without_rewritten_progress_bars(tmp_path):
    run = RunFolder(tmp_path)
    lines = "".join(f"line {n}\n" for n in range(100))
    run.log_path.write_bytes(f"{lines}Loading: 0%\rLoading: 100%\n".encode())
    shown = log_tail(run).splitlines()
    assert (shown[0], shown[-1]) == ("line 71", "Loading: 100%")
