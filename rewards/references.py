"""What `rewards/translation.py` and `rewards/similarity.py` share: how much a completion resembles a reference text.

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
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any

import regex  # type: ignore[import-untyped]
from pydantic import Field

from rewards.declaration import RewardError
from rewards.text import shown, texts_of

LONGEST = 50_000  # characters of a reference
LONGEST_SOUGHT = 2_000  # of one that is looked for in a longer text, which takes time in the product of both lengths
MOST_COPIES = 5_000  # stretches of a prompt to try as copies

HAN = r"\p{Han}"
SPACELESS = r"\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
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


def references_of(reference: Any, answer: Any) -> References:
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


def scored(
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
