"""Base against adapter on held-out rows: what is sampled, what is kept, and what the figures leave out."""

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from toys import make_run, tagged_rows, write_rows

from core.errors import UserError
from core.evaluation import (
    Evaluation,
    EvaluationCancelled,
    EvaluationSettings,
    Row,
    SideAnswers,
    evaluate,
    evaluation_files,
    evaluation_settings,
    read_evaluation,
    task_results,
)
from core.run_adapters import find_adapter
from core.services import Services

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture(scope="module")
def services():
    own = Services()
    yield own
    own.close()


def answers(*totals, errors=None):
    return SideAnswers(tuple("x" for _ in totals), totals, tuple(errors or [None] * len(totals)))


def kept(*rows, samples=2, lowest=None, highest=1.0):
    settings = EvaluationSettings(num_generations=samples)
    low, high = (dict.fromkeys({row.task for row in rows}, end) for end in (lowest, highest))
    return Evaluation("adapter", 2, "toy", 0.0, 1.0, settings, high, rows, low)


class TestEvaluate:
    def test_both_models_answer_every_held_out_row_and_all_of_it_is_kept(self, run, services):
        told = []
        settings = evaluation_settings(run.spec(), num_generations=3)
        found = evaluate(
            find_adapter(run), settings, services.sampler, services.preview, lambda *done: told.append(done)
        )
        assert found.tasks == ("short", "long")
        assert len(found.rows) == 4
        assert all(len(row.side(side).completions) == 3 for row in found.rows for side in ("base", "adapter"))
        assert all(row.base.completions != row.adapter.completions for row in found.rows)
        assert told == sorted(told)
        assert told[-1] == (1000, 1000)
        (path,) = evaluation_files(run)
        assert read_evaluation(path) == found

    def test_it_samples_as_the_run_did_unless_something_else_is_said(self, run):
        settings = evaluation_settings(run.spec(), temperature=0.5)
        assert (settings.max_completion_length, settings.num_generations, settings.temperature) == (12, 4, 0.5)

    def test_a_cancelled_one_leaves_nothing(self, run, services):
        settings = evaluation_settings(run.spec(), max_completion_length=100_000)
        with pytest.raises(EvaluationCancelled):
            evaluate(find_adapter(run), settings, services.sampler, services.preview, None, lambda: True)
        assert evaluation_files(run) == []

    def test_a_run_without_held_out_rows_says_so(self, model, tmp_path, services):
        rows = write_rows(tmp_path / "few.jsonl", tagged_rows(2))
        run = make_run(tmp_path / "runs" / "few", model, rows)
        with pytest.raises(UserError, match="no rows are held out"):
            evaluate(find_adapter(run), evaluation_settings(run.spec()), services.sampler, services.preview)

    def test_a_reward_that_is_wrong_is_said_before_anything_is_sampled(self, run, services):
        document = run.spec().model_dump(mode="json", exclude_unset=True)
        document["rewards"]["short"][0]["params"]["endpoint"] = "x"
        run.spec_path.write_text(yaml.safe_dump(document))
        told = []
        settings = evaluation_settings(run.spec())
        with pytest.raises(UserError, match="endpoint"):
            evaluate(find_adapter(run), settings, services.sampler, services.preview, lambda *done: told.append(done))
        assert told == []

    @pytest.mark.parametrize("change", [{"rows": 3}, {"time": "x"}, {"highest": []}, {"settings": {"seed": -1}}])
    def test_a_file_that_is_none_is_said(self, tmp_path, change):
        document = {**asdict(kept()), "settings": kept().settings.model_dump()}
        (tmp_path / "a.json").write_text(json.dumps(document))
        assert read_evaluation(tmp_path / "a.json") == kept()
        (tmp_path / "a.json").write_text(json.dumps({**document, **change}))
        with pytest.raises(UserError, match="no evaluation"):
            read_evaluation(tmp_path / "a.json")


class TestTaskResults:
    def test_rewards_and_passes_are_means_over_prompts(self):
        rows = [
            Row("sum", "a", answers(0.0, 1.0), answers(1.0, 1.0)),
            Row("sum", "b", answers(0.0, 0.0), answers(0.0, 1.0)),
        ]
        (result,) = task_results(kept(*rows))
        assert result.base.reward.value == 0.25
        assert result.adapter.reward.value == 0.75
        assert result.change.reward.value == 0.5
        assert [result.base.passes[k].value for k in (1, 2)] == [0.25, 0.5]
        assert [result.adapter.passes[k].value for k in (1, 2)] == [0.75, 1.0]
        assert result.threshold == 1.0
        assert not result.chosen

    def test_errors_and_not_applicable_are_kept_apart_and_are_no_zeros(self):
        row = Row("sum", "a", answers(1.0, None, errors=[None, "no gold"]), answers(1.0, None))
        (result,) = task_results(kept(row))
        assert (result.base.reward.value, result.adapter.reward.value) == (1.0, 1.0)
        assert (result.base.passes[1].value, result.base.passes[2].value) == (1.0, None)
        base, adapter = result.counts["base"], result.counts["adapter"]
        assert (base.scored, base.errors, base.not_applicable, base.reason) == (1, 1, 0, "no gold")
        assert (adapter.scored, adapter.errors, adapter.not_applicable, adapter.reason) == (1, 0, 1, None)

    def test_a_prompt_that_one_side_has_no_score_for_is_in_no_comparison(self):
        rows = [
            Row("sum", "a", answers(None, None, errors=["x", "x"]), answers(1.0, 1.0)),
            Row("sum", "b", answers(1.0, 1.0), answers(0.0, 0.0)),
        ]
        (result,) = task_results(kept(*rows))
        assert (result.change.reward.value, result.change.reward.prompts) == (-1.0, 1)

    def test_a_threshold_can_be_chosen_and_without_any_there_are_no_passes(self):
        row = Row("sum", "a", answers(0.4, 0.6), answers(0.6, 0.6))
        unbounded = kept(row, highest=None)
        (none,) = task_results(unbounded)
        assert (none.threshold, none.base.passes[1].value) == (None, None)
        (chosen,) = task_results(unbounded, {"sum": 0.5})
        assert (chosen.base.passes[1].value, chosen.adapter.passes[1].value, chosen.chosen) == (0.5, 1.0, True)

    def test_no_interval_reaches_past_what_the_rewards_allow(self):
        rows = [Row("sum", name, answers(0.0, 0.0), answers(0.0, after)) for name, after in (("a", 0.25), ("b", 1.0))]
        (result,) = task_results(kept(*rows, lowest=0.0))
        assert (result.base.reward.low, result.adapter.reward.low, result.change.reward.high) == (0.0, 0.0, 1.0)
        (result,) = task_results(kept(*rows))
        assert result.adapter.reward.low < 0, "without a lowest total"

    def test_rounding_does_not_fail_a_total_at_the_highest(self):
        (result,) = task_results(kept(Row("sum", "a", answers(0.1 + 0.2), answers(0.3)), samples=1, highest=0.3))
        assert result.base.passes[1].value == result.adapter.passes[1].value == 1.0

    @pytest.mark.parametrize(
        ("before", "after", "verdict"),
        [(0.0, 1.0, "better"), (1.0, 0.0, "worse"), (0.5, 0.5, "unclear")],
    )
    def test_its_verdict_needs_an_interval_on_one_side_of_nothing(self, before, after, verdict):
        rows = [Row("sum", str(n), answers(before), answers(after)) for n in range(8)]
        (result,) = task_results(kept(*rows, samples=1))
        assert result.verdict == verdict
        (alone,) = task_results(kept(rows[0], samples=1))
        assert alone.verdict == "unclear"

    def test_the_ks_are_powers_of_two_and_the_number_of_samples(self):
        assert kept(samples=6).ks == (1, 2, 4, 6)
        assert kept(samples=8).ks == (1, 2, 4, 8)
        assert kept(samples=1).ks == (1,)


def test_the_command_prints_the_figures_and_keeps_them(run, tmp_path):
    command = [
        sys.executable,
        str(APP),
        "evaluate",
        str(run.path),
        "--checkpoint",
        "2",
        "--samples",
        "2",
        "--rows",
        "1",
    ]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "checkpoint-2 against its base: 2 completions a row" in done.stdout
    assert re.search(r"short: 1 prompts, passes from a total of 1", done.stdout)
    assert re.search(r"pass@2 ", done.stdout)
    (path,) = evaluation_files(run)
    assert json.loads(path.read_text())["adapter"] == "checkpoint-2"
