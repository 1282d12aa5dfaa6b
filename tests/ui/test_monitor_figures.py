"""The figures of a run: plotly accepts each, it is small enough to be sent often, its axes say what."""

import orjson
import plotly.graph_objects as go
import pytest
from toy_runs import lines, long_run, record, reward_entry, task_entry

from core.series import Series
from ui.figures import shortened
from ui.monitor_figures import heat_figure, overlay_figure, parts_figure, reward_figure
from ui.monitor_state import columns
from ui.monitor_training import errors_figure, signal_figure, training_figure
from ui.plots import Frame, axis_range, plot, rounded
from ui.theme import OKABE_ITO, task_colour, task_colours

FRAME = Frame(0, 10, 4, "run")
RECORDS = (
    record(0, {"math": 0.1, "code": 0.2}, split="held_out", steps=10),
    record(1, {"math": 0.25, "code": None}, steps=10),
    record(2, {"math": 0.5}, steps=10),
)
MAKERS = {
    "heat": lambda series, colours, frame: heat_figure(series, frame),
    "rewards": reward_figure,
    "overlay": overlay_figure,
    "parts": parts_figure,
    "signal": signal_figure,
    "errors": errors_figure,
    "training": training_figure,
}


def series(*records):
    return Series.of(lines(records))


def colours(found):
    return {task: task_colour(n) for n, task in enumerate(found.tasks)}


def drawn(make, *records, frame=FRAME):
    found = series(*records)
    return make(found, colours(found), frame)


@pytest.fixture(scope="module")
def long():
    return Series.of(lines(long_run(2000, 8, 5)))


def with_errors(step):
    entry = task_entry("math", 0.5) | {"rewards": [reward_entry("exact", 0.5, errors=2, count=6)]}
    return record(step, [entry], steps=10)


class TestEveryFigure:
    @pytest.mark.parametrize("name", MAKERS)
    def test_plotly_accepts_it(self, name):
        figure = drawn(MAKERS[name], *RECORDS, with_errors(3))
        checked = go.Figure(figure)
        assert checked.layout.title.text
        assert checked.layout.uirevision == "run"

    @pytest.mark.parametrize("name", MAKERS)
    def test_axes_say_what_they_measure(self, name):
        layout = drawn(MAKERS[name], *RECORDS, with_errors(3))["layout"]
        axes = [axis for key, axis in layout.items() if key.startswith(("xaxis", "yaxis"))]
        assert axes
        assert all(axis["title"]["text"] for axis in axes)

    @pytest.mark.parametrize("name", MAKERS)
    def test_the_x_axis_is_the_same_in_all(self, name):
        layout = drawn(MAKERS[name], *RECORDS, with_errors(3))["layout"]
        assert {tuple(axis["range"]) for key, axis in layout.items() if key.startswith("xaxis")} == {(0, 10)}

    @pytest.mark.parametrize("name", MAKERS)
    def test_a_run_without_records_has_none(self, name):
        assert drawn(MAKERS[name]) is None

    @pytest.mark.parametrize("name", MAKERS)
    def test_a_long_run_is_sent_in_300_kilobytes(self, name, long):
        figure = MAKERS[name](long, colours(long), Frame(0, 2000, 4, "run"))
        assert figure is None or len(orjson.dumps(figure)) < 300_000

    @pytest.mark.parametrize("name", MAKERS)
    def test_what_is_not_known_is_never_0(self, name):
        nothing = record(1, [task_entry("math", None, reward_std=None, signal=None, rewards=[])], steps=10)
        figure = drawn(MAKERS[name], nothing)
        if name in ("rewards", "overlay"):
            assert not [y for trace in figure["data"] for y in trace["y"] if y is not None]

    @pytest.mark.parametrize("name", ["rewards", "parts", "training"])
    def test_few_columns_are_as_high_as_they_need(self, name):
        one, four = (drawn(MAKERS[name], *RECORDS, frame=Frame(0, 10, n, "run"))["layout"]["height"] for n in (1, 4))
        assert one > four


class TestRewards:
    def traces(self, figure, name):
        return [trace for trace in figure["data"] if name in trace.get("hovertemplate", "") and trace["x"]]

    def test_every_task_has_a_plot_of_its_own_with_its_own_colour(self):
        figure = drawn(reward_figure, *RECORDS)
        assert [title["text"] for title in figure["layout"]["annotations"]] == ["<b>math</b>", "<b>code</b>"]
        (math,) = self.traces(figure, "train, smoothed")
        assert (math["line"]["color"], math["x"]) == (OKABE_ITO[0], [1, 2])
        held_out = self.traces(figure, "held out")
        assert [trace["marker"]["color"] for trace in held_out] == list(OKABE_ITO[:2])

    def test_hovering_says_task_step_value_and_count(self):
        (raw,) = self.traces(drawn(reward_figure, *RECORDS), "train, each step")
        assert raw["customdata"] == [8, 8]
        for part in ("math", "step %{x}", "%{y", "%{customdata} completions"):
            assert part in raw["hovertemplate"]

    def test_tasks_share_an_axis_unless_they_are_far_apart(self):
        near, far = ({"math": 0.5, "code": other} for other in (1.0, 100.0))
        same, apart = (drawn(reward_figure, record(1, tasks, steps=10))["layout"] for tasks in (near, far))
        assert same["yaxis"]["range"] == same["yaxis2"]["range"]
        assert apart["yaxis"]["range"] != apart["yaxis2"]["range"]
        assert "each on its own scale" in apart["title"]["text"]

    def test_a_single_step_is_to_be_seen(self):
        (raw,) = self.traces(drawn(reward_figure, record(1, {"math": 0.5})), "train, each step")
        assert raw["mode"] == "lines+markers"

    @pytest.mark.parametrize("count", [1, 4, 5, 23])
    def test_any_number_of_tasks_fits(self, count):
        figure = drawn(reward_figure, record(1, {f"task {n}": 0.5 for n in range(count)}))
        assert len(go.Figure(figure).layout.annotations) == count

    def test_a_task_name_with_markup_is_shown_and_not_obeyed(self):
        figure = drawn(reward_figure, record(1, {"<b>x</b>": 0.5}))
        assert figure["layout"]["annotations"][0]["text"] == "<b>&lt;b&gt;x&lt;/b&gt;</b>"


def test_the_band_of_a_reward_ends_where_no_total_can_lie():
    found = series(*(record(n, [task_entry("math", 0.9, reward_std=0.4)]) for n in range(1, 4)))
    free, kept = (
        reward_figure(found, colours(found), FRAME, bounds)["data"][:2] for bounds in (None, {"math": (0.6, 1.0)})
    )
    assert [trace["y"] for trace in free] == [pytest.approx([0.5] * 3), pytest.approx([1.3] * 3)]
    assert [trace["y"] for trace in kept] == [pytest.approx([0.6] * 3), pytest.approx([1.0] * 3)]


class TestHeatMap:
    def test_its_cells_are_means_and_a_stretch_without_reward_is_empty(self):
        records = [
            record(step, {"math": step / 4, "code": 1.0 if step == 2 else None}, steps=4) for step in range(1, 5)
        ]
        figure = drawn(MAKERS["heat"], *records, frame=Frame(0, 4, 4, "run"))
        rows = figure["layout"]["yaxis"]["ticktext"]
        cells = dict(zip(rows, figure["data"][0]["customdata"], strict=True))
        assert cells["math"] == [(0.25, 1), (0.5, 2), (0.75, 3), (1.0, 4)]
        assert figure["data"][0]["x"] == [0, 1, 2, 3, 4], "a cell ends at its step"
        assert [value for value, _ in cells["code"]] == [None, 1.0, None, None]

    def test_the_first_task_is_on_top(self):
        figure = drawn(MAKERS["heat"], *RECORDS)
        assert figure["layout"]["yaxis"]["ticktext"] == ["code", "math"]

    def test_tasks_whose_names_begin_alike_keep_a_row_each_and_say_their_whole_name(self):
        names = ["customer_support_refund", "customer_support_invoice"]
        trace = drawn(MAKERS["heat"], record(1, {names[0]: 0.1, names[1]: 0.9}))["data"][0]
        assert trace["y"] == [0, 1]
        assert [row[0] for row in trace["text"]] == names[::-1]


class TestTraining:
    def titles(self, *records):
        return [
            title["text"].split("</b>")[0][3:] for title in drawn(training_figure, *records)["layout"]["annotations"]
        ]

    def test_what_a_run_does_not_record_is_left_out(self):
        assert "KL to the base model" in self.titles(*RECORDS)
        without = record(1, {"math": 0.5}) | {"trainer": {"grad_norm": 0.1}}
        titles = self.titles(without)
        assert "Gradient norm" in titles
        assert "KL to the base model" not in titles

    def test_a_steps_time_is_split_and_adds_up(self):
        figure = drawn(training_figure, record(1, {"math": 0.5}))
        stacked = [trace for trace in figure["data"] if trace.get("stackgroup") == "seconds"]
        assert [trace["y"] for trace in stacked] == [[1.0], [0.1], [0.9]]

    def test_tokens_per_second_are_those_of_all_tasks_by_the_whole_step(self):
        figure = drawn(training_figure, record(1, {"math": 0.5, "code": 0.5}))
        (raw,) = [t for t in figure["data"] if "tokens per second<br>train, each step" in t.get("hovertemplate", "")]
        assert raw["y"] == [2 * 8 * 30 / 2.0]


def test_shares_of_the_batch_add_up_to_all_of_it():
    figure = drawn(signal_figure, record(1, {"math": 0.5, "code": 0.5}))
    shares = [trace["y"][0] for trace in figure["data"] if trace.get("stackgroup") == "share"]
    assert sum(shares) == 100


def test_errors_are_drawn_where_there_are_any():
    assert drawn(errors_figure, *RECORDS) is None
    *_, trace = drawn(errors_figure, with_errors(1))["data"]
    assert (trace["name"], trace["y"]) == ("math · exact", [25.0])


@pytest.mark.parametrize(
    ("low", "high", "from_zero", "found"),
    [
        pytest.param(0.2, 1.0, True, (0, 1.06), id="from 0, with a little room above"),
        pytest.param(-1.0, 1.0, True, (-1.12, 1.12), id="what is below 0 is to be seen"),
        pytest.param(0.0, 0.0, True, (0, 2.0), id="nothing but 0"),
    ],
)
def test_the_y_axis_holds_every_value(low, high, from_zero, found):
    assert axis_range(low, high, from_zero) == pytest.approx(found, abs=1.0 if high == 0 else 1e-6)


@pytest.mark.parametrize(("width", "count"), [(390, 1), (800, 1), (1280, 3), (1600, 4), (3000, 4), (0, 3)])
def test_a_window_has_room_for_so_many_plots(width, count):
    assert columns(width) == count


def test_no_figure_is_no_plot():
    assert plot(None) is None


def test_the_first_tasks_have_colours_that_colour_blind_people_tell_apart_and_no_colour_comes_twice():
    found = [task_colour(n) for n in range(40)]
    assert tuple(found[:7]) == OKABE_ITO
    assert len(set(found)) == 40


def test_long_names_are_cut():
    assert shortened("a" * 100) == "a" * 27 + "…"


def test_numbers_are_sent_in_four_digits_whatever_their_size():
    values = [0.123456, 1234567.0, -3.14159e-7, 0.0, float("nan"), 99999.0, 1e-300]
    assert rounded(values) == [0.1235, 1235000.0, -3.142e-7, 0.0, None, 100000.0, 1e-300]


def test_a_tasks_colour_does_not_depend_on_the_order_of_tasks():
    first, second = task_colours(["b", "a", "c"]), task_colours(["c", "b", "a"])
    assert first == second
    assert list(first) == ["b", "a", "c"]
    assert task_colours(["b", "a"], ["0", "a"]) == {"b": OKABE_ITO[1], "a": OKABE_ITO[0], "0": OKABE_ITO[2]}
