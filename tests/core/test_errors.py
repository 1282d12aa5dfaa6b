import pytest

from core.errors import Problem, UserError, did_you_mean


def test_a_problem_reads_as_where_what_and_mend():
    assert str(Problem("train.jsonl line 3", "no prompt.", "Add one.")) == "train.jsonl line 3: no prompt. Add one."


def test_a_problem_without_a_mend_ends_with_what_is_wrong():
    assert str(Problem("grpo.beta", "found 'x'.")) == "grpo.beta: found 'x'."


def test_a_problem_blocks_a_run_unless_it_says_otherwise():
    assert Problem("here", "wrong").severity == "error"


def test_one_problem_or_many_make_one_error():
    first, second = Problem("a", "is wrong."), Problem("b", "is wrong too.")
    assert UserError(first).problems == (first,)
    assert UserError(problem for problem in [first, second]).problems == (first, second)
    assert str(UserError([first, second])) == "a: is wrong.\nb: is wrong too."


@pytest.mark.parametrize(
    ("word", "known", "sentence"),
    [
        pytest.param("mth", ["math", "code"], "Did you mean 'math'?", id="a slip"),
        pytest.param("poetry", ["math", "code"], "Known: code, math.", id="nothing near, so everything, sorted"),
        pytest.param("math", [], "There are none.", id="nothing to choose from"),
        pytest.param("", ["math"], "Known: math.", id="an empty word"),
    ],
)
def test_a_mistyped_word_gets_the_nearest_known_one(word, known, sentence):
    assert did_you_mean(word, known) == sentence
