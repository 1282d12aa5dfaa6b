"""What the page says of a run in words and tables: only what its folder says, and nothing as HTML that is data."""

import json
import os
import re

import gradio as gr
import pytest
from toy_runs import append, make_run, record, reward_entry, scored_batch, spec_document, task_entry

from core.completions import Wanted
from core.run_list import run_lines
from core.runs import CHECKPOINT_COMPLETE, Exit, record_worker, runs_root, write_exit
from core.training.recorder import Recorder
from ui.monitor_compare import MOST_RUNS, compare_figure, compare_html, compared
from ui.monitor_completions import changed, completions_html
from ui.monitor_header import alerts_html, engine_lines, picker_html, status_html, tools_html, tools_token
from ui.monitor_log import LOG_LINES, log_tail
from ui.monitor_page import PARTS, show
from ui.monitor_state import Look, known
from ui.monitor_table import reasons_html, table_html
from ui.monitor_weights import weights_figure, weights_html, weights_note
from ui.plots import Frame
from ui.theme import task_colour


def made(records=(), end="finished", name="one"):
    return make_run(runs_root() / name, records, end=end)


class TestStatus:
    @pytest.mark.parametrize(
        ("records", "end", "shown"),
        [
            pytest.param([], None, "created", id="not begun"),
            pytest.param([record(4, {"math": 0.5}, steps=10)], "stopped", "step 4 of 10", id="stopped"),
            pytest.param([], "failed", "It failed.", id="failed before anything"),
        ],
    )
    def test_it_tells_state_and_step(self, records, end, shown):
        made(records, end)
        assert shown in status_html(known("one"))

    def test_a_running_one_tells_the_time_left_and_can_be_stopped_and_killed(self):
        run = made([record(4, {"math": 0.5}, steps=10)], end=None)
        record_worker(run, os.getpid())
        html = status_html(known("one"))
        assert "0:12 left" in html
        assert 'data-act="stop"' in html
        assert 'data-act="kill"' in html
        assert 'data-act="resume"' not in html
        run.stop_path.write_text(json.dumps({"attempt": 1}))
        html = status_html(known("one"))
        assert "stopping" in html
        assert "left" not in html, "it will not do the steps that are left"

    @pytest.mark.parametrize(("step", "said"), [(20, True), (40, True), (19, False)])
    def test_a_running_one_says_that_held_out_rows_are_scored(self, step, said):
        before = record(0, {"math": 0.5}, split="held_out", steps=50)  # every 20 steps
        run = made([before, record(step, {"math": 0.5}, steps=50)], end=None)
        record_worker(run, os.getpid())
        assert ("scoring held-out rows" in status_html(known("one"))) == said

    @pytest.mark.parametrize(
        ("end", "said"),
        [(None, "has not been started"), ("failed", "ended before its first record"), ("lost", "ended before its")],
    )
    def test_before_the_first_record_the_page_says_what_will_come(self, end, said):
        made([], end)
        found = known("one")
        assert said in tools_html(found, Look())
        append(found.run, record(1, {"math": 0.5}))
        later = known("one")
        assert said not in tools_html(later, Look())
        assert tools_token(later, Look()) != tools_token(found, Look())

    def test_metrics_that_are_gone_are_told_apart_from_a_run_that_did_nothing(self):
        run = made([], None)
        write_exit(run, Exit("finished", "All 12 steps done.", 12))
        assert "metrics.jsonl, where they are recorded, is missing" in tools_html(known("one"), Look())

    def test_steps_that_were_added_are_told_before_they_begin(self):
        run = made([record(4, {"math": 0.5}, steps=4)])
        run.extension_path.write_text(json.dumps({"max_steps": 9, "at": 4}))
        assert "step 4 of 9" in status_html(known("one"))

    def test_a_run_that_would_begin_anew_says_so(self):
        run = made([record(4, {"math": 0.5}, steps=9)], "lost")
        assert "There is no checkpoint: resumed, it begins anew." in status_html(known("one"))
        (run.checkpoints / "checkpoint-4").mkdir(parents=True)
        (run.checkpoints / "checkpoint-4" / CHECKPOINT_COMPLETE).touch()
        assert "There is no checkpoint" not in status_html(known("one"))

    def test_a_run_that_is_loading_says_so(self):
        record_worker(made([], None), os.getpid())
        assert "the model is being loaded" in tools_html(known("one"), Look())

    def test_a_finished_one_is_not_resumed_but_copied(self):
        made([record(10, {"math": 0.5}, steps=10)])
        html = status_html(known("one"))
        assert 'data-act="resume"' not in html
        assert 'data-act="duplicate"' in html

    def test_parts_of_a_step_that_are_trl_own_are_said_with_their_reason(self):
        run = made()
        assert engine_lines(known("one")) == []
        ways = {"sampling": {"ours": True, "reason": ""}, "training": {"ours": False, "reason": "it is too round"}}
        run.engine_path.write_text(json.dumps(ways))
        assert engine_lines(known("one")) == ["The training pass is TRL's own, slower one: it is too round."]


class TestAlerts:
    def test_what_needs_a_look_is_said_with_what_to_try(self):
        entry = task_entry("<i>math</i>", 0.5, errors=2) | {
            "rewards": [reward_entry("exact", 0.5, errors=2, count=6, reasons={"no <b>gold</b>": 2})]
        }
        made([record(1, [entry])])
        html = alerts_html(known("one"))
        assert "25% of the last scores failed: no &lt;b&gt;gold&lt;/b&gt;" in html
        assert "Mend the reward" in html
        assert "<i>" not in html

    def test_a_lost_run_is_not_well(self):
        made([record(1, {"math": 0.5})], name="gone", end="lost")
        assert alerts_html(known("gone")) == ""

    def test_nothing_is_said_before_the_first_record_and_all_is_well_after_it(self):
        run = made()
        assert alerts_html(known("one")) == ""
        append(run, record(1, {"math": 0.5}))
        assert "Nothing needs a look." in alerts_html(known("one"))


class TestTable:
    def test_what_does_not_exist_is_a_dash(self):
        nothing = task_entry("code", None, signal=None, rewards=[]) | {"rewards": []}
        made([record(1, [nothing])])
        html = table_html(known("one"))
        assert html.count('<td class="number">-</td>') >= 6
        assert "too early" in html

    def test_the_best_evaluation_is_named_once_there_are_two(self):
        before = record(0, {"math": 0.1}, split="held_out")
        made([before])
        assert "Best evaluation" not in table_html(known("one"))
        learnt, fell = [record(step, {"math": reward}, split="held_out") for step, reward in [(10, 0.6), (20, 0.4)]]
        run = made([before, learnt, fell], name="two")
        html = table_html(known("two"))
        assert "Best evaluation: after step 10, by the mean over tasks: 0.6; lowest task: math 0.6." in html
        assert "The last, after step 20: 0.4." in html
        assert "Try &amp; export" not in html, "its adapter is not there"
        (run.best / "step-10").mkdir(parents=True)
        assert "Its adapter is on the page Try &amp; export." in table_html(known("two"))

    def test_parts_of_the_signal_are_a_whole_where_batches_had_none(self):
        with_signal = [task_entry(task, 0.5, signal=0.5) for task in ("math", "code")]
        without = [task_entry(task, 1.0, signal=None) for task in ("math", "code")]
        made([record(step, with_signal if step % 2 else without) for step in range(1, 9)])
        row = next(row for row in table_html(known("one")).split("<tr>") if "math" in row)
        assert "25 %" not in row
        assert "50 %" in row

    def test_a_frozen_task_is_marked(self):
        made([record(1, {"math": 0.5, "code": 0.5}, frozen=["code"])])
        rows = table_html(known("one")).split("<tr>")
        shown = [row for row in rows if "math" in row or "code" in row]
        assert [("frozen" in row) for row in shown] == [False, True]
        assert [("too early" in row) for row in shown] == [True, False]

    def test_a_task_name_is_text(self):
        made([record(1, {"<b>x</b>": 0.5})])
        assert "<b>x</b>" not in table_html(known("one"))


class TestWeights:
    """Weights that come about during a run."""

    def gated(self, *weights, name="one"):
        """A run whose second reward of math waits for the first; its weight at each step."""
        document = spec_document(["math", "code"])
        gate = {"kind": "gate", "reward": "exact_match", "above": 0.8}
        document["rewards"]["math"] = [{"name": "exact_match"}, {"name": "number", "weight": 2, "schedule": gate}]
        rows = [
            [
                task_entry("math", 0.5)
                | {"rewards": [reward_entry("exact_match", 0.5), reward_entry("number", 0.5, weight=weight)]},
                task_entry("code", 0.5, ["exact_match"]),
            ]
            for weight in weights
        ]
        make_run(runs_root() / name, [record(n, row) for n, row in enumerate(rows, 1)], document)
        return known(name)

    def test_they_say_what_they_are_where_they_end_and_what_they_wait_for(self):
        html = weights_html(self.gated(0.0, 0.0, 0.0, 0.0, 0.0))
        assert re.findall(r'<td class="number">([^<]*)</td>', html) == ["0", "2"]
        assert "once the mean of exact_match over five batches reaches 0.8; it is 0.5" in html
        assert "since step 2" in weights_html(self.gated(0.0, 2.0, 2.0, name="opened"))

    def test_a_note_says_that_curves_are_not_the_same_measure_until_all_have_come(self):
        assert "not the same measure" in weights_note(self.gated(0.0, 0.0))
        assert weights_note(self.gated(0.0, 2.0, name="opened")) == ""

    def test_the_figure_draws_the_tasks_in_which_one_moves(self):
        found = self.gated(0.0, 2.0, 2.0)
        figure = weights_figure(found, found.colours, Frame(0, 3, 4, "run"))
        assert [trace["y"] for trace in figure["data"] if trace["x"] != [None]] == [[1, 1, 1], [0, 2, 2]]
        assert [note["text"] for note in figure["layout"]["annotations"]] == ["<b>math</b>"]

    def test_a_run_without_schedules_says_nothing_of_them(self):
        made([record(1, {"math": 0.5})], name="plain")
        found = known("plain")
        assert (weights_html(found), weights_note(found)) == ("", "")
        assert weights_figure(found, found.colours, Frame(0, 3, 4, "run")) is None


class TestReasons:
    def test_the_commonest_reasons_come_first_with_their_counts(self):
        def failed(reasons):
            entry = reward_entry("exact", 0.5, errors=sum(reasons.values()), reasons=reasons)
            return [task_entry("math", 0.5) | {"rewards": [entry]}]

        made([record(1, failed({"<no gold>": 1})), record(2, failed({"timeout": 3, "<no gold>": 1}))])
        html = reasons_html(known("one"))
        assert html.index("3 × timeout") < html.index("2 × &lt;no gold&gt;")

    def test_nothing_is_said_where_nothing_failed(self):
        made([record(1, {"math": 0.5})])
        assert reasons_html(known("one")) == ""


class TestCompletions:
    def test_texts_are_text_and_what_has_no_total_is_a_dash(self):
        run = made([record(1, {"math": 0.5})])
        Recorder(run).add("train", 1, scored_batch("math", ["<script>x</script>", "5"], [None, 1.0]))
        html = completions_html(known("one"), Look())
        assert "<script>" not in html
        assert "&lt;script&gt;" in html
        assert '<td class="number">-</td>' in html
        assert "no gold" in html

    def test_a_run_without_any_says_so(self):
        made([record(1, {"math": 0.5})])
        assert "No completions yet." in completions_html(known("one"), Look())

    @pytest.mark.parametrize(
        ("name", "value", "found"),
        [
            ("low", "0.5", {"low": 0.5}),
            ("low", "", {"low": None}),
            ("step", "7", {"step": 7}),
            ("step", "x", {"step": None}),
            ("errors", True, {"errors": True}),
            ("text", "a b", {"text": "a b"}),
        ],
    )
    def test_a_field_that_was_edited_is_read(self, name, value, found):
        assert changed(Wanted(low=0.1), name, value) == Wanted(**{"low": 0.1, **found})


def test_the_list_escapes_names_and_marks_the_chosen_one():
    made([record(3, {"math": 0.5}, steps=7)])
    html = picker_html(run_lines(), 'one"')
    assert 'value="one&quot;"' in html
    assert "3/7" in html


class TestShow:
    def test_figures_come_once_the_browser_has_drawn_the_rest(self):
        made([record(1, {"math": 0.5})])
        *first, _, drawn, seen = show("any", None, "one", "overview", Look(), 1280, "")
        assert drawn == "yes"
        assert sent(first) == ["status", "alerts", "tools", "table"]
        *second, _, _, _ = show("any", seen, "one", "overview", Look(), 1280, drawn)
        assert sent(second) == ["heat", "curves", "overlay"]

    def test_nothing_is_drawn_twice(self):
        made([record(1, {"math": 0.5})])
        *_, seen = show("any", None, "one", "overview", Look(), 1280, "yes")
        again = show("any", seen, "one", "overview", Look(), 1280, "yes")
        assert all(part == gr.skip() for part in again)


def sent(shown):
    """The names of the parts that are not skipped; the picker comes before them."""
    return [part.name for part, value in zip(PARTS, shown[1:], strict=True) if value != gr.skip()]


def test_the_newest_run_is_shown_where_none_is_named():
    made([record(1, {"math": 0.5})], name="20250101-000000-old")
    made([record(1, {"math": 0.5})], name="20250102-000000-new")
    *parts, run, _, _ = show("any", None, "", "overview", Look(), 1280, "yes")
    assert run == "20250102-000000-new"
    assert "20250102-000000-new" in parts[1]
    *_, run, _, _ = show("any", None, "20250101-000000-old", "overview", Look(), 1280, "yes")
    assert run == gr.skip()


def test_a_run_that_is_at_work_comes_before_a_newer_one_that_is_not():
    live = made([record(1, {"math": 0.5})], name="20250101-000000-live", end=None)
    record_worker(live, os.getpid())
    made([record(1, {"math": 0.5})], name="20250102-000000-new")
    *_, run, _, _ = show("any", None, "", "overview", Look(), 1280, "yes")
    assert run == live.id


def test_without_any_run_nothing_is_named():
    *_, run, _, _ = show("any", None, "", "overview", Look(), 1280, "yes")
    assert run == gr.skip()


def test_the_log_shows_its_last_lines_without_rewritten_progress_bars():
    run = made()
    assert log_tail(run) == ""
    lines = "".join(f"line {n}\n" for n in range(100))
    run.log_path.write_bytes(f"{lines}Loading: 0%\rLoading: 100%\n".encode())
    shown = log_tail(run).splitlines()
    assert (len(shown), shown[-1]) == (LOG_LINES, "Loading: 100%")


def test_tasks_that_take_turns_have_their_parts_of_a_whole():
    """Of small batches not every one holds every task."""
    turns = [
        record(step, [task_entry(task, 0.5, share=1.0)]) for step, task in enumerate(["math", "code"] * 6, start=1)
    ]
    made(turns)
    html = table_html(known("one"))
    assert html.count("50 %") >= 2
    assert "100 %" not in html


def test_a_folder_without_a_spec_is_told_apart_from_a_run_that_is_gone():
    made([record(1, {"math": 0.5})])
    (runs_root() / "one" / "spec.yaml").unlink()
    assert "it has no spec.yaml" in show("any", None, "one", "overview", Look(), 1280, "yes")[1]
    assert "There is no run two any more" in show("any", None, "two", "overview", Look(), 1280, "yes")[1]


def test_tasks_that_compared_runs_do_not_score_alike_are_said():
    made([record(1, {"math": 0.5, "code": 0.5})], name="a")
    other = spec_document(["math", "code"])
    other["rewards"]["code"][0]["weight"] = 3.0
    make_run(runs_root() / "b", [record(1, {"math": 0.5, "code": 0.5})], other)
    assert "Not scored alike in these runs: code." in compare_html(known("a"), Look(others=("b",)))
    assert "Not scored alike" not in compare_html(known("a"), Look(others=("a",)))


def test_steps_that_were_added_to_a_compared_run_are_among_what_differs():
    for name in ("a", "b"):
        run = made([record(1, {"math": 0.5})], name=name)
    compare = [part.name for part in PARTS].index("compare") + 1  # the list of runs is the first

    def shown(seen):
        found = show("any", seen, "a", "compare", Look(), 1280, "yes", "b")
        return found[compare], found[-1]

    html, seen = shown(None)
    assert "max_steps" not in html
    run.extension_path.write_text(json.dumps({"max_steps": 77, "at": 1}))
    html, _ = shown(seen)
    assert "<code>grpo.max_steps</code>" in html
    assert ">77</td>" in html


def test_no_more_runs_are_compared_than_can_be_told_apart():
    for n in range(9):
        made([record(1, {"math": 0.5})], name=f"run-{n}")
    look = Look(others=tuple(f"run-{n}" for n in range(1, 9)))
    assert len(compared(known("run-0"), look)) == MOST_RUNS


def test_a_compared_run_has_its_own_colour_in_every_panel_and_in_its_chip():
    for name in ("a", "b"):
        made([record(step, {"math": step / 9, "code": 0.1}) for step in (1, 2, 3)], name=name)
    found, look = known("a"), Look(others=("b",))
    figure = compare_figure(found, look, found.frame(look, 1280))
    colours = {trace["line"]["color"] for trace in figure["data"] if "line" in trace and trace["mode"] != "markers"}
    assert colours == {task_colour(0), task_colour(1)}
    html = compare_html(found, look)
    assert html.index(task_colour(0)) < html.index("<code>A</code>") < html.index(task_colour(1))


def test_a_broken_queue_is_said_with_where_it_is_and_the_run_is_shown_all_the_same():
    made([record(4, {"math": 0.5}, steps=10)], "stopped")
    assert "this is no queue" not in status_html(known("one"))
    (runs_root() / "queue.json").write_text("{")
    html = status_html(known("one"))
    assert "step 4 of 10" in html
    assert f"{runs_root() / 'queue.json'}" in html
    assert "this is no queue" in html
