import pytest

from core.data import gym, load_data, task_counts
from core.errors import UserError
from core.spec import DataSpec


def load_gym(*tasks, seed=42, per_task=5, **fields):
    held_out = {"rows_per_task": per_task}
    return load_data(
        DataSpec.model_validate({"reasoning_gym": {"tasks": tasks, "seed": seed}, "held_out": held_out, **fields})
    )


SUMS = {"name": "chain_sum", "size": 40}


def test_rows_carry_question_answer_and_whole_entry():
    data = load_gym(SUMS, {"name": "leg_counting", "size": 10})
    assert task_counts(data.train) == {"chain_sum": 40, "leg_counting": 10}
    assert task_counts(data.held_out) == {"chain_sum": 5, "leg_counting": 5}
    row = data.train[0]
    assert list(row) == ["task", "prompt", "answer", "entry"]
    assert row["entry"]["question"] == row["prompt"]
    assert row["entry"]["answer"] == row["answer"]
    assert row["entry"]["metadata"]["source_dataset"] == "chain_sum"


def test_the_entry_is_what_the_generator_scores():
    from reasoning_gym.factory import get_score_answer_fn

    row = load_gym(SUMS).train[3]
    assert get_score_answer_fn("chain_sum")(row["answer"], row["entry"]) == 1.0


def test_a_seed_gives_the_same_rows_wherever_they_are_made(monkeypatch, tmp_path):
    first = load_gym(SUMS).train["prompt"][:]
    monkeypatch.setenv("SIGNALBOX_CACHE", str(tmp_path / "elsewhere"))
    assert load_gym(SUMS).train["prompt"][:] == first


def test_another_seed_gives_other_rows():
    assert len(set(load_gym(SUMS).train["prompt"]) & set(load_gym(SUMS, seed=1042).train["prompt"])) < 5


SMALL = {"name": "chain_sum", "size": 100, "config": {"max_terms": 2, "max_digits": 1}}


def test_no_question_is_in_both_even_where_there_are_few():
    data = load_gym(SMALL, per_task=20)
    assert len(data.train) == 100
    assert len(set(data.held_out["prompt"])) == len(data.held_out) == 20
    assert not set(data.train["prompt"]) & set(data.held_out["prompt"])


def test_one_generator_may_stand_twice_with_other_settings():
    data = load_gym(SMALL, {**SMALL, "config": {"min_terms": 5, "max_terms": 5}}, per_task=20)
    assert task_counts(data.train) == {"chain_sum": 200}
    assert task_counts(data.held_out) == {"chain_sum": 20}
    assert not set(data.train["prompt"]) & set(data.held_out["prompt"])


def test_nothing_is_held_out_where_nothing_is_asked():
    assert len(load_gym(SUMS, per_task=0).held_out) == 0


def test_held_out_rows_can_come_from_a_file(write):
    path = write("a.jsonl", [{"task": "chain_sum", "prompt": "1 + 1?", "answer": "2"}])
    data = load_gym(SUMS, held_out={"path": path})
    assert data.held_out["prompt"][:] == ["1 + 1?"]


def test_answers_can_be_read_under_another_name():
    assert "gold" in load_gym(SUMS, columns={"gold": "answer"}).train.column_names


@pytest.mark.parametrize(
    ("task", "said", "why"),
    [
        ({"name": "chain_sums"}, "tasks[1].name: reasoning-gym has no generator 'chain_sums'. Did you mean", "name"),
        ({"name": "chain_sum", "config": {"max_term": 3}}, "tasks[1].config.max_term: chain_sum has no", "setting"),
        ({"name": "chain_sum", "config": {"max_term": 3}}, "Did you mean 'max_terms'?", "its mend"),
        ({"name": "chain_sum", "config": {"min_terms": 9, "max_terms": 3}}, "tasks[1].config: chain_sum", "a range"),
        ({"name": "chain_sum", "config": {"min_terms": "two"}}, "tasks[1].config: chain_sum cannot make", "a type"),
        ({"name": "chain_sum", "config": {"size": 3}}, "Set size beside config.", "a size in the wrong place"),
        ({"name": "chain_sum", "config": {"seed": 3}}, "Set data.reasoning_gym.seed.", "a seed in the wrong place"),
    ],
)
def test_a_bad_task_is_named(task, said, why):
    with pytest.raises(UserError) as caught:
        load_gym(SUMS, task)
    assert said in str(caught.value), why


def test_a_generator_without_enough_questions_is_named():
    few = {"name": "chain_sum", "size": 400, "config": {"max_terms": 2, "max_digits": 1}}
    with pytest.raises(UserError, match=r"reasoning_gym chain_sum: just \d+ of 400 rows have a question"):
        load_gym(few, per_task=5000)


def test_metadata_beyond_json_is_made_plain():
    assert gym._plain({2, 1}) == [1, 2]
    assert gym._plain(3 + 4j) == "(3+4j)"
