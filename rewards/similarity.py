"""How much a completion resembles a reference text: for translation, summaries, paraphrase, transcription.

The measures are the libraries' own, divided by 100 where they run to 100, so that figures can be compared with
published ones: `chrf`, `bleu` and `ter` by sacrebleu, `rouge` by rouge-score, `fuzzy` by rapidfuzz. With several
references a completion need only be like one of them. The references are in the row's column `reference`, else in its
column `answer`; each is text, or a list of texts, also as JSON text. A row with neither is an error.

Which one: `chrf` for any language and script, and where in doubt; `bleu` and `ter` for comparison with published work;
`rouge` for summaries; `fuzzy` for short texts, names and transcription. All look at the surface: a good paraphrase
scores low, and a "not" left out costs little. Sense needs a judge.

How a model may cheat, and what is done. Empty output earns 0. Very short or very long output is good for measures that
look at one side: one right word has the highest precision, a list of everything the highest recall. So a completion
`length_factor` times longer or shorter than every reference earns 0; lower it for recall, precision and
`partial_ratio`, and for `chrf`, which by default weighs recall more. Where the prompt is much like the reference
(corrections, paraphrase), copying it is well paid: `above_copy` rescales the score so that the best copy earns 0.
Several answers in one completion lower the score of each, but not to 0.
"""

from __future__ import annotations

import heapq
import math
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from itertools import islice
from typing import Annotated, Any, Literal

import regex  # type: ignore[import-untyped]
from pydantic import Field

from rewards.declaration import Example, RewardError, reward
from rewards.text import Part, part_of, shown, texts_of

LONGEST = 50_000  # characters of a reference
LONGEST_SOUGHT = 2_000  # of one that is looked for in a longer text, which takes time in the product of both lengths
MOST_WORDS = 80  # of a reference for TER, whose search for moved words takes up to 3 s for that many
MOST_COPIES = 5_000  # stretches of a prompt to try as copies

HAN = r"\p{Han}"
SPACELESS = r"\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
# For ASCII text the words of rouge-score; of scripts without spaces each character is one.
WORD = regex.compile(rf"[{HAN}{SPACELESS}]\p{{M}}*|(?:(?![{HAN}{SPACELESS}])[\p{{L}}\p{{M}}\p{{N}}])+")
PIECE_END = regex.compile(r"(?<=[.!?])\s+|(?<=[。！？।])|\n+|[:：]\s*|[\"“”„«»「」]")

References = tuple[str, ...]
Measure = Callable[[str], float]

LengthFactor = Annotated[
    float, Field(ge=1, le=20, description="How many times as long or as short as every reference earns 0")
]
AboveCopy = Annotated[
    bool, Field(description="Rescale the score so that the stretch of the prompt most like a reference earns 0")
]
IgnoreCase = Annotated[bool, Field(description="Treat upper and lower case alike")]

DOG = {"reference": "The dog bit the man."}
BITTEN = "The man had bitten the dog."
MISSING = "no 'reference' and no 'answer'"
FIX = {"prompt": 'Correct this: "He go home early on Friday."', "reference": "He goes home early on Friday."}


@reward(
    title="chrF",
    examples=[
        Example("The dog bit the man.", 1.0, DOG, note="the reference"),
        Example("A dog has bitten him.", 0.2466956, DOG, note="some of its characters"),
        Example("", 0.0, DOG, note="empty"),
        Example("The dog bit the man.", None, note="the row has no reference", error=MISSING),
        Example(f"The dog bit the man. {BITTEN}", 0.7530546, DOG, note="a second try lowers the score"),
        Example("man " * 100, 0.0, DOG, note="far longer than the reference"),
        Example(BITTEN, 1.0, {"answer": f'["The dog bit the man.", "{BITTEN}"]'}, note="several references"),
        Example("狗咬了人。", 1.0, {"reference": "狗咬了人。"}, note="any script"),
        Example("He go home early on Friday.", 0.0, FIX, {"above_copy": True}, "a copy out of the prompt"),
    ],
    source="chrF (Popović 2015), chrF++ with word_order 2 (Popović 2017); sacrebleu 2.6",
)
def chrf(
    completion: str,
    reference: Any = None,
    answer: Any = None,
    prompt: Any = None,
    *,
    char_order: Annotated[int, Field(ge=1, le=10, description="Longest run of characters compared")] = 6,
    word_order: Annotated[int, Field(ge=0, le=4, description="Longest run of words compared; 2 is chrF++")] = 0,
    beta: Annotated[int, Field(ge=1, le=10, description="How much more recall counts than precision; 1: alike")] = 2,
    ignore_case: IgnoreCase = False,
    part: Part = "all",
    length_factor: LengthFactor = 10.0,
    above_copy: AboveCopy = False,
) -> float:
    """How many runs of characters the completion shares with a reference, from 0 to 1 for the same text.

    `chrf("the cat", reference="the cat sat", beta=1)` is 0.67. White space does not count. With the usual `beta` of 2 a
    completion that says it twice in different words may score above either; with 1 it hardly can.
    """
    references = _references(reference, answer)
    metric = _sacrebleu("CHRF", char_order=char_order, word_order=word_order, beta=beta, lowercase=ignore_case)

    def measure(text: str) -> float:
        return float(metric.sentence_score(text, references).score) / 100

    return _score(measure, part_of(completion, part), references, prompt, length_factor, above_copy)


@reward(
    title="BLEU of a sentence",
    examples=[
        Example("The dog bit the man.", 1.0, DOG, note="the reference"),
        Example(BITTEN, 0.0982037, DOG, note="its words, but only two in its order"),
        Example("", 0.0, DOG, note="empty"),
        Example("The dog bit the man.", None, note="the row has no reference", error=MISSING),
        Example("dog", math.exp(-5), DOG, note="one right word: brevity is punished"),
        Example("the the the the the the", 0.0811670, DOG, note="a frequent word repeated"),
        Example("狗咬了人", 0.7788008, {"reference": "狗咬了人。"}, {"tokenize": "zh"}, "Chinese, cut into characters"),
        Example("狗咬了人", None, {"reference": "狗咬了人。"}, note="one long word", error="tokenize"),
        Example("He go home early on Friday.", 0.0, FIX, {"above_copy": True}, "a copy out of the prompt"),
    ],
    source="BLEU (Papineni et al. 2002), smoothed (Chen and Cherry 2014); sacrebleu 2.6 with effective order",
)
def bleu(
    completion: str,
    reference: Any = None,
    answer: Any = None,
    prompt: Any = None,
    *,
    tokenize: Annotated[
        Literal["13a", "intl", "zh", "char", "none"],
        Field(description="How words are told apart; zh for Chinese, char for other scripts without spaces"),
    ] = "13a",
    smooth_method: Annotated[
        Literal["exp", "floor", "add-k", "none"],
        Field(description="What a missing run of words counts; none: 0 in all"),
    ] = "exp",
    max_ngram_order: Annotated[int, Field(ge=1, le=4, description="Longest run of words compared")] = 4,
    ignore_case: IgnoreCase = False,
    part: Part = "all",
    length_factor: LengthFactor = 10.0,
    above_copy: AboveCopy = False,
) -> float:
    """How many runs of words the completion shares with a reference, less for brevity, from 0 to 1 for the same text.

    `bleu("the dog bit the man", reference="the dog bit a man")` is 0.43. Made for whole corpora: of one sentence it is
    a coarse figure, and `chrf` tells more. Runs shared with any of several references count.
    """
    references = _references(reference, answer)
    if tokenize != "char":
        _check_words(references, tokenize == "zh", "set tokenize to zh for Chinese or to char, or use chrf")
    metric = _sacrebleu(
        "BLEU",
        tokenize=tokenize,
        smooth_method=smooth_method,
        max_ngram_order=max_ngram_order,
        lowercase=ignore_case,
        effective_order=True,
    )

    def measure(text: str) -> float:
        try:
            return float(metric.sentence_score(text, references).score) / 100
        finally:
            _forget(metric.tokenizer)

    return _score(measure, part_of(completion, part), references, prompt, length_factor, above_copy)


@reward(
    title="Translation edit rate",
    examples=[
        Example("The dog bit the man.", 1.0, DOG, note="the reference"),
        Example("The dog bit a man.", 0.8, DOG, note="one of five words to change"),
        Example("bit the man. The dog", 0.8, DOG, note="words moved together are one change"),
        Example("", 0.0, DOG, note="empty"),
        Example("The dog bit the man.", None, note="the row has no reference", error=MISSING),
        Example("The dog bit the man. " * 2, 0.0, DOG, note="every word too many is a change"),
        Example(
            "狗咬了人", 0.75, {"reference": "狗咬了他"}, {"normalized": True, "asian_support": True}, "by characters"
        ),
        Example("狗咬了人", None, {"reference": "狗咬了人。"}, note="one long word", error="asian_support"),
    ],
    source="TER (Snover et al. 2006); sacrebleu 2.6",
    timeout_s=30.0,
)
def ter(
    completion: str,
    reference: Any = None,
    answer: Any = None,
    prompt: Any = None,
    *,
    normalized: Annotated[bool, Field(description="Set punctuation apart, as Tercom does")] = False,
    no_punct: Annotated[bool, Field(description="Remove punctuation")] = False,
    asian_support: Annotated[bool, Field(description="With normalized, cut Chinese into characters")] = False,
    ignore_case: IgnoreCase = True,
    part: Part = "all",
    length_factor: LengthFactor = 10.0,
    above_copy: AboveCopy = False,
) -> float:
    """1 less the share of words to change, insert, delete or move until the completion is a reference; at least 0.

    `ter("The dog bit a man.", reference="The dog bit the man.")` is 0.8. Words are what white space separates. With
    several references the fewest changes count, over the references' mean length. A reference may have 80 words: the
    search for moved words takes too long beyond.
    """
    references = _references(reference, answer)
    _check_words(references, normalized and asian_support, "set normalized and asian_support for Chinese, or use chrf")
    metric = _sacrebleu(
        "TER",
        normalized=normalized,
        no_punct=no_punct,
        asian_support=asian_support,
        case_sensitive=not ignore_case,
    )
    lengths = [len(metric.tokenizer(text).split()) for text in references]
    if not 0 < min(lengths) <= max(lengths) <= MOST_WORDS:
        raise RewardError(
            f"references of {min(lengths)} to {max(lengths)} words; TER takes 1 to {MOST_WORDS}, chrf takes more"
        )

    def measure(text: str) -> float:
        try:
            # Each word more than a reference has is a change, so no search is needed to see that nothing is left.
            surplus = len(metric.tokenizer(text).split()) - max(lengths)
            if surplus * len(lengths) >= sum(lengths):
                return 0.0
            return max(0.0, 1 - float(metric.sentence_score(text, references).score) / 100)
        finally:
            _forget(metric.tokenizer)

    return _score(measure, part_of(completion, part), references, prompt, length_factor, above_copy)


@reward(
    title="ROUGE",
    examples=[
        Example("The dog bit the man.", 1.0, DOG, note="the reference"),
        Example(BITTEN, 4 / 11, DOG, note="two words in order, of five and six"),
        Example("", 0.0, DOG, note="empty"),
        Example("The dog bit the man.", None, note="the row has no reference", error=MISSING),
        Example("dog", 1 / 3, DOG, note="one right word is not enough"),
        Example("the dog a cat bit saw the man boy", 5 / 7, DOG, note="listing words costs precision"),
        Example("the dog bit the man " * 11, 0.0, DOG, {"measure": "recall"}, "over ten times as long"),
        Example("a dog bites men", 6 / 7, {"reference": "dogs biting men"}, {"kind": "rouge1", "use_stemmer": True}),
        Example("Собака укусила его", 2 / 3, {"reference": "Собака укусила человека"}, note="other scripts"),
        Example(
            "狗咬了人", 0.75, {"reference": "狗咬了他"}, {"kind": "rouge1"}, "without spaces a character is a word"
        ),
        Example("!", None, {"reference": "..."}, note="no words", error="no word"),
    ],
    source="ROUGE (Lin 2004); rouge-score 0.1.2",
)
def rouge(
    completion: str,
    reference: Any = None,
    answer: Any = None,
    prompt: Any = None,
    *,
    kind: Annotated[
        Literal["rouge1", "rouge2", "rougeL"],
        Field(description="What is shared: words, pairs of words, or the longest sequence, with gaps"),
    ] = "rougeL",
    measure: Annotated[
        Literal["fmeasure", "precision", "recall"],
        Field(description="fmeasure weighs both; precision rewards saying little, recall saying much"),
    ] = "fmeasure",
    use_stemmer: Annotated[bool, Field(description="Count English word forms alike: dog, dogs")] = False,
    part: Part = "all",
    length_factor: LengthFactor = 10.0,
    above_copy: AboveCopy = False,
) -> float:
    """How many words the completion shares with a reference, in order for rougeL, from 0 to 1.

    `rouge("testing two", reference="testing one two")` is 0.8. Upper and lower case are the same, punctuation does not
    count. Of several references the one with the best F-measure counts. For ASCII text the figures are those of
    rouge-score; letters beyond ASCII, which that drops, are kept, and of scripts without spaces each character is a
    word.
    """
    references = _references(reference, answer)
    tokenizer = _Words(use_stemmer)
    needed = 2 if kind == "rouge2" else 1
    if max(len(tokenizer.tokenize(text)) for text in references) < needed:
        raise RewardError(f"reference {shown(references[0])} has no word{' pair' if needed > 1 else ''} to share")

    def best(text: str) -> float:
        scores = [_rouge_score(kind, tokenizer, known, text) for known in references]
        return float(getattr(max(scores, key=lambda score: score.fmeasure), measure))

    return _score(best, part_of(completion, part), references, prompt, length_factor, above_copy)


@reward(
    title="Fuzzy match",
    examples=[
        Example("this is a test", 0.9655172413793103, {"reference": "this is a test!"}, note="one character off"),
        Example("something else", 12 / 29, {"reference": "this is a test!"}, note="other texts share letters, too"),
        Example("", 0.0, DOG, note="empty"),
        Example("The dog bit the man.", None, note="the row has no reference", error=MISSING),
        Example("wuzzy fuzzy was a bear", 1.0, {"answer": "fuzzy wuzzy was a bear"}, {"kind": "token_sort_ratio"}),
        Example("It says: this is a test", 1.0, {"answer": "this is a test"}, {"kind": "partial_ratio"}, "contained"),
        Example(
            "test", 4 / 9, {"answer": "this is a test"}, {"kind": "partial_ratio"}, "a part of it is not all of it"
        ),
        Example("kitten", 4 / 7, {"answer": "sitting"}, {"kind": "levenshtein"}, "three edits in seven letters"),
        Example("this is a test " * 20, 0.0, {"answer": "this is a test"}, {"kind": "partial_ratio"}, "far too long"),
    ],
    source="rapidfuzz 3.14: fuzz.ratio, partial_ratio, token_sort_ratio, Levenshtein.normalized_similarity",
)
def fuzzy(
    completion: str,
    reference: Any = None,
    answer: Any = None,
    prompt: Any = None,
    *,
    kind: Annotated[
        Literal["ratio", "partial_ratio", "token_sort_ratio", "levenshtein"],
        Field(description="Whole texts; the reference within the completion; words in any order; by edit distance"),
    ] = "ratio",
    ignore_case: IgnoreCase = False,
    part: Part = "all",
    length_factor: LengthFactor = 10.0,
    above_copy: AboveCopy = False,
) -> float:
    """How few characters must be changed to turn the completion into a reference, from 0 to 1 for the same text.

    `fuzzy("this is a test", reference="this is a test!")` is 0.97. How much white space there is does not matter.
    `partial_ratio` looks for the reference in the completion, never the reverse: a completion that is shorter is
    compared as a whole, since in rapidfuzz one right letter would earn 1. For the same reason its token_set_ratio and
    WRatio are not offered: one word in common is enough for them.
    """
    references = _references(reference, answer)
    if kind == "partial_ratio" and max(map(len, references)) > LONGEST_SOUGHT:
        raise RewardError(
            f"a reference has {max(map(len, references))} characters; partial_ratio takes at most {LONGEST_SOUGHT}, "
            "ratio takes more"
        )

    def plain(text: str) -> str:
        text = " ".join(text.split())
        return text.casefold() if ignore_case else text

    def measure(text: str) -> float:
        return max(_fuzzy_score(kind, plain(known), plain(text)) for known in references)

    return _score(measure, part_of(completion, part), references, prompt, length_factor, above_copy)


def _references(reference: Any, answer: Any) -> References:
    """The texts to compare with: of the column reference, else of answer."""
    if reference is None and answer is None:
        raise RewardError("the row has no 'reference' and no 'answer'; add one of these columns")
    column, value = ("answer", answer) if reference is None else ("reference", reference)
    texts = tuple(unicodedata.normalize("NFC", text) for text in texts_of(value, column))
    if not all(text.strip() for text in texts):
        raise RewardError(f"column {column!r} holds {shown(value)}, of which one text is empty; give it text")
    if max(map(len, texts)) > LONGEST:
        raise RewardError(
            f"column {column!r} holds a text of {max(map(len, texts))} characters; give at most {LONGEST}"
        )
    return texts


def _score(
    measure: Measure, text: str, references: References, prompt: Any, length_factor: float, above_copy: bool
) -> float:
    """What a text earns by a measure, within the limits that all measures share."""
    text = unicodedata.normalize("NFC", text)
    if not _comparable(text, references, length_factor):
        return 0.0
    score = min(1.0, measure(text))  # rounding: BLEU of the reference itself is 1.0000000000000004
    if not above_copy:
        return score
    source = _prompt_text(prompt)
    copies = [copy for copy in _best_copies(source, references) if _comparable(copy, references, length_factor)]
    baseline = max((measure(copy) for copy in copies), default=0.0)
    if " ".join(text.split()) in " ".join(source.split()):
        baseline = max(baseline, score)
    if baseline > 1 - 1e-9:  # a reference stands in the prompt: to copy it is the task
        return score
    return max(0.0, (score - baseline) / (1 - baseline))


def _comparable(text: str, references: References, factor: float) -> bool:
    """Whether a text is long enough, by letters and digits, and short enough, by everything but white space."""
    longest, shortest = max(map(_characters, references)), min(map(_letters, references))
    return 0 < _characters(text) <= factor * longest and _letters(text) * factor >= shortest


def _characters(text: str) -> int:
    return sum(map(len, text.split()))


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _prompt_text(prompt: Any) -> str:
    """The text of a prompt that is text or chat messages."""
    messages = [{"content": prompt}] if isinstance(prompt, str) else prompt
    contents = [m.get("content") for m in messages if isinstance(m, Mapping)] if isinstance(messages, Sequence) else []
    texts = [unicodedata.normalize("NFC", content) for content in contents if isinstance(content, str)]
    if not texts:
        raise RewardError("above_copy needs the prompt's text, which this row lacks; add the prompt, or turn it off")
    return "\n".join(texts)


@lru_cache(maxsize=64)
def _best_copies(source: str, references: References) -> tuple[str, ...]:
    """Three stretches of a prompt that are most like a reference, found once for a whole group of completions."""
    from rapidfuzz import fuzz

    longest = max(map(len, references))
    if longest > LONGEST_SOUGHT:
        raise RewardError(
            f"a reference has {longest} characters; above_copy takes at most {LONGEST_SOUGHT}, turn it off"
        )
    copies = islice(_copies(source, 2 * longest), MOST_COPIES)
    return tuple(heapq.nlargest(3, copies, key=lambda copy: max(fuzz.ratio(copy, known) for known in references)))


def _copies(source: str, longest: int) -> Iterator[str]:
    """Runs of whole lines, sentences, quotations and what follows a colon."""
    cuts = [(0, 0), *(match.span() for match in PIECE_END.finditer(source)), (len(source), len(source))]
    for i, (_, start) in enumerate(cuts):
        for end, _ in cuts[i + 1 :]:
            if end - start > longest:
                break
            yield source[start:end]


@cache
def _sacrebleu(name: str, **options: Any) -> Any:
    """A metric of sacrebleu, made once for each set of options."""
    from sacrebleu import metrics

    return getattr(metrics, name)(**options)


def _forget(tokenizer: Any) -> None:
    """sacrebleu keeps the last 65,536 texts of each tokenizer, which for completions grows to gigabytes."""
    for cached in (tokenizer, getattr(tokenizer, "_post_tokenizer", None)):
        clear = getattr(type(cached).__call__, "cache_clear", None)
        if clear is not None:
            clear()


def _check_words(references: References, han_is_cut: bool, mend: str) -> None:
    """RewardError where a reference is in a script without spaces, so that a sentence would be one word."""
    uncut = SPACELESS if han_is_cut else HAN + SPACELESS
    for text in references:
        if 3 * len(regex.findall(f"[{uncut}]", text)) > len(regex.findall(r"\p{L}", text)):
            raise RewardError(f"reference {shown(text)} has no spaces between words; {mend}")


class _Words:
    """A tokenizer for rouge-score, whose own keeps ASCII letters and digits alone."""

    def __init__(self, use_stemmer: bool) -> None:
        self._stem = _stem if use_stemmer else str

    def tokenize(self, text: str) -> list[str]:
        """The words of a text, in lower case; English ones of more than three letters stemmed, as rouge-score does."""
        words = WORD.findall(text.lower())
        return [self._stem(word) if len(word) > 3 and word.isascii() else word for word in words]


def _stem(word: str) -> str:
    return str(_stemmer().stem(word))


@cache
def _stemmer() -> Any:
    from nltk.stem.porter import PorterStemmer

    return PorterStemmer()


def _rouge_score(kind: str, tokenizer: _Words, reference: str, text: str) -> Any:
    """rouge-score's precision, recall and F-measure."""
    from rapidfuzz.distance import LCSseq
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.scoring import Score, fmeasure

    if kind != "rougeL":
        return RougeScorer([kind], tokenizer=tokenizer).score(reference, text)[kind]
    known, found = tokenizer.tokenize(reference), tokenizer.tokenize(text)
    # The same number as rouge-score's own table, which takes seconds for some thousand words.
    common = LCSseq.similarity(known, found)
    precision, recall = common / max(1, len(found)), common / max(1, len(known))
    return Score(precision, recall, fmeasure(precision, recall))


def _fuzzy_score(kind: str, reference: str, text: str) -> float:
    from rapidfuzz import fuzz
    from rapidfuzz.distance import Levenshtein

    if kind == "levenshtein":
        return Levenshtein.normalized_similarity(reference, text)
    if kind == "partial_ratio" and len(text) < len(reference):
        kind = "ratio"
    return float(getattr(fuzz, kind)(reference, text)) / 100
