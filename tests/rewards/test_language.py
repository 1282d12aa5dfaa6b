"""language: which language a text is in, what of it is read, and what nobody can get round."""

import subprocess
import sys
import threading

import pytest

from rewards.language import CODES, SCRIPTS, USUAL, _identifier, language

GERMAN = "Guten Morgen, wie geht es Ihnen heute nach der langen Reise?"
ENGLISH = "Good morning, how are you today after such a long journey?"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        (ENGLISH, "en"),
        (GERMAN, "de"),
        ("Bonjour, comment allez-vous aujourd'hui ? J'espère que vous avez bien dormi.", "fr"),
        ("Buenos días, ¿cómo está usted hoy? Espero que haya dormido bien.", "es"),
        ("Bom dia, como você está hoje? Espero que tenha dormido bem.", "pt"),
        ("Buongiorno, come sta oggi? Spero che abbia dormito bene.", "it"),
        ("Goedemorgen, hoe gaat het vandaag met u? Ik hoop dat u goed geslapen heeft.", "nl"),
        ("Dzień dobry, jak się pan dzisiaj czuje? Mam nadzieję, że dobrze pan spał.", "pl"),
        ("Günaydın, bugün nasılsınız? Umarım iyi uyumuşsunuzdur.", "tr"),
        ("Chào buổi sáng, hôm nay bạn thế nào? Tôi hy vọng bạn đã ngủ ngon.", "vi"),
        ("Доброе утро, как вы сегодня себя чувствуете? Надеюсь, вы хорошо спали.", "ru"),
        ("Доброго ранку, як ви сьогодні почуваєтеся? Сподіваюся, ви добре спали.", "uk"),
        ("صباح الخير، كيف حالك اليوم؟ آمل أنك نمت جيدا في الليلة الماضية.", "ar"),
        ("صبح بخیر، امروز حال شما چطور است؟ امیدوارم دیشب خوب خوابیده باشید.", "fa"),
        ("सुप्रभात, आज आप कैसे हैं? मुझे आशा है कि आप रात को अच्छी तरह सोए होंगे।", "hi"),
        ("早上好，你今天怎么样？我希望你昨晚睡得很好。", "zh"),
        ("おはようございます。今日の調子はいかがですか。よく眠れたことと思います。", "ja"),
        ("좋은 아침입니다. 오늘 기분이 어떠세요? 잘 주무셨기를 바랍니다.", "ko"),
    ],
)
def test_a_text_is_in_its_language_and_in_no_other(text, right):
    others = {"en", "de", "es", "pt", "ru", "uk", "ar", "fa", "hi", "zh", "ja", "ko"} - {right}
    assert language.function(text, right) == 1.0
    assert {code: language.function(text, code) for code in others} == dict.fromkeys(others, 0.0)


@pytest.mark.parametrize(
    ("text", "code", "expected", "reason"),
    [
        ("Γεια", "el", 1.0, "only Greek has Greek letters"),
        ("서울", "ko", 1.0, "only Korean has these"),
        ("北京", "zh", 1.0, "Chinese characters without kana"),
        ("北京", "ja", 0.0, "no kana, no Japanese"),
        ("はい、そうです", "ja", 1.0, "kana"),
        ("はい、そうです", "zh", 0.0, "kana is not Chinese"),
        ("Да, конечно", "ru", 0.0, "many languages have Cyrillic letters"),
        ("Да, конечно", "de", 0.0, "German has not"),
        ("Seoul", "ko", 0.0, "Korean in Latin letters"),
        ("42", "ko", 0.0, "no letters"),
        ("🙂 !!!", "ko", 0.0, "no letters either"),
        ("ＯＫ", "ko", 0.0, "full-width Latin letters are Latin"),
        ("用 NumPy 和 Pandas 来处理这些数据。", "zh", 1.0, "names in Latin letters"),
    ],
)
def test_short_text_counts_only_where_the_script_settles_it(text, code, expected, reason):
    assert language.function(text, code) == expected, reason


def test_a_short_text_can_be_told_from_few_languages():
    assert language.function("Да", "ru", among=("English", "German")) == 1.0
    assert language.function("Ja, natürlich.", "de", min_letters=5, among=("en",)) == 1.0
    assert language.function("Yes, of course.", "de", min_letters=5, among=("en",)) == 0.0


def test_text_one_letter_short_of_the_least_earns_nothing():
    text = "Der Hund schläft unter dem alten Baum"
    letters = sum(character.isalpha() for character in text)
    assert language.function(text, "de", min_letters=letters) == 1.0
    assert language.function(text, "de", min_letters=letters + 1) == 0.0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x" * 500, "no"),
        ("blorp snig frabjous glorp zint mork plib trund", "da"),
        ("Qwrt plkj zxcv mnbv hgfd poiu ytre qazw sxed", "sq"),
    ],
)
def test_what_is_no_language_earns_nothing_even_for_the_likeliest(text, code):
    likely = {other: language.function(text, other, score="probability") for other in USUAL.split()}
    assert max(likely, key=likely.get) == code
    assert language.function(text, code) == 0.0


@pytest.mark.parametrize("code", ["bs", "hr", "sr"])
def test_neighbours_that_cannot_be_told_apart_count_as_one(code):
    assert language.function("Danas je lijepo vrijeme i idemo van na plažu.", code) == 1.0


def test_but_each_in_its_own_script():
    cyrillic = "Данас је лепо време и идемо напоље на плажу."
    assert [language.function(cyrillic, code) for code in ("sr", "hr")] == [1.0, 0.0]


@pytest.mark.parametrize("name", ["de", "DE", " de ", "German", "german", "de-AT", "de_CH"])
def test_a_language_is_named_by_code_region_or_english_name(name):
    assert language.function(GERMAN, name) == 1.0


def test_the_row_comes_before_the_default():
    assert language.function(GERMAN, "de", default="en") == 1.0
    assert language.function(GERMAN, " ", default="de") == 1.0


@pytest.mark.parametrize(
    ("columns", "params", "message"),
    [
        ({}, {}, "no language is asked for"),
        ({"language": ""}, {}, "no language is asked for"),
        ({"language": "tlh"}, {}, "'tlh'"),
        ({"language": 4}, {}, "'4'"),
        ({"language": ["de"]}, {}, "column 'language' holds ['de'] (list)"),
        ({}, {"default": "Elvish"}, "'Elvish'"),
        ({"language": "de"}, {"among": ("Elvish",)}, "'Elvish'"),
        ({"language": "de"}, {"among": ("German",)}, "besides the one asked for"),
    ],
)
def test_a_language_that_is_not_known_is_an_error(columns, params, message, score_one):
    assert message in str(score_one(language, GERMAN, params, **columns))


def test_a_mixed_answer_earns_the_share_of_its_letters_that_are_right():
    text = f"{GERMAN} {ENGLISH}\n{GERMAN}"
    german, english = (sum(c.isalpha() for c in part) for part in (GERMAN, ENGLISH))
    assert language.function(text, "de") == pytest.approx(2 * german / (2 * german + english))
    assert language.function(text, "en") == pytest.approx(english / (2 * german + english))


def test_what_is_judged_at_a_time_is_a_sentence_a_line_or_all():
    text = f"{GERMAN} {ENGLISH} {ENGLISH}\n{GERMAN} {GERMAN}"
    german, english = (sum(c.isalpha() for c in part) for part in (GERMAN, ENGLISH))
    whole = 3 * german + 2 * english
    assert language.function(text, "de", per="sentence") == pytest.approx(3 * german / whole)
    assert language.function(text, "de", per="line") == pytest.approx(2 * german / whole)
    assert language.function(text, "de", per="text") in (0.0, 1.0)


def test_a_short_sentence_is_judged_with_the_next_one():
    assert language.function(f"Ja. {ENGLISH}", "de") == 0.0
    assert language.function(f"{GERMAN} Yes.", "de") == 1.0


def test_the_probability_is_between_the_decisions():
    close = "Været er fint i dag, og jeg går en tur i skoven bagefter."
    probability = language.function(close, "da", score="probability")
    assert 0 < probability < 1
    assert language.function(GERMAN, "de", score="probability") > 0.99


@pytest.mark.parametrize(
    ("around", "expected", "reason"),
    [
        ("{}\n```python\n# a long English comment about the loop\nfor item in items: print(item)\n```", 1.0, "code"),
        ("```\n{}\n```", 1.0, "prose in a fence without a tag"),
        ("```markdown\n{}\n```", 1.0, "prose in a fence that says so"),
        ("```python\n{}\n```", 0.0, "nothing but what says it is code"),
        ("{}\n```python\nprint('the fence is never closed", 1.0, "code to the end"),
        ("{} Siehe https://example.com/the/long/english/path/of/this/page-about-nothing.", 1.0, "a link"),
        ("{} `the_english_name = of_the_variable + another_one`", 1.0, "inline code"),
        (r"{} \begin \displaystyle \operatorname \mathbb \textbf", 1.0, "LaTeX"),
        ("<think>{}</think>", 1.0, "tags"),
    ],
)
def test_only_running_text_is_read(around, expected, reason):
    assert language.function(around.replace("{}", GERMAN), "de") == expected, reason


@pytest.mark.parametrize(
    "quotation",
    [
        f'"{ENGLISH}"',
        f"“{ENGLISH}”",
        f"„{ENGLISH}“",
        f"«{ENGLISH}»",
        f"「{ENGLISH}」",
        f"'{ENGLISH}'",
        f"\n> {ENGLISH}\n",
    ],
)
@pytest.mark.parametrize("chat", [False, True])
def test_a_quotation_of_the_prompt_is_not_read(quotation, chat):
    asked = f"Translate into German: {ENGLISH.upper()}"
    prompt = [{"role": "system", "content": None}, {"role": "user", "content": asked}] if chat else asked
    answer = f"{GERMAN} {quotation} {GERMAN}"
    assert language.function(answer, "de", prompt) == 1.0
    assert language.function(answer, "de", "Something else") < 0.8
    assert language.function(quotation, "en", prompt) == 0.0  # and earns nothing


@pytest.mark.parametrize("prompt", [None, 3, {"a": 1}, [3], []])
def test_a_prompt_of_another_shape_quotes_nothing(prompt):
    assert language.function(GERMAN, "de", prompt) == 1.0


@pytest.mark.parametrize(
    ("text", "part", "code", "expected"),
    [
        (f"<think>{ENGLISH}</think>{GERMAN}", "answer", "de", 1.0),
        (f"<think>{ENGLISH}</think>{GERMAN}", "thinking", "en", 1.0),
        (f"{ENGLISH}</think>{GERMAN}", "answer", "de", 1.0),  # the prompt held the opening tag
        (f"<think>{GERMAN}", "answer", "de", 0.0),
        (f"<think>{GERMAN}", "thinking", "de", 1.0),
        (GERMAN, "answer", "de", 1.0),
        (GERMAN, "thinking", "de", 0.0),
    ],
)
def test_thinking_and_answer_can_be_read_apart(text, part, code, expected):
    assert language.function(text, code, part=part) == expected


def test_a_few_right_words_do_not_carry_an_answer_in_another_language():
    assert language.function("Ja. " + ENGLISH * 5, "de") == 0.0
    assert language.function("네. " + ENGLISH * 5, "ko") < 0.1


def test_every_language_is_one_that_the_model_knows():
    labels = _identifier().labels
    assert set(CODES.values()) == {label for label in labels if len(label) == 2}
    assert set(USUAL.split()) <= set(CODES.values())
    assert set(SCRIPTS) == set(CODES.values())


@pytest.mark.parametrize("name", sorted(set(CODES) - set(CODES.values())))
def test_every_name_can_be_asked_for(name):
    assert language.function("", name) == 0.0


def test_it_works_in_several_threads_at_once():
    found = []
    threads = [
        threading.Thread(target=lambda text=text: found.append(language.function(text, "de") == (text == GERMAN)))
        for text in [GERMAN, ENGLISH] * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


def test_the_model_is_loaded_only_where_a_text_needs_it():
    program = (
        "import sys; from rewards.language import language; language.function('서울', 'ko'); "
        "sys.exit('py3langid' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("भारत की राजधानी नई दिल्ली है, जहाँ लोग रहते हैं।", "hi"),
        ("मैं कल दिल्ली जा रहा हूँ और वहाँ रुकूँगा।", "hi"),
        ("தமிழ்நாட்டின் தலைநகரம் சென்னை", "ta"),
    ],
)
def test_the_signs_of_vowels_are_letters(text, code):
    assert language.function(text, code) == 1.0
