"""Templates: each works as it is, in the contract that it says, and names the task's columns."""

import pytest

from core.reward_templates import gold_column, templates
from core.reward_trial import try_code

ROWS = [{"prompt": "2 + 2?", "answer": 4}, {"prompt": "3 + 3?", "answer": 6}]
NAMES = [template.name for template in templates(())]


def template(name, columns=("prompt", "answer")):
    return next(template for template in templates(columns) if template.name == name)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_works_as_it_is_in_its_own_contract(name):
    trial = try_code(template(name).code, "", ROWS, [" 4\n", ""])
    assert (trial.contract, trial.scores, trial.failed) == (name, (1.0, 0.0), None)


@pytest.mark.parametrize("name", NAMES)
def test_a_row_without_a_gold_answer_has_no_score_rather_than_0(name):
    trial = try_code(template(name).code, "", [{"prompt": "2 + 2?", "answer": None}], ["None"])
    assert trial.scores == (None,)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "columns",
    [(), ("task", "prompt"), ("class", "my column", 'a"b\n    raise SystemExit'), ("gold", "{gold}", "{columns}")],
)
def test_a_template_compiles_whatever_the_columns_are_called(name, columns):
    compile(template(name, columns).code, "reward.py", "exec")


@pytest.mark.parametrize("name", NAMES)
def test_the_columns_of_the_task_are_named_in_a_comment(name):
    (comment,) = [line for line in template(name, ("tests", "my column")).code.splitlines() if "# " in line]
    assert comment.endswith("tests, 'my column'")


@pytest.mark.parametrize(
    ("columns", "gold"),
    [
        (("prompt", "gold", "answer"), "answer"),
        (("prompt", "notes", "reference"), "reference"),
        (("task", "prompt", "gold"), "gold"),
        (("class", "my column"), "answer"),
        ((), "answer"),
    ],
)
def test_the_template_compares_with_the_column_that_says_what_is_right(columns, gold):
    assert gold_column(columns) == gold
    assert f"zip(completions, {gold})" in template("batch", columns).code
