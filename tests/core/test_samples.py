"""Sample outputs that are typed, of a previous run, and from the rewards' own examples."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toys import write_rows

from core.errors import UserError
from core.preview import Group
from core.routing import RoutingTable
from core.runs import create_run
from core.samples import example_groups, merged, run_groups, typed_group
from core.scoring import Scorer
from core.spec import Route, parse_spec
from rewards import registry

ROW = {"task": "math", "prompt": "2+2?", "answer": "4"}


class TestTyped:
    @pytest.mark.parametrize(
        ("text", "completions"),
        [
            ("4", ("4",)),
            ("4\n---\nIt is 5.\nSure.", ("4", "It is 5.\nSure.")),
            ("4\r\n--- \r\n5\r\n6", ("4", "5\n6")),
            ("4\n---\n\n---\n5", ("4", "", "5")),
            ("4\n---\n", ("4",)),
            ("a --- b\n----", ("a --- b\n----",)),
        ],
    )
    def test_a_line_of_three_dashes_is_between_two_completions(self, text, completions):
        assert typed_group(ROW, text) == Group(ROW, completions)

    @pytest.mark.parametrize("text", ["", " \n", "---\n---"])
    def test_no_text_is_an_error(self, text):
        with pytest.raises(UserError, match="there is no text"):
            typed_group(ROW, text)


class TestMerged:
    def test_groups_of_the_same_row_become_one_in_their_order(self):
        other = Group({**ROW, "answer": "5"}, ("5",))
        found = merged([Group(ROW, ("4",)), other, Group(ROW, ("four", "IV"))])
        assert found == (Group(ROW, ("4", "four", "IV")), other)

    def test_completions_with_token_ids_and_answers_to_who_knows_what_stay_apart(self):
        counted = Group({**ROW, "completion_ids": [[1]]}, ("4",))
        bare = Group({"task": "math", "prompt": ""}, ("4",))
        assert merged([counted, counted, bare, bare]) == (counted, counted, bare, bare)


@pytest.fixture
def run(tmp_path):
    """A run on two tasks, one with a system prompt, whose data is there."""
    rows = [{"task": "math", "prompt": f"{n}+{n}?", "answer": str(2 * n)} for n in range(9)]
    rows += [{"task": "words", "prompt": f"Say {letter}.", "answer": letter} for letter in "abc"]
    document = {
        "name": "old",
        "data": {"path": str(write_rows(tmp_path / "rows.jsonl", rows)), "held_out": {"rows_per_task": 1}},
        "rewards": {"default": [{"name": "exact_match"}]},
        "tasks": {"math": {"system_prompt": "Be brief."}},
    }
    run = create_run(parse_spec(document, "toy"), tmp_path / "run")
    run.completions.mkdir()
    return run


def write_shard(run, step, groups, split="train", number=0):
    """A shard as the recorder writes it: two completions for each (task, prompt)."""
    n = 2 * len(groups)
    columns = {
        "step": [step] * n,
        "split": [split] * n,
        "group": np.repeat(np.arange(len(groups)), 2),
        "task": [task for task, _ in groups for _ in range(2)],
        "prompt": [prompt for _, prompt in groups for _ in range(2)],
        "completion": [f"{split} {step}.{number} {prompt} {k}" for _, prompt in groups for k in range(2)],
        "total": [1.0] * n,
    }
    pq.write_table(pa.table(columns), run.completions / f"{split}-{step:06d}-{number:04d}.parquet")


class TestRun:
    def test_completions_come_as_groups_with_the_columns_of_their_rows(self, run):
        write_shard(run, 1, [("math", "Be brief.\n\n3+3?"), ("words", "Say b.")])
        samples = run_groups(run)
        math, words = samples.groups
        assert math.fields["answer"] == "6"
        assert [turn["content"] for turn in math.fields["prompt"]] == ["Be brief.", "3+3?"]
        assert words.fields == {"task": "words", "prompt": "Say b.", "answer": "b"}
        assert words.completions == ("train 1.0 Say b. 0", "train 1.0 Say b. 1")
        assert samples.warnings == ()

    def test_every_row_is_found_held_out_ones_too(self, run):
        write_shard(run, 0, [("math", f"Be brief.\n\n{n}+{n}?") for n in range(9)], "held_out")
        samples = run_groups(run, split="held_out")
        assert [group.fields["answer"] for group in samples.groups] == [str(2 * n) for n in range(9)]

    def test_the_latest_steps_come_first_until_there_are_enough(self, run):
        for step in (1, 2, 9, 10):
            write_shard(run, step, [("words", "Say a."), ("words", "Say b.")])
        latest = run_groups(run, most=3).groups
        assert [group.completions[0] for group in latest] == [
            "train 9.0 Say b. 0",
            "train 10.0 Say a. 0",
            "train 10.0 Say b. 0",
        ]
        assert len(run_groups(run).groups) == 8

    def test_one_step_and_one_task_can_be_chosen(self, run):
        for step in (1, 2):
            write_shard(run, step, [("words", "Say a."), ("math", "Be brief.\n\n1+1?")])
            write_shard(run, step, [("math", "Be brief.\n\n2+2?")], number=1)
        found = run_groups(run, step=1, task="math").groups
        assert [group.completions[0] for group in found] == [
            "train 1.0 Be brief.\n\n1+1? 0",
            "train 1.1 Be brief.\n\n2+2? 0",
        ]

    def test_a_task_of_few_groups_keeps_them_where_not_all_can_be_taken(self, run):
        write_shard(run, 1, [("words", "Say a."), *[("math", f"Be brief.\n\n{n}+{n}?") for n in range(9)]])
        chosen = run_groups(run, most=3).groups
        assert [group.fields["task"] for group in chosen] == ["words", "math", "math"]

    def test_a_prompt_that_left_the_data_keeps_its_text_and_is_counted(self, run):
        write_shard(run, 1, [("words", "Say z."), ("words", "Say a.")])
        samples = run_groups(run)
        assert samples.groups[0].fields == {"task": "words", "prompt": "Say z."}
        assert "1 of 2 samples have a prompt that is not in the data" in str(samples.warnings[0])

    def test_without_the_data_there_are_completions_and_a_warning(self, run, tmp_path):
        write_shard(run, 1, [("words", "Say a.")])
        (tmp_path / "rows.jsonl").unlink()
        samples = run_groups(run)
        assert samples.groups[0].fields == {"task": "words", "prompt": "Say a."}
        assert "its data cannot be read" in str(samples.warnings[0])
        assert "no such file" in str(samples.warnings[1])

    @pytest.mark.parametrize(("step", "task"), [(2, None), (None, "poems")])
    def test_a_step_or_task_without_completions_is_an_error(self, run, step, task):
        write_shard(run, 1, [("words", "Say a.")])
        with pytest.raises(UserError, match="there are no completions"):
            run_groups(run, step, task)


class TestExamples:
    def test_examples_with_the_same_columns_are_one_group(self):
        groups = example_groups("math", [Route(name="exact_match")])
        examples = [example for example in registry()["exact_match"].examples if not example.error]
        assert {text for group in groups for text in group.completions} == {e.completion for e in examples}
        fields = [group.fields for group in groups]
        assert all(fields.count(one) == 1 for one in fields)
        assert {"task": "math", "prompt": "", **examples[0].columns} in fields

    def test_their_reward_scores_them_without_an_error(self):
        route = Route(name="math_answer")
        groups = example_groups("math", [route])
        pairs = [(group.fields, text) for group in groups for text in group.completions]
        with Scorer(RoutingTable({"math": (route,)})) as scorer:
            scores = scorer.score([fields for fields, _ in pairs], [text for _, text in pairs])
        assert scores.errors == {}
        assert len(set(scores.values[:, 0])) > 1

    def test_an_example_of_an_error_is_left_out(self, monkeypatch):
        reward = registry()["exact_match"]
        broken = dataclasses.replace(reward.examples[0], completion="broken", error="no answer")
        changed = dataclasses.replace(reward, examples=(*reward.examples, broken))
        monkeypatch.setattr("core.samples.sound", lambda route: changed)
        texts = [text for group in example_groups("a", [Route(name="exact_match")]) for text in group.completions]
        assert "broken" not in texts
        assert texts

    def test_a_route_that_is_wrong_in_itself_has_none(self):
        assert example_groups("math", [Route(name="no_such_reward")]) == ()
