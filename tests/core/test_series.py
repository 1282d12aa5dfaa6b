"""The series that the page draws say what the records say, and nothing that they do not."""

import json

import numpy as np
import pytest
from toy_runs import lines, record, reward_entry, task_entry

from core.columns import Columns, Key
from core.series import LATEST, Series


def series(*records):
    return Series.of(lines(records))


RECORDS = (
    record(0, {"math": 0.1, "code": 0.2}, split="held_out"),
    record(1, {"math": 0.25, "code": None}),
    record(2, {"math": 0.5}),
)


class TestSeries:
    def test_a_step_without_a_total_is_left_out_and_never_0(self):
        found = series(*RECORDS)
        assert found.tasks == ["math", "code"]
        steps, rewards = found.train.known(Key("reward", "math"))
        assert (steps.tolist(), rewards.tolist()) == ([1, 2], [0.25, 0.5])
        assert len(found.train.known(Key("reward", "code"))[0]) == 0

    def test_evaluations_are_apart_from_training(self):
        held_out = series(*RECORDS).held_out
        assert held_out.steps.tolist() == [0]
        assert held_out.last(Key("reward", "code")) == pytest.approx(0.2)

    def test_every_number_of_a_reward_has_its_column(self):
        entry = task_entry("math", 0.5) | {
            "rewards": [reward_entry("exact", 0.4, errors=3), reward_entry("brief", 0.6)]
        }
        found = series(record(1, [entry, task_entry("code", 0.1, ["exact"])]))
        assert found.rewards("math") == ["exact", "brief"]
        assert found.train.last(Key("errors", "math", "exact")) == 3
        assert found.train.last(Key("mean", "math", "brief")) == pytest.approx(0.6)
        assert found.train.last(Key("mean", "code", "exact")) == pytest.approx(0.1)

    def test_seconds_memory_and_the_trainers_metrics_have_theirs_under_their_names(self):
        train = series(record(1, {"math": 0.5}, trainer={"kl": 0.25, "never_drawn": 1.0})).train
        assert train.last(Key("seconds/generate")) == 1.0
        assert train.last(Key("memory/process_gb")) == 1.5
        assert train.last(Key("kl")) == 0.25
        assert Key("never_drawn") not in train
        assert Key("memory/device_gb") not in train

    def test_records_of_before_memory_was_recorded_are_read(self):
        old = {name: value for name, value in record(1, {"math": 0.5}).items() if name != "memory"}
        assert series(old).train.last(Key("reward", "math")) == 0.5

    def test_only_the_latest_training_records_are_kept_whole(self):
        found = series(*(record(step, {"math": 0.5}) for step in range(1, 100)))
        assert [one["step"] for one in found.latest] == list(range(100 - LATEST, 100))
        assert found.train.length == 99

    def test_records_added_one_by_one_are_the_same_series(self):
        records = [record(step, {"math": step / 100, "code": None if step % 2 else 0.5}) for step in range(1, 90)]
        whole, grown = series(*records), Series()
        for one in records:
            grown.add(lines([one]))
        assert grown.train.keys == whole.train.keys
        for key in whole.train.keys:
            np.testing.assert_array_equal(grown.train.values(key), whole.train.values(key))
        assert (grown.latest, grown.last) == (whole.latest, whole.last)

    def test_a_step_that_uses_completions_again_has_none_of_its_own(self):
        assert series(record(1, {"math": 0.5}), record(2)).sampled == 1
        assert Series().sampled is None

    def test_a_line_that_is_no_record_is_passed_over(self):
        found = Series.of(lines([record(1, {"math": 0.5})]) + b'{"step": 2, "ste\n' + lines([record(3, {"math": 0.7})]))
        assert found.train.steps.tolist() == [1, 3]

    @pytest.mark.parametrize(
        "damaged", [b'{"step": 2, "ste', b'{"step": 2}', b"[]", b"\x00\x00", b'{"split": "train", "step": "two"}']
    )
    def test_a_line_that_is_no_record_is_counted_and_the_first_one_is_named(self, damaged):
        found = Series.of(lines([record(1, {"math": 0.5})]))
        assert (found.lines, found.broken, found.first_broken) == (1, 0, 0)
        found.add(b"\n" + damaged + b"\n" + lines([record(3, {"math": 0.7})]))
        found.add(damaged + b"\n")
        assert (found.lines, found.broken, found.first_broken) == (5, 2, 3)
        assert found.train.steps.tolist() == [1, 3]
        assert found.snapshot().first_broken == 3

    def test_numbers_written_as_whole_ones_are_numbers(self):
        text = json.dumps(record(1, {"math": 1}, trainer={"loss": 0})).encode() + b"\n"
        assert Series.of(text).train.last(Key("loss")) == 0.0

    def test_before_and_after_are_the_first_and_last_evaluation(self):
        later = record(5, {"math": 0.6, "code": None}, split="held_out")
        assert series(*RECORDS).before_and_after("math") == (pytest.approx(0.1), None)
        assert series(*RECORDS, later).before_and_after("math") == (pytest.approx(0.1), pytest.approx(0.6))
        assert series(*RECORDS, later).before_and_after("code") == (pytest.approx(0.2), None)


class TestColumns:
    def test_a_snapshot_does_not_grow(self):
        columns = Columns()
        for step in range(1, 200):
            columns.put(Key("reward"), columns.add_rows(np.array([step])) + np.arange(1), np.array([step / 10]))
            if step == 100:
                seen = columns.snapshot()
        assert (seen.length, columns.length) == (100, 199)
        np.testing.assert_allclose(seen.values(Key("reward")), np.arange(1, 101) / 10, rtol=1e-6)

    def test_what_comes_later_is_unknown_before(self):
        columns = Columns()
        columns.add_rows(np.array([1, 2]))
        columns.put(Key("kl"), columns.add_rows(np.array([3])) + np.arange(1), np.array([0.5]))
        assert columns.known(Key("kl"))[0].tolist() == [3]
        assert np.isnan(columns.values(Key("other"))).all()

    @pytest.mark.parametrize("gap", [0, 50])
    def test_the_newest_values_are_found_however_far_apart_they_are(self, gap):
        columns = Columns()
        for n in range(5):
            columns.put(Key("kl"), columns.add_rows(np.array([n * (gap + 1)])) + np.arange(1), np.array([float(n)]))
            columns.add_rows(np.arange(gap) + n * (gap + 1) + 1)
        assert columns.recent(Key("kl"), 3).tolist() == [2.0, 3.0, 4.0]
        assert columns.recent(Key("kl"), 9).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert columns.recent(Key("none"), 3).tolist() == []
