"""What the page Preview shows, as pure functions: hostile text stays text, what is missing is a dash, never 0."""

import re
from dataclasses import replace
from html import escape, unescape
from itertools import pairwise
from typing import ClassVar

import numpy as np
import pytest
from toys import write_rows

from core.comparison import compare
from core.preview import Group, preview
from core.preview_report import task_reports
from core.probes import probe_task
from core.routing import RoutingTable
from core.scoring import Scorer
from core.services import Scored
from core.spec import Draft, Normalisation, parse_draft
from ui.preview_compare import changes_html
from ui.preview_figures import distribution_figure, score_note, share_figure
from ui.preview_probes import faulty, task_html
from ui.preview_reports import details_html, overview_html
from ui.preview_state import Choice, Known, known
from ui.preview_tables import chosen_groups, fold, group_members, groups_html
from ui.preview_trials import Trial
from ui.preview_weights import weights_html

HOSTILE = "<img src=x onerror=alert(1)>\"'${1+1}{{x}}</pre></summary>"
PLAN = {
    "rewards": {
        HOSTILE: [{"name": "exact_match", "label": HOSTILE}, {"name": "number", "weight": 0.5}],
        "sum": [{"name": "number"}, {"name": "json_valid", "weight": 0.0}],
    }
}
GROUPS = (
    Group({"task": HOSTILE, "prompt": HOSTILE, "answer": HOSTILE}, (HOSTILE, "no", "")),
    Group({"task": "sum", "prompt": "1 + 1?", "answer": "2"}, ("2", "3", "it is 2")),
    Group({"task": "sum", "prompt": "1 + 2?", "answer": "3"}, ("4", "5")),
    Group({"task": "nowhere", "prompt": "?"}, ("x",)),
)
COLOURS = {HOSTILE: "#0072B2", "sum": "#E69F00"}
NORMALISATION = Normalisation()


@pytest.fixture(scope="module")
def scorer():
    with Scorer(RoutingTable({})) as scorer:
        yield scorer


@pytest.fixture(scope="module")
def draft():
    return parse_draft(PLAN, "test")


@pytest.fixture(scope="module")
def found(scorer, draft):
    return preview(GROUPS, draft, scorer)


@pytest.fixture
def now(project, found, draft):
    return Known(project, draft, Scored(found, True, None), Trial())


def tables(found, choice=Choice()):  # noqa: B008 (it is frozen)
    return groups_html(found, found.advantages(NORMALISATION), choice, COLOURS)


def is_text(html):
    """Whether none of the hostile text has become markup."""
    return "<img" not in html and "onerror" in html and not re.search(r"""="[^"]*<""", html)


class TestHostileText:
    def test_it_stays_text_in_tables(self, found):
        assert is_text(tables(found))

    def test_it_stays_text_in_reports(self, found):
        reports = task_reports(found, NORMALISATION)
        assert is_text(details_html(reports, COLOURS))

    def test_it_stays_text_in_the_overview(self, now):
        assert is_text(overview_html(now, Choice()))

    def test_it_stays_text_among_weights(self, now):
        assert is_text(weights_html(now, Choice()))

    def test_it_stays_text_among_probes(self, scorer, draft):
        rows = [{"task": HOSTILE, "prompt": HOSTILE, "answer": answer} for answer in (HOSTILE, "4")]
        probed = probe_task(HOSTILE, rows, scorer.with_table(RoutingTable(draft.rewards)))
        assert is_text(task_html(probed, COLOURS))

    def test_it_stays_text_in_a_comparison(self, found, now):
        other = found.reweighted({(HOSTILE, "number"): -3.0})
        assert is_text(changes_html(compare(found, other, NORMALISATION, NORMALISATION), now, Choice()))

    def test_it_is_no_markup_in_figures(self, found):
        reports = task_reports(found, NORMALISATION)
        for figure in (share_figure(reports, COLOURS), distribution_figure(reports, COLOURS)):
            assert "<img" not in figure.to_json()

    def test_a_fold_holds_the_text_once_and_whole(self):
        assert fold("a\n" * 99, "x").count("a\n") == 99


class TestTables:
    def test_what_does_not_apply_is_a_dash_and_an_error_is_named(self, found):
        html = tables(found, Choice(task=HOSTILE))
        assert "sb-bad" in html
        assert 'class="number">-</td>' in html

    def test_a_group_that_could_not_be_scored_says_why(self, found):
        assert "no reward scores task" in tables(found, Choice(task="nowhere"))

    @pytest.mark.parametrize(
        ("order", "first"),
        [
            pytest.param("rows", 0, id="as sampled"),
            pytest.param("spread", 1, id="the only one whose totals differ"),
            pytest.param("errors", 3, id="refused"),
            pytest.param("flat", 0, id="no total is known, so there is no spread"),
        ],
    )
    def test_groups_come_in_the_order_that_was_chosen(self, found, order, first):
        assert chosen_groups(found, group_members(found), Choice(order=order))[0] == first

    def test_members_follow_each_other(self, found):
        members = group_members(found)
        assert [len(rows) for rows in members] == [3, 3, 2, 0]
        assert np.concatenate(members).tolist() == list(range(8))

    def test_completions_are_sorted_by_a_column_and_the_unknown_come_last(self, found):
        html = tables(found, Choice(task="sum", by="total"))
        pushed = [float(text) for text in re.findall(r">([+-][\d.]+)</td>", html)]
        assert all(one >= other for one, other in pairwise(pushed[:3]))


class TestOverview:
    """What a run would make of the samples, where there are rows to make one of."""

    GROUPS = tuple(
        Group({"task": task, "prompt": f"{n}?", "answer": str(n)}, (str(n), "no", "no", str(n)))
        for n, task in enumerate(["sum", "sum", HOSTILE])
    )
    ROUTES: ClassVar = {"sum": [{"name": "number", "weight": 100}], "default": [{"name": "exact_match"}]}

    @pytest.fixture
    def overview(self, project, scorer, tmp_path):
        def overview(tasks=("sum", "sum", "sum", HOSTILE, "later"), **parts):
            rows = [{"task": task, "prompt": f"row {n}?", "answer": "1"} for n, task in enumerate(tasks)]
            data = {"path": str(write_rows(tmp_path / "rows.jsonl", rows)), "held_out": {"rows_per_task": 0}}
            plan = {"rewards": self.ROUTES, "data": data, "mixing": {"strategy": "natural"}, **parts}
            draft = parse_draft(plan, "test")
            scored = Scored(preview(self.GROUPS, draft, scorer), True, None)
            return overview_html(Known(project, draft, scored, Trial()), Choice())

        return overview

    def test_it_shows_each_task_s_share_of_the_batches_and_of_the_signal_in_them(self, overview):
        lines = cells(overview())
        assert list(lines) == ["sum", HOSTILE, "later"]
        assert [line[-2] for line in lines.values()] == ["60%", "20%", "20%"]
        assert [line[-1] for line in lines.values()] == ["75%", "25%", "-"]
        assert lines["later"][:4] == ["0", "-", "-", "-"]

    def test_a_sampled_task_without_rows_has_no_part_in_a_run(self, overview):
        lines = cells(overview(("sum", "other")))
        assert lines[HOSTILE][-2:] == ["-", "-"]
        assert lines["sum"][-2:] == ["50%", "100%"]

    def test_where_no_sampled_task_has_rows_the_samples_are_the_batch(self, overview):
        alone = overview(("other",))
        assert cells(alone)["sum"][-1] == "67%"
        assert "samples as one batch" in alone
        assert "mixed as a run begins" in overview()

    @pytest.mark.parametrize("size", ["eight", -1, None])
    def test_a_draft_whose_batches_are_wrong_or_unsaid_does_not_take_the_page_down(self, overview, size):
        lines = cells(overview(grpo={"num_generations": size}, normalisation={"task_scale": "running"}))
        assert lines["sum"][0] == "2"

    def test_what_moves_shares_during_a_run_is_said(self, overview):
        assert not re.search("adapt|freeze|resample|at least", overview())
        moving = overview(mixing={"strategy": "natural", "adapt": "worst", "floor": 0.5, "resample": 1})
        assert cells(moving)["sum"][-2] == "60% at least 30%"
        assert "mixing.adapt: worst" in moving
        assert "no prompt would be sampled in the place of another" in moving
        assert "convergence.freeze" in overview(convergence={"freeze": True})

    def test_a_schedule_shows_the_signal_at_the_first_step(self, overview):
        assert "Signal at step 1" not in overview()
        late = {"name": "number", "weight": 100, "schedule": {"kind": "step", "at": 9, "start": 0}}
        lines = cells(overview(rewards={**self.ROUTES, "sum": [late, {"name": "exact_match", "weight": 0}]}))
        assert [line[-2:] for line in lines.values()] == [["75%", "0%"], ["25%", "100%"], ["-", "-"]]

    def test_a_task_that_another_drowns_is_named(self, overview):
        assert "task_scale" not in overview()
        drowned = overview(normalisation={"scale_rewards": "none"})
        assert (
            f"{escape(HOSTILE)} would get 0.4% of the signal for 25% of the batches; with task_scale: batch, 25%"
            in drowned
        )
        assert "They are those of the tasks with samples" in drowned
        assert "task_scale" not in overview(normalisation={"scale_rewards": "none", "task_scale": "batch"})


def cells(table):
    """The texts of each line of a table, by that of its head."""
    found = {}
    for line in re.findall("<tr.*?</tr>", table)[1:]:
        head, *rest = [unescape(re.sub("<[^>]*>", "", cell)) for cell in re.findall("<t[dh].*?</t[dh]>", line)]
        found[head] = rest
    return found


class TestFigures:
    def test_axes_have_titles_with_units_and_tasks_their_colours(self, found):
        reports = task_reports(found, NORMALISATION)
        shares = share_figure(reports, COLOURS)
        assert shares.layout.xaxis.title.text == "share of all |advantage|, %"
        assert shares.layout.yaxis.title.text == "task"
        colours = {
            colour for trace in shares.data if isinstance(trace.marker.color, tuple) for colour in trace.marker.color
        }
        assert colours == set(COLOURS.values())

    def test_shares_of_all_rewards_add_up_to_100(self, found):
        shares = share_figure(task_reports(found, NORMALISATION), COLOURS)
        assert sum(x for trace in shares.data for x in trace.x if x is not None) == pytest.approx(100)

    def test_tasks_whose_names_begin_alike_have_a_bar_each(self, found):
        (report, *_) = task_reports(found, NORMALISATION)
        alike = [replace(report, task="a" * 40 + end, share=0.5) for end in ("x", "y")]
        shares = share_figure(alike, {})
        bars = [bar for bar in shares.data if isinstance(bar.marker.color, tuple)]
        assert all(len(set(bar.y)) == 2 for bar in bars)
        assert {bar.customdata[0][0] for bar in bars} == {"a" * 40 + "x"}

    def test_tasks_come_in_their_order_whatever_their_rewards_and_names_are(self, found):
        (report, *_) = task_reports(found, NORMALISATION)
        first, second = report.rewards
        one = replace(report, task="1", rewards=(first,))
        axis = share_figure([one, replace(one, task="2", rewards=(second,)), replace(one, task="10")], {}).layout.yaxis
        ordered = sorted(zip(axis.tickvals, axis.ticktext, strict=True), reverse=axis.range[0] < axis.range[1])
        assert [text for _, text in ordered] == ["1", "2", "10"]

    def test_what_is_left_out_is_said_and_a_task_by_itself_shows_all_of_its_rewards(self, found):
        (report, *_) = task_reports(found, NORMALISATION)
        many = replace(report, rewards=report.rewards * 8)
        assert len(distribution_figure([many, report], {}).data) == 12
        assert "12 of 18" in score_note([many, report])
        assert len(distribution_figure([many], {}).data) == 16
        assert score_note([many]) == ""

    def test_rewards_of_the_same_range_have_the_same_x_axis(self, found):
        figure = distribution_figure(task_reports(found, NORMALISATION), COLOURS)
        assert len(figure.data) == 4
        axes = [figure.layout[axis] for axis in ("xaxis", "xaxis2", "xaxis3", "xaxis4")]
        assert {tuple(axis.range) for axis in axes} == {(-0.15, 1.15)}

    def test_scores_outside_of_what_is_declared_are_to_be_seen(self, found):
        (report, *_) = task_reports(found, NORMALISATION)
        outside = replace(report.rewards[0], values=np.array([0.0, 4.0]))
        low, high = distribution_figure([replace(report, rewards=(outside,))], {}).layout.xaxis.range
        assert (low < 0, high > 4) == (True, True)

    def test_a_panel_counts_every_score(self, found):
        reports = [report for report in task_reports(found, NORMALISATION) if report.task == "sum"]
        assert [sum(trace.y) for trace in distribution_figure(reports, COLOURS).data] == [5, 5]


class TestProbes:
    @pytest.mark.parametrize(
        ("rewards", "bad"),
        [
            pytest.param([{"name": "exact_match"}], set(), id="sound"),
            pytest.param(
                [{"name": "length", "params": {"unit": "characters", "maximum": 9000}}],
                {"echo", "wrong", "keywords"},
                id="everything earns as much as gold",
            ),
            pytest.param(
                [
                    {"name": "exact_match", "weight": 9.0},
                    {"name": "length", "params": {"unit": "characters", "minimum": 500, "maximum": 9000}},
                ],
                {"gold"},
                id="gold falls short",
            ),
        ],
    )
    def test_what_should_not_be_is_faulty(self, scorer, rewards, bad):
        draft = Draft.model_validate({"rewards": {"sum": rewards}})
        rows = [{"task": "sum", "prompt": f"What is {n}?", "answer": str(n)} for n in (11, 22, 33)]
        found = probe_task("sum", rows, scorer.with_table(RoutingTable(draft.rewards)))
        assert {probe.kind for probe in found.probes if faulty(found, probe)} == bad


class TestWeights:
    def test_a_weight_is_shown_as_exactly_as_it_is_kept(self, found, project):
        draft = parse_draft({"rewards": {"sum": [{"name": "number", "weight": 1 / 3}]}}, "test")
        html = weights_html(Known(project, draft, Scored(found, True, None), Trial()), Choice(task="sum"))
        assert [float(text) for text in re.findall(r'<input [^>]* value="([^"]*)"', html)] == [1 / 3, 1 / 3]

    def test_no_two_drawings_are_the_same_text(self, project, draft):
        project.change(lambda _: draft)
        assert weights_html(known(project), Choice()) != weights_html(known(project), Choice())

    @pytest.mark.parametrize(
        ("normalisation", "shown"),
        [
            ({}, ["multi_objective_aggregation", "scale_rewards", "task_scale"]),
            (
                {"multi_objective_aggregation": "normalize_then_sum"},
                ["multi_objective_aggregation", "objective_weights", "conflict", "task_scale"],
            ),
            (
                {"conflict": 0.3},
                ["multi_objective_aggregation", "scale_rewards", "objective_weights", "conflict", "task_scale"],
            ),
        ],
    )
    def test_only_choices_that_change_something_or_can_be_turned_off_are_shown(self, project, normalisation, shown):
        draft = project.draft().model_copy(update={"normalisation": Normalisation(**normalisation)})
        html = weights_html(Known(project, draft, known(project).scored, Trial()), Choice())
        assert re.findall(r'data-normalisation="(\w+)"', html) == shown
        assert ('value="0.3" selected' in html) == ("conflict" in normalisation and "conflict" in shown)
