r"""Where a completion says its answer: in \boxed{...} or <answer> tags, after #### or "the answer is", else at its end.

One place counts, the last that is marked, so that naming several answers in several places does not help. What a model
thinks in <think> tags is not its answer, nor is anything where it never stopped thinking or never closed its box.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

TAIL = 2000  # characters read at most, of a box or at the end
REACH = 20_000  # characters from the end in which "the answer is" is looked for
MOST_BOXES = 20

BOX = re.compile(r"\\f?box(?:ed)?(?:\s*(?P<brace>\{)|\s+(?=[^\s{]))")
# Boxes that are one answer of several parts: \boxed{1} and \boxed{2}, or with a few words before the "and".
OPENING = r"(?:[\s${}()\[\]]|\\[()\[\],;! ]|\\q?quad(?![a-z])|\\text(?=\s*\{))*+"
JOINED = re.compile(
    rf"{OPENING}[,;]?{OPENING}(?:(?:[\w ()]{{1,30}}?\s)?(?:and|or)\b)?"
    rf"{OPENING}(?:[A-Za-z][\w{{}}]{{0,6}}\s*=\s*)?{OPENING}"
)
LONGEST_GAP = 60
# The form of few-shot prompts for MATH, where it may follow a box of an earlier step.
FINAL = re.compile(r"\bfinal answer ?(?:is\b|:)\s?:?\s?(?=[$0-9-])(?!.{0,200}\\boxed)", re.IGNORECASE)
HASHES = re.compile(
    r"^[ \t]*####[ \t]*([-+$€£]{0,3}[0-9][0-9.,/: ]{0,40}%?(?:[ \t][A-Za-z]{1,20})?\.?)[ \t]*+$", re.MULTILINE
)
# "answer" in the languages that models are asked in most, without a first letter that may be a capital, and "is".
ANSWER_WORDS = (
    "nswer",
    "NSWER",
    "ntwort",
    "espuesta",
    "éponse",
    "esposta",
    "isposta",
    "твет",
    "答案",
    "答え",
    "답",
    "إجابة",
    "جواب",
)
SAYS = re.compile(
    r"[^\W\d_]*(?:[^.\n]{0,60}?(?:\b(?i:is|are|be|was|equals|ist|es|est|è|é)\b(?!\s+not\b)|[:：=]|是|は|为|為|هو|هي)"
    r"|\W{0,5}\n)"
)
MOST_SAYS = 20  # occurrences of such a word that are looked at
MARKUP = " \t\r\n*_:：`>#"
ITEM = re.compile(r"^[^\S\n]*\n\s*[-+*]\s+")  # a list that begins on the next line
BLOCK = re.compile(r"\\\[.*?\\\]|\$\$.*?\$\$", re.DOTALL)
# Up to the end of a sentence or line, a reason, or a remark in brackets.
SENTENCE = re.compile(
    r".*?(?=\n|[.!?](?:\s+[A-Z<\[\\]|\s*$)|。|,?\s+\b(?:because|since|which|where|as)\b"
    r"|(?<=[0-9$%}])\s+\((?!\s*[A-Za-z]\b)|$)",
    re.DOTALL,
)
MATHEMATICAL = re.compile(r"[\d$\\^=]|^\W*\w{1,3}\W*$")


@dataclass(frozen=True)
class Answer:
    """What a completion gives as its answer.

    Attributes:
        text: the answer, or what it stands in.
        boxed: whether the text is a box, all of which is the answer.
    """

    text: str
    boxed: bool = False


def final_answer(completion: str) -> Answer:
    """The answer of a completion; its text is empty where there is none."""
    _, thought, text = completion.rpartition("</think>")
    if not thought and "<think>" in completion:
        return Answer("")
    text = _in_tags(text)
    if (found := _last_boxes(text)) is None:
        return Answer(_said(text))
    box, end = found
    if later := last_of(FINAL, text, max(end, len(text) - REACH)):
        return Answer(sentence(text[later.end() :]))
    return Answer(box, boxed=True)


def boxed(text: str) -> str | None:
    r"""What the last \boxed{...} holds, with those that it continues; "" if never closed, None if there is none."""
    found = _last_boxes(text)
    return found[0] if found else None


def last_of(pattern: re.Pattern[str], text: str, start: int = 0) -> re.Match[str] | None:
    """The last match of a pattern in a text from a place on."""
    last = None
    for match in pattern.finditer(text, start):
        last = match
    return last


def _in_tags(text: str) -> str:
    """What the last <answer> tag holds, unless a box follows it; all of the text where there is no tag."""
    _, tag, after = text.rpartition("<answer>")
    inside, _, rest = after.partition("</answer>")
    return inside if tag and not BOX.search(rest) else text


def _last_boxes(text: str) -> tuple[str, int] | None:
    """The content of the last box, joined by commas with those before it that belong to it, and where it ends."""
    starts = list(BOX.finditer(text))
    if not starts:
        return None
    content, end = _content(starts[-1])
    parts, following = [content], starts[-1].start()
    for start in reversed(starts[-MOST_BOXES:-1]):
        part, part_end = _content(start)
        if (
            part_end > following
            or following - part_end > LONGEST_GAP
            or not JOINED.fullmatch(text, part_end, following)
        ):
            break
        if part not in parts:
            parts.insert(0, part)
        following = start.start()
    return ", ".join(parts) if content else "", end


def _content(start: re.Match[str]) -> tuple[str, int]:
    r"""What a box holds, and where it ends; without braces, as in $\boxed 42$, it ends with the formula or line."""
    text, begin = start.string, start.end()
    if not start["brace"]:
        bare = re.compile(r"[^$\n]*").match(text, begin, begin + TAIL)
        return (bare[0].strip(" ."), bare.end()) if bare else ("", begin)
    depth = 1
    for i, character in enumerate(text[begin : begin + TAIL], begin):
        escaped = text[i - 1] == "\\"
        depth += 0 if escaped else (character == "{") - (character == "}")
        if depth == 0:
            return text[begin:i], i + 1
    return "", len(text)


def _said(text: str) -> str:
    """What a text without boxes says after #### or "the answer is"; else its end."""
    if "####" in text and (hashes := last_of(HASHES, text, max(0, len(text) - REACH))):
        return hashes[1]
    return said_to_be(text) or text[-TAIL:]


def said_to_be(text: str) -> str | None:
    """What a text says after its last "the answer is", if that can be mathematics; None where it says no such thing."""
    end = len(text)
    for _ in range(MOST_SAYS):
        end = max(text.rfind(word, max(0, len(text) - REACH), end) for word in ANSWER_WORDS)
        if end < 0:
            return None
        if says := SAYS.match(text, end):
            found = sentence(text[says.end() :])
            return found if MATHEMATICAL.search(found) else None
    return None


def sentence(text: str) -> str:
    """The sentence that a text begins with, up to where it goes on to give reasons; or the displayed formula."""
    text = ITEM.sub("", text[:TAIL]).lstrip(MARKUP)
    found = BLOCK.match(text) or SENTENCE.match(text)
    return found[0] if found else ""
