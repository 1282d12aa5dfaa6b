"""repetition: the share of n-grams said again, in any script, and what is a loop at the end."""

import pytest

from rewards.repetition import _periodic, repetition

NGRAMS_ONLY = {"loop_repeats": 0, "allowed": 0.0}
LINE = "Wait, let me think about it once more.\n"  # 8 words
SENTENCES = (
    "The harbour was quiet that morning. A few gulls circled above the nets, and an old man mended a sail. "
    "Nobody spoke. Then a bell rang from the church on the hill, and slowly the town woke up."
)


def open_r1(text, n):
    """The penalty of Open R1, with its words."""
    words = text.lower().split()
    total = len(words) - n + 1
    return -(1 - len({tuple(words[i : i + n]) for i in range(total)}) / total) if total > 0 else 0.0


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize(
    "text",
    ["", "one", "one two three", "a b a b a b", "The cat the CAT the cat", "a b c d e a b c d e f " * 3, SENTENCES],
)
def test_without_marks_and_with_nothing_free_it_is_open_r1s(text, n):
    text = text.replace(".", "").replace(",", "")
    assert repetition.function(text, ngram=n, **NGRAMS_ONLY) == pytest.approx(open_r1(text, n))


@pytest.mark.parametrize("text", ["say it again now say it again now", "Say it again, now! SAY (it) *again*\n\nnow?"])
def test_case_marks_and_white_space_do_not_hide_a_repetition(text):
    assert repetition.function(text, ngram=4, **NGRAMS_ONLY) == pytest.approx(-1 / 5)


@pytest.mark.parametrize(("allowed", "expected"), [(0.0, -1 / 5), (0.1, -1 / 9), (0.2, 0.0), (0.5, 0.0)])
def test_what_is_allowed_costs_nothing_and_the_rest_is_spread_to_1(allowed, expected):
    text = "say it again now say it again now"
    assert repetition.function(text, allowed=allowed) == pytest.approx(expected, abs=1e-12)


def test_more_repetition_costs_more():
    scores = [
        repetition.function(f"{SENTENCES} {'as I said before, it is so. ' * n}Done.", loop_repeats=0)
        for n in (1, 4, 16)
    ]
    assert 0 == scores[0] > scores[1] > scores[2] > -1


@pytest.mark.parametrize(
    ("phrase", "reason"),
    [
        ("我认为这个问题的答案是四十二。", "Chinese"),
        ("答えは四十二だと思います。", "Japanese"),
        ("ฉันคิดว่าคำตอบคือสี่สิบสอง", "Thai"),
    ],
)
def test_scripts_without_spaces_are_compared_by_characters(phrase, reason):
    assert repetition.function(phrase, **NGRAMS_ONLY) == 0.0, reason
    assert repetition.function(phrase * 2, **NGRAMS_ONLY) < -0.2, reason
    assert repetition.function(phrase * 2, ngram=1, **NGRAMS_ONLY) == repetition.function(phrase * 2, **NGRAMS_ONLY)
    assert repetition.function(phrase * 2, ngram_characters=100, **NGRAMS_ONLY) == 0.0


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("मुझे लगता है कि " * 2, -1 / 5, "Hindi: vowel signs belong to their word"),
        ("나는 답이 사십이라고 생각한다 " * 2, -1 / 5, "Korean has spaces"),
        ("أعتقد أن الجواب هو " * 2, -1 / 5, "Arabic"),
        ("schön grün süß übel " * 2, -1 / 5, "accents"),
    ],
)
def test_scripts_with_spaces_are_compared_by_words(text, expected, reason):
    assert repetition.function(text, **NGRAMS_ONLY) == pytest.approx(expected), reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (LINE * 4, "a line four times"),
        (f"{SENTENCES}\n{LINE * 4}", "after a good beginning"),
        (f"{SENTENCES * 5}\n{LINE * 4}", "after a long good beginning"),
        (f"{SENTENCES}\n{LINE * 4}Wait, let me", "cut off inside a phrase"),
        (f"{SENTENCES}\n{LINE * 4}Wait, let me thi", "cut off inside a word"),
        (f"{SENTENCES}\n{'wait ' * 30}.", "with a full stop at the end"),
        ("no " * 20, "a word"),
        ("!" * 3000, "a mark"),
        ("🙂" * 3000, "an emoji"),
        ("x" * 3000, "a letter"),
        ("haha" * 900, "a syllable without spaces"),
        ("\\n" * 500, "an escaped line end"),
        ("是" * 50, "a Chinese character"),
        ("答案是四。" * 10, "a Chinese sentence"),
        ("```python\n" + "x = x + 1\n" * 20, "in code that never ends"),
        ("| a | b |\n" * 20, "the same row of a table"),
    ],
)
def test_an_end_that_repeats_is_a_loop(text, reason):
    assert repetition.function(text, ignore_code=True) == -1.0, reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "nothing"),
        (SENTENCES, "ordinary text"),
        (f"{SENTENCES}\nha ha ha ha ha", "a short refrain"),
        (f"{SENTENCES}\n{'-' * 60}", "a rule"),
        (f"{SENTENCES}\n\n| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |", "a table"),
        (f"{SENTENCES} It is 0.{'3' * 30}", "decimals"),
        (f"{SENTENCES}\n{' ' * 500}", "white space"),
        (" ".join(str(i) for i in range(200)), "counting up"),
        ("\n".join(f"{i}. {word}" for i, word in enumerate(SENTENCES.split())), "a list"),
    ],
)
def test_other_ends_are_none(text, reason):
    assert repetition.function(text) == 0.0, reason


@pytest.mark.parametrize(("times", "repeats", "loop"), [(5, 6, False), (6, 6, True), (6, 0, False), (3, 2, True)])
def test_how_often_an_end_must_repeat_is_a_parameter(times, repeats, loop):
    assert (repetition.function(f"{SENTENCES} {LINE * times}", loop_repeats=repeats) == -1.0) == loop


def test_a_loop_that_goes_on_to_an_answer_is_counted_by_its_n_grams():
    assert -1 < repetition.function(f"{LINE * 8}The answer is four.") < -0.5


def test_code_blocks_may_be_left_out_of_the_n_grams():
    code = "```python\n" + "".join(f"assert solve(a, b, c, d) == {i}\n" for i in range(10)) + "```"
    text = f"{SENTENCES}\n{code}\n{SENTENCES.upper()[:80]}"
    assert repetition.function(text) < repetition.function(text, ignore_code=True) <= 0
    assert repetition.function(code, ignore_code=True) == 0.0


@pytest.mark.parametrize("period", [1, 2, 3, 7])
@pytest.mark.parametrize("length", [19, 20, 40])
def test_the_period_is_found_wherever_the_phrase_starts(period, length):
    looping = [str(i % period) for i in range(length)]
    backwards = ["start", "of", "it", *looping][::-1]
    assert _periodic(backwards, 4) == (length >= max(20, 4 * period))
    assert not _periodic(["end", *backwards], 4)


def test_a_huge_completion_is_scored_at_once():
    fibonacci = ["a", "b"]
    while len(fibonacci[-1]) < 100_000:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    assert -1 <= repetition.function(" ".join(fibonacci[-1])) < -0.9
