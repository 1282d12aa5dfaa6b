"""number: which number of a completion counts, how near is near enough, and what the distance costs."""

import time

import pytest

from rewards.declaration import RewardError
from rewards.number import number


@pytest.mark.parametrize(
    ("completion", "answer", "params", "expected", "reason"),
    [
        ("42", 42, {}, 1.0, "equal"),
        ("42.0", 42, {}, 1.0, "equal by value"),
        ("43", 42, {}, 0.0, "whole numbers are equal or not"),
        ("1000001", 1000000, {}, 0.0, "large ones too"),
        ("0.333333", 0.3333333333333333, {}, 1.0, "the sixth decimal"),
        ("0.3333", 0.3333333333333333, {}, 0.0, "the fourth is not enough"),
        ("1/3", 0.3333333333333333, {}, 1.0, "a fraction"),
        ("42.1", 42, {"absolute": 0.1}, 1.0, "at the tolerance exactly"),
        ("42.11", 42, {"absolute": 0.1}, 0.0, "just beyond"),
        ("41.9", 42, {"absolute": 0.1}, 1.0, "below"),
        ("105", 100, {"relative": 0.05}, 1.0, "a share of the answer"),
        ("95", 100, {"relative": 0.05}, 1.0, "below"),
        ("106", 100, {"relative": 0.05}, 0.0, "beyond that share"),
        ("-105", -100, {"relative": 0.05}, 1.0, "of a negative answer"),
        ("105", -100, {"relative": 0.05}, 0.0, "the sign counts"),
        ("0.001", 0, {"relative": 0.05}, 0.0, "a share of nothing is nothing"),
        ("0.001", 0, {"relative": 0.05, "absolute": 0.01}, 1.0, "the larger of the two counts"),
        ("104", 100, {"relative": 0.05, "absolute": 1}, 1.0, "whichever it is"),
        ("6.02e23", "6.022e23", {"relative": 0.001}, 1.0, "large"),
        (r"$6.02 \times 10^{23}$", 6.022e23, {"relative": 0.001}, 1.0, "in LaTeX"),
        ("1,234.5 m", "1234.5", {}, 1.0, "thousands"),
        ("1\u202f234", 1234, {}, 1.0, "thousands set apart by a narrow space"),
        ("50%", 0.5, {}, 1.0, "a percent sign on one side"),
        ("50%", 50, {}, 1.0, "either way"),
        ("0.52", "50%", {"absolute": 2}, 1.0, "distances are in the unit of the answer: two percent"),
        ("0.52", "50%", {"absolute": 1}, 0.0, "not one"),
        ("2.1 million", 2_000_000, {"relative": 0.05}, 1.0, "in words"),
        ("2.1 million", 2, {"relative": 0.05}, 1.0, "where the answer is in millions"),
        ("٤٢", 42, {}, 1.0, "Arabic digits"),
        ("४२", 42, {}, 1.0, "Devanagari digits"),
        ("答案是４２。", 42, {}, 1.0, "full-width digits"),
        ("no idea", 42, {}, 0.0, "no number"),
        ("x42y", 42, {}, 0.0, "part of a word"),
        ("9" * 500, 42, {}, 0.0, "absurdly long"),
        ("40", "40", {}, 1.0, "text from a CSV file"),
        ("5²", 5, {}, 0.0, "the base of a power"),
        ("6.02 × 10²³", "6.02e23", {}, 1.0, "raised digits"),
        ("10^3", 1000, {}, 1.0, "a power of ten"),
        ("10⁻³", 0.001, {}, 1.0, "a negative one"),
        ("1000", "10³", {}, 1.0, "in the answer"),
        ("The area is 12 m².", 12, {}, 1.0, "a unit of area"),
        ("x + 42", 42, {}, 0.0, "a summand"),
        ("42x", 42, {}, 0.0, "a factor"),
    ],
)
def test_near_enough(completion, answer, params, expected, reason):
    assert number.function(completion, answer, **params) == expected, reason


@pytest.mark.parametrize(
    ("completion", "params", "expected", "reason"),
    [
        ("First 41, then 42", {}, 1.0, "the last number"),
        ("42, no, I mean to say 41 of them", {}, 0.0, "not one before it"),
        ("41 or 42", {}, 0.0, "one of several candidates"),
        ("40, 41, 42", {}, 0.0, "one of many"),
        ("between 40-42", {}, 0.0, "the end of a range"),
        ("5 + 37", {}, 0.0, "part of a sum"),
        ("84/2", {}, 0.0, "a division left undone"),
        ("5 + 37 = 42", {}, 1.0, "a sum worked out"),
        ("Answer: 42\nI used 3 steps", {"after": "Answer:"}, 1.0, "after the marker"),
        ("answer: 42 km (26 miles)", {"after": "Answer:"}, 1.0, "the first there, in either case"),
        ("Answer: 41\nAnswer: 42", {"after": "Answer:"}, 1.0, "after the last marker"),
        ("Answer: 42\nAnswer: none", {"after": "Answer:"}, 0.0, "even where nothing follows"),
        ("Answer:\n\n**42**", {"after": "Answer:"}, 1.0, "on the next line"),
        ("Answer: none\n42", {"after": "Answer:"}, 0.0, "but not where something else is on its own"),
        ("Answer: 41, 42", {"after": "Answer:"}, 0.0, "the second there does not count"),
        ("Answer: 40-42", {"after": "Answer:"}, 0.0, "nor does a range"),
        ("Answer: 5 + 37 = 42", {"after": "Answer:"}, 1.0, "the result of a sum"),
        ("Answer: 5 + 37", {"after": "Answer:"}, 0.0, "a sum left undone"),
        ("Answer: 84/2", {"after": "Answer:"}, 0.0, "a division left undone"),
        ("Answer: x = 42", {"after": "Answer:"}, 1.0, "a name in front"),
        ("#### 42", {"after": "####"}, 1.0, "a marker that is no word"),
        ("42", {"after": "####"}, 0.0, "no marker"),
        ("Answer:", {"after": "Answer:"}, 0.0, "a marker at the end"),
        ("(?) 42", {"after": "(?)"}, 1.0, "a marker is no regular expression"),
        ("<think>41</think> It is 42", {"part": "answer"}, 1.0, "the answer after thinking"),
        ("<think>I get 42", {"part": "answer"}, 0.0, "thinking that never ended"),
        ("42\n41 steps", {"part": "last_line"}, 0.0, "the last line"),
        ("Es sind 42,0.", {"decimal": "comma"}, 1.0, "a decimal comma"),
        ("Es sind 42.000.", {"decimal": "comma"}, 0.0, "with it a point sets thousands apart"),
        ("It is 42.000.", {}, 1.0, "without it, decimals"),
        ("42 " + "and so on " * 1000, {}, 0.0, "only the end of a completion is read"),
    ],
)
def test_the_number_that_counts(completion, params, expected, reason):
    assert number.function(completion, 42, **params) == expected, reason


@pytest.mark.parametrize(
    ("found", "expected"),
    [(100, 1.0), (105, 1.0), (110, 0.75), (115, 0.5), (125, 0.0), (130, 0.0), (90, 0.75), (-100, 0.0), ("1e300", 0.0)],
)
def test_partial_credit_falls_in_a_straight_line_from_the_tolerance_to_0(found, expected):
    assert number.function(f"{found}", 100, relative=0.05, zero_at=5) == pytest.approx(expected)


def test_partial_credit_never_rises_with_the_distance():
    scores = [number.function(f"{100 + n / 10}", 100, absolute=3, zero_at=2.5) for n in range(100)]
    assert scores == sorted(scores, reverse=True)
    assert {0.0, 1.0} < set(scores)


def test_partial_credit_is_as_good_by_a_percent_sign():
    assert number.function("0.6", "50%", absolute=5, zero_at=3) == pytest.approx(0.5)
    assert number.function("60%", 0.5, absolute=0.05, zero_at=3) == pytest.approx(0.5)


def test_partial_credit_needs_a_tolerance(score_one):
    outcome = score_one(number, "41", {"zero_at": 3}, answer=42)
    assert isinstance(outcome, RewardError)
    assert "absolute or relative" in str(outcome)


def test_where_the_answer_is_0_a_relative_tolerance_leaves_right_and_wrong():
    assert number.function("0", 0, relative=0.1, zero_at=3) == 1.0
    assert number.function("0.01", 0, relative=0.1, zero_at=3) == 0.0


@pytest.mark.parametrize(
    "answer",
    ["forty", "", "10:30", "42 km", "1/0", True, [42], '["42"]', {"a": 1}, float("nan"), float("inf"), "9" * 9999],
)
def test_an_answer_that_is_no_number_is_an_error(answer, score_one):
    outcome = score_one(number, "42", answer=answer)
    assert isinstance(outcome, RewardError)
    assert "answer" in str(outcome)


@pytest.mark.parametrize(
    "text", ["1+" * 100_000, "1 " * 100_000, "Answer: " * 30_000 + "42", "Answer: " + "1+" * 100_000]
)
@pytest.mark.parametrize("after", ["", "Answer:"])
def test_a_huge_completion_is_read_at_once(text, after):
    start = time.monotonic()
    assert number.function(text, 42, after=after) in (0.0, 1.0)
    assert time.monotonic() - start < 5
