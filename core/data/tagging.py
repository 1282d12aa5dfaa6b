"""The tags that a spec's `data.tags` gives: by file, rule, hand and default; then new names, and tasks to leave out.

A `Tagger` goes through the batches of one source while they are read. It also remembers what it met, so that a rule on
a column that is nowhere or a new name for a tag that no row has is an error, rather than a silent nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex  # type: ignore[import-untyped]  # its searches have a time limit, those of re have none

from core.data.batches import Batch, Findings, Values, as_python, places
from core.data.jsontext import dump
from core.data.mapping import TASK
from core.errors import did_you_mean
from core.prompts import as_text
from core.spec import TagRule, Tags

MATCH_SECONDS = 10.0  # for one rule on one batch, which takes a hundredth of that unless the expression runs away


@dataclass
class Tagger:
    """Gives the rows of one source their tags, batch by batch.

    Attributes:
        tags: what the spec says.
        own: tags met before the rules.
        given: tags met before they are renamed.
        named: tags met after that, before any is dropped.
        files: files met.
        by_hand: rows met that have a tag of their own in the spec.
    """

    tags: Tags
    own: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    by_hand: set[str] = field(default_factory=set)

    def tagged(self, batch: Batch, columns: dict[str, Values], findings: Findings) -> tuple[Batch, dict[str, Values]]:
        """A batch and its columns under their new names, with the tags in `task`, without the rows to drop.

        A row that gets no tag keeps what its task column holds, for the checks that follow to name.
        """
        tags = self.tags_of(batch, columns, findings)
        lost = as_python(columns.get(TASK), len(tags)) if tags.null_count else []
        filled = [lost[row] if tag is None else tag for row, tag in enumerate(tags.to_pylist())] if lost else tags
        columns = {**columns, TASK: filled}
        stays = pc.invert(pc.is_in(tags, pa.array(self.tags.drop, pa.string())))
        if pc.all(stays).as_py():
            return batch, columns
        numbers = list(compress(batch.numbers, stays.to_pylist()))
        return replace(batch, numbers=numbers), {name: _chosen(values, stays) for name, values in columns.items()}

    def tags_of(self, batch: Batch, columns: dict[str, Values], findings: Findings) -> pa.Array:
        """The tag of every row under its last name, null where nothing gives one (n)."""
        rows = len(batch.numbers)
        self.files.add(batch.file)
        tags = _own_tags(columns.get(TASK), rows)
        if batch.file in self.tags.files:
            tags = pa.repeat(self.tags.files[batch.file], rows)
        self.own.update(_words(tags))
        by_hand = self._by_hand(batch)
        tags = pc.coalesce(by_hand, tags)
        if self.tags.default is not None:
            gaps = pc.and_(tags.is_null(), _empty(columns.get(TASK), rows))
            tags = pc.if_else(gaps, self.tags.default, tags)
        self.own.update(_words(tags))
        tags = self._by_rules(batch, columns, tags, _mask(by_hand.is_valid()), findings)
        self.given.update(_words(tags))
        tags = pc.coalesce(_looked_up(tags, self.tags.rename), tags)
        self.named.update(_words(tags))
        return tags

    def _by_rules(
        self, batch: Batch, columns: dict[str, Values], tags: pa.Array, decided: Any, findings: Findings
    ) -> pa.Array:
        """Tags after the rules.

        A rule within a task looks at the tags that rows have by then, whatever gave them. Of the rules for all rows the
        first that holds decides, and a tag given by hand stays.
        """
        left = ~decided
        texts: dict[str, pa.Array] = {}
        for position, rule in enumerate(self.tags.rules):
            values = columns.get(rule.column, batch.columns.get(rule.column))
            asked = left if rule.within is None else _mask(pc.equal(tags, rule.within))
            rows = np.flatnonzero(asked)
            if values is None or not len(rows):
                continue
            if rule.column not in texts:
                texts[rule.column] = as_texts(values)
            held = rows[_mask(_holds(rule, position, texts[rule.column].take(rows), findings))]
            left[held] = False
            tags = pc.replace_with_mask(tags, _at(held, len(tags)), pa.repeat(rule.task, len(held)))
        return tags

    def _by_hand(self, batch: Batch) -> pa.Array:
        """The tag that a row has in the spec by its place, null for all others (n)."""
        if not self.tags.rows:
            return pa.nulls(len(batch.numbers), pa.string())
        where = places(batch)
        chosen = _looked_up(where, self.tags.rows)
        self.by_hand.update(_words(where.filter(chosen.is_valid())))
        return chosen

    def check_used(self, columns: Iterable[str], findings: Findings) -> None:
        """Note what the spec says of columns, tags and rows that none of the batches had."""
        there = list(columns)
        for position, rule in enumerate(self.tags.rules):
            place = f"data.tags.rules[{position}]"
            if rule.column not in there:
                wrong = f"there is no column {rule.column!r}."
                findings.add(f"{place}.column", wrong, did_you_mean(rule.column, there))
            made = {other.task for other in self.tags.rules[:position]}
            if rule.within is not None and rule.within not in self.own | made:
                wrong = f"no row has the tag {rule.within!r} before the rules."
                findings.add(f"{place}.within", wrong, self._before_the_rules(rule.within))
        for name in self.tags.rename:
            if name not in self.given | self.own:  # rules may have taken all of a task's rows
                wrong = f"no row has the tag {name!r}."
                findings.add(f"data.tags.rename.{name}", wrong, did_you_mean(name, self.given))
        for name in self.tags.drop:
            if name not in self.named:
                wrong = f"no row has the tag {name!r}."
                findings.add("data.tags.drop", wrong, did_you_mean(name, self.named))
        for place in self.tags.rows:
            if file_of(place) in self.files and place not in self.by_hand:
                findings.add(f"data.tags.rows.{place}", "there is no such row.", "Remove it, or correct its number.")

    def _before_the_rules(self, tag: str) -> str:
        old = [name for name, new in self.tags.rename.items() if new == tag and name in self.own]
        return f"Tasks are renamed after the rules: write {old[0]!r}." if old else did_you_mean(tag, self.own)


def check_files(tags: Tags, files: Iterable[str], findings: Findings) -> None:
    """Note files that the tags name and that are not among those to be read."""
    known = list(files)
    for name in tags.files:
        if name not in known:
            findings.add(f"data.tags.files.{name}", f"there is no file {name!r}.", did_you_mean(name, known))
    for place in tags.rows:
        if file_of(place) not in known:
            wrong = f"there is no file {file_of(place)!r}."
            findings.add(f"data.tags.rows.{place}", wrong, did_you_mean(file_of(place), known))


def file_of(place: str) -> str:
    """The file of a place: `a.jsonl` of `a.jsonl line 17`."""
    return place.rsplit(" ", 2)[0]


def as_texts(values: Values) -> pa.Array:
    """Values as rules see them: text as it is, chat messages as their contents, all else as JSON; null stays null."""
    if isinstance(values, pa.Array) and not pa.types.is_nested(values.type):
        try:
            return values.cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
    return _strings(
        [value if value is None or isinstance(value, str) else _text(value) for value in as_python(values, 0)]
    )


def _text(value: Any) -> str:
    messages = value if isinstance(value, list) else []
    if messages and all(isinstance(message, dict) and "content" in message for message in messages):
        return as_text(messages)
    try:
        return dump(value)
    except TypeError:  # such as a date, which the checks that follow name
        return str(value)


def _strings(texts: list[str | None]) -> pa.Array:
    """Texts as an array; null for what no UTF-8 can hold, which the checks that follow name."""
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        return pa.array([text if text is None or _encodes(text) else None for text in texts], pa.string())


def _encodes(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _own_tags(values: Values | None, rows: int) -> pa.Array:
    """The tags of the task column: text without white space around it, whole numbers as their digits, else null (n)."""
    if isinstance(values, pa.Array) and values.type == pa.string():
        texts = values
    else:
        given = as_python(values, rows)
        texts = _strings(
            [str(value) if type(value) is int else value if isinstance(value, str) else None for value in given]
        )
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def _empty(values: Values | None, rows: int) -> pa.Array:
    """Whether the task column says nothing: what is no text is wrong, and no default hides it (n)."""
    if values is None or (isinstance(values, pa.Array) and values.type == pa.string()):
        return pa.repeat(True, rows)
    return pa.array(
        [value is None or (isinstance(value, str) and not value.strip()) for value in as_python(values, rows)]
    )


def _holds(rule: TagRule, position: int, texts: pa.Array, findings: Findings) -> pa.Array:
    """Whether the rule's condition holds for each text (n); null where there is no text."""
    if rule.equals is not None:
        return pc.equal(texts, rule.equals)
    if rule.contains is not None:
        return pc.match_substring(texts, rule.contains)
    encoded = texts.dictionary_encode()
    expression = regex.compile(rule.matches)
    end = time.monotonic() + MATCH_SECONDS
    try:
        found = [
            expression.search(text, timeout=max(end - time.monotonic(), 1e-3)) is not None
            for text in encoded.dictionary.to_pylist()
        ]
    except TimeoutError:
        wrong = f"{rule.matches!r} is too slow: {MATCH_SECONDS:.0f} s did not suffice for one batch of rows."
        findings.stop(f"data.tags.rules[{position}].matches", wrong, "Avoid repetitions inside repetitions.")
    return pa.array(found, pa.bool_()).take(encoded.indices)


def _looked_up(words: pa.Array, known: dict[str, str]) -> pa.Array:
    """What each word stands for; null for those that stand for nothing."""
    found = pc.index_in(words, value_set=pa.array(known, pa.string()), skip_nulls=True)
    return pa.array(known.values(), pa.string()).take(found)


def _words(values: pa.Array) -> list[str]:
    return [word for word in pc.unique(values).to_pylist() if word is not None]


def _mask(found: pa.Array) -> Any:
    return pc.fill_null(found, False).to_numpy(zero_copy_only=False)


def _at(rows: Any, length: int) -> pa.Array:
    mask = np.zeros(length, dtype=bool)
    mask[rows] = True
    return pa.array(mask)


def _chosen(values: Values, stays: pa.Array) -> Values:
    return values.filter(stays) if isinstance(values, pa.Array) else list(compress(values, stays.to_pylist()))
