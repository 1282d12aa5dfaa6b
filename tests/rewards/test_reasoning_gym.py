"""reasoning_gym: the generators' scorers, fed with entries read from JSON, and kept from evaluating code."""

import inspect
import json
import warnings

import pytest

from rewards.reasoning_gym import EVALUATED, reasoning_gym


def entry_of(name):
    import reasoning_gym as library

    return json.loads(json.dumps(library.create_dataset(name, size=1, seed=1)[0]))


@pytest.mark.parametrize(
    "name",
    ["chain_sum", "countdown", "binary_matrix", "n_queens", "polynomial_multiplication", "rearc", "simple_integration"],
)
def test_the_entrys_own_answer_is_right_after_a_trip_through_json(name):
    entry = entry_of(name)
    assert reasoning_gym.function(f"So:\n<answer>\n{entry['answer']}\n</answer>", entry) == 1.0
    assert reasoning_gym.function(f"<answer>{entry['answer']}</answer>", json.dumps(entry)) == 1.0


@pytest.mark.parametrize("name", EVALUATED)
@pytest.mark.parametrize("code", ["open({path!r}, 'w')", "[open({path!r}, 'w')]", "exec('open({path!r}, \"w\")')"])
def test_code_in_an_answer_is_never_evaluated(name, code, tmp_path):
    path = tmp_path / "evaluated"
    assert reasoning_gym.function(f"<answer>{code.format(path=str(path))}</answer>", entry_of(name)) == 0.0
    assert not path.exists()


@pytest.mark.parametrize(
    "answer",
    [
        "9**9**9**9",
        "(9**9)**99**9",
        "9**(9**9)",
        "1/0",
        "(" * 500,
        "x**1000000",
        "9**999",
        "((9**99)**99)**99",
        "9 ** 9 ** 9",
    ],
)
def test_a_formula_that_takes_for_ever_is_not_worked_out(answer):
    assert reasoning_gym.function(answer, entry_of("countdown")) <= 0.05


def test_every_scorer_that_evaluates_answers_is_guarded():
    from reasoning_gym.factory import DATASETS

    with warnings.catch_warnings(action="ignore"):
        sources = {name: inspect.getsource(kind.score_answer) for name, (kind, _) in DATASETS.items()}
    evaluating = {name for name, source in sources.items() if "eval(answer" in source or "parse_expr(answer" in source}
    assert evaluating == set(EVALUATED)


def test_an_answer_on_which_the_scorer_crashes_earns_0():
    assert reasoning_gym.function("nonsense", entry_of("prime_factorization")) == 0.0


def test_an_entry_on_which_the_scorer_crashes_is_an_error(score_one):
    entry = entry_of("boxnet")  # it has no answer of its own to try the scorer with
    assert "TypeError" in str(score_one(reasoning_gym, "1", entry=entry))


@pytest.mark.parametrize("entry", ["{", 3, {}, {"metadata": 3}, {"metadata": {}}])
def test_an_entry_without_a_generator_is_an_error(entry, score_one):
    assert "column 'entry'" in str(score_one(reasoning_gym, "7", entry=entry))


def test_an_open_tag_alone_leaves_the_last_line():
    entry = entry_of("chain_sum")
    assert reasoning_gym.function(f"<answer>\n{entry['answer']}", entry) == 1.0
