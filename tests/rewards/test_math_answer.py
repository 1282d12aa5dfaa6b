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
    (r"\boxed{.5}", "0.5", "no digit before the point"),
    ("3.5", "3 1/2", "a mixed number in the gold answer"),
    ("3 1/2", "3.5", "a mixed number in plain text"),
    (r"-3\frac{1}{2}", "-3.5", "a negative mixed number"),
    ("2½", "2.5", "a fraction in one character"),
    ("0.5", "½", "the same in the gold answer"),
    (r"\boxed{\sqrt{2}}", "√2", "a root in one character"),
    (r"\boxed{90^\circ}", "90°", "a degree sign"),
    ("8/4", "8/4", "a gold answer that is left undone itself"),
    (r"\boxed{8/4}", "8/4", "the same in a box"),
    ("2", "8/4", "and worked out"),
    ("－42", "-42", "a full-width minus"),
    ("The answer is minus 42.", "-42", "minus in words"),
    ("negative 42", "-42", "negative in words"),
    ("- 42", "-42", "a minus set apart"),
    ("My answers:\n- 42", "42", "an item of a list"),
    ("Answer - 42", "42", "a dash"),
    ("The answer is 42! Great.", "42", "an exclamation before the next sentence"),
    (r"\boxed{18 dollars}", "18 dollars", "the gold answer's own unit"),
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
    ("1.5", "3 1/2", "a mixed number is no product"),
    ("4/2", "8/4", "another division left undone"),
    ("8/4", "2", "the gold answer is worked out"),
    ("－42", "42", "a full-width minus"),
    ("minus 42", "42", "minus in words"),
    ("negative 42", "42", "negative in words"),
    ("- 42", "42", "a minus set apart"),
    ("-$42", "42", "a minus before money"),
    ("5 minus 3", "-3", "a difference in words"),
    (r"\boxed{42!}", "42", "a factorial in a box"),
    ("$42!$", "42", "a factorial in a formula"),
    ("There are 42! ways", "42", "a factorial within a sentence"),
    ("1,42", "42", "a decimal comma, or a broken group of thousands"),
    ("1,42", "1", "nor what is before the comma"),
    ("10:30", "30", "a part of a time"),
    ("2", "2x", "a factor is no unit"),
]
GOLDS = [
    r"42",
    r"-42",
    r"+7",
    r"1,000",
    r".5",
    r"50%",
    r"1/2",
    r"8/4",
    r"\frac{1}{2}",
    r"½",
    r"2½",
    r"3\frac{1}{2}",
    r"6e23",
    r"1.5e-3",
    r"$3.50",
    r"-$3.50",
    r"\$5",
    r"$5$",
    r"90°",
    r"90^\circ",
    r"37°C",
    r"√2",
    r"2√3",
    r"√(x+1)",
    r"x^2+1",
    r"2x",
    r"3ab",
    r"\{1,2\}",
    r"(1,2)",
    r"[0,1)",
    r"(-\infty,3]",
    r"x>3",
    r"\text{Evelyn}",
    r"6π",
    r"6\pi",
    r"42!",
    r"\pm2",
    r"3+4i",
    r"2^{10}",
    r"3-5",
    r"1,42",
    r"\sin{x}",
    r"i",
    r"e",
    r"A",
    r"\infty",
    r"\emptyset",
    r"|x|",
    r"10_2",
    r"0x1F",
    r"1.000,5",
    r"\binom{5}{2}",
    r"x:y",
    r"moon",
    r"???",
    r"1/0",
    "3 1/2",
    "minus 3",
    r"3 \times 10^5",
    "18 dollars",
    "42 m/s",
    "1/3 cup",
    "1 000",
    "1, 2, 3",
    "y = 2x + 1",
    r"x \in [0,1]",
    r"\begin{pmatrix}1\\2\end{pmatrix}",
    r"\begin{pmatrix}1 & 0\\ 0 & 1\end{pmatrix}",
]
NO_VALUES = ["10:30", "2:3", "2 : 3", "12:00 PM", "3 PM", "2023-01-01", "5/12/2024", "1.5.24", "7 R 3", "7R3", "7 r 3"]
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


@pytest.mark.parametrize("gold", GOLDS)
def test_a_gold_answer_repeated_is_right_or_an_error_that_names_it(gold, score_one):
    for completion in (gold, rf"\boxed{{{gold}}}"):
        outcome = score_one(math_answer, completion, answer=gold)
        assert outcome == 1.0 or repr(gold) in str(outcome), completion


@pytest.mark.parametrize("gold", ["½", "√2", "90°", "3 1/2", "8/4", r"\begin{pmatrix}1\\2\end{pmatrix}"])
def test_a_gold_answer_of_an_unusual_kind_is_readable(gold):
    assert math_answer.function(gold, gold) == 1.0


@pytest.mark.parametrize("gold", NO_VALUES)
def test_a_time_ratio_date_or_rest_is_not_read_as_mathematics(gold, score_one):
    outcome = str(score_one(math_answer, gold, answer=gold))
    assert repr(gold) in outcome
    assert "exact_match" in outcome


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
