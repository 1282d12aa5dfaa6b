"""math_answer: which spellings are the same answer, which answers are no answers, what a bad gold answer says."""

import subprocess
import sys
import threading
import time

import pytest

from rewards.math_answer import math_answer

WHOLE = [
    *("42 apples", "= 42", "x = 42", "answer: **42**.", "about 42 km in all", "*42*", "It is *42*.", "> 42", "=> 42"),
    *(
        "x -> 42",
        "<b>42</b>",
        "<final>42</final>",
        "42 km/h",
        "42 m",
        "42m",
        "42in",
        "42/day",
        r"\left(42\right)",
        "(42)",
    ),
    *("Answer: +42", "is +42", "Option B - 42", "42 a day", "42 x-rays", "42 I think", "Total: 42 (see above)", "42nd"),
    *("So 42 - a good number", "42 <br>", "f(x) = 42", "la respuesta es 42 y ya", "x ≈ 42", "5+37=42", r"\implies 42"),
    *("f(3) = 42", "sqrt(1764) = 42", "x + y = 42", "42 px", "42€", r"\boxed{42 \text{ in}}", r"\boxed{60 - 18 = 42}"),
]
PARTS = [
    *(
        "The answer is x + 42.",
        "$x+42$",
        "y = 3x + 42",
        "42x",
        "42i.",
        "sqrt(42).",
        "log 42.",
        "f(42)",
        "x < 42",
        "≥ 42",
    ),
    *("<answer>x + 42</answer>", r"\boxed{42 pi}", r"\boxed{43=42}", "42 pi.", "x*42", "x * 42", "42 + x", "42 - x."),
    *("42*x", "x > 42", r"$x \geq 42$", "x<42", "3 x 42", "2(42)", "42 < x", r"\sin 42^\circ", r"\theta + 42", "5+42"),
    *("cost + 42", "$x$ + 42", "x - **42**", r"\boxed{42 x}", "42 sqrt(2)", "5-42", "42(x+1)", "log_2 42", "x plus 42"),
]
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
    (r"\boxed{10^{3}}", 1000, "a power of ten"),
    (r"It is $10^{-2}$.", "0.01", "a negative one"),
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
    # numbers as other countries write them
    ("1000,5", 1000.5, "a decimal comma"),
    ("1.000,5", 1000.5, "with points between thousands"),
    ("1.000.000", 1000000, "points between thousands"),
    ("1 000 000", 1000000, "spaces between thousands"),
    ("1\u202f000", 1000, "narrow spaces"),
    ("1'000", 1000, "as in Switzerland"),
    ("1,00,000", 100000, "as in India"),
    ("0,001", 0.001, "no thousand begins with 0"),
    ("1.5", "1,5", "a decimal comma in the gold answer"),
    (r"\boxed{32,\! 349}", 32349, "a thin space in LaTeX"),
    ("٤٢", 42, "Arabic-Indic digits"),
    ("٣٫٥", 3.5, "with their decimal separator"),
    ("१२", 12, "Devanagari digits"),
    (r"0.1\overline{6}", "1/6", "digits that go on for ever"),
    (r"\boxed{0.\overline{3}}", r"\frac13", "in a box"),
    ("2.5 million", 2500000, "a scale in words"),
    ("2.5 million", "2.5", "where the question gives it"),
    ("5 per cent", "0.05", "a percentage in words"),
    ("3 x 10^5", 300000, "a times sign typed as x"),
    # units
    ("5", "5 cm", "no unit for one"),
    ("5 cm", "5", "a unit for none"),
    ("0.05 m", "5 cm", "another unit of length"),
    ("180 minutes", "3 hours", "another unit of time"),
    (r"\boxed{9.8\ \mathrm{m/s^2}}", "9.8", "a unit in a box"),
    ("The area is 12 m^2.", "12", "the power of a unit is not the answer"),
    ("120000 cm^2", "12 m^2", "another unit of area"),
    ("5 m/s", "18 km/h", "another unit of speed"),
    ("42 apples", "42 oranges", "units that are not known"),
    (r"\boxed{€5}", "$5", "money"),
    (r"\boxed{6\pi\text{ cm}}", r"6\pi", "after a formula"),
    # places
    ("The answer is 42. It took 3 steps.", 42, "what is said to be the answer"),
    ("Die Antwort ist 42.\nSchritte: 3", 42, "in German"),
    ("Final Answer\n\n42\n\nSteps: 3", 42, "a heading"),
    ("The answer is:\n\\[\n42\n\\]\nin 3 steps", 42, "a displayed formula"),
    ("42. I am sure that the answer is correct.", 42, "an answer that is only talked about"),
    ("5 + 37\n#### 42 apples", 42, "four hashes"),
    ("<answer>42</answer> in 3 steps", 42, "tags with something after them"),
    (r"<think>\boxed{41}</think><answer>$\boxed{42}$</answer>", 42, "a box in tags"),
    (r"\boxed 42", 42, "a box without braces"),
    (r"\boxed{255}. Final Answer: The final answer is $42$. I hope it is correct.", 42, "Minerva's last sentence"),
    ("The answer is 0.5 or 1/2.", "0.5", "the same in two spellings"),
    (r"\boxed{x = 22/7 \approx 3.14}", "3.14", "rounded"),
    (r"\boxed{x = 22/7 \approx 3.14}", "22/7", "or exact"),
    (r"\boxed{\sqrt{17}}", 4.123105625617661, "a root cannot be worked out further"),
    # several answers in one
    (r"\boxed{1} and \boxed{2}", "1, 2", "two boxes"),
    ("$1$ or $2$", r"\{2, 1\}", "two formulas"),
    (r"\boxed{2, 1}", "1,2", "a gold answer that may be a decimal or two numbers"),
    (r"\boxed{\frac{-1+\sqrt{5}}{2}, \frac{-1-\sqrt{5}}{2}}", r"x = \frac{-1\pm\sqrt{5}}{2}", "plus or minus"),
    (r"\boxed{x=1 \text{ or } x=2}", "x=2, x=1", "equations"),
    ("42", ["41", 42], "one of a list of accepted answers"),
    ("42", '["41", "42"]', "as a CSV file has it"),
    (r"\boxed{[0, 1]}", "[0, 1]", "which an interval is not"),
    ("The ratio is 2:3.", "2 : 3", "a ratio"),
    (r"\boxed{10:30 \text{ AM}}", "10:30", "a time"),
    # formulas
    (r"\boxed{(3,\infty)}", "x > 3", "an interval for an inequality"),
    ("-2 ≤ x ≤ 7", "[-2, 7]", "an inequality for an interval"),
    (r"\boxed{2x - y + 1 = 0}", "y=2x+1", "an equation, rearranged"),
    ("x = 3", "x=3", "an equation"),
    ("3", "x=3", "its solution"),
    (r"\boxed{\begin{pmatrix}0.5\\2\end{pmatrix}}", r"\begin{bmatrix}\frac12\\2\end{bmatrix}", "a matrix"),
    ("sqrt(2)/2", r"\frac{\sqrt{2}}{2}", "as programs write it"),
    ("2*pi*r**2", r"2\pi r^2", "powers as programs write them"),
    (r"\boxed{\frac{\pi}{4}+k\pi}", r"\frac{\pi}{4}+k\pi, k \in \mathbb{Z}", "with what k is left out"),
    (r"\boxed{4i+3}", "3+4i", "complex"),
    (r"\boxed{\varnothing}", r"\emptyset", "the empty set"),
    ("$x^{0.5}$", r"\sqrt{x}", "a decimal in a formula"),
    ("125 miles", "$125$ miles", "a gold answer of a formula and a unit"),
    # raised digits and powers of ten
    (r"\boxed{1.5×10³}", 1500, "raised digits"),
    ("1.5×10⁻³", 0.0015, "with a raised minus"),
    ("3×10⁸ m/s", "3×10^8 m/s", "another spelling of the same power"),
    ("3×10^8 m/s", "3×10⁸ m/s", "in the gold answer"),
    ("6.02 × 10²³", "6.02e23", "a large one"),
    ("The area is 12 m².", "12", "the power of a unit is not the answer"),
    ("10³", 1000, "a power of ten is a way to write a number"),
    ("The answer is 10^3.", 1000, "in plain text"),
    ("10^{3}", 1000, "in LaTeX"),
    ("10**6", 10**6, "as programs write it"),
    ("10^-3", 0.001, "a negative one"),
    ("1000", "10^3", "in the gold answer"),
    # what stands around a number and leaves it whole
    *((text, 42, "whole") for text in WHOLE),
    (r"\boxed{22/7 = 3.142857}", "22/7", "two sides that agree"),
    (r"\boxed{1 m = 100 cm}", "100 cm", "in their units"),
    (r"\boxed{3.5 dozen = 42}", 42, "a unit that is not known"),
    ("28%", r"The final answer is $28 \%$. I hope it is correct.", "a gold answer in a sentence"),
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
    ("2", "2t", "even where it could be one"),
    ("2", "2m^2", "nor is a power"),
    ("10³", 10, "the base of a power in raised digits"),
    ("5²", 5, "of any"),
    ("2⁵", 2, "even where it would have to be worked out"),
    *((text, 42, "a part of something larger") for text in PARTS),
    ("42 mod 5", 5, "what it is taken modulo"),
    ("x - 3", 3, "what is taken away"),
    ("x - 3", -3, "with its sign"),
    ("40-42", -42, "the end of a range"),
    # several answers
    ("41 or 42", 42, "two answers"),
    ("40, 41, 42", 42, "three"),
    ("The answer is 41, 42", 42, "two after a comma"),
    ("x = 41 or x = 42", 42, "two solutions"),
    ("$41$ and $42$", 42, "two formulas"),
    ("(41, 42)", 42, "a point"),
    ("between 41 and 42", 42, "a range"),
    ("#### 41, 42", 42, "two after hashes"),
    ("<answer>41 or 42</answer>", 42, "two in tags"),
    (r"\boxed{41} or \boxed{42}", 42, "two boxes"),
    (r"\boxed{41}\boxed{42}", 42, "two boxes without a word"),
    (r"\boxed{x = 41, x = 42}", 42, "two equations in a box"),
    (r"\boxed{x = 41 \text{ or } x = 42}", 42, "with a word between them"),
    (r"\boxed{41 \approx 42}", 42, "two that are not the same rounded"),
    (r"\boxed{\pm 42}", 42, "two signs"),
    (r"\boxed{x^2, x}", "x^2", "two formulas in a box"),
    ("$x$ or $x^2$", "x^2", "two formulas"),
    (r"\boxed{1, 2, 3}", "1, 2", "one too many"),
    (r"\boxed{1}", "1, 2", "one too few"),
    ("41", ["42", "43"], "none of the accepted answers"),
    # places
    ("<think>42</think>", 42, "a thought is no answer"),
    ("<think>42", 42, "even where it never ends"),
    ("The answer is 41. It is 1 below 42", 42, "what follows the answer"),
    # nearly equal
    ("0.3333", "1/3", "four decimals"),
    (r"\boxed{0}", r"\frac{1}{2^{99}}", "0 for a tiny number"),
    (r"10^{-30}", r"10^{-20}", "tiny numbers stay different"),
    (r"\frac{355}{113}", r"\pi", "fractions are exact"),
    (r"\boxed{1 + \frac{1}{e}}", r"1 - \frac{1}{\mathrm{e}}", "another sign"),
    ("1,000", 1.0, "thousands"),
    ("5 m", "5 cm", "another length"),
    ("5 km", "5 m", "a longer one"),
    ("5 km", "5 kg", "of something else"),
    (r"\boxed{12\text{ m}}", "12 m^2", "a length for an area"),
    (r"\boxed{10^{4}}", 1000, "another power of ten"),
    (r"\boxed{2^{10}}", 1024, "a power to be worked out"),
    (r"\boxed{12\text{ m}^2}", "12 cm^2", "another area"),
    ("1:2", "2:3", "another ratio"),
    ("4:6", "2:3", "a ratio left undone"),
    ("30", "10:30", "a part of a time"),
    (r"\boxed{(0,1]}", "[0,1]", "an open end"),
    (r"\boxed{(2,1)}", "(1,2)", "another point"),
    (r"\boxed{y=3}", "x=3", "another variable"),
    (r"\boxed{x \ge 3}", "x > 3", "another inequality"),
    (r"\boxed{0=0}", "y=2x+1", "what is always true"),
    (r"\boxed{x}", "x=3", "what is always true for some x"),
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
    r"2:3",
    r"A:B=1",
    r"1.000",
    r"5 cm",
    r"2m^2",
    r"9.8 m/s^2",
    r"2 million",
    r"0.\overline{3}",
    r"x=\frac{1}{2}, x=\frac{-1 \pm \sqrt{13}}{4}",
    r"x_{1}=1,\quadx_{2}=2",
    r"xyz",
    r"f(x)",
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
NO_VALUES = ["12:00 PM", "3 PM", "2023-01-01", "5/12/2024", "1.5.24", "7 R 3", "7R3", "7 r 3"]
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
    "a tower of e": r"\boxed{e^{e^{e^{22.7}}}}",
    "a tower in code": r"\boxed{9**9**9**9}",
    "a factorial in brackets": r"\boxed{\sin((123456789)!)}",
    "the gamma function": r"\boxed{\Gamma(123456789)}",
    "a root of a root": r"\boxed{\sqrt[\sqrt[123456789]{123456789}]{9}}",
    "an identity matrix": r"\boxed{\operatorname{eye}(99999)}",
    "the power of a matrix": r"\boxed{\begin{pmatrix}1&1\\1&0\end{pmatrix}^{1000000000}}",
    "a decimal exponent": r"\boxed{\sin(9.5^{9.5^{9.5}})}",
    "a huge exponent": r"\boxed{\cos(1E999999999)}",
    "a remainder": r"\boxed{2^{1000000000} \mod 7}",
    "a sum": r"\boxed{\sum_{n=1}^{10^9} n^n}",
    "a common divisor": r"\boxed{\gcd(2^{99999}, 3^{99999})}",
    "bars": r"\boxed{" + "|" * 200 + "}",
    "signs": r"\boxed{" + r"\pm 1, " * 40 + "}",
    "answers": "the answer is " * 70_000,
    "hashes": "#### 1 " * 140_000,
    "hashes and space": "#### 1" + " " * 100_000 + "!",
    "boxes and space": r"\boxed" + " " * 1_000_000,
    "many boxes": r"\boxed{41} and " * 70_000,
    "ratios": "1:" * 500_000,
    "units": "5 m/s " * 170_000,
    "words in a box": r"\boxed{5 " + "a " * 900 + "}",
    "commas": "1," * 500_000,
    "Arabic digits": "٤" * 500_000,
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
def test_a_clock_time_date_or_rest_is_not_read_as_mathematics(gold, score_one):
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
        [],
        ["42", "the moon"],
        {"a": 1},
        "(((",
        "3 apples, 4 pears",
    ],
)
def test_a_gold_answer_that_is_not_mathematics_is_an_error(answer, score_one):
    outcome = score_one(math_answer, "42", answer=answer)
    assert "give" in str(outcome)


@pytest.mark.parametrize(
    ("completion", "answer", "tolerance", "expected"),
    [
        ("101", 100, 0.01, 1.0),
        ("102", 100, 0.01, 0.0),
        ("0.3333", "1/3", 0.001, 1.0),
        ("0", 0, 0.5, 1.0),
        ("0.001", 0, 0.5, 0.0),
        ("19.1 mm", "1.9 cm", 0.01, 1.0),
        (r"\boxed{3.14}", r"\pi", 0.001, 1.0),
        (r"\boxed{3.1}", r"\pi", 0.001, 0.0),
        (r"\boxed{(0.33, 1)}", r"(\frac13, 1)", 0.02, 1.0),
        (r"\boxed{1, 0.33}", r"\{\frac13, 1\}", 0.02, 1.0),
        (r"\boxed{[0.33, 1)}", r"[\frac13, 1)", 0.02, 1.0),
        (r"\boxed{[0.33, 1]}", r"[\frac13, 1)", 0.02, 0.0),
        (r"\boxed{x = 0.33}", r"x = \frac13", 0.02, 1.0),
        (r"\boxed{y = 0.33}", r"x = \frac13", 0.02, 0.0),
        (r"\boxed{\begin{pmatrix}0.33\\0.2\end{pmatrix}}", r"\begin{pmatrix}\frac13\\ \frac15\end{pmatrix}", 0.02, 1.0),
    ],
)
def test_a_tolerance_is_a_share_of_the_answer(completion, answer, tolerance, expected):
    assert math_answer.function(completion, answer, tolerance=tolerance) == expected


@pytest.mark.parametrize(
    ("completion", "unit", "expected"),
    [
        ("5 cm", "cm", 1.0),
        ("5", "cm", 1.0),
        ("0.05 m", "cm", 1.0),
        ("5 m", "cm", 0.0),
        ("18 km/h", r"$\mathrm{m/s}$", 1.0),
        ("5 apples", "kg", 1.0),
        ("5 m", "boxes", 1.0),
        ("5 m", 3, 1.0),
        ("5 m", ["cm"], 1.0),
    ],
)
def test_a_column_names_the_unit_of_the_answer(completion, unit, expected, score_one):
    assert score_one(math_answer, completion, answer="5", unit=unit) == expected


def test_a_unit_in_the_answer_comes_before_that_of_the_column():
    assert math_answer.function("5 m", "5 m", unit="cm") == 1.0


def test_a_required_box_makes_a_plain_number_wrong():
    assert math_answer.function("42", "42", require_box=True) == 0.0
    assert math_answer.function("<answer>42</answer>", "42", require_box=True) == 0.0
    assert math_answer.function(r"\boxed{42}", "42", require_box=True) == 1.0


def test_sums_left_undone_count_where_the_user_says_so():
    assert math_answer.function(r"\boxed{5 + 37}", 42, worked_out=False) == 1.0
    assert math_answer.function(r"\boxed{12/4}", 3, worked_out=False) == 1.0
    assert math_answer.function("It is 84/2.", 42, worked_out=False) == 1.0
    assert math_answer.function("It is $5 + 37$.", 42, worked_out=False) == 1.0
    assert math_answer.function(r"\boxed{\sqrt{1764}}", 42, worked_out=False) == 1.0
    assert math_answer.function(r"\boxed{5 + 36}", 42, worked_out=False) == 0.0


def in_a_thread(completion, answer):
    scores = []
    thread = threading.Thread(target=lambda: scores.append(math_answer.function(completion, answer)))
    thread.start()
    thread.join()
    return scores


def test_formulas_are_scored_off_the_main_thread_too():
    assert in_a_thread(r"\boxed{z + 1 + z}", "2z+1") == [1.0]


@pytest.mark.parametrize("name", ["a tower of e", "a root of a root", "the gamma function", "bars", "deep brackets"])
def test_an_absurd_answer_is_wrong_within_seconds_off_the_main_thread_too(name):
    start = time.perf_counter()
    assert in_a_thread(ABSURD[name] + " ", "z^2") == [0.0]
    assert time.perf_counter() - start < 3


def test_a_formula_that_takes_too_long_to_compare_is_an_error(monkeypatch, score_one):
    assert math_answer.function(r"\boxed{x<3}", "x>3") == 0.0  # the gold answer is read once
    monkeypatch.setattr("rewards.algebra.SECONDS", 1.0)
    endless = r"\boxed{(\log(\pi)\pm 123456789\pm y)(20000y^{n})}"
    assert "could not be compared" in str(score_one(math_answer, endless, answer="x>3"))


def test_plain_numbers_are_scored_without_computer_algebra():
    code = "import sys; from rewards.math_answer import math_answer as m; m.function('The answer is 42', 42); "
    code += "from rewards.algebra import ALGEBRA; assert ALGEBRA._process is None"
    subprocess.run([sys.executable, "-c", code], check=True)
