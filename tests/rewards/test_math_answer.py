"""math_answer: which spellings are the same answer, which answers are no answers, what a bad gold answer says."""

import threading
import time

import pytest

from rewards.math_answer import math_answer

RIGHT = [
    ("The answer is 42", 42, "a sentence, gold as int"),
    ("$42$", 42.0, "dollars, gold as float"),
    (r"\[ 42 \]", "42", "display math"),
    ("**42**", "42", "markdown"),
    ("<answer>42</answer>", "42", "tags"),
    ("42!", "42", "an exclamation is no factorial"),
    (r"42^\circ", "42", "degrees"),
    ("42cm", "42", "a unit"),
    ("答案是42。", "42", "no spaces in Chinese"),
    ("４２", "42", "full-width digits"),
    ("x = −42", -42, "a typographic minus"),
    ("It costs $40, so $1,234.50 is left", 1234.5, "money is not a formula"),
    ("1000", "1,000", "thousands in the gold answer"),
    (r"\boxed{1{,}000}", 1000, "thousands in LaTeX"),
    ("0.5", "1/2", "a decimal for a fraction"),
    ("1/2", r"\frac{1}{2}", "a plain fraction for one in LaTeX"),
    (r"So \dfrac{1}{2}", 0.5, "a fraction in LaTeX, no dollars"),
    ("0.333333", "1/3", "six decimals"),
    ("50", "50%", "the percentage"),
    ("0.5", "50%", "the share"),
    ("50%", 0.5, "a share written as percentage"),
    (r"3 \times 10^5", 300000, "scientific"),
    ("6e23", "6e23", "scientific, computer style"),
    (r"\boxed{x = 42}", 42, "an equation in the box"),
    (r"\boxed{5 + 37 = 42}", 42, "a worked sum in the box"),
    (r"\boxed{\boxed{42}}", 42, "a box in a box"),
    (r"\boxed{\mathbf{42}}", 42, "bold"),
    (r"\boxed{\$42}", 42, "money in the box"),
    ("72", "48/2 = 24, 48 + 24 = 72\n#### 72", "GSM8K's gold answers"),
    ("18", "18 dollars", "a unit in the gold answer"),
    ("12", r"The result is \boxed{12}.", "a whole solution as gold answer"),
    (r"\boxed{1\frac{1}{2}}", "3/2", "a mixed number"),
    ("The answer is 1 + x^2.", "x^2+1", "a formula in plain text"),
    (r"$y = x^2 + 1$", "x^2+1", "a formula in dollars"),
    (r"\boxed{2\sqrt{3}}", r"\sqrt{12}", "roots"),
    ("so (1,2)", "(1,2)", "an interval or point"),
    (r"\boxed{\text{Evelyn}}", r"\text{Evelyn}", "text, marked as such in the gold answer"),
]
WRONG = [
    (r"\boxed{41} and 42", 42, "the box counts, not what follows"),
    (r"\boxed{42} or \boxed{41}", 42, "the last box counts"),
    (r"\boxed{42", 42, "a box that is never closed"),
    (r"\boxed{}", 42, "an empty box"),
    (r"\boxed{41, 42}", 42, "two answers in one box"),
    ("2^42", 42, "an exponent is not the answer"),
    (r"6\pi", 6, "a factor is not the answer"),
    (r"\sqrt{2}", 2, "nor what is under a root"),
    ("40 + 2", 2, "nor a summand"),
    ("2024-05-12", 12, "nor a part of a date"),
    ("x2", 2, "nor a part of a name"),
    (r"\boxed{12/4}", 3, "a division left undone"),
    (r"\boxed{2^{10}}", 1024, "a power left undone"),
    ("5000%", "50%", "two percentages are compared as such"),
    ("2e-8", "1e-8", "small numbers stay different"),
    ("12345.68", "12345.67", "cents count"),
    ("1e100000000", 1, "an absurd exponent is not cut short"),
    (r"\boxed{42i}", 42, "imaginary"),
    (r"\boxed{\infty}", 42, "infinite"),
    (r"\boxed{\begin{pmatrix}42\end{pmatrix}}", 42, "a matrix"),
    ("x^2+2", "x^2+1", "another formula"),
]
ABSURD = {
    "digits": "9" * 100_000,
    "a tower": "10**10**10",
    "a boxed tower": r"\boxed{10^{10^{10}}}",
    "nested powers": r"\boxed{" + "(9" * 9 + ")^9" * 9 + "}",
    "a factorial": r"\boxed{1000000!}",
    "a binomial": r"\boxed{\binom{100000000}{50000000}}",
    "open brackets": "(" * 1_000_000,
    "deep brackets": r"\boxed{" + "(" * 140 + "1" + ")" * 140 + "}",
    "open boxes": r"\boxed{" * 100_000,
    "dollars": "$" * 1_000_000,
    "numbers": "42 " * 300_000 + "41",
    "white space": " " * 1_000_000,
    "minus signs": r"\boxed{" + "-" * 290 + "}",
}


@pytest.mark.parametrize(("completion", "answer", "reason"), RIGHT)
def test_the_same_answer_in_other_words_is_right(completion, answer, reason):
    assert math_answer.function(completion, answer) == 1.0, reason


@pytest.mark.parametrize(("completion", "answer", "reason"), WRONG)
def test_what_only_looks_like_the_answer_is_wrong(completion, answer, reason):
    assert math_answer.function(completion, answer) == 0.0, reason


@pytest.mark.parametrize("answer", [42, "x^2"])
@pytest.mark.parametrize("completion", ABSURD.values(), ids=ABSURD)
def test_an_absurd_answer_is_wrong_within_seconds(completion, answer):
    start = time.perf_counter()
    assert math_answer.function(completion, answer) == 0.0
    assert time.perf_counter() - start < 3


@pytest.mark.parametrize(
    "answer",
    [
        "the moon",
        "",
        "???",
        "1/0",
        "9" * 5000,
        pytest.param(10**5000, id="huge"),
        float("nan"),
        True,
        [1],
        "(((",
        "3 apples, 4 pears",
    ],
)
def test_a_gold_answer_that_is_not_mathematics_is_an_error(answer, score_one):
    outcome = score_one(math_answer, "42", answer=answer)
    assert "give" in str(outcome)


def test_a_required_box_makes_a_plain_number_wrong():
    assert math_answer.function("42", "42", require_box=True) == 0.0
    assert math_answer.function(r"\boxed{42}", "42", require_box=True) == 1.0


def test_sums_left_undone_count_where_the_user_says_so():
    assert math_answer.function(r"\boxed{5 + 37}", 42, worked_out=False) == 1.0
    assert math_answer.function(r"\boxed{12/4}", 3, worked_out=False) == 1.0
    assert math_answer.function(r"\boxed{5 + 36}", 42, worked_out=False) == 0.0


def test_formulas_are_scored_off_the_main_thread_too():
    scores = []
    thread = threading.Thread(target=lambda: scores.append(math_answer.function(r"\boxed{z + 1 + z}", "2z+1")))
    thread.start()
    thread.join()
    assert scores == [1.0]


def test_a_formula_that_takes_too_long_to_compare_is_an_error(monkeypatch, score_one):
    from math_verify.errors import TimeoutException

    def too_long(*args, **kwargs):
        raise TimeoutException("Operation timed out!")

    monkeypatch.setattr("math_verify.verify", too_long)
    assert "could not be compared" in str(score_one(math_answer, r"\boxed{w + 1}", answer="w^2"))
