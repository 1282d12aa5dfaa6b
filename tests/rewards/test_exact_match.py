"""exact_match: what counts as the same text."""

import pytest

from rewards.exact_match import exact_match


@pytest.mark.parametrize(
    ("completion", "answer", "params", "expected", "reason"),
    [
        ("The answer is Paris", "Paris", {}, 0.0, "nothing is searched for inside"),
        (" Paris", "Paris", {"strip": False}, 0.0, "white space counts if it is to"),
        ("paris", "Paris", {}, 0.0, "case counts"),
        ("STRASSE", "straße", {"ignore_case": True}, 1.0, "case is ignored in every script"),
        ("cafe\u0301", "caf\u00e9", {}, 1.0, "two ways to write an accent"),
        ("Paris.", "Paris", {}, 0.0, "punctuation counts"),
        ("-4", "4", {"ignore_punctuation": True}, 0.0, "a sign is not punctuation"),
        ("true", True, {}, 1.0, "a truth value in the data"),
        ("0.1", 0.1, {}, 1.0, "a decimal in the data"),
        ("", "", {}, 1.0, "an empty answer is an answer"),
    ],
)
def test_equality_after_the_chosen_normalisation(completion, answer, params, expected, reason):
    assert exact_match.function(completion, answer, **params) == expected, reason


def test_a_number_and_a_letter_may_be_spelled_in_several_ways(score_one):
    assert score_one(exact_match, "10000000000000000", answer=1e16) == 1.0
    assert score_one(exact_match, "1e-5", answer=0.00001) == 1.0
    assert score_one(exact_match, "rene\u0301", {"ignore_case": True}, answer="Ren\u00c9") == 1.0
