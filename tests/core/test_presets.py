"""Presets: their routes are sound, pay for what is right and not for silence, and are suggested where they belong."""

import pytest
from datasets import Dataset

from core.check import task_columns
from core.presets import PRESETS, fill, find_preset, fits, samples_of, suggested
from core.routing import TaskColumns, check_coverage, check_routes
from rewards import registry
from rewards.declaration import Batch

SUM = {"question": "2 + 2?", "answer": "4", "metadata": {"source_dataset": "chain_sum", "source_index": 0}}
CALL = {"name": "weather", "arguments": {"city": "Paris"}}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

# Of each preset: a row, its gold answer, and one that is wrong.
CASES = {
    "code_stdin": ({"tests": [{"input": "21\n", "output": "42"}]}, "print(int(input()) * 2)", "print(1)"),
    "code_asserts": ({"tests": ["assert f(1) == 2"]}, "def f(x):\n    return x + 1", "def f(x):\n    return x"),
    "procedural": ({"entry": SUM}, "<answer>4</answer>", "<answer>5</answer>"),
    "extraction": ({"fields": {"name": "Ada", "age": 36}}, '{"name": "Ada", "age": 36}', '{"name": "Bob"}'),
    "json_schema": ({"schema": SCHEMA}, '{"name": "Ada"}', '{"name": 5}'),
    "tool_calls": (
        {"tool_calls": [CALL]},
        '{"name": "weather", "arguments": {"city": "Paris"}}',
        '{"name": "time", "arguments": {}}',
    ),
    "choice": ({"answer": "B", "choices": ["A", "B"]}, "B", "A"),
    "mathematics": ({"answer": "42"}, "5 + 37 = 42, so the answer is 42.", "The answer is 41."),
    "translation": ({"reference": "The dog bit the man."}, "The dog bit the man.", "A cat sat."),
    "similarity": ({"reference": "The dog bit the man."}, "The dog bit the man.", "Cats sleep."),
    "short_answer": ({"answer": "Paris"}, "Paris.", "Lyon"),
    "reasoning": ({"answer": "42"}, "<think>5 + 37</think><answer>42</answer>", "<think>5</think><answer>41</answer>"),
    "chat_judge": ({}, "Score: 10", "Score: 2"),
}
ALL = pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)


def scores(preset, completion):
    """Weight, range and score of each route; the judge says what the completion says."""
    columns = {name: [value] for name, value in CASES[preset.name][0].items()}
    batch = Batch([[{"role": "user", "content": "?"}]], [completion], columns)
    for route in preset.routes:
        reward = registry()[route.name]
        judged = {"dry_run": completion or "0"} if route.name == "llm_judge" else {}
        (score,) = reward.score(batch, {**route.params, **judged})
        assert isinstance(score, float), score
        yield route.weight, reward.range, score


def total(preset, completion):
    return sum(weight * score for weight, _, score in scores(preset, completion))


def highest(preset):
    return sum(route.weight * registry()[route.name].range[1] for route in preset.routes)


def columns_of(row, count=20, empty=0):
    return TaskColumns(count, dict.fromkeys(row, empty))


def guess(**columns):
    """The name of the preset suggested for twenty rows; a list is gone through, anything else stays."""
    rows = {
        name: [value[n % len(value)] if isinstance(value, list) else value for n in range(20)]
        for name, value in columns.items()
    }
    found = suggested(TaskColumns(20, {name: sum(v is None for v in values) for name, values in rows.items()}), rows)
    return found and found.name


@ALL
def test_the_routes_of_a_preset_are_sound(preset):
    assert check_routes({"task": preset.routes}) == []


@ALL
def test_the_main_reward_comes_first_and_outweighs_all_others(preset):
    main, *light = preset.routes
    assert main.weight == 1.0
    assert sum(route.weight for route in light) <= 0.2


@ALL
def test_a_gold_answer_earns_nearly_all_there_is(preset):
    assert total(preset, CASES[preset.name][1]) >= 0.95 * highest(preset)


@ALL
def test_an_empty_answer_earns_nothing_under_any_of_its_rewards(preset):
    assert [score for _, _, score in scores(preset, "")] == [0.0] * len(preset.routes)


@ALL
def test_a_wrong_answer_earns_far_less_than_the_gold_one(preset):
    _, gold, wrong = CASES[preset.name]
    assert total(preset, wrong) < total(preset, gold) - 0.5


@ALL
def test_a_preset_fits_rows_that_have_its_columns_and_covers_them(preset):
    columns = columns_of(CASES[preset.name][0])
    assert fits(preset, columns) == ()
    assert check_coverage({"task": preset.routes}, {"task": columns}) == []


@ALL
def test_every_column_without_which_a_preset_cannot_score_is_named_as_missing(preset):
    row = CASES[preset.name][0]
    for column in {name for names in preset.needs for name in names} & row.keys():
        missing = fits(preset, columns_of(row.keys() - {column}))
        assert any(column in name for name in missing)
    assert fits(preset, columns_of(row, empty=20)) == fits(preset, TaskColumns(20, {}))


def test_either_of_two_columns_will_do():
    translation = find_preset("translation")
    assert fits(translation, TaskColumns(3, {"answer": 1})) == ()
    assert fits(translation, TaskColumns(3, {"gold": 0})) == ("reference or answer",)


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("translation", "reasoning", "chat_judge")])
def test_a_preset_is_suggested_for_rows_of_its_kind(name):
    row, _, _ = CASES[name]
    assert guess(prompt="?", **{column: [value] for column, value in row.items()}) == name


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        pytest.param({"answer": ["1", "-2.5", "1,200"]}, "mathematics", id="numbers"),
        pytest.param({"answer": ["So it is 7.\n#### 7", "#### 12"]}, "mathematics", id="GSM8K"),
        pytest.param({"answer": [r"\frac{1}{2}", "$x+1$", "3", r"\pi", "(1, 2)"]}, "mathematics", id="TeX, mostly"),
        pytest.param(
            {"answer": ["2024-01-05", "2023-02-06"] + [f"n{n}" for n in range(9)]}, "short_answer", id="dates"
        ),
        pytest.param({"answer": ["yes", "no"]}, "choice", id="few labels, often"),
        pytest.param({"answer": [f"Name {n}" for n in range(20)]}, "short_answer", id="names"),
        pytest.param({"answer": [f"{n} " + "word " * 20 for n in range(20)]}, "similarity", id="long answers"),
        pytest.param(
            {"prompt": "Translate: Hund", "answer": [f"dog {n}" for n in range(20)]}, "translation", id="translate"
        ),
        pytest.param({"answer": [f'[{{"name": "f{n}", "arguments": {{}}}}]' for n in range(20)]}, "tool_calls"),
        pytest.param({"tests": ['[{"input": "1", "output": "2"}]']}, "code_stdin", id="tests as JSON text"),
        pytest.param({"tests": ["def check(f):\n    assert f(1)"]}, "code_asserts", id="HumanEval"),
        pytest.param({"tests": ["assert f()"], "answer": "1"}, "code_asserts", id="tests before answers"),
        pytest.param({"answer": ["1", None]}, None, id="answers with gaps"),
        pytest.param({"prompt": "Hello"}, None, id="nothing says what is right"),
    ],
)
def test_values_tell_the_kind_of_task(columns, name):
    assert guess(**columns) == name


def test_a_choice_gets_its_labels_from_the_answers_and_can_score_them():
    answers = ["Yes", "yes ", "NO", "no"] * 5
    preset = suggested(TaskColumns(20, {"answer": 0}), {"answer": answers})
    batch = Batch([], answers, {"answer": answers})
    assert registry()["choice"].score(batch, preset.routes[0].params) == [1.0] * 20


def test_labels_of_the_rows_themselves_are_not_written_down_again():
    filled = fill(find_preset("choice"), TaskColumns(1, {"answer": 0, "choices": 0}), {"answer": ["A"]})
    assert filled.routes == find_preset("choice").routes


def test_samples_are_taken_from_each_task_by_itself():
    tasks = ["a", "b"] * 500
    rows = Dataset.from_dict(
        {"task": tasks, "prompt": ["?"] * 1000, "answer": [f"{t}{n}" for n, t in enumerate(tasks)]}
    )
    found = samples_of(rows)
    assert {task: {answer[0] for answer in values["answer"]} for task, values in found.items()} == {
        "a": {"a"},
        "b": {"b"},
    }
    assert len(found["a"]["answer"]) == 200
    assert suggested(task_columns(rows)["a"], found["a"]).name == "short_answer"
