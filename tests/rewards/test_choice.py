"""choice: when a label is named, and which lists of labels are refused."""

import pytest

from rewards.choice import choice

ABCD = ("A", "B", "C", "D")


@pytest.mark.parametrize(
    ("completion", "answer", "labels", "expected", "reason"),
    [
        ("A", "A", ABCD, 1.0, "the bare letter"),
        ("a.", "A", ABCD, 1.0, "the bare letter in lower case"),
        ("The answer is A", "A", ABCD, 1.0, "at the end of a sentence"),
        ("A is right because a dog barks", "A", ABCD, 1.0, "a letter, then an article"),
        ("A dog barks at a tree, so (C).", "C", ABCD, 1.0, "articles are not labels"),
        ("A dog barks at a tree.", "A", ABCD, 0.0, "nothing but articles"),
        ("Option A fits", "A", ABCD, 1.0, "introduced as a label"),
        ("A or B", "A", ABCD, 0.0, "two labels"),
        ("A, B, C, D", "D", ABCD, 0.0, "all labels"),
        ("A. Paris", "A", ABCD, 1.0, "the letter, then the option's text"),
        ("Because", "B", ABCD, 0.0, "a letter inside a word"),
        ("B B B", "B", ABCD, 1.0, "one label three times is one label"),
        ("答案是B。", "B", ABCD, 1.0, "between Chinese letters"),
        ("very positive", "very positive", ("positive", "very positive"), 1.0, "the longer label"),
        ("very\npositive", "very positive", ("positive", "very positive"), 1.0, "over a line end"),
        ("very positive, positive", "positive", ("positive", "very positive"), 0.0, "both"),
        ("non-positive", "positive", ("positive", "negative"), 0.0, "a part of a compound"),
        ("not positive", "positive", ("positive", "negative"), 1.0, "negation is not understood"),
        ("这是正面的评论", "正面", ("正面", "负面"), 1.0, "a Chinese label inside a sentence"),
        ("1.5", "1", ("1", "2"), 0.0, "a digit inside a number"),
        ("It is 2.", 2.0, ("1", "2"), 1.0, "a number in the data"),
        ("C++", "C++", ("C", "C++"), 1.0, "a label that ends in signs"),
    ],
)
def test_exactly_the_right_label_must_be_named(completion, answer, labels, expected, reason):
    assert choice.function(completion, answer, labels=labels) == expected, reason


@pytest.mark.parametrize(
    ("columns", "params", "message"),
    [
        ({"answer": "E"}, {"labels": ABCD}, "'E' is none of the labels A, B, C, D"),
        ({"answer": "A"}, {}, "give two or more"),
        ({"answer": "A"}, {"labels": ("A", "a")}, "all different"),
        ({"answer": "A", "choices": "A, B"}, {}, "not valid JSON"),
        ({"answer": "A", "choices": 3}, {}, "give a list of labels"),
    ],
)
def test_a_list_that_leaves_no_choice_is_an_error(columns, params, message, score_one):
    assert message in str(score_one(choice, "A", params, **columns))


def test_the_labels_of_the_row_come_first():
    assert choice.function("yes", "yes", '["yes", "no"]', labels=ABCD) == 1.0


@pytest.mark.parametrize(
    ("completion", "answer", "labels", "expected"),
    [
        ("Rene\u0301", "Ren\u00e9", ("Ren\u00e9", "Jos\u00e9"), 1.0),
        ("STRASSE", "straße", ("straße", "weg"), 1.0),
        ("weg, STRASSE", "weg", ("straße", "weg"), 0.0),
        ("negative or posi\u200btive", "negative", ("negative", "positive"), 0.0),
        ("negative or posi\u200dtive", "negative", ("negative", "positive"), 0.0),
        ("A Paris", "A", ("A", "B"), 1.0),
    ],
)
def test_a_label_may_be_spelled_as_unicode_allows(completion, answer, labels, expected, score_one):
    assert score_one(choice, completion, {"labels": labels}, answer=answer) == expected


def test_a_number_may_be_written_as_people_do(score_one):
    assert score_one(choice, "It is 0.00001.", answer=0.00001, choices=[0.00001, 0.001]) == 1.0
    assert score_one(choice, "0.00001 or 1e-5", answer=0.00001, choices=[0.00001, 0.001]) == 1.0
    assert score_one(choice, "10000000000000000", answer=1e16, choices=[1e16, 1e17]) == 1.0
