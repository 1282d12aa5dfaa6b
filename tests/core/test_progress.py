import pytest

from core.progress import HeldOutChange, change_table, duration, held_out_changes, number, seconds_left, step_line


def record(split="train", step=1, seconds=2.0, tasks=(), steps=20):
    return {"split": split, "step": step, "steps": steps, "seconds": {"all": seconds}, "tasks": list(tasks)}


def task(name="math", reward=0.5, scored=8, errors=0):
    return {"task": name, "reward": reward, "scored": scored, "errors": errors}


def test_two_evaluations_are_compared_task_by_task():
    records = [
        record("held_out", 0, tasks=[task(reward=0.25), task("code", 0.0)]),
        record("train", 5, tasks=[task(reward=0.9)]),
        record("held_out", 10, tasks=[task(reward=0.4)]),
        record("held_out", 20, tasks=[task(reward=0.75, scored=6), task("code", 0.5)]),
    ]
    assert held_out_changes(records) == [HeldOutChange("math", 0.25, 0.75, 6), HeldOutChange("code", 0.0, 0.5, 8)]
    assert held_out_changes(records)[0].change == 0.5


def test_one_evaluation_is_no_comparison():
    assert held_out_changes([record("held_out", 0, tasks=[task()]), record()]) == []


@pytest.mark.parametrize(("before", "after"), [(None, 0.5), (0.5, None), (None, None)])
def test_a_change_from_or_to_nothing_is_unknown(before, after):
    assert HeldOutChange("math", before, after, 0).change is None


def test_a_task_that_comes_later_has_no_before():
    records = [record("held_out", 0), record("held_out", 20, tasks=[task(reward=0.5)])]
    assert held_out_changes(records) == [HeldOutChange("math", None, 0.5, 8)]


def test_the_time_left_follows_the_pace_of_the_latest_ten_steps():
    records = [record(step=n, seconds=100.0 if n < 5 else 3.0) for n in range(1, 15)]
    assert seconds_left(records) == pytest.approx(6 * 3.0)


def test_a_clock_that_jumps_changes_nothing_in_the_time_left():
    records = [{**record(step=n, seconds=3.0), "time": 1e9 - 3600.0 * n} for n in range(1, 15)]
    assert seconds_left(records) == pytest.approx(6 * 3.0)


def test_evaluations_that_are_to_come_take_as_long_as_the_last():
    records = [record(step=n, seconds=3.0) for n in range(1, 15)]  # of 20
    assert seconds_left(records, [(0, 9.0), (5, 10.0)]) == pytest.approx(6 * 3.0 + 3 * 10.0)
    assert seconds_left(records, [(0, 9.0)]) == pytest.approx(6 * 3.0), "how far apart they are is not known yet"


def test_evaluations_do_not_count_as_steps():
    assert seconds_left([record(step=10, seconds=1.0), record("held_out", 10, seconds=500.0)]) == 10.0
    assert seconds_left([record("held_out", 0)]) is None


def test_a_step_is_one_line_with_every_tasks_reward_and_its_errors():
    line = step_line(record(step=3, tasks=[task(), task("code", None, 0, errors=8)]), left=61.0)
    assert line == "step    3/20   math 0.500  code - (8 errors)   2.0 s   left 1:01"


def test_an_evaluation_is_one_line_too():
    assert step_line(record("held_out", 10, 65.0, [task()]), None) == "held out, step   10   math 0.500   (1:05)"


def test_the_table_lines_up_and_shows_what_is_unknown_as_a_dash():
    rows = [
        HeldOutChange("arithmetic", 0.25, 0.75, 16),
        HeldOutChange("code", 0.5, 0.25, 8),
        HeldOutChange("x", None, None, 0),
    ]
    head, *lines = change_table(rows).splitlines()
    assert head.split() == ["task", "before", "after", "change", "scored"]
    assert [line.split() for line in lines] == [
        ["arithmetic", "0.250", "0.750", "+0.500", "16"],
        ["code", "0.500", "0.250", "-0.250", "8"],
        ["x", "-", "-", "-", "0"],
    ]
    assert len({len(line) for line in [head, *lines]}) == 1


@pytest.mark.parametrize(
    ("value", "sign", "text"), [(0.5, False, "0.500"), (0.5, True, "+0.500"), (-1, True, "-1.000"), (None, True, "-")]
)
def test_a_number_has_three_decimals(value, sign, text):
    assert number(value, sign=sign) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0, "0:00"), (-3, "0:00"), (59.6, "1:00"), (61, "1:01"), (3600, "1:00:00"), (90061, "25:01:01")],
)
def test_a_duration_reads_as_people_write_it(seconds, text):
    assert duration(seconds) == text
