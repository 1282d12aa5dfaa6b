"""The form of a completion, whatever it says: tags for thinking and answer, one code block, a regular expression.

A reward for form is the easiest to satisfy without learning anything: give it a small weight beside a reward for the
answer. `think_answer` asks for something between its tags, and `one_code_block` for something in its block, but a full
stop is something.

TRL's own `think_format_reward`, which looks at the thinking alone, is in `trl_rewards`.
"""

from __future__ import annotations

import contextlib
import re
import signal
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field

from rewards.declaration import Example, RewardError, reward
from rewards.text import FENCE, tagged_blocks

TAG_NAME = r"^[A-Za-z][A-Za-z0-9_-]*$"
MATCHING_S = 2.0
NO_ANSWER_TAG = "<think>5 + 37</think>\n42"
GOOD = "<think>\n5 + 37\n</think>\n<answer>42</answer>"
CODE = "```python\nprint(42)\n```"
BOXED = r"[^\n]*\\boxed\{\d+\}"


@reward(
    title="Think and answer tags",
    family="format",
    examples=[
        Example(GOOD, 1.0, note="thinking, then the answer"),
        Example(NO_ANSWER_TAG, 0.0, note="no answer tags"),
        Example("", 0.0, note="empty"),
        Example(f"{GOOD}<answer>43</answer>", 0.0, note="a second answer does not help"),
        Example(f"Sure!\n{GOOD}", 0.0, note="text outside the tags"),
        Example("<think></think><answer>42</answer>", 0.0, note="nothing between the tags"),
        Example(GOOD.removeprefix("<think>"), 1.0, params={"already_open": True}, note="the prompt ends with <think>"),
        Example(GOOD, 0.0, params={"already_open": True}, note="the prompt ends with <think>, and here is another"),
        Example("<plan>a</plan><code>b</code>", 1.0, params={"first_tag": "plan", "second_tag": "code"}),
        Example(GOOD, None, params={"second_tag": "think"}, error="both tags are 'think'"),
    ],
    source="Format reward of DeepSeek-R1 (arXiv 2501.12948), stricter: tags once each, and not empty",
)
def think_answer(
    completion: str,
    *,
    first_tag: Annotated[str, Field(pattern=TAG_NAME, max_length=50, description="Name of the first tag")] = "think",
    second_tag: Annotated[str, Field(pattern=TAG_NAME, max_length=50, description="Name of the second tag")] = "answer",
    already_open: Annotated[
        bool, Field(description="The prompt ends with the first tag opened, as some chat templates do")
    ] = False,
) -> float:
    """1 if the completion is one <think>...</think> and then one <answer>...</answer>, and nothing else, else 0.

    `think_answer("<think>5 + 37</think> <answer>42</answer>")` is 1.0. White space may stand around and between them,
    each of the four tags must be there exactly once, spelt as named, and something within each pair. Chat templates of
    reasoning models often put the opening `<think>` into the prompt, so that the completion lacks it: set
    `already_open` there, or every completion earns 0.
    """
    if first_tag == second_tag:
        raise RewardError(f"both tags are {first_tag!r}; name two different ones")
    text = f"<{first_tag}>{completion}" if already_open else completion
    tags = [f"<{first_tag}>", f"</{first_tag}>", f"<{second_tag}>", f"</{second_tag}>"]
    if re.findall("|".join(tags), text) != tags:
        return 0.0
    before, thinking, between, answer, after = re.split("|".join(tags), text)
    empty_or_not = [bool(part.strip()) for part in (before, thinking, between, answer, after)]
    return float(empty_or_not == [False, True, False, True, False])


@reward(
    title="One code block",
    family="format",
    examples=[
        Example(f"Here it is:\n{CODE}\nIt prints 42.", 1.0, note="one block in a text"),
        Example("print(42)", 0.0, note="no block"),
        Example("", 0.0, note="empty"),
        Example(f"{CODE}\n{CODE}", 0.0, note="a second block does not help"),
        Example("```python\nprint(42)", 0.0, note="not closed"),
        Example("```python\n```", 0.0, note="nothing in it"),
        Example(CODE, 1.0, params={"languages": ["python", "py"], "nothing_outside": True}, note="only that block"),
        Example("```\nprint(42)\n```", 0.0, params={"languages": ["python", "py"]}, note="no language named"),
        Example(f"Here:\n{CODE}", 0.0, params={"nothing_outside": True}, note="text outside"),
    ],
    source="Fenced code blocks as in CommonMark, backticks only",
)
def one_code_block(
    completion: str,
    *,
    languages: Annotated[
        tuple[str, ...], Field(description="Tags of which the block must have one, such as python; empty: any or none")
    ] = (),
    nothing_outside: Annotated[bool, Field(description="Only white space around the block")] = False,
) -> float:
    """1 if the completion has exactly one fenced code block, closed and not empty, else 0.

    A fence is a line that starts with three backticks. The tag is the first word after it, in either case. What is in
    the block is not looked at: see `python_syntax` and `python_tests`.
    """
    lines = completion.strip().splitlines()
    fences = [i for i, line in enumerate(lines) if line.lstrip(" ").startswith(FENCE)]
    if len(fences) != 2 or lines[fences[1]].strip().strip("`") or (nothing_outside and fences != [0, len(lines) - 1]):
        return 0.0
    tag, content = tagged_blocks(completion)[0]
    wanted = {language.strip().lower() for language in languages}
    return float(bool(content.strip()) and (not wanted or next(iter(tag.split()), "") in wanted))


def _checked_pattern(pattern: str) -> str:
    """So that a bad pattern is found before a run."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"no regular expression: {error}; test it with Python's re.compile") from None
    return pattern


@reward(
    title="Matches a format",
    family="format",
    examples=[
        Example(r"So it is \boxed{42}", 1.0, params={"pattern": BOXED}, note="one line that ends in a box"),
        Example("So it is 42", 0.0, params={"pattern": BOXED}, note="no box"),
        Example("", 0.0, params={"pattern": BOXED}, note="empty"),
        Example("\\boxed{41}\n\\boxed{42}", 0.0, params={"pattern": BOXED}, note="the whole must match, not a line"),
        Example("\nYES\n", 1.0, params={"pattern": "yes|no", "ignore_case": True}, note="white space around"),
        Example("yes\n", 0.0, params={"pattern": "yes|no", "strip": False}, note="white space counts here"),
        Example("a\nb", 1.0, params={"pattern": "a.*b", "dot_matches_newline": True}, note="over several lines"),
    ],
    source="Python's regular expressions",
)
def matches_format(
    completion: str,
    *,
    pattern: Annotated[
        str,
        Field(min_length=1, max_length=5000, description="Regular expression that the whole completion must match"),
        AfterValidator(_checked_pattern),
    ],
    ignore_case: Annotated[bool, Field(description="Upper and lower case are the same")] = False,
    dot_matches_newline: Annotated[bool, Field(description="A dot matches line ends, too")] = False,
    multiline: Annotated[bool, Field(description="^ and $ match at every line")] = False,
    strip: Annotated[bool, Field(description="Ignore white space at both ends of the completion")] = True,
) -> float:
    r"""1 if the whole completion matches a regular expression, else 0.

    `matches_format("Answer: 42", pattern=r"Answer: \d+")` is 1.0. It is Python's `re.fullmatch`; to look for something
    within, write `(?s:.*)` around it. A pattern with repeats inside repeats, such as `(a|aa)+b`, may take for ever on
    some text. That completion is an error after 2 s; outside a process's main thread nothing ends it but the caller.
    """
    chosen = {re.IGNORECASE: ignore_case, re.DOTALL: dot_matches_newline, re.MULTILINE: multiline}
    flags = sum(flag for flag, wanted in chosen.items() if wanted)
    compiled = _compiled(pattern, flags)
    text = completion.strip() if strip else completion
    try:
        with _limited_time():
            return float(compiled.fullmatch(text) is not None)
    except TimeoutError:
        raise RewardError(
            f"the pattern {pattern!r:.80} took more than {MATCHING_S:g} s; avoid repeats inside repeats, as in (a|aa)+"
        ) from None


@lru_cache(maxsize=64)
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise RewardError(f"pattern {pattern!r:.80} is no regular expression: {error}; mend it") from None


@contextlib.contextmanager
def _limited_time() -> Iterator[None]:
    """Ends a match with TimeoutError when its time is up; by SIGALRM, so in the main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, MATCHING_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
