"""The language of an answer: German where German was asked for, whatever it says.

Judged sentence by sentence, so that an answer that changes its language half-way earns half. First by script: letters
of another script are never the language asked for, and a script that only one language uses settles it, however short
the text. Else py3langid decides, which knows 114 languages that have an ISO 639-1 code. Its errors are mostly between
neighbours, so Bosnian, Croatian and Serbian count as one here, as do Indonesian and Malay, and the two Norwegians; and
only languages that models mostly write compete with the one asked for, unless `among` names others.

Measured on translated messages of programs in 58 languages, each asked for in its own: 99 % of those of 30 letters and
more are recognised, 96 % of 20 to 30, 75 % of 10 to 15 (the rivals were chosen with these in view). Therefore shorter
text is joined with its neighbours, and a whole answer of fewer letters earns 0: were it left out, answering in one word
would be a way around the reward.

What cannot be told: sense. Any text of the language earns 1, one that copies the prompt or repeats a word included.
Code is not read, so prose hidden there is not seen. Hindi or Russian in Latin letters counts as another language. Use
it beside a reward for the content.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field

from rewards.declaration import Example, RewardError, reward
from rewards.text import as_text, outside_fences, shown

NAMES = """
af Afrikaans, am Amharic, an Aragonese, ar Arabic, as Assamese, az Azerbaijani, ba Bashkir, be Belarusian, bg Bulgarian,
bn Bengali, br Breton, bs Bosnian, ca Catalan, cs Czech, cy Welsh, da Danish, de German, dz Dzongkha, el Greek,
en English, eo Esperanto, es Spanish, et Estonian, eu Basque, fa Persian, fi Finnish, fo Faroese, fr French, fy Frisian,
ga Irish, gd Scottish Gaelic, gl Galician, gu Gujarati, ha Hausa, he Hebrew, hi Hindi, hr Croatian, ht Haitian Creole,
hu Hungarian, hy Armenian, id Indonesian, ig Igbo, is Icelandic, it Italian, ja Japanese, jv Javanese, ka Georgian,
kk Kazakh, km Khmer, kn Kannada, ko Korean, ku Kurdish, ky Kyrgyz, la Latin, lb Luxembourgish, lg Ganda, ln Lingala,
lo Lao, lt Lithuanian, lv Latvian, mg Malagasy, mk Macedonian, ml Malayalam, mn Mongolian, mr Marathi, ms Malay,
mt Maltese, my Burmese, ne Nepali, nl Dutch, nn Nynorsk, no Norwegian, oc Occitan, om Oromo, or Odia, pa Punjabi,
pl Polish, ps Pashto, pt Portuguese, qu Quechua, ro Romanian, ru Russian, rw Kinyarwanda, sa Sanskrit, se Northern Sami,
si Sinhala, sk Slovak, sl Slovenian, sn Shona, so Somali, sq Albanian, sr Serbian, st Sotho, sv Swedish, sw Swahili,
ta Tamil, te Telugu, tg Tajik, th Thai, tk Turkmen, tl Tagalog, tr Turkish, tt Tatar, ug Uyghur, uk Ukrainian, ur Urdu,
uz Uzbek, vi Vietnamese, vo Volapük, wa Walloon, xh Xhosa, yo Yoruba, zh Chinese, zu Zulu
"""
CODES = {name.casefold(): code for code, name in (pair.split(maxsplit=1) for pair in NAMES.strip().split(","))}
CODES |= {"nb": "no", "bokmål": "no", "farsi": "fa", "mandarin": "zh", "filipino": "tl", "slovene": "sl", "oriya": "or"}
CODES |= {code: code for code in CODES.values()}

# Languages that are not, or not only, written in Latin letters; scripts by the first word of a letter's Unicode name.
WRITTEN = {
    "CYRILLIC": "ba be bg bs kk ky mk mn ru sr tg tk tt uk uz",
    "LATIN": "bs ku sr tk tt uz",
    "ARABIC": "ar fa ku pa ps ug ur",
    "DEVANAGARI": "hi mr ne sa",
    "BENGALI": "as bn",
    "CJK": "ja zh",
    **{"KANA": "ja", "HANGUL": "ko", "THAI": "th", "LAO": "lo", "KHMER": "km", "MYANMAR": "my", "TIBETAN": "dz"},
    **{"GREEK": "el", "HEBREW": "he", "ARMENIAN": "hy", "GEORGIAN": "ka", "ETHIOPIC": "am", "GURMUKHI": "pa"},
    **{"GUJARATI": "gu", "ORIYA": "or", "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml"},
    "SINHALA": "si",
}
SCRIPTS = {c: frozenset(s for s, codes in WRITTEN.items() if c in codes.split()) for c in CODES.values()}
ALL_SCRIPTS = frozenset(WRITTEN)  # a combining accent belongs to none
SAME_SCRIPT = {"HIRAGANA": "KANA", "KATAKANA": "KANA", "KATAKANA-HIRAGANA": "KANA", "IDEOGRAPHIC": "CJK"}
LATIN = frozenset({"LATIN"})
SYLLABLES = {"CJK": 3, "KANA": 3, "HANGUL": 3}  # one of their characters says what about three letters say

ALIKE = (("bs", "hr", "sr"), ("id", "ms"), ("nn", "no"))  # which the model cannot tell apart
USUAL = (
    "ar bg bn ca cs da de el en es et fa fi fr he hi hr hu hy id is it ja ka kk ko lt lv mr ne nl no pl pt ro ru sk sl "
    "sq sr sv ta th tr uk ur vi zh"
)
CERTAIN = 1 / 3  # least probability of a decision for it: made-up words reach it in no language, text mostly 0.9

PROSE_TAGS = frozenset({"", "text", "txt", "plain", "plaintext", "markdown", "md"})
# Inline code, links, e-mail addresses, tags and LaTeX commands. Every repetition is bounded or cannot be taken back.
NO_PROSE = re.compile(
    r"`{1,3}+[^`\n]++`|(?:https?://|www\.)[!-~]++|[\w.+-]{1,64}+@[\w.-]{1,255}|</?[A-Za-z][\w-]{0,30}+/?>|\\[A-Za-z]++"
)
QUOTED = re.compile(
    r"""(?m:^[ ]*>(?P<line>[^\n]*))|["“”„](?P<double>[^"“”„\n]{1,400}+)["“”]|«(?P<angle>[^«»\n]{1,400}+)»"""
    r"""|「(?P<corner>[^「」\n]{1,400}+)」|(?<!\w)['‘](?P<single>[^'‘’\n]{1,400}+)['’](?!\w)"""
)
SENTENCE_END = re.compile(r"""(?<=[.!?…])\s+|(?<=[.!?…]["'”“’»」)\]])\s+|(?<=[。！？।؟])|\n+""")

GERMAN = "Die Hauptstadt von Frankreich ist Paris, dort leben zwei Millionen Menschen."
ENGLISH = "The capital of France is Paris, and roughly two million people live in the city."


@reward(
    title="Language of the answer",
    family="text",
    examples=[
        Example(GERMAN, 1.0, {"language": "de"}, note="the language asked for"),
        Example(ENGLISH, 0.0, {"language": "German"}, note="another language; an English name in the column"),
        Example("", 0.0, {"language": "de"}, note="empty"),
        Example(GERMAN, None, note="no language is asked for", error="give the row a column 'language'"),
        Example("Ja.", 0.0, {"language": "de"}, note="one word tells too little, and is no way around"),
        Example("네, 서울입니다.", 1.0, {"language": "ko"}, note="short, but only Korean is written so"),
        Example(f"{GERMAN} {ENGLISH}", 0.5, {"language": "de"}, note="mixed: both have 64 letters"),
        Example(f"Ja. Nein. Ja.\n{ENGLISH}", 0.0, {"language": "de"}, note="three short sentences do not outvote one"),
        Example(f"{GERMAN}\n```python\nreturn the_answer_to_everything\n```", 1.0, {"language": "de"}, note="code"),
        Example(GERMAN, 1.0, params={"default": "German"}, note="the language of rows that name none"),
        Example(GERMAN, None, {"language": "Klingon"}, note="not known", error="'Klingon'"),
    ],
    source="py3langid 0.4.0 (langid.py, Lui and Baldwin 2012); as a reward for language consistency: DeepSeek-R1",
)
def language(
    completion: str,
    language: Any = None,
    prompt: Any = None,
    *,
    default: Annotated[
        str, Field(description="Language of rows without a column 'language': an ISO 639-1 code or an English name")
    ] = "",
    part: Annotated[
        Literal["all", "answer", "thinking"],
        Field(description="What is read: all, or what follows or precedes </think>"),
    ] = "all",
    per: Annotated[
        Literal["sentence", "line", "text"], Field(description="What is judged at a time; text: all of it at once")
    ] = "sentence",
    score: Annotated[
        Literal["decision", "probability"], Field(description="1 or 0 for each, or how likely it is in the language")
    ] = "decision",
    min_letters: Annotated[
        int,
        Field(ge=1, le=1000, description="Letters below which only the script counts; a Chinese character is three"),
    ] = 30,
    among: Annotated[
        tuple[str, ...], Field(description="Languages to tell it from, such as German, English; empty: the usual ones")
    ] = (),
) -> float:
    """The share of an answer, by letters, that is in the language asked for.

    `language("Guten Morgen, wie geht es Ihnen heute?", language="de")` is 1.0. Inline code, fenced code that is tagged
    as such, links and LaTeX commands are not read, nor are quotations of the prompt, so that an answer may cite what it
    translates. Regions count for nothing: pt-BR is pt. Where `among` names the few languages in question, shorter texts
    are reliable too (lower `min_letters`), but a language not named may pass for one that is.

    The model takes about a second to load and 115 MB, once a process; a sentence takes about a tenth of a millisecond.
    """
    code = _code(as_text(language, "language") if language is not None else "", default)
    alike = next((group for group in ALIKE if code in group), (code,))
    rivals = frozenset(_code(name, "") for name in among or USUAL.split()) - set(alike)
    if not rivals:
        raise RewardError(f"among is {among!r:.80}; name at least one language besides the one asked for, {code}")
    sought = Sought(code, alike, rivals, min_letters, score == "decision")
    pieces = _pieces(_prose(_part(completion, part), prompt), per, min_letters)
    right = sum(size * _likely(piece, sought) for piece, size in pieces)
    return right / max(1, sum(size for _, size in pieces))


@dataclass(frozen=True)
class Sought:
    """What a text is judged by: the language asked for, those that count as the same, those that do not, the settings.

    `decide` is whether the answer is 1 or 0 rather than a probability.
    """

    code: str
    alike: tuple[str, ...]
    rivals: frozenset[str]
    min_letters: int
    decide: bool


def _code(name: str, default: str) -> str:
    """The code of a language given as a code, with or without a region, or as an English name."""
    wanted = name.strip() or default.strip()
    if not wanted:
        raise RewardError("no language is asked for; give the row a column 'language', or the reward a default")
    key = wanted.casefold()
    found = CODES.get(key) or CODES.get(re.split("[-_]", key)[0])
    if found is None:
        raise RewardError(
            f"no language is called {shown(wanted)} here; give an ISO 639-1 code or an English name, as de"
        )
    return found


def _part(completion: str, part: str) -> str:
    if part == "all":
        return completion
    thinking, end, answer = completion.rpartition("</think>")
    if not end and "<think>" in completion:  # it never came to an answer
        thinking, answer = completion, ""
    return answer if part == "answer" else thinking


def _prose(text: str, prompt: Any) -> str:
    """What of a text is running text of the model's own."""
    text = NO_PROSE.sub(" ", outside_fences(text, PROSE_TAGS))
    source = _squeezed(_prompt_text(prompt))
    return QUOTED.sub(lambda quote: " " if _squeezed(quote[quote.lastgroup or 0]) in source else quote[0], text)


def _prompt_text(prompt: Any) -> str:
    """The text of a prompt given as text or as chat messages; nothing for any other shape."""
    if isinstance(prompt, str):
        return prompt
    messages = prompt if isinstance(prompt, Sequence) else ()
    texts = [message.get("content") for message in messages if isinstance(message, Mapping)]
    return "\n".join(text for text in texts if isinstance(text, str))


def _squeezed(text: str) -> str:
    """A text as quotations are compared: case, white space and the mark at its end count for nothing."""
    return " ".join(text.casefold().split()).rstrip(".,;:!?…。，！？")


def _pieces(text: str, per: str, min_letters: int) -> list[tuple[str, int]]:
    """The parts of a text that have letters, each with how many; parts that are too short are joined to the next."""
    parts = [text] if per == "text" else text.splitlines() if per == "line" else SENTENCE_END.split(text)
    pieces: list[tuple[str, int]] = []
    for part in parts:
        size = sum(_letters(part).values())
        if not size:
            continue
        if pieces and pieces[-1][1] < min_letters:
            before, letters = pieces.pop()
            part, size = f"{before}\n{part}", size + letters
        pieces.append((part, size))
    if len(pieces) > 1 and pieces[-1][1] < min_letters:
        (before, letters), (last, size) = pieces[-2:]
        pieces[-2:] = [(f"{before}\n{last}", letters + size)]
    return pieces


def _letters(text: str) -> Counter[str]:
    """How many letters of each script a text has."""
    found: Counter[str] = Counter()
    for character, n in Counter(text).items():
        if _is_letter(character):
            script = _script(character)
            found[script] += n * SYLLABLES.get(script, 1)
    return found


def _is_letter(character: str) -> bool:
    """Letters, and the signs that are vowels and tones of many scripts: a Hindi word is half made of them."""
    return character.isalpha() or (unicodedata.category(character)[0] == "M" and _script(character) in ALL_SCRIPTS)


@lru_cache(maxsize=65536)
def _script(letter: str) -> str:
    plain = unicodedata.normalize("NFKC", letter)[0]  # full-width and mathematical letters are Latin
    name = unicodedata.name(plain, "").split(" ")[0]
    return SAME_SCRIPT.get(name, name)


def _likely(piece: str, sought: Sought) -> float:
    """How likely a piece is in the language sought, 0 to 1; for decisions 0 or 1."""
    letters = _letters(piece)
    total = sum(letters.values())
    rivals = sought.rivals
    if not letters["KANA"]:  # Japanese is not written without it, so that Chinese characters alone are Chinese
        if sought.code == "ja":
            return 0.0
        rivals = rivals - {"ja"}
    own = _scripts({sought.code})
    if 3 * sum(letters[script] for script in own) < total:
        return 0.0
    if 2 * sum(letters[script] for script in own - _scripts(rivals)) >= total:
        return 1.0
    return _by_model(piece, sought, rivals) if total >= sought.min_letters else 0.0


def _by_model(piece: str, sought: Sought, rivals: frozenset[str]) -> float:
    likely = dict(_identifier().rank(piece))
    ours = sum(likely[code] for code in sought.alike)
    best, rest = max((likely[code] for code in rivals), default=0.0), sum(likely[code] for code in rivals)
    probability = ours / (ours + rest) if ours else 0.0
    return float(ours > best and probability >= CERTAIN) if sought.decide else float(probability)


def _scripts(codes: Collection[str]) -> frozenset[str]:
    return frozenset[str]().union(*(SCRIPTS[code] or LATIN for code in codes))


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    # Not the module's own functions: they share one identifier with everybody, without normalised probabilities. And
    # `set_languages` would change it for other threads; probabilities over fewer languages are the same ones, rescaled.
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
