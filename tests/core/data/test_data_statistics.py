import pytest

from core.data.statistics import LANGUAGE_ROWS, VERY_LONG, Lengths, data_problems, task_statistics
from core.spec import Draft

GERMAN = "Wie viele Menschen leben in der Hauptstadt von Frankreich, und wie heißt sie?"
ENGLISH = "How many people live in the capital of France, and what is it called there?"


@pytest.fixture
def statistics(write, load):
    """Statistics by task of rows in one file."""

    def _statistics(rows, spec=None, **fields):
        data = load(write("a.jsonl", rows), **fields)
        return {found.task: found for found in task_statistics(data, Draft.model_validate(spec or {}))}

    return _statistics


@pytest.fixture
def problems(write, load):
    """What is said of rows in one file, one line a problem."""

    def _problems(rows, spec=None, **fields):
        found = data_problems(load(write("a.jsonl", rows), **fields), Draft.model_validate(spec or {}))
        assert {problem.severity for problem in found} <= {"warning"}
        return [str(problem) for problem in found]

    return _problems


def rows_of(task, count, **columns):
    return [{"task": task, "prompt": f"{task} {n}", **columns} for n in range(count)]


def test_rows_and_shares_are_counted_by_task(statistics):
    found = statistics([*rows_of("a", 30), *rows_of("b", 10)], held_out={"rows_per_task": 2})
    assert [(task.rows, task.held_out) for task in found.values()] == [(28, 2), (8, 2)]
    assert found["a"].share == 28 / 36
    assert found["a"].mix == 0.5


def test_the_mix_follows_the_spec(statistics):
    spec = {"mixing": {"strategy": "natural"}, "tasks": {"b": {"share": 0.7}}}
    found = statistics([*rows_of("a", 30), *rows_of("b", 10)], spec)
    assert {task: round(of.mix, 6) for task, of in found.items()} == {"a": 0.3, "b": 0.7}


@pytest.mark.parametrize("mixed", [False, True])
def test_prompts_are_measured_in_characters_of_their_text(statistics, mixed):
    rows = [{"task": "a", "prompt": "ä" * n} for n in range(1, 102)]
    if mixed:
        messages = [{"role": "user", "content": "é" * 7}, {"role": "user", "content": "é" * 94}]
        rows[-1] = {"task": "a", "prompt": messages}
    assert statistics(rows)["a"].prompt == Lengths(median=51.0, p95=96.0, longest=101)


def test_answers_are_measured_where_there_are_any(statistics):
    rows = [*rows_of("a", 3, answer="four"), *rows_of("b", 2, answer=None), {"task": "a", "prompt": "x", "answer": ""}]
    found = statistics(rows)
    assert found["a"].answer == Lengths(median=4.0, p95=4.0, longest=4)
    assert found["b"].answer is None
    assert statistics(rows_of("a", 3))["a"].answer is None


def test_answers_that_are_no_text_are_measured_as_text(statistics):
    assert statistics(rows_of("a", 3, answer=1234))["a"].answer.longest == 4
    assert statistics(rows_of("a", 3, answer=["ab", "c"]))["a"].answer.longest == len('["ab", "c"]')


def test_duplicates_are_counted_within_a_task(statistics):
    rows = [*rows_of("a", 5), *rows_of("a", 2), {"task": "b", "prompt": "a 1"}]
    assert {task: of.duplicates for task, of in statistics(rows).items()} == {"a": 2, "b": 0}


def test_missing_values_are_counted_by_column(statistics):
    rows = [*rows_of("a", 3, tests="t"), *rows_of("b", 2), *rows_of("a", 4, answer={"x": 1})]
    found = statistics(rows)
    assert found["a"].missing == {"tests": 4, "answer": 3}
    assert found["b"].missing == {"tests": 2, "answer": 2}


def test_the_language_of_the_prompts_is_told_with_its_share(statistics):
    rows = [{"task": "a", "prompt": f"{GERMAN} {n}"} for n in range(3)] + [{"task": "a", "prompt": ENGLISH}]
    rows += [{"task": "b", "prompt": [{"role": "user", "content": ENGLISH}]}, {"task": "c", "prompt": "2 + 2 = ?"}]
    found = statistics(rows)
    assert (found["a"].language, found["a"].language_share) == ("de", 0.75)
    assert found["b"].language == "en"
    assert (found["c"].language, found["c"].language_share) == (None, None)


def test_a_sample_tells_the_language(statistics, monkeypatch):
    asked = []
    monkeypatch.setattr("core.data.statistics._language", asked.append)
    statistics(rows_of("a", 3 * LANGUAGE_ROWS))
    assert len(asked) == LANGUAGE_ROWS


def test_good_data_raises_no_problem(problems):
    assert problems([*rows_of("a", 40), *rows_of("b", 30)], {"mixing": {"strategy": "natural"}}) == []


def test_a_repeated_prompt_is_named_with_both_places(problems):
    (said,) = problems([*rows_of("a", 3), *rows_of("b", 3), *rows_of("a", 2)])
    assert said.startswith("a.jsonl line 7: the prompt is that of a.jsonl line 1 again; 2 of the 5 rows of task 'a'")


def test_a_very_long_prompt_is_named_with_its_place(problems):
    rows = rows_of("a", 3)
    rows[1]["prompt"] = "x" * (VERY_LONG + 1)
    rows[2]["prompt"] = "x" * (VERY_LONG + 2)
    (said,) = problems(rows)
    assert said.startswith("a.jsonl line 3: the prompt has 16,002 characters")
    assert "2 of its 3 rows" in said


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"mixing": {"strategy": "natural"}}, True),
        ({}, False),
        ({"mixing": {"strategy": "natural"}, "tasks": {"b": {"share": 0.05}}}, False),
    ],
)
def test_a_task_that_natural_mixing_starves_is_named(problems, spec, named):
    said = problems([*rows_of("a", 100), *rows_of("b", 9)], spec)
    assert [line.split(":")[0] for line in said] == (["tasks.b"] if named else [])


def test_a_prompt_that_another_task_holds_out_is_named(problems, write):
    held_out = {"path": write("test.jsonl", [{"task": "b", "prompt": "a 1"}, {"task": "b", "prompt": "t"}])}
    (said,) = problems([*rows_of("a", 3), *rows_of("b", 3)], held_out={**held_out, "rows_per_task": 5})
    assert said.startswith("a.jsonl line 2: the prompt is held out as test.jsonl line 1: task 'a' here, 'b' there")
