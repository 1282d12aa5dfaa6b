"""Completions are found by what is asked for, newest first, and shards that cannot have them are not opened."""

import pytest
from toy_runs import make_run, scored_batch

from core import completions as module
from core.completions import Wanted, find, history, rewards_of, steps_of
from core.training.recorder import Recorder


@pytest.fixture
def run(tmp_path):
    run = make_run(tmp_path / "run", [])
    recorder = Recorder(run)
    for step in (1, 2, 3):
        recorder._batches = []  # another step: its shards are counted anew
        texts = [f"four at step {step}", "FIVE"]
        recorder.add("train", step, scored_batch("math", texts, [1.0, 0.2 * step], prompt="2 + 2?"))
    recorder.add("train", 3, scored_batch("code", ["def f(): pass"] * 2, [None, 1.0], prompt="Write f."))
    recorder.add("held_out", 0, scored_batch("math", ["four"], [1.0], prompt="2 + 2?"))
    return run


def steps(run, most=10, **wanted):
    return [(group.step, group.task) for group in find(run, Wanted(**wanted), most).groups]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [(3, "code"), (3, "math"), (2, "math"), (1, "math")]),
        ({"split": "held_out"}, [(0, "math")]),
        ({"step": 2}, [(2, "math"), (1, "math")]),
        ({"task": "code"}, [(3, "code")]),
        ({"errors": True}, [(3, "code")]),
        ({"errors": True, "task": "math"}, []),
        ({"text": "five", "step": 1}, [(1, "math")]),
        ({"text": "write"}, [(3, "code")]),
        ({"low": 0.5, "high": 0.7, "task": "math"}, [(3, "math")]),
        ({"reward": "exact", "high": 0.3}, [(1, "math")]),
        ({"reward": "no such reward", "low": 0.0}, []),
    ],
)
def test_what_is_wanted_is_found(run, wanted, found):
    assert sorted(steps(run, **wanted), reverse=True) == sorted(found, reverse=True)


def test_a_group_is_whole_and_says_which_of_it_was_looked_for(run):
    (group,) = find(run, Wanted(step=2, high=0.5, task="math"), 1).groups[:1]
    assert [(one.total, one.found) for one in group.completions] == [(1.0, False), (pytest.approx(0.4), True)]
    assert group.mean == pytest.approx(0.7)


def test_an_error_is_an_error_and_never_0(run):
    (group,) = find(run, Wanted(task="code"), 1).groups
    first = group.completions[0]
    assert (first.scores, first.errors, first.total) == ({"exact": None}, {"exact": "no gold"}, None)


def test_a_search_goes_on_where_it_ended_shard_by_shard(run):
    wanted, seen = Wanted(), []
    while True:
        found = find(run, wanted, 1)
        seen += [(group.step, group.task) for group in found.groups]
        if found.more is None:
            break
        wanted = Wanted(step=found.more, before=found.before)
    assert seen == [(3, "code"), (3, "math"), (2, "math"), (1, "math")]


def test_an_evaluation_of_more_shards_than_one_search_opens_is_seen_whole(run, monkeypatch):
    recorder = Recorder(run)
    for n in range(7):
        recorder.add("held_out", 3, scored_batch("math", [f"answer {n}"], [1.0], prompt=f"{n}?"))
    monkeypatch.setattr(module, "MOST_SHARDS", 3)
    wanted, prompts = Wanted(split="held_out"), []
    for _ in range(3):
        found = find(run, wanted, 8)
        assert len(found.groups) <= 3
        prompts += [group.prompt for group in found.groups]
        wanted = Wanted(split="held_out", step=found.more, before=found.before)
    assert prompts == [*[f"{n}?" for n in range(6, -1, -1)], "2 + 2?"]
    assert found.more is None


def test_a_search_before_a_shard_that_is_gone_begins_at_its_step(run):
    assert [group.step for group in find(run, Wanted(step=2, before="train-000009-0000"), 8).groups] == [2, 1]


def test_old_shards_are_not_opened_before_they_are_asked_for(run, monkeypatch):
    opened = []
    read = module.pq.read_table
    monkeypatch.setattr(module.pq, "read_table", lambda path, **rest: [opened.append(path.name), read(path, **rest)][1])
    find(run, Wanted(), 1)
    assert {name.split("-")[1] for name in opened} == {"000003"}


def test_a_shard_that_a_resume_put_aside_is_passed_over(run):
    steps_of(run, "train")
    stamp = run.completions.stat().st_mtime_ns
    (run.completions / "train-000002-0000.parquet").unlink()
    assert (2, "math") not in steps(run)
    assert run.completions.stat().st_mtime_ns != stamp


def test_a_damaged_shard_is_named_and_the_others_are_found(run):
    (run.completions / "train-000002-0000.parquet").write_bytes(b"")
    found = find(run, Wanted(task="math"), 10)
    assert [group.step for group in found.groups] == [3, 1]
    assert found.damaged == ("train-000002-0000.parquet",)
    assert history(run, "2 + 2?", "train").damaged == found.damaged


def test_what_has_another_name_than_a_shard_is_none(run):
    (run.completions / "train-x.parquet").write_bytes(b"")
    assert steps_of(run, "train") == [1, 2, 3]


def test_one_prompt_is_followed_from_the_first_step_to_the_last(run):
    groups = history(run, "2 + 2?", "train")
    assert ([group.step for group in groups.groups], groups.more) == ([1, 2, 3], None)
    assert [group.step for group in history(run, "2 + 2?", "train", most=2).groups] == [1, 3]


def test_a_search_that_takes_too_long_says_how_far_it_came(run):
    assert history(run, "2 + 2?", "train", budget_s=-1.0) == module.Found((), 3)


def test_steps_and_rewards_of_a_run_are_known_without_reading_its_texts(run, tmp_path):
    assert (steps_of(run, "train"), steps_of(run, "held_out"), rewards_of(run)) == ([1, 2, 3], [0], ["exact"])
    assert steps_of(make_run(tmp_path / "new", []), "train") == []
