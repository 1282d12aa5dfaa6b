"""What a row must have: a task tag and a prompt."""

from __future__ import annotations

from typing import Any

from core.data.batches import Batch, Findings, Values, as_python
from core.spec import DEFAULT_ROUTE, LONGEST_TAG

ROLES = ("system", "user", "assistant", "tool")


def checked_tags(values: Values | None, batch: Batch, column: str, findings: Findings) -> list[str]:
    """Tags as text without white space around them; an integer counts as text."""
    tags: list[str] = []
    for row, value in enumerate(as_python(values, len(batch.numbers))):
        tag = str(value) if type(value) is int else value
        tag = tag.strip() if isinstance(tag, str) else tag
        wrong = wrong_tag(tag)
        if wrong:
            findings.add(batch.place(row), *wrong, column)
        tags.append(tag)
    return tags


def wrong_tag(tag: Any) -> tuple[str, str] | None:
    """What is wrong with a tag, and the mend."""
    if tag is None:
        return "the row has no task tag.", "Give every row one."
    if not isinstance(tag, str):
        return f"the task tag {str(tag)[:40]!r} is not text.", f'Write it as text: "{str(tag)[:40]}".'
    if not tag:
        return "the task tag is blank.", "Give every row one."
    if len(tag) > LONGEST_TAG or "\n" in tag:
        what = f"the task tag {tag[:40]!r} ... is no name: it has {len(tag):,} characters."
        return what, f"Name tasks in one line of at most {LONGEST_TAG} characters; is another column the task?"
    if tag == DEFAULT_ROUTE:
        return f"a task cannot be called {tag!r}: the default route is.", "Rename the task."
    return None


def checked_prompts(values: Values | None, batch: Batch, column: str, findings: Findings) -> list[Any]:
    """Prompts, each text or chat messages."""
    prompts = as_python(values, len(batch.numbers))
    for row, prompt in enumerate(prompts):
        if isinstance(prompt, str) and prompt and not prompt.isspace():
            continue
        wrong = wrong_prompt(prompt)
        if wrong:
            findings.add(batch.place(row), *wrong, column)
    return prompts


def wrong_prompt(prompt: Any) -> tuple[str, str] | None:
    """What is wrong with a prompt, and the mend."""
    if prompt is None or prompt == []:
        return "the row has no prompt.", "Give every row one."
    if isinstance(prompt, str):
        return None if prompt.strip() else ("the prompt is blank.", "Give it text, or leave the row out.")
    if not isinstance(prompt, list):
        wrong = f"the prompt {str(prompt)[:40]!r} is neither text nor a list of chat messages."
        return wrong, 'Write text, or [{"role": "user", "content": "..."}].'
    for position, message in enumerate(prompt, 1):
        wrong_here = _wrong_message(message)
        if wrong_here:
            return f"message {position} {wrong_here}.", 'Write {"role": "user", "content": "..."}.'
    if prompt[-1]["role"] == "assistant":
        return "the last message is the assistant's.", "End with the message that the model is to answer."
    return None


def characters(prompt: Any) -> int:
    """The length of a prompt: its text, or the contents of its messages; 0 for what is neither."""
    if isinstance(prompt, str):
        return len(prompt)
    messages = prompt if isinstance(prompt, list) else []
    contents = [message.get("content") for message in messages if isinstance(message, dict)]
    return sum(len(content) for content in contents if isinstance(content, str))


def _wrong_message(message: Any) -> str | None:
    if not isinstance(message, dict):
        return f"is {str(message)[:40]!r}, not an object with role and content"
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        return f"has the role {role!r}, not one of {', '.join(ROLES)}"
    if not isinstance(content, str):
        return f"has no text as its content, but {str(content)[:40]!r}"
    return None if content.strip() else "has a blank content"
