import pytest
from datasets import Dataset
from toys import make_model

from core.spec import TaskSpec
from core.token_lengths import LONGEST, counter, token_lengths


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(make_model(tmp_path_factory.mktemp("model")))


def rows(**columns):
    return Dataset.from_dict(columns)


def test_a_prompt_is_counted_as_the_model_reads_it(model):
    from core.models import load_tokenizer

    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
    tokenizer = load_tokenizer(model)
    read = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert counter(model).prompt(messages) == len(tokenizer(read, add_special_tokens=False)["input_ids"])


def test_golds_are_counted_by_task_and_rows_without_one_do_not_count(model):
    data = rows(task=["a", "a", "b"], prompt=["x", "y", "z"], answer=["four", None, "12345678"])
    found = token_lengths(data, model, {})
    assert (found["a"].golds, found["b"].golds) == ((4,), (8,))
    assert [found["b"].longer(limit) for limit in (7, 8)] == [1, 0]


def test_a_task_s_own_prompts_count(model):
    data = rows(task=["a"], prompt=["x"], answer=["y"])
    bare, told = (
        token_lengths(data, model, tasks)["a"].prompt for tasks in ({}, {"a": TaskSpec(system_prompt="1234")})
    )
    assert told - bare == len("1234") + 2  # <|system|> and <|end|>
    assert bare > 1


def test_the_longest_prompt_is_found_wherever_it_stands(model, monkeypatch):
    monkeypatch.setattr("core.token_lengths.MOST_ROWS", 2)
    prompts = ["x"] * 50
    prompts[17] = "x" * 200
    found = token_lengths(rows(task=["a"] * 50, prompt=prompts, answer=["y"] * 50), model, {})["a"]
    assert found.rows == 2
    assert found.prompt - found.usual == 199
    assert LONGEST >= 1


def test_prompts_of_messages_are_counted(model):
    data = rows(task=["a"], prompt=[[{"role": "user", "content": "abc"}]], answer=["y"])
    assert token_lengths(data, model, {})["a"].prompt == counter(model).prompt([{"role": "user", "content": "abc"}])


def test_of_a_model_without_tokenizer_nothing_is_known(tmp_path):
    assert counter(str(tmp_path)) is None
    assert token_lengths(rows(task=["a"], prompt=["x"], answer=["y"]), str(tmp_path), {}) is None


def test_a_template_that_fails_costs_an_estimate_and_no_error(model, tmp_path):
    broken = make_model(tmp_path / "broken")
    (broken / "chat_template.jinja").write_text("{{ raise_exception('no') }}")
    assert counter(str(broken)).prompt([{"role": "user", "content": "abc"}]) > 3


def test_a_template_reaches_nothing_outside_its_sandbox(tmp_path):
    hostile = make_model(tmp_path / "hostile")
    (hostile / "chat_template.jinja").write_text("{{ ''.__class__.__mro__[1].__subclasses__()|length }}" * 50)
    assert counter(str(hostile)).prompt([{"role": "user", "content": "abc"}]) < 50
