"""A model's tokenizer as sampling for pages needs it; no torch is imported for it, so the first text comes soon."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError

from core.errors import Problem, UserError
from core.models import load_tokenizer
from core.prompts import Message, as_text


class Texts:
    """Texts to token ids and back. It may be used from several threads: the tokenizer itself may not."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.tokenizer = load_tokenizer(name)
        self._lock = threading.Lock()

    def rendered(self, messages: Sequence[Message], keywords: Mapping[str, Any]) -> str:
        """The text that the model reads."""
        if self.tokenizer.chat_template is None:
            return as_text(messages)
        return str(self._template(messages, keywords, tokenize=False))

    def prompt_ids(self, messages: Sequence[Message], keywords: Mapping[str, Any]) -> list[int]:
        """The token ids that the model reads, as TRL makes them."""
        if self.tokenizer.chat_template is None:
            return self.ids([as_text(messages)], special=True)[0]
        found: list[int] = self._template(messages, keywords, tokenize=True)["input_ids"]
        return found

    def ids(self, texts: Sequence[str], special: bool = False) -> list[list[int]]:
        """The token ids of texts; half a surrogate pair is no token."""
        whole = [text.encode("utf-8", "replace").decode() for text in texts]
        with self._lock:
            found: list[list[int]] = self.tokenizer(whole, add_special_tokens=special)["input_ids"]
        return found

    def decoded(self, ids: list[list[int]]) -> list[str]:
        """Completions as rewards read them, without special tokens."""
        with self._lock:
            texts: list[str] = self.tokenizer.batch_decode(ids, skip_special_tokens=True)
        return texts

    def _template(self, messages: Sequence[Message], keywords: Mapping[str, Any], tokenize: bool) -> Any:
        try:
            with self._lock:
                return self.tokenizer.apply_chat_template(
                    list(messages), add_generation_prompt=True, tokenize=tokenize, return_dict=tokenize, **keywords
                )
        except TemplateError as error:
            roles = ", ".join(str(message["role"]) for message in messages)
            what = f"its chat template refuses messages of the roles {roles}: {error}."
            mend = "Leave the system prompt out, or take another model."
            raise UserError(Problem(f"model: {self._name}", what, mend)) from error
