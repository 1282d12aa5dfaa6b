"""text_match: which texts are equal, contained or matched, what is refused, and what a list of guesses earns."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from rewards import declared
from rewards.declaration import Batch, RewardError
from rewards.text import part_of, texts_of
from rewards.text_match import TESTS, text_match

HOWS = [*TESTS, "not_equals", "not_contains"]
OPENAI = {
    "eq": {"how": "equals", "ignore_space": False},
    "ne": {"how": "not_equals", "ignore_space": False},
    "like": {"how": "contains", "ignore_space": False},
    "ilike": {"how": "contains", "ignore_space": False, "ignore_case": True},
}


@pytest.mark.parametrize(
    ("how", "completion", "answer", "params", "expected", "reason"),
    [
        ("equals", " Paris\n", "Paris", {}, 1.0, "white space around"),
        ("equals", " Paris\n", "Paris", {"ignore_space": False}, 0.0, "which counts where it is to"),
        ("equals", "New\n  York", "New York", {}, 1.0, "white space within"),
        ("equals", "NewYork", "New York", {}, 0.0, "but some there must be"),
        ("equals", "PARIS", "Paris", {}, 0.0, "case counts"),
        ("equals", "PARIS", "Paris", {"ignore_case": True}, 1.0, "unless it is not to"),
        ("equals", "STRASSE", "Straße", {"ignore_case": True}, 1.0, "case beyond ASCII"),
        ("equals", "“Paris.”", "Paris", {}, 0.0, "punctuation counts"),
        ("equals", "**Paris.**", "Paris", {"ignore_punctuation": True}, 1.0, "unless it is not to"),
        ("equals", "3.14", "314", {"ignore_punctuation": True}, 0.0, "a decimal point is not at the end"),
        ("equals", "Zu\u0308rich", "Z\u00fcrich", {}, 1.0, "composed and decomposed"),
        ("equals", "4", 4.0, {}, 1.0, "a number"),
        ("equals", "true", True, {}, 1.0, "a truth value"),
        ("equals", "Lutetia", ["Paris", "Lutetia"], {}, 1.0, "a list"),
        ("equals", "4", ["four", 4], {}, 1.0, "a list with a number"),
        ("equals", "1", "[1, 2]", {}, 0.0, "a list of numbers in text is the answer itself"),
        ("equals", "[1, 2]", "[1, 2]", {}, 1.0, "so that it can be given"),
        ("equals", "[]", "[]", {}, 1.0, "as can an empty list"),
        ("equals", "[INST]", "[INST]", {}, 1.0, "a bracket is no JSON"),
        ("equals", "a", '["a", "b"]', {}, 1.0, "a list of texts in JSON"),
        ("not_equals", "Lyon", "Paris", {}, 1.0, "another"),
        ("not_equals", "Paris", "Paris", {}, 0.0, "the same"),
        ("not_equals", "Lutetia", ["Paris", "Lutetia"], {}, 0.0, "not any of them"),
        ("not_equals", "", "Paris", {}, 0.0, "saying nothing is no way around"),
        ("contains", "It is Paris.", "Paris", {}, 1.0, "within"),
        ("contains", "It is New\nYork.", "New York", {}, 1.0, "over a line end"),
        ("contains", "It is Lyon.", "Paris", {}, 0.0, "not within"),
        ("contains", "Lutetia was its name", ["Paris", "Lutetia"], {}, 1.0, "any of them"),
        ("contains", "Pari", "Paris", {}, 0.0, "the answer in the completion, not the reverse"),
        ("contains", "答案是巴黎。", "巴黎", {}, 1.0, "a script without spaces"),
        ("contains", "the answer is 14", 4, {}, 1.0, "part of a number"),
        ("contains", "the answer is 14", 4, {"whole_words": True}, 0.0, "unless only whole ones count"),
        ("contains", "the answer is 4.5", 4, {"whole_words": True}, 0.0, "4 is no part of 4.5"),
        ("contains", "1.4 or so", 4, {"whole_words": True}, 0.0, "nor of 1.4"),
        ("contains", "the answer is 4.", 4, {"whole_words": True}, 1.0, "but it may end a sentence"),
        ("contains", "I know it", "no", {"whole_words": True}, 0.0, "part of a word"),
        ("contains", "答案是巴黎。", "巴黎", {"whole_words": True}, 1.0, "whole words in a script without spaces"),
        ("contains", "it costs $5 here", "$5", {"whole_words": True}, 1.0, "a sign at the start"),
        ("contains", "0123456789", 7, {"whole_words": True}, 0.0, "all digits at once"),
        ("not_contains", "a classic", "ass", {}, 0.0, "part of a word"),
        ("not_contains", "a classic", "ass", {"whole_words": True}, 1.0, "unless only whole ones count"),
        ("not_contains", "I cannot", ["sorry", "cannot"], {}, 0.0, "not any of them"),
        ("not_contains", " \n", "sorry", {}, 0.0, "saying nothing is no way around"),
        ("starts_with", "Yes, it is.", "Yes", {}, 1.0, "at the start"),
        ("starts_with", "Oh yes", "Yes", {"ignore_case": True}, 0.0, "only there"),
        ("starts_with", "Yesterday", "Yes", {}, 1.0, "part of a word"),
        ("starts_with", "Yesterday", "Yes", {"whole_words": True}, 0.0, "unless only whole ones count"),
        ("ends_with", "So it is 42", 42, {}, 1.0, "at the end"),
        ("ends_with", "So it is 42.", 42, {}, 0.0, "a full stop counts"),
        ("ends_with", "So it is 42.", 42, {"ignore_punctuation": True}, 1.0, "unless it is not to"),
        ("ends_with", "So it is 142", 42, {"whole_words": True}, 0.0, "a whole number at the end"),
        ("regex", "tel. 555-1234", r"\d{3}-\d{4}", {}, 1.0, "found within"),
        ("regex", "tel. 555-1234", r"^\d{3}-\d{4}$", {}, 0.0, "bound to the ends"),
        ("regex", "\n555-1234 \n", r"^\d{3}-\d{4}$", {}, 1.0, "of what is left without white space"),
        ("regex", "\n555-1234", r"^\d{3}-\d{4}$", {"ignore_space": False}, 0.0, "unless that counts"),
        ("regex", "a\nb", r"(?m)^b$", {}, 1.0, "lines stay lines"),
        ("regex", "ABC", "abc", {}, 0.0, "case counts"),
        ("regex", "ABC", "abc", {"ignore_case": True}, 1.0, "unless it is not to"),
        ("regex", "Ответ", r"^\p{Cyrillic}+$", {}, 1.0, "properties of characters"),
        ("regex", "b", ["^a$", "^b$"], {}, 1.0, "any of several patterns"),
        ("regex", "Zu\u0308rich", "Z\u00fcrich", {}, 1.0, "composed and decomposed"),
        ("regex", " ", ".*", {}, 0.0, "an empty completion matches nothing"),
    ],
)
def test_a_comparison(how, completion, answer, params, expected, reason):
    assert text_match.function(completion, answer, how=how, **params) == expected, reason


@pytest.mark.parametrize(
    ("operation", "completion", "expected"),
    [
        ("eq", "cat", 1.0),
        ("eq", "cat ", 0.0),
        ("eq", "Cat", 0.0),
        ("ne", "cat", 0.0),
        ("ne", "cat ", 1.0),
        ("like", "a cat sat", 1.0),
        ("like", "a CAT sat", 0.0),
        ("ilike", "a CAT sat", 1.0),
        ("ilike", "a dog sat", 0.0),
    ],
)
def test_openais_string_checks_can_be_expressed(operation, completion, expected):
    assert text_match.function(completion, "cat", **OPENAI[operation]) == expected


@pytest.mark.parametrize(
    ("part", "completion", "expected"),
    [
        ("all", "<think>Lyon?</think>\nParis", "<think>Lyon?</think>\nParis"),
        ("answer", "<think>Lyon?</think>\nParis", "\nParis"),
        ("answer", "Lyon?</think>\nParis", "\nParis"),
        ("answer", "Paris", "Paris"),
        ("answer", "<think>It is Paris", ""),
        ("last_line", "Lyon?\nOr:\n\n Paris \n\n", " Paris"),
        ("last_line", "<think>It is\nParis", ""),
        ("last_line", "", ""),
    ],
)
def test_the_part_of_a_completion_that_is_compared(part, completion, expected):
    assert part_of(completion, part) == expected


def test_guesses_on_earlier_lines_do_not_count_in_the_last_line():
    guesses = "Lyon\nParis\nNice"
    assert text_match.function(guesses, "Paris", how="contains") == 1.0
    assert text_match.function(guesses, "Paris", how="contains", part="last_line") == 0.0


@pytest.mark.parametrize("how", [*HOWS, "regex"])
def test_what_is_longer_than_the_limit_earns_0_and_what_is_as_long_does_not(how):
    answer = "zzz" if how.startswith("not_") else "Paris"
    assert text_match.function("Paris", answer, how=how, longest=5) == 1.0
    assert text_match.function("Paris", answer, how=how, longest=4) == 0.0


def test_the_limit_counts_the_part_that_is_compared():
    completion = "<think>" + "Lyon, " * 100 + "</think> Paris"
    assert text_match.function(completion, "Paris", how="contains", longest=10, part="answer") == 1.0


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("answer", ["", " \n", ["Paris", ""], '["Paris", " "]', "\u3000"])
def test_an_empty_answer_is_an_error_under_every_comparison(how, answer, score_one):
    outcome = score_one(text_match, "Paris", {"how": how}, answer=answer)
    assert isinstance(outcome, RewardError)
    assert "empty" in str(outcome)


def test_an_answer_of_punctuation_alone_is_empty_where_that_is_ignored(score_one):
    assert score_one(text_match, "Really?", {"how": "ends_with"}, answer="?") == 1.0
    outcome = score_one(text_match, "Really?", {"how": "ends_with", "ignore_punctuation": True}, answer="?")
    assert "empty" in str(outcome)


@pytest.mark.parametrize("answer", [[], {"a": 1}, [None], [["Paris"]], float("nan"), [float("inf")]])
def test_an_answer_that_is_no_text_is_an_error_that_names_the_column(answer, score_one):
    outcome = score_one(text_match, "Paris", answer=answer)
    assert isinstance(outcome, RewardError)
    assert "'answer'" in str(outcome)


def test_texts_of_a_column():
    assert texts_of("a", "c") == ("a",)
    assert texts_of(0.5, "c") == ("0.5",)
    assert texts_of(("a", 4, True), "c") == ("a", "4", "true")
    assert texts_of(' ["a", "ü"] ', "c") == ("a", "ü")
    assert texts_of('["a", 4]', "c") == ('["a", 4]',)
    assert texts_of('{"a": 1}', "c") == ('{"a": 1}',)
    assert texts_of("[" * 10_000, "c") == ("[" * 10_000,)


class TestPatterns:
    def test_the_parameter_comes_before_the_column(self, score_one):
        params = {"how": "regex", "pattern": "^b$"}
        assert score_one(text_match, "b", params, answer="^a$") == 1.0
        assert score_one(text_match, "b", {"how": "regex"}, answer="^a$") == 0.0

    @pytest.mark.parametrize("pattern", ["(", "a{5,2}", "[", "(?P<x>a", r"\p{Nonsense}", "(" * 5000 + ")" * 5000])
    def test_what_is_no_regular_expression_is_an_error_that_says_where(self, pattern, score_one):
        given = score_one(text_match, "x", {"how": "regex", "pattern": pattern})
        assert "the parameter pattern" in str(given)
        in_the_row = score_one(text_match, "x", {"how": "regex"}, answer=pattern)
        assert "column 'answer'" in str(in_the_row)
        assert "no regular expression" in str(in_the_row)

    @pytest.mark.parametrize("answer", ["", ["a", ""]])
    def test_an_empty_pattern_is_an_error(self, answer, score_one):
        assert "empty" in str(score_one(text_match, "x", {"how": "regex"}, answer=answer))

    def test_a_pattern_without_regex_is_an_error(self, score_one):
        assert "has no meaning" in str(score_one(text_match, "x", {"pattern": "x"}, answer="x"))

    def test_one_that_would_take_for_ever_is_an_error_soon_in_a_thread_too(self, score_one):
        completion, params = "a" * 200 + "b", {"how": "regex", "pattern": "(a|aa)+$"}
        with ThreadPoolExecutor(1) as pool:
            start = time.monotonic()
            outcome = pool.submit(score_one, text_match, completion, params).result()
        assert isinstance(outcome, RewardError)
        assert "took over" in str(outcome)
        assert time.monotonic() - start < 10

    def test_a_completion_that_it_can_decide_on_is_scored(self, score_one):
        assert score_one(text_match, "aaa", {"how": "regex", "pattern": "(a|aa)+$"}) == 1.0


class TestBeforeARun:
    def test_the_column_is_needed_unless_the_pattern_is_given(self):
        assert declared("text_match", {}).columns == ("answer",)
        assert declared("text_match", {"how": "regex"}).columns == ("answer",)
        assert declared("text_match", {"how": "regex", "pattern": "a"}).columns == ()

    def test_a_row_without_the_column_is_an_error_either_way(self):
        batch = Batch([[{"role": "user", "content": "?"}]], ["Paris"], {"answer": [None]})
        for reward in (text_match, declared("text_match", {})):
            (outcome,) = reward.score(batch, {})
            assert isinstance(outcome, RewardError)
            assert "no 'answer'" in str(outcome)

    @pytest.mark.parametrize("params", [{"how": "regex", "pattern": "("}, {"how": "contains", "pattern": "a"}])
    def test_a_pattern_that_cannot_be_used_is_refused(self, params):
        with pytest.raises(RewardError):
            declared("text_match", params)


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("whole_words", [False, True])
def test_a_huge_completion_is_compared_at_once(how, whole_words):
    start = time.monotonic()
    text_match.function("Paris, Lyon " * 50_000, ["Nice", "Lille"], how=how, whole_words=whole_words, ignore_case=True)
    assert time.monotonic() - start < 5
