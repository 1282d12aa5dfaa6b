"""The figures draw what the records say and nothing that they do not."""

import pytest

from core.series import Series
from ui.figures import MOST_POINTS, reward_curves, shortened, thinned
from ui.theme import OKABE_ITO, task_colour


def record(step, split="train", **rewards):
    tasks = [{"task": task, "reward": reward, "scored": 8} for task, reward in rewards.items()]
    return {"step": step, "steps": 10, "split": split, "tasks": tasks}


RECORDS = [record(0, "held_out", math=0.1, code=0.2), record(1, math=0.25, code=None), record(2, math=0.5)]


def drawn(figure, name):
    """Task curves of one kind that have points."""
    return [trace for trace in figure.data if name in (trace.hovertemplate or "") and len(trace.x)]


class TestRewardCurves:
    def test_every_task_has_a_plot_of_its_own_with_its_own_colour(self):
        figure = reward_curves(Series.of(RECORDS), revision="run")
        assert [title.text for title in figure.layout.annotations] == ["math", "code"]
        (math,) = drawn(figure, "train, smoothed")
        assert (math.line.color, list(math.x)) == (OKABE_ITO[0], [1, 2])
        held_out = drawn(figure, "held out")
        assert [trace.marker.color for trace in held_out] == list(OKABE_ITO[:2])

    def test_axes_say_what_they_measure(self):
        figure = reward_curves(Series.of(RECORDS), revision="run")
        assert figure.layout.yaxis.title.text == "mean reward"
        assert figure.layout.xaxis.title.text == "step"

    def test_the_x_axis_is_the_whole_run_in_whole_steps(self):
        axis = reward_curves(Series.of(RECORDS), revision="run").layout.xaxis
        assert (tuple(axis.range), axis.tickformat) == ((0, 10), "d")

    @pytest.mark.parametrize(
        ("rewards", "low", "high"),
        [
            pytest.param([0.2, 1.0], 0, 1.06, id="from 0, with a little room above"),
            pytest.param([-1.0, 1.0], -1.12, 1.12, id="negative rewards are to be seen"),
            pytest.param([None], 0, 1.06, id="nothing yet"),
            pytest.param([0.0, 0.0], 0, 1.06, id="nothing earned"),
        ],
    )
    def test_the_y_axis_holds_every_reward(self, rewards, low, high):
        records = [record(step, math=reward) for step, reward in enumerate(rewards, 1)]
        axis = reward_curves(Series.of(records), revision="run").layout.yaxis
        assert axis.range == pytest.approx((low, high))

    def test_a_single_step_is_to_be_seen(self):
        (curve,) = drawn(reward_curves(Series.of([record(1, math=0.5)]), revision="run"), "train, each step")
        assert curve.mode == "lines+markers"

    def test_zoom_is_kept_while_the_run_is_the_same(self):
        assert reward_curves(Series.of(RECORDS), revision="run").layout.uirevision == "run"

    @pytest.mark.parametrize("count", [1, 4, 5, 23])
    def test_any_number_of_tasks_fits(self, count):
        tasks = [f"task {n}" for n in range(count)]
        series = Series.of([record(1, **dict.fromkeys(tasks, 0.5))])
        assert len(reward_curves(series, "r").layout.annotations) == count

    def test_a_task_name_with_markup_is_shown_and_not_obeyed(self):
        figure = reward_curves(Series.of([record(1, **{"<b>x</b>": 0.5})]), "r")
        assert figure.layout.annotations[0].text == "&lt;b&gt;x&lt;/b&gt;"


class TestThinned:
    def test_few_points_stay(self):
        assert thinned([1, 2, 3]) == [1, 2, 3]

    def test_many_are_thinned_and_keep_both_ends(self):
        points = thinned(range(100_000))
        assert (len(points), points[0], points[-1]) == (MOST_POINTS, 0, 99_999)


def test_the_first_tasks_have_colours_that_colour_blind_people_tell_apart_and_no_colour_comes_twice():
    colours = [task_colour(n) for n in range(40)]
    assert tuple(colours[:7]) == OKABE_ITO
    assert len(set(colours)) == 40


def test_long_names_are_cut():
    assert shortened("a" * 100) == "a" * 27 + "…"
