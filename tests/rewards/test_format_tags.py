"""think_answer, one_code_block and matches_format: which forms pass, and what a bad pattern costs."""

import signal
import threading
import time

import pytest
from pydantic import ValidationError

from rewards.declaration import RewardError
from rewards.format_tags import matches_format, one_code_block, think_answer

FOREVER = "(a|aa)+b"
FOREVER_ON = "a" * 80 + "c"


@pytest.mark.parametrize(
    ("completion", "expected", "reason"),
    [
        ("<think>a</think><answer>b</answer>", 1.0, "nothing between"),
        (" \n<think>\na\n</think>\n\n<answer>\nb\n</answer>\n", 1.0, "white space around and between"),
        ("<think>да 🙂</think><answer>四十二</answer>", 1.0, "not ASCII"),
        ("<think>a < b > c </ d></think><answer><b>x</b></answer>", 1.0, "other tags and signs inside"),
        ("<think>a</think>so<answer>b</answer>", 0.0, "text between"),
        ("<think>a</think><answer>b</answer>.", 0.0, "text after"),
        ("x<think>a</think><answer>b</answer>", 0.0, "text before"),
        ("<answer>b</answer><think>a</think>", 0.0, "the other order"),
        ("<think>a<answer>b</answer></think>", 0.0, "one inside the other"),
        ("<think>a</think><think>a</think><answer>b</answer>", 0.0, "thinking twice"),
        ("<think><think>a</think></think><answer>b</answer>", 0.0, "thinking within thinking"),
        ("<think>I write <answer> soon</think><answer>b</answer>", 0.0, "a tag named in the thinking"),
        ("<think>a</think><answer>b", 0.0, "not closed"),
        ("a</think><answer>b</answer>", 0.0, "not opened"),
        ("<Think>a</Think><Answer>b</Answer>", 0.0, "another case"),
        ("< think>a</think><answer>b</answer>", 0.0, "a space in a tag"),
        ("<think> \n</think><answer>b</answer>", 0.0, "only white space in the thinking"),
        ("<think>a</think><answer>\u3000</answer>", 0.0, "only white space in the answer"),
        ("<think>a</think><answer>" + "b" * 500_000 + "</answer>", 1.0, "long"),
    ],
)
def test_the_form_is_one_thinking_and_one_answer(completion, expected, reason):
    assert think_answer.function(completion) == expected, reason


def test_a_first_tag_opened_by_the_prompt_must_not_be_opened_again():
    assert think_answer.function("a</think><answer>b</answer>", already_open=True) == 1.0
    assert think_answer.function("</think><answer>b</answer>", already_open=True) == 0.0
    assert think_answer.function("<think>a</think><answer>b</answer>", already_open=True) == 0.0


def test_tags_may_have_other_names():
    names = {"first_tag": "reasoning", "second_tag": "final-answer"}
    assert think_answer.function("<reasoning>a</reasoning><final-answer>b</final-answer>", **names) == 1.0
    assert think_answer.function("<think>a</think><answer>b</answer>", **names) == 0.0


@pytest.mark.parametrize("name", ["", "<think>", "a b", "a|b", "1", "a" * 51, "thi.k"])
def test_what_is_no_name_of_a_tag_is_refused(name):
    with pytest.raises(ValidationError):
        think_answer.parameters(first_tag=name)


def test_two_tags_of_one_name_are_an_error(score_one):
    assert "both tags are 'answer'" in str(score_one(think_answer, "x", {"first_tag": "answer"}))


@pytest.mark.parametrize(
    ("completion", "params", "expected", "reason"),
    [
        ("```\nx\n```", {}, 1.0, "no tag"),
        ("text\n\n  ```js\n  x\n  ```\n\ntext", {}, 1.0, "indented, text around"),
        ("````md\nx\n````", {}, 1.0, "four backticks"),
        ("```\nx", {}, 0.0, "not closed"),
        ("```\n\n \n```", {}, 0.0, "empty"),
        ("```\nx\n```\n```\ny\n```", {}, 0.0, "two blocks"),
        ("```\nx\n```\n```", {}, 0.0, "a third fence"),
        ("```python\nx\n```python", {}, 0.0, "opened twice, closed never"),
        ("inline ```x``` only", {}, 0.0, "no block"),
        ("`x`", {}, 0.0, "no block either"),
        ("```Python title=a\nx\n```", {"languages": ["python"]}, 1.0, "the first word is the tag, in any case"),
        ("```py\nx\n```", {"languages": [" Py "]}, 1.0, "a tag given with spaces, in another case"),
        ("```\nx\n```", {"languages": ["py"]}, 0.0, "no tag"),
        ("```python3\nx\n```", {"languages": ["python"]}, 0.0, "another tag"),
        ("\n```\nx\n```\n \n", {"nothing_outside": True}, 1.0, "white space outside"),
        ("```\nx\n```\nDone.", {"nothing_outside": True}, 0.0, "text after"),
        ("Here:\n```\nx\n```", {"nothing_outside": True}, 0.0, "text before"),
    ],
)
def test_the_form_is_one_closed_block(completion, params, expected, reason):
    assert one_code_block.function(completion, **params) == expected, reason


@pytest.mark.parametrize(
    ("completion", "params", "expected", "reason"),
    [
        ("Answer: 42", {"pattern": r"Answer: \d+"}, 1.0, "all of it"),
        ("Answer: 42.", {"pattern": r"Answer: \d+"}, 0.0, "not all of it"),
        ("So, Answer: 42", {"pattern": r"(?s:.*)Answer: \d+"}, 1.0, "within"),
        ("a", {"pattern": "a|ab"}, 1.0, "the first choice"),
        ("ab", {"pattern": "a|ab"}, 1.0, "the second choice"),
        ("ПАРИЖ", {"pattern": "париж", "ignore_case": True}, 1.0, "case, not ASCII"),
        ("ПАРИЖ", {"pattern": "париж"}, 0.0, "case counts"),
        ("a\nb", {"pattern": "a.b"}, 0.0, "a dot is no line end"),
        ("a\nb", {"pattern": "a.b", "dot_matches_newline": True}, 1.0, "unless it is"),
        ("a\nb", {"pattern": r"a$\n^b"}, 0.0, "^ is the start of all"),
        ("a\nb", {"pattern": r"a$\n^b", "multiline": True}, 1.0, "unless it is that of a line"),
        (" a\n", {"pattern": "a"}, 1.0, "white space at the ends"),
        (" a\n", {"pattern": "a", "strip": False}, 0.0, "unless it counts"),
        (" a\n", {"pattern": r"\sa\s", "strip": False}, 1.0, "and is asked for"),
        ("", {"pattern": ".*"}, 1.0, "an empty completion, where the pattern takes it"),
        ("\ud800\0", {"pattern": ".."}, 1.0, "odd characters"),
        ("x" * 500_000, {"pattern": "(x|y)*"}, 1.0, "long"),
    ],
)
def test_the_whole_completion_must_match(completion, params, expected, reason):
    assert matches_format.function(completion, **params) == expected, reason


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", "no regular expression: missing )"),
        ("*", "no regular expression: nothing to repeat"),
        (r"\p{L}", "no regular expression: bad escape"),
        ("a{99999999999999999999}", "no regular expression: the repetition number is too large"),
        ("(" * 2000 + ")" * 2000, "no regular expression"),
        ("", "at least 1 character"),
        ("a" * 5001, "at most 5000 characters"),
    ],
)
def test_a_bad_pattern_is_found_before_any_completion(pattern, message):
    with pytest.raises(ValidationError) as caught:
        matches_format.parameters(pattern=pattern)
    assert message in str(caught.value)


def test_a_pattern_must_be_given():
    with pytest.raises(ValidationError, match="pattern"):
        matches_format.parameters()


def test_a_bad_pattern_is_an_error_even_where_nobody_checked_it():
    with pytest.raises(RewardError, match="no regular expression"):
        matches_format.function("a", pattern="(a")


def test_a_match_that_never_ends_is_an_error_and_leaves_no_alarm_behind(monkeypatch, score_one):
    monkeypatch.setattr("rewards.format_tags.MATCHING_S", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    started = time.monotonic()
    assert "took more than 0.2 s" in str(score_one(matches_format, FOREVER_ON, {"pattern": FOREVER}))
    assert time.monotonic() - started < 5
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert score_one(matches_format, "aab", {"pattern": FOREVER}) == 1.0


def test_patterns_match_outside_the_main_thread_too():
    scores = []
    thread = threading.Thread(target=lambda: scores.append(matches_format.function("aab", pattern=FOREVER)))
    thread.start()
    thread.join(timeout=10)
    assert scores == [1.0]
