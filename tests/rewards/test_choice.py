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
