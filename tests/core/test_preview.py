"""Previews: the numbers of the command `score`, other weights without scoring again."""

import io
import json
import time

import numpy as np
import pytest

from core.errors import UserError
from core.preview import Group, preview, read_groups, write_groups
from core.routing import RoutingTable
from core.scored_file import score_file
from core.scoring import Scorer, ScoringCancelled
from core.spec import Draft, Normalisation, Plan

PLAN = Plan.model_validate(
    {
        "rewards": {
            "math": [{"name": "math_answer"}, {"name": "length", "label": "short", "weight": 0.5}],
            "city": [{"name": "exact_match", "weight": 0}, {"name": "length", "params": {"unit": "tokens"}}],
            "repeats": [{"name": "get_repetition_penalty_reward", "params": {"ngram_size": 2}}],
        }
    }
)
GROUPS = (
    Group({"task": "math", "prompt": "6 x 7?", "answer": "42"}, ("42", "It is 42.", "41", "\ud800")),
    Group({"task": "city", "prompt": [{"role": "user", "content": "Where?"}], "answer": "Paris"}, ("Paris", "Lyon")),
    Group({"task": "poetry", "prompt": "Write."}, ("Roses",)),
    Group({"task": "repeats", "prompt": "?", "completion_ids": [[1, 1, 1], [1, 2]]}, ("a a a", "a b")),
    Group({"task": "math", "prompt": "?"}, ("1", "2")),
    Group({"task": "math", "prompt": "?", "answer": "1"}, ()),
    Group({"task": 3, "prompt": "?"}, ("x",)),
)
NORMALISATION = Normalisation()


def tokenize(texts):
    return [list(text.encode()) for text in texts]


@pytest.fixture(scope="module")
def scorer():
    with Scorer(RoutingTable({})) as made:
        yield made


@pytest.fixture(scope="module")
def found(scorer):
    return preview(GROUPS, PLAN, scorer, tokenize)


def column(found, key):
    return found.scores.values[:, found.scores.keys.index(key)]


class TestGroups:
    def test_they_come_back_as_they_were_written(self, tmp_path):
        kept = [group for group in GROUPS if group.completions and group.fields["task"] != 3]
        write_groups(tmp_path / "groups.jsonl", kept)
        assert read_groups(tmp_path / "groups.jsonl") == kept

    def test_a_row_with_one_text_is_a_group_of_one(self, tmp_path):
        (tmp_path / "rows.jsonl").write_text('{"task": "a", "prompt": "?", "answer": "1", "completion": "x"}\n\n')
        assert read_groups(tmp_path / "rows.jsonl") == [Group({"task": "a", "prompt": "?", "answer": "1"}, ("x",))]

    def test_lines_that_are_no_groups_are_named_with_their_number(self, tmp_path):
        lines = ['{"task": "a", "completion": ["x"]}', "{", '{"task": "a"}', '{"completion": ["x", 5]}']
        (tmp_path / "rows.jsonl").write_text("\n".join(lines))
        with pytest.raises(UserError) as raised:
            read_groups(tmp_path / "rows.jsonl")
        assert [problem.where for problem in raised.value.problems] == [f"rows.jsonl row {n}" for n in (2, 3, 4)]
        assert "int, not text" in raised.value.problems[2].what

    @pytest.mark.parametrize("text", ["", "\n \n"])
    def test_a_file_without_rows_is_an_error(self, tmp_path, text):
        (tmp_path / "rows.jsonl").write_text(text)
        with pytest.raises(UserError, match="no rows"):
            read_groups(tmp_path / "rows.jsonl")

    def test_chat_messages_are_shown_as_json(self):
        assert [group.prompt for group in GROUPS[:2]] == ["6 x 7?", '[{"role": "user", "content": "Where?"}]']


def test_its_numbers_are_those_of_the_command_score(found, tmp_path):
    write_groups(tmp_path / "groups.jsonl", GROUPS)
    out = io.StringIO()
    score_file(tmp_path / "groups.jsonl", PLAN, out, tokenize)
    strength, compared = found.advantages(NORMALISATION), 0
    for i, line in enumerate(out.getvalue().splitlines()):
        row = json.loads(line)
        rows = np.flatnonzero(found.index == i)
        if "row" in row["errors"]:
            assert found.refused[i] == row["errors"]["row"]
            continue
        assert found.places[rows].tolist() == list(range(len(row["completion"])))
        totals = [None if np.isnan(total) else total for total in found.scores.totals[rows]]
        assert totals == row["total"]
        assert [None if total is None else strength[n] for n, total in zip(rows, totals, strict=True)] == pytest.approx(
            row["advantages"], abs=1e-12
        )
        for key, cells in row["rewards"].items():
            values = [None if np.isnan(value) else value for value in column(found, key)[rows]]
            assert values == cells
            reasons = row["errors"].get(key, [None] * len(rows))
            assert [found.scores.errors.get((n, found.scores.keys.index(key))) for n in rows] == reasons
            compared += len(cells)
    assert compared == found.scores.routed.sum() == 18
    assert set(found.refused) == {2, 5, 6}


def test_a_group_without_a_route_is_refused_with_the_reason(found):
    assert "no reward scores task 'poetry'" in found.refused[2]
    assert 2 not in found.index


class TestReweighted:
    def test_it_is_what_scoring_with_those_weights_gives(self, found, scorer):
        document = PLAN.model_dump()
        document["rewards"]["math"][1]["weight"] = 3.0
        document["rewards"]["city"][0]["weight"] = 1.0
        scored = preview(GROUPS, Plan.model_validate(document), scorer, tokenize)
        changed = found.reweighted({("math", "short"): 3.0, ("city", "exact_match"): 1.0})
        np.testing.assert_array_equal(changed.scores.totals, scored.scores.totals)
        np.testing.assert_array_equal(changed.advantages(NORMALISATION), scored.advantages(NORMALISATION))
        assert changed.signals(NORMALISATION) == scored.signals(NORMALISATION)

    def test_the_preview_it_came_from_stays_as_it_was(self, found):
        before = found.scores.totals.copy()
        found.reweighted({("math", "short"): 9.0})
        np.testing.assert_array_equal(found.scores.totals, before)

    def test_a_route_of_weight_0_was_scored_and_counts_once_it_has_a_weight(self, found):
        rows = found.rows_of("city")
        assert column(found, "exact_match")[rows].tolist() == [1.0, 0.0]
        spread = found.reweighted({("city", "exact_match"): 1.0, ("city", "length"): 0.0})
        assert spread.scores.totals[rows].tolist() == [1.0, 0.0]

    def test_an_error_counts_for_nothing_under_weight_0(self, found):
        rows = np.flatnonzero(found.index == 4)
        assert np.isnan(found.scores.totals[rows]).all()
        assert not np.isnan(found.reweighted({("math", "math_answer"): 0.0}).scores.totals[rows]).any()

    @pytest.mark.parametrize(
        ("weights", "says"),
        [
            ({("math", "exact_match"): 1.0}, "has not scored"),
            ({("math", "nothing"): 1.0}, "has not scored"),
            ({("poetry", "length"): 1.0}, "has not scored"),
            ({("math", "short"): float("nan")}, "weight of 'short' is nan"),
        ],
    )
    def test_weights_of_what_was_not_scored_and_that_are_no_numbers_are_errors(self, found, weights, says):
        with pytest.raises(UserError, match=says):
            found.reweighted(weights)

    def test_a_thousand_completions_take_little_time(self, scorer):
        groups = [
            Group({"task": task, "prompt": "?", "answer": str(n)}, tuple(str(n + j) for j in range(8)))
            for n in range(64)
            for task in ("math", "city")
        ]
        whole = preview(groups, PLAN, scorer, tokenize)
        took = []
        for weight in (0.0, 1.0, 2.0, 3.0, 4.0):
            start = time.perf_counter()
            changed = whole.reweighted({("math", "short"): weight})
            changed.advantages(NORMALISATION)
            changed.signals(NORMALISATION)
            took.append(time.perf_counter() - start)
        assert len(whole.index) == 1024
        assert min(took) < 0.05


def test_a_default_route_scores_what_has_none_of_its_own_and_each_task_has_its_own_weight(scorer):
    plan = Plan.model_validate({"rewards": {"default": [{"name": "exact_match"}]}})
    groups = [Group({"task": task, "prompt": "?", "answer": "x"}, ("x",)) for task in "ab"]
    changed = preview(groups, plan, scorer).reweighted({("b", "exact_match"): 2.0})
    assert changed.scores.totals.tolist() == [1.0, 2.0]


def test_a_draft_without_rewards_refuses_every_group(scorer):
    found = preview(GROUPS[:2], Draft(), scorer)
    assert set(found.refused) == {0, 1}
    assert found.signals(NORMALISATION) == []
    assert found.advantages(NORMALISATION).tolist() == []


def test_a_route_that_is_wrong_in_itself_is_an_error_before_anything_is_scored(scorer):
    draft = Draft.model_validate({"rewards": {"math": [{"name": "math_anser"}]}})
    with pytest.raises(UserError, match="Did you mean 'math_answer'"):
        preview(GROUPS, draft, scorer)


def test_progress_is_told_and_who_cancels_is_heard(scorer):
    told = []
    preview(GROUPS[:1], PLAN, scorer, progress=lambda done, whole: told.append((done, whole)))
    assert told[-1] == (8, 8)
    sleepy = "import time\ndef score(completion, row):\n    time.sleep(60)\n    return 1.0"
    plan = Plan.model_validate({"rewards": {"math": [{"name": "custom", "params": {"code": sleepy, "timeout_s": 60}}]}})
    with pytest.raises(ScoringCancelled):
        preview(GROUPS[:1], plan, scorer, cancelled=lambda: True)


def test_token_ids_of_one_text_reach_the_reward_as_the_command_score_hands_them_over(tmp_path, scorer):
    route = {"name": "get_repetition_penalty_reward", "params": {"ngram_size": 1}}
    plan = Plan.model_validate({"rewards": {"t": [route]}})
    line = {"task": "t", "prompt": "?", "completion": "abc", "completion_ids": [11, 22, 22]}
    path = tmp_path / "groups.jsonl"
    path.write_text(json.dumps(line) + "\n")
    score_file(path, plan, out := io.StringIO())
    told = json.loads(out.getvalue())
    found = preview(read_groups(path), plan, scorer)
    assert told["errors"] == {}
    assert found.scores.values.tolist() == [[told["rewards"][route["name"]]]]
