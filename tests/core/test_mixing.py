import numpy as np
import pytest

from core.mixing import Mixer, shares
from core.spec import Mixing, TaskSpec

COUNTS = {"a": 30, "b": 10, "c": 10}
ROOT = 3**0.5


@pytest.mark.parametrize(
    ("strategy", "explicit", "expected"),
    [
        pytest.param("equal", {}, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, id="every task the same"),
        pytest.param("natural", {}, {"a": 0.6, "b": 0.2, "c": 0.2}, id="by rows"),
        pytest.param(
            "temperature",
            {},
            {"a": 3**0.5 / (3**0.5 + 2), "b": 1 / (3**0.5 + 2), "c": 1 / (3**0.5 + 2)},
            id="by a root",
        ),
        pytest.param("equal", {"a": 0.5}, {"a": 0.5, "b": 0.25, "c": 0.25}, id="the rest equally"),
        pytest.param("natural", {"b": 0.2}, {"a": 0.6, "b": 0.2, "c": 0.2}, id="the rest by rows"),
        pytest.param("equal", {"a": 0.2, "b": 0.1, "c": 0.1}, {"a": 0.5, "b": 0.25, "c": 0.25}, id="scaled to 1"),
        pytest.param("equal", {"z": 0.9}, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, id="a task without rows has none"),
    ],
)
def test_shares_follow_the_strategy_and_what_is_set(strategy, explicit, expected):
    tasks = {name: TaskSpec(share=share) for name, share in explicit.items()}
    assert shares(COUNTS, Mixing(strategy=strategy), tasks) == pytest.approx(expected)


def test_a_task_with_other_settings_but_no_share_is_free():
    assert shares({"a": 1, "b": 1}, Mixing(), {"a": TaskSpec(system_prompt="x")}) == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(("temperature", "like"), [(1.0, "natural"), (1e9, "equal")])
def test_the_ends_of_the_temperature_are_the_other_strategies(temperature, like):
    found = shares(COUNTS, Mixing(strategy="temperature", temperature=temperature), {})
    assert found == pytest.approx(shares(COUNTS, Mixing(strategy=like), {}))


def row_order(tags, share, length, seed):
    return np.array(Mixer(tags, seed).draw(share, length))


def tags_of(counts):
    return np.repeat(list(counts), list(counts.values()))


def surplus(order, tags, share):
    """How far each task is ahead of its share after each place (places + 1, tasks)."""
    taken = np.array([[tags[i] == name for name in share] for i in order]).cumsum(axis=0)
    taken = np.vstack([np.zeros(len(share)), taken])
    return taken - np.arange(len(taken))[:, None] * np.array(list(share.values()))


@pytest.mark.parametrize(
    "share",
    [
        {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3},
        {"a": 0.6, "b": 0.3, "c": 0.1},
        {"a": 0.98, "b": 0.01, "c": 0.01},
        {"a": 0.5, "b": 0.5},
    ],
)
def test_the_order_is_never_a_whole_row_away_from_a_share(share):
    tags = tags_of(COUNTS)
    ahead = surplus(row_order(tags, share, 400, seed=3), tags, share)
    assert np.abs(ahead).max() < 1
    windows = ahead[:, None, :] - ahead[None, :, :]
    assert np.abs(windows).max() < 2, "a window is the difference of two beginnings"


def test_with_equal_shares_any_window_holds_each_task_equally_often():
    share = dict.fromkeys(COUNTS, 1 / 3)
    ahead = surplus(row_order(tags_of(COUNTS), share, 120, seed=0), tags_of(COUNTS), share)
    assert np.abs(ahead[:, None, :] - ahead[None, :, :]).max() < 1


def test_every_row_of_a_task_is_used_before_any_comes_back():
    tags = tags_of(COUNTS)
    order = row_order(tags, {"a": 0.5, "b": 0.25, "c": 0.25}, 240, seed=1)
    for task, count in COUNTS.items():
        rows = [int(i) for i in order if tags[i] == task]
        rounds = [rows[start : start + count] for start in range(0, len(rows) - count + 1, count)]
        assert len(rounds) >= 4
        assert all(sorted(part) == np.flatnonzero(tags == task).tolist() for part in rounds)
        assert rounds[0] != rounds[1], "each round is shuffled anew"


def test_the_same_arguments_give_the_same_order_and_another_seed_another():
    tags, share = tags_of(COUNTS), {"a": 0.5, "b": 0.3, "c": 0.2}
    assert row_order(tags, share, 50, seed=7).tolist() == row_order(tags, share, 50, seed=7).tolist()
    assert row_order(tags, share, 50, seed=7).tolist() != row_order(tags, share, 50, seed=8).tolist()


def test_a_longer_run_begins_like_a_shorter_one():
    tags, share = tags_of(COUNTS), {"a": 0.5, "b": 0.3, "c": 0.2}
    assert row_order(tags, share, 80, seed=7)[:50].tolist() == row_order(tags, share, 50, seed=7).tolist()


def test_rows_may_stand_in_any_order_in_the_file():
    tags = np.array(["b", "a", "b", "a", "a"])
    order = row_order(tags, {"a": 0.5, "b": 0.5}, 4, seed=0)
    assert sorted(tags[order].tolist()) == ["a", "a", "b", "b"]


def test_a_task_with_no_share_never_comes():
    tags = tags_of(COUNTS)
    assert set(tags[row_order(tags, {"a": 1.0, "b": 0.0}, 40, seed=0)]) == {"a"}


def test_shares_that_leave_nothing_leave_no_less_than_nothing():
    asked = {"a": TaskSpec(share=0.8), "b": TaskSpec(share=0.7)}
    assert shares({"a": 1, "b": 1, "c": 1}, Mixing(), asked)["c"] == 0.0


SHARE = {"a": 0.5, "b": 0.3, "c": 0.2}


class TestGoingOn:
    @pytest.mark.parametrize("cut", [0, 1, 17, 60, 133])
    def test_a_mixer_goes_on_from_the_state_of_another(self, cut):
        tags = tags_of(COUNTS)
        first = Mixer(tags, 7)
        whole = Mixer(tags, 7).draw(SHARE, 150)
        assert first.draw(SHARE, cut) == whole[:cut]
        state = first.state
        first.draw(SHARE, 5)  # what the other does after that is its own
        assert Mixer(tags, 7, state).draw(SHARE, 150 - cut) == whole[cut:]

    def test_other_shares_take_over_from_the_next_place_on(self):
        tags = tags_of(COUNTS)
        mixer = Mixer(tags, 1)
        mixer.draw(SHARE, 50)
        later = {"a": 0.1, "b": 0.1, "c": 0.8}
        assert np.abs(surplus(mixer.draw(later, 200), tags, later)).max() < 2

    def test_a_row_drawn_outside_of_the_share_is_the_tasks_next_and_costs_it_nothing_of_its_share(self):
        tags = tags_of(COUNTS)
        plain, other = Mixer(tags, 3), Mixer(tags, 3)
        extra = [other.another("b") for _ in range(4)]
        rows, less = plain.draw(SHARE, 100), other.draw(SHARE, 100)
        assert [tags[i] for i in rows] == [tags[i] for i in less]
        assert extra + [i for i in less if tags[i] == "b"][:-4] == [i for i in rows if tags[i] == "b"]

    def test_a_task_that_stays_away_for_a_while_comes_back_at_its_share(self):
        """Not at once as often as it was missed: it had no share then."""
        tags = tags_of(COUNTS)
        mixer = Mixer(tags, 3)
        mixer.draw({"a": 0.5, "b": 0.5}, 100)
        back = mixer.draw(SHARE, 20)
        assert sum(tags[i] == "c" for i in back) in (3, 4, 5)
