"""A run is followed by what its file has grown by; nothing is lost where it is replaced, torn, or long."""

from unittest.mock import Mock

import pytest
from toy_runs import append, lines, record

from core import following, series_cache
from core.columns import Key
from core.following import follow
from core.runs import RunFolder, write_atomically
from core.series import Series

MATH = Key("reward", "math")


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path)


def one(step, reward=0.1):
    return record(step, {"math": reward}, time=step + reward)


def steps(run, **options):
    return follow(run, **options).train.steps.tolist()


class TestFollow:
    def test_what_is_appended_is_added(self, run):
        append(run, one(1))
        assert steps(run) == [1]
        append(run, one(2))
        assert steps(run) == [1, 2]

    def test_what_was_read_is_not_read_again(self, run, monkeypatch):
        append(run, *map(one, range(1, 50)))
        follow(run)
        read = []
        monkeypatch.setattr(Series, "add", lambda self, more: read.append(more))
        append(run, one(50))
        follow(run)
        assert read == [lines([one(50)])]

    def test_a_torn_last_line_is_left_for_the_next_read(self, run):
        append(run, one(1))
        whole = lines([one(2)])
        with run.metrics_path.open("ab") as file:
            file.write(whole[:20])
        assert steps(run) == [1]
        with run.metrics_path.open("ab") as file:
            file.write(whole[20:])
        assert steps(run) == [1, 2]

    def test_a_resume_that_takes_steps_out_is_followed(self, run):
        append(run, *map(one, range(1, 6)))
        follow(run)
        write_atomically(run.metrics_path, lines(one(step, 0.3) for step in range(1, 9)).decode())
        assert follow(run).train.values(MATH) == pytest.approx([0.3] * 8)

    def test_a_file_with_other_text_is_read_again_although_it_has_the_same_name_and_inode(self, run):
        append(run, *map(one, range(1, 6)))
        follow(run)
        run.metrics_path.write_bytes(lines(one(step, 0.4) for step in range(1, 9)))
        assert follow(run).train.values(MATH) == pytest.approx([0.4] * 8)

    def test_a_file_that_became_shorter_is_read_again(self, run):
        append(run, *map(one, range(1, 6)))
        follow(run)
        run.metrics_path.write_bytes(lines([one(1, 0.4)]))
        assert follow(run).train.values(MATH) == pytest.approx([0.4])

    def test_a_run_without_metrics_is_empty_and_a_deleted_one_is_empty_again(self, run):
        assert follow(run).last is None
        append(run, one(1))
        follow(run)
        run.metrics_path.unlink()
        assert follow(run).last is None

    def test_only_so_many_runs_are_kept(self, tmp_path):
        for n in range(3 * following.RUNS_FOLLOWED):
            follow(RunFolder(tmp_path / str(n)))
        assert len(following._followed) == following.RUNS_FOLLOWED


class TestLongRuns:
    @pytest.fixture
    def long(self, run, monkeypatch):
        monkeypatch.setattr(following, "PIECE_BYTES", 4000)
        append(run, *map(one, range(1, 200)))
        return run

    def test_a_budget_ends_the_reading_and_the_next_call_goes_on(self, long):
        first = follow(long, budget_s=0.0)
        assert 0 < first.train.length < 199
        assert 0 < first.read < 1
        while follow(long, budget_s=0.0).read < 1:
            pass
        assert steps(long) == list(range(1, 200))

    def test_a_line_longer_than_a_piece_is_read(self, run, monkeypatch):
        monkeypatch.setattr(following, "PIECE_BYTES", 100)
        append(run, one(1), one(2))
        assert steps(run) == [1, 2]

    @pytest.mark.parametrize(("seen", "waits_s"), [([], 9.0), ([1, 2], following.WAIT_S)])
    def test_who_finds_another_reading_sees_what_was_read_last_and_hardly_waits_where_that_is_something(
        self, run, monkeypatch, seen, waits_s
    ):
        append(run, *map(one, seen))
        follow(run)
        append(run, one(3))
        reading = Mock(**{"acquire.return_value": False})
        monkeypatch.setattr(following._followed[str(run.path)], "lock", reading)
        assert steps(run, budget_s=9.0) == seen
        reading.acquire.assert_called_once_with(timeout=waits_s)


class TestCache:
    @pytest.fixture
    def kept(self, run, monkeypatch):
        """A run of which everything so far is in the cache, followed by nobody."""
        monkeypatch.setattr(following, "KEEP_BYTES", 1)
        append(run, record(0, {"math": 0.2}, split="held_out"), *map(one, range(1, 100)))
        follow(run)
        monkeypatch.setattr(following, "KEEP_BYTES", 1 << 30)
        following._followed.clear()
        return run

    def test_a_restart_reads_only_what_came_since(self, kept, monkeypatch):
        read = []
        add = Series.add
        monkeypatch.setattr(Series, "add", lambda self, more: [read.append(more), add(self, more)])
        append(kept, one(100))
        found = follow(kept)
        assert read == [lines([one(100)])]
        assert found.train.steps.tolist() == list(range(1, 101))
        assert found.train.last(MATH) == pytest.approx(0.1)
        assert found.held_out.last(MATH) == pytest.approx(0.2)
        assert [entry["step"] for entry in found.latest] == list(range(91, 101))

    def test_damaged_lines_are_still_known_after_a_restart(self, run, monkeypatch):
        monkeypatch.setattr(following, "KEEP_BYTES", 1)
        append(run, one(1))
        with run.metrics_path.open("a") as file:
            file.write("half a li\n")
        follow(run)
        following._followed.clear()
        append(run, one(3))
        found = follow(run)
        assert (found.lines, found.broken, found.first_broken) == (3, 1, 2)

    def test_another_file_is_read_anew(self, kept):
        write_atomically(kept.metrics_path, lines(one(step, 0.3) for step in range(1, 150)).decode())
        assert follow(kept).train.values(MATH) == pytest.approx([0.3] * 149)

    @pytest.mark.parametrize("text", [b"", b"PK no archive", b"\x93NUMPY"])
    def test_a_broken_cache_is_none(self, kept, text):
        series_cache._path(kept).write_bytes(text)
        assert steps(kept) == list(range(1, 100))
