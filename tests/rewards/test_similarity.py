"""chrf, bleu, ter, rouge, fuzzy: the libraries' published figures, references, scripts, and what cheating earns."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import rapidfuzz
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from rewards.declaration import RewardError
from rewards.similarity import fuzzy, rouge
from rewards.translation import bleu, chrf, ter

ALL = [chrf, bleu, ter, rouge, fuzzy]
every_measure = pytest.mark.parametrize("reward", ALL, ids=lambda r: r.name)

SUGAR = (
    "Producția de zahăr primă va fi exprimată în ceea ce privește zahărul alb;",
    "producţia de zahăr brut se exprimă în zahăr alb;",
)
FOX = ("The quick brown dog jumps on the log.", "The quick brown fox jumps over the lazy dog")
README = ["The dog bit the man.", "The dog had bit the man."]
SCRIPTS = {
    "Russian": ("Собака укусила его", "Собака укусила человека"),
    "Arabic": ("عض الكلب القط", "عض الكلب الرجل"),
    "Hindi": ("कुत्ते ने बिल्ली को काटा", "कुत्ते ने आदमी को काटा"),
    "Korean": ("개가 고양이를 물었다", "개가 남자를 물었다"),
    "Chinese": ("狗咬了猫", "狗咬了人"),
    "Japanese": ("犬が猫を噛んだ", "犬が男を噛んだ"),
    "Thai": ("หมากัดแมว", "หมากัดคน"),
}
WRONG = "He go home early on Friday. She stay."
FIXED = "He goes home early on Friday. She stays."
PROMPTS = {
    "text": f"Correct the grammar: {WRONG}",
    "quoted": f'Correct "{WRONG}" please.',
    "on lines of its own": f"Correct the grammar.\n\n{WRONG}\n\nAnswer with the text only.",
    "messages": [
        {"role": "system", "content": "You correct texts."},
        {"role": "user", "content": f"Text:\n{WRONG}"},
    ],
}


class TestPublishedFigures:
    """Those of sacrebleu's own tests (mjpost/sacrebleu, test/), of rouge-score's, and of rapidfuzz's README."""

    @pytest.mark.parametrize(
        ("completion", "reference", "expected"),
        [
            ("a", "a", 1.0),
            ("a b c", "a b c", 1.0),
            ("a b c", "abc", 1.0),
            ("aa", "ab", 0.25),
            ("abcdefg", "hijklmnop", 0),
        ],
    )
    def test_chrf(self, completion, reference, expected):
        assert chrf.function(completion, reference, beta=3) == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({}, 8.493),
            ({"smooth_method": "none"}, 0.0),
            ({"smooth_method": "floor"}, 4.51688),
            ({"smooth_method": "add-k"}, 14.882),
            ({"tokenize": "none"}, 7.347),
            ({"tokenize": "intl"}, 8.493),
            ({"tokenize": "char"}, 40.8759),
            ({"tokenize": "char", "ignore_case": True}, 42.0267),
        ],
    )
    def test_bleu(self, params, expected):
        assert 100 * bleu.function(*SUGAR, **params) == pytest.approx(expected, abs=1e-3)

    @pytest.mark.parametrize(
        ("completion", "reference", "rate"),
        [
            ("aaaa bbbb cccc dddd", "aaaa bbbb cccc dddd", 0),
            ("dddd eeee ffff", "aaaa bbbb cccc", 1),
            ("d e f g h a b c", "a b c d e f g h", 1 / 8),
        ],
    )
    def test_ter(self, completion, reference, rate):
        assert ter.function(completion, reference) == pytest.approx(1 - rate)

    @pytest.mark.parametrize(
        ("completion", "reference", "kind", "precision", "recall", "fmeasure"),
        [
            ("testing", "testing one two", "rouge1", 1, 1 / 3, 1 / 2),
            ("testing one", "testing one two", "rouge2", 1, 1 / 2, 2 / 3),
            ("testing one", "testing one two", "rougeL", 1, 2 / 3, 4 / 5),
            ("testing two", "testing one two", "rougeL", 1, 2 / 3, 4 / 5),
            ("text first", ["first text", "first something"], "rouge1", 1, 1, 1),
            ("text first", ["first text", "first something"], "rougeL", 0.5, 0.5, 0.5),
        ],
    )
    def test_rouge(self, completion, reference, kind, precision, recall, fmeasure):
        expected = {"precision": precision, "recall": recall, "fmeasure": fmeasure}
        found = {measure: rouge.function(completion, reference, kind=kind, measure=measure) for measure in expected}
        assert found == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("completion", "reference", "kind", "expected"),
        [
            ("this is a test", "this is a test!", "ratio", 96.55172413793103),
            ("this is a test!", "this is a test", "partial_ratio", 100),
            ("fuzzy wuzzy was a bear", "wuzzy fuzzy was a bear", "ratio", 90.9090909090909),
            ("fuzzy wuzzy was a bear", "wuzzy fuzzy was a bear", "token_sort_ratio", 100),
            ("fuzzy was a bear", "fuzzy fuzzy was a bear", "token_sort_ratio", 84.21052631578947),
        ],
    )
    def test_fuzzy(self, completion, reference, kind, expected):
        assert 100 * fuzzy.function(completion, reference, kind=kind) == pytest.approx(expected)


class TestTheLibrarysOwnFigure:
    @pytest.mark.parametrize("texts", [SUGAR, FOX, ("Ответ: сорок два.", "Ответ сорок один.")])
    def test_chrf(self, texts):
        completion, reference = texts
        expected = sacrebleu.sentence_chrf(completion, [reference]).score
        assert 100 * chrf.function(*texts) == pytest.approx(expected)
        plus = sacrebleu.sentence_chrf(completion, [reference], char_order=4, word_order=2, beta=1).score
        assert 100 * chrf.function(*texts, char_order=4, word_order=2, beta=1) == pytest.approx(plus)
        assert 0 < expected < 100
        assert expected != pytest.approx(plus)

    @pytest.mark.parametrize(
        "completion", ["The dog bit him.", "The man had just bitten him.", "The dog had bit a man."]
    )
    def test_several_references(self, completion):
        assert 100 * bleu.function(completion, README) == pytest.approx(
            sacrebleu.sentence_bleu(completion, README).score
        )
        assert 100 * chrf.function(completion, README) == pytest.approx(
            sacrebleu.sentence_chrf(completion, README).score
        )
        rate = sacrebleu.sentence_ter(completion, README).score
        assert 100 * ter.function(completion, README) == pytest.approx(max(0, 100 - rate))

    def test_bleu_with_shorter_runs_of_words(self):
        metric = sacrebleu.BLEU(max_ngram_order=2, effective_order=True)
        expected = metric.sentence_score("the dog bit a man", ["the dog bit the man"]).score
        assert 100 * bleu.function("the dog bit a man", "the dog bit the man", max_ngram_order=2) == pytest.approx(
            expected
        )

    def test_bleu_of_chinese(self):
        expected = sacrebleu.sentence_bleu("狗咬了那个人。", ["那只狗咬了那个人。"], tokenize="zh").score
        assert 100 * bleu.function("狗咬了那个人。", "那只狗咬了那个人。", tokenize="zh") == pytest.approx(expected)
        assert 0 < expected < 100

    @pytest.mark.parametrize(
        "params",
        [{}, {"normalized": True}, {"no_punct": True}, {"normalized": True, "no_punct": True}],
    )
    def test_ter(self, params):
        completion, reference = "The dog, it bit a man!", "The dog bit the man, twice."
        expected = sacrebleu.sentence_ter(completion, [reference], **params).score
        assert 100 * ter.function(completion, reference, **params) == pytest.approx(100 - expected)

    def test_ter_counts_case_where_it_is_to(self):
        assert ter.function("The Dog", "the dog") == 1.0
        assert ter.function("The Dog", "the dog", ignore_case=False) == 0.0

    def test_ter_is_right_where_the_search_is_left_out(self):
        """A completion so long that nothing can be left of the score."""
        for n in range(1, 8):
            completion, references = "a " * n, ["a a a", "b b"]
            expected = max(0.0, 100 - sacrebleu.sentence_ter(completion, references).score)
            assert 100 * ter.function(completion, references) == pytest.approx(expected), n

    @pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rougeL"])
    @pytest.mark.parametrize("stemmer", [False, True])
    def test_rouge_for_ascii_text(self, kind, stemmer):
        dice = random.Random(0)
        words = [
            "The",
            "the",
            "dogs",
            "dog's",
            "biting",
            "BITES,",
            "man.",
            "man_s",
            "42",
            "4.2",
            "don't",
            "e-mail",
            "\n",
            "(",
        ]
        scorer = RougeScorer([kind], use_stemmer=stemmer)
        figures = set()
        for _ in range(100):
            completion, reference = (" ".join(dice.choices(words, k=dice.randint(4, 12))) for _ in range(2))
            expected = scorer.score(reference, completion)[kind]
            for measure in ("fmeasure", "precision", "recall"):
                found = rouge.function(completion, reference, kind=kind, measure=measure, use_stemmer=stemmer)
                assert found == pytest.approx(getattr(expected, measure)), (completion, reference)
                figures.add(round(found, 3))
        assert len(figures) > 10

    def test_levenshtein(self):
        expected = rapidfuzz.distance.Levenshtein.normalized_similarity("kitten", "sitting")
        assert (
            fuzzy.function("kitten", "sitting", kind="levenshtein") == pytest.approx(expected) == pytest.approx(4 / 7)
        )


class TestReferences:
    @every_measure
    @pytest.mark.parametrize(
        "columns",
        [
            {"reference": README[0]},
            {"answer": README[0]},
            {"reference": README[0], "answer": "something else"},
            {"reference": None, "answer": README[0]},
            {"reference": ["Something else entirely.", README[0]]},
            {"answer": '["Something else entirely.", "The dog bit the man."]'},
        ],
    )
    def test_the_reference_earns_1_wherever_it_stands(self, reward, columns, score_one):
        assert score_one(reward, README[0], **columns) == pytest.approx(1.0)
        assert score_one(reward, "A cat!", **columns) < 0.5

    @every_measure
    def test_the_column_reference_comes_first(self, reward, score_one):
        assert score_one(reward, "A cat sat there.", reference=README[0], answer="A cat sat there.") < 0.5

    @every_measure
    def test_a_number_is_text(self, reward, score_one):
        assert score_one(reward, "1984", reference=1984) == pytest.approx(1.0)

    @every_measure
    @pytest.mark.parametrize("reference", ["", " \n", [], ["a", ""], {"a": 1}, [None], float("nan"), "x " * 30_000])
    def test_what_cannot_be_a_reference_is_an_error_that_names_the_column(self, reward, reference, score_one):
        outcome = score_one(reward, "x", reference=reference)
        assert isinstance(outcome, RewardError)
        assert "column 'reference'" in str(outcome)

    @every_measure
    def test_composed_and_decomposed_spellings_are_the_same(self, reward, score_one):
        assert score_one(
            reward, "Zu\u0308rich ist scho\u0308n", reference="Z\u00fcrich ist sch\u00f6n"
        ) == pytest.approx(1)


class TestScripts:
    @pytest.mark.parametrize("language", SCRIPTS)
    @pytest.mark.parametrize("reward", [chrf, rouge, fuzzy], ids=lambda r: r.name)
    def test_every_script_has_better_and_worse(self, reward, language):
        near, reference = SCRIPTS[language]
        assert reward.function(reference, reference) == 1.0
        assert 0 < reward.function(near, reference) < 1
        assert reward.function("dogs", reference) == 0.0

    @pytest.mark.parametrize("language", SCRIPTS)
    def test_bleu_and_ter_take_words_and_refuse_sentences_without_spaces(self, language, score_one):
        near, reference = SCRIPTS[language]
        for reward in (bleu, ter):
            outcome = score_one(reward, near, reference=reference)
            if " " in reference:
                assert 0 < outcome < 1
            else:
                assert "no spaces between words" in str(outcome)
        assert 0 < score_one(bleu, near, {"tokenize": "char"}, reference=reference) < 1

    @pytest.mark.parametrize("language", ["Japanese", "Thai"])
    def test_the_tokenizers_for_chinese_refuse_other_scripts(self, language, score_one):
        reference = SCRIPTS[language][1]
        assert "no spaces" in str(score_one(bleu, reference, {"tokenize": "zh"}, reference=reference))
        params = {"normalized": True, "asian_support": True}
        assert "no spaces" in str(score_one(ter, reference, params, reference=reference))

    def test_a_chinese_name_in_an_english_reference_is_no_reason_to_refuse(self):
        assert bleu.function("The city of 北京 is large.", "The city of 北京 is large.") == 1.0

    def test_rouge_counts_words_of_other_scripts_whole(self):
        assert rouge.function("कुत्ता", "कुत्ते", kind="rouge1") == 0.0
        assert rouge.function("café noir", "cafe noir", kind="rouge1") == 0.5

    def test_rouge_does_not_stem_other_languages(self):
        assert rouge.function("собаки running", "собаки runs", kind="rouge1", use_stemmer=True) == 1.0


class TestRougeWithoutWords:
    @pytest.mark.parametrize(("reference", "kind"), [("...", "rouge1"), ("🙂", "rougeL"), ("one", "rouge2")])
    def test_a_reference_with_nothing_to_share_is_an_error(self, reference, kind, score_one):
        assert "to share" in str(score_one(rouge, "one", {"kind": kind}, reference=reference))

    def test_a_completion_without_words_earns_0(self, score_one):
        assert score_one(rouge, "...", reference="one") == 0.0


class TestCheating:
    @every_measure
    @pytest.mark.parametrize("completion", ["", " \n\t", "\u3000"])
    def test_saying_nothing_earns_0(self, reward, completion, score_one):
        assert score_one(reward, completion, reference=README) == 0.0

    @every_measure
    def test_a_tenfold_length_earns_0_whatever_it_says(self, reward, score_one):
        assert score_one(reward, "The dog bit the man. " * 11, reference=README[0]) == 0.0

    @pytest.mark.parametrize(
        ("reward", "params"),
        [(rouge, {"measure": "recall"}), (fuzzy, {"kind": "partial_ratio"})],
        ids=["recall", "partial_ratio"],
    )
    def test_saying_everything_is_bounded_by_the_length_factor(self, reward, params, score_one):
        completion = "A cat. The dog bit the man. A bird flew off with the cheese."
        assert score_one(reward, completion, params, reference=README[0]) == 1.0
        assert score_one(reward, completion, {**params, "length_factor": 2}, reference=README[0]) == 0.0

    @pytest.mark.parametrize(
        "completion", ["the", "the" + "." * 100, "the" + " " * 100], ids=["word", "dots", "spaces"]
    )
    def test_one_word_out_of_many_earns_no_precision(self, completion, score_one):
        reference = "The dog bit the man and then ran away over the hills."
        assert score_one(rouge, completion, {"measure": "precision", "length_factor": 20}, reference=reference) == 1.0
        assert score_one(rouge, completion, {"measure": "precision"}, reference=reference) == 0.0

    def test_a_part_of_the_reference_does_not_contain_it(self):
        assert rapidfuzz.fuzz.partial_ratio("a bear", "fuzzy wuzzy was a bear") == 100
        assert fuzzy.function("a bear", "fuzzy wuzzy was a bear", kind="partial_ratio") == pytest.approx(12 / 28)

    @every_measure
    def test_padding_does_not_make_a_completion_comparable(self, reward, score_one):
        assert score_one(reward, README[0] + " !" * 500, reference=README[0]) == 0.0

    @pytest.mark.parametrize("variant", ["token_set_ratio", "WRatio", "partial_token_set_ratio"])
    def test_variants_that_one_common_word_satisfies_are_not_offered(self, variant):
        assert getattr(rapidfuzz.fuzz, variant)("bear", "fuzzy wuzzy was a bear") >= 90
        with pytest.raises(ValueError, match="kind"):
            fuzzy.parameters(kind=variant)

    def test_two_tries_at_once_pay_in_chrf_unless_precision_counts_as_much(self):
        reference = "The committee decided to postpone the meeting until next Monday."
        tries = [
            "The board chose to delay the session until Monday next week.",
            "The committee resolved to put off its meeting for some days.",
        ]
        usual, even = ([chrf.function(text, reference, beta=n) for text in [*tries, " ".join(tries)]] for n in (2, 1))
        assert usual[2] > max(usual[:2])
        assert even[2] < max(even[:2])


class TestCopying:
    @every_measure
    @pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
    def test_a_copy_is_well_paid_but_for_the_parameter(self, reward, prompt, score_one):
        columns = {"reference": FIXED, "prompt": prompt}
        assert score_one(reward, WRONG, **columns) > 0.2
        assert score_one(reward, WRONG, {"above_copy": True}, **columns) == 0.0

    @every_measure
    def test_the_reference_still_earns_1_and_half_the_way_about_half(self, reward, score_one):
        columns = {"reference": FIXED, "prompt": PROMPTS["text"]}
        assert score_one(reward, FIXED, {"above_copy": True}, **columns) == pytest.approx(1.0)
        half = WRONG.replace("stay", "stays")
        assert 0.2 < score_one(reward, half, {"above_copy": True}, **columns) < 0.8

    @every_measure
    def test_a_copy_with_a_mark_added_earns_next_to_nothing(self, reward, score_one):
        columns = {"reference": FIXED, "prompt": PROMPTS["text"]}
        assert score_one(reward, WRONG + "!", {"above_copy": True}, **columns) < 0.1

    @every_measure
    def test_where_the_reference_stands_in_the_prompt_copying_is_the_task(self, reward, score_one):
        columns = {"reference": WRONG, "prompt": PROMPTS["text"]}
        assert score_one(reward, WRONG, {"above_copy": True}, **columns) == pytest.approx(1.0)

    @every_measure
    def test_a_prompt_unlike_the_reference_changes_nothing(self, reward, score_one):
        completion, columns = (
            "Er ging früh fort",
            {"reference": "Er ging früh nach Hause", "prompt": "翻译：他早早回家了。"},
        )
        plain = score_one(reward, completion, **columns)
        assert 0 < plain < 1
        assert score_one(reward, completion, {"above_copy": True}, **columns) == pytest.approx(plain)

    @every_measure
    @pytest.mark.parametrize("prompt", [None, [], 42, [{"role": "user", "content": [{"type": "image"}]}]])
    def test_a_prompt_without_text_is_an_error(self, reward, prompt, score_one):
        outcome = score_one(reward, "home", {"above_copy": True}, reference="home", prompt=prompt)
        assert isinstance(outcome, RewardError)
        assert "prompt" in str(outcome)

    def test_a_reference_too_long_to_search_for_is_an_error(self, score_one):
        outcome = score_one(chrf, "a " * 1500, {"above_copy": True}, reference="a " * 1500, prompt="a")
        assert "at most 2000" in str(outcome)


class TestParameters:
    @pytest.mark.parametrize("reward", [chrf, bleu, fuzzy], ids=lambda r: r.name)
    def test_case_counts_unless_it_is_not_to(self, reward):
        assert reward.function("THE DOG BIT", "the dog bit") < 0.5
        assert reward.function("THE DOG BIT", "the dog bit", ignore_case=True) == pytest.approx(1.0)

    @every_measure
    def test_thinking_can_be_left_out(self, reward):
        completion = f"<think>Who bit whom?</think>\n{README[0]}"
        assert reward.function(completion, README[0]) < 0.9
        assert reward.function(completion, README[0], part="answer") == pytest.approx(1.0)
        assert reward.function("<think>The dog bit the man.", README[0], part="answer") == 0.0

    def test_white_space_in_a_fuzzy_match_does_not_count(self):
        assert fuzzy.function(" The  dog\nbit ", "The dog bit") == 1.0

    def test_the_tokenizers_offered_need_no_extra_install(self):
        for tokenizer in ("13a", "intl", "zh", "char", "none"):
            assert bleu.function("The dog bit the man.", README[0], tokenize=tokenizer) == 1.0
        with pytest.raises(ValueError, match="tokenize"):
            bleu.parameters(tokenize="ja-mecab")

    @pytest.mark.parametrize(("length_factor", "expected"), [(2.0, 1.0), (1.9, 0.0)])
    def test_the_length_factor_bounds_both_sides(self, length_factor, expected):
        recall = rouge.function("ab cd", "ab", measure="recall", length_factor=length_factor)
        precision = rouge.function("ab", "ab cd", measure="precision", length_factor=length_factor)
        assert (recall, precision) == (expected, expected)

    @every_measure
    def test_a_score_stays_within_its_range(self, reward):
        dice = random.Random(1)
        for _ in range(200):
            completion, reference = ("".join(dice.choices("ab .", k=dice.randint(1, 12))) + "a" for _ in range(2))
            assert 0 <= reward.function(completion, reference) <= 1, (completion, reference)


class TestCosts:
    @every_measure
    def test_a_huge_completion_ends_soon(self, reward):
        start = time.monotonic()
        for text in ("The dog bit the man. " * 10_000, "the " * 20, "a" * 200_000):
            assert 0 <= reward.function(text, README[0], length_factor=20) <= 1
        assert time.monotonic() - start < 5

    def test_the_longest_reference_that_ter_takes_ends_within_its_time_limit(self):
        dice = random.Random(0)
        completion, reference = (" ".join(dice.choices(["ab", "cd", "ef"], k=n)) for n in (150, 80))
        start = time.monotonic()
        ter.function(completion, reference)
        assert time.monotonic() - start < ter.timeout_s / 2

    def test_a_longer_reference_for_ter_is_an_error(self, score_one):
        assert "80" in str(score_one(ter, "a", reference="a " * 81))
        assert "1 to 80" in str(score_one(ter, "a", {"no_punct": True}, reference="..."))

    def test_a_longer_reference_for_partial_ratio_is_an_error(self, score_one):
        outcome = score_one(fuzzy, "a", {"kind": "partial_ratio"}, reference="a" * 2001)
        assert "at most 2000" in str(outcome)
        assert score_one(fuzzy, "a" * 2001, reference="a" * 2001) == 1.0

    def test_sacrebleu_keeps_no_completions(self):
        from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
        from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp
        from sacrebleu.tokenizers.tokenizer_ter import TercomTokenizer

        bleu.function("The dog bit a man.", README[0])
        ter.function("The dog bit a man.", README[0])
        kept = [cached.__call__.cache_info().currsize for cached in (Tokenizer13a, TokenizerRegexp, TercomTokenizer)]
        assert kept == [0, 0, 0]

    @every_measure
    def test_threads_may_score_at_once(self, reward):
        texts = [f"The dog bit the man {n} times." for n in range(20)]
        expected = [reward.function(text, README) for text in texts]
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda text: reward.function(text, README), texts)) == expected
        assert 0 < min(expected) <= max(expected) < 1
