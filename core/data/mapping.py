"""Which column of a file becomes which column of the rows.

`task`, `prompt` and the names under `data.columns` take their column away from the file's own name; every other column
keeps its name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.data.batches import Findings
from core.errors import did_you_mean
from core.spec import DataSpec, Tags

TASK = "task"
PROMPT = "prompt"
PROMPT_HASH = "__prompt_hash__"
PROMPT_LENGTH = "__prompt_characters__"
PLACE = "__place__"
HIDDEN = (PROMPT_HASH, PROMPT_LENGTH, PLACE)  # columns for people and statistics; rewards and TRL never see them
RESERVED = {
    "prompts": "rewards get the prompts under it",
    "completions": "rewards get the completions under it",
    "completion": "TRL keeps it from rewards",
    "completion_ids": "rewards get the completions' tokens under it",
    "trainer_state": "TRL hands rewards its state under it",
    "log_extra": "TRL hands rewards a function under it",
    "log_metric": "TRL hands rewards a function under it",
    "environments": "TRL hands rewards its environments under it",
    "image": "TRL takes it for pictures, which are not supported yet",
    "images": "TRL takes it for pictures, which are not supported yet",
    PROMPT_HASH: "Signalbox stores a hash under it",
    PROMPT_LENGTH: "Signalbox stores the length of the prompt under it",
    PLACE: "Signalbox stores the place of the row under it",
}


@dataclass(frozen=True)
class Mapping:
    """New name -> column of the file, for the names that a spec says; the columns read as text; the spec's tags."""

    named: dict[str, str]
    text_columns: frozenset[str] = frozenset()
    tags: Tags | None = None

    @classmethod
    def of(cls, spec: DataSpec) -> Mapping:
        """The mapping that a spec describes; a `UserError` where it contradicts itself."""
        findings = Findings()
        for name in spec.columns:
            where = f"data.columns.{name}"
            if name in (TASK, PROMPT):
                findings.add(where, f"two columns would be called {name!r}.", f"Set data.{name}_column instead.")
            elif name in RESERVED:
                findings.add(where, f"the name {name!r} is taken: {RESERVED[name]}.", "Choose another.")
        findings.check()
        named = {TASK: spec.task_column, PROMPT: spec.prompt_column, **spec.columns}
        return cls(named, frozenset(spec.text_columns), spec.tags)

    def check(self, columns: Iterable[str], file: str, findings: Findings) -> None:
        """Stop at a file without tags or prompts, or with columns that get in each other's way."""
        there = list(columns)
        before = len(findings)
        for name in (PROMPT,) if self._gives_tags(file) else (TASK, PROMPT):
            if self.named[name] not in there:
                wrong = f"there is no column {self.named[name]!r}."
                hint = f"{did_you_mean(self.named[name], there)} Set data.{name}_column to the column of the {name}s."
                findings.add(file, wrong, hint)
        findings.check(since=before)
        self.rename(there, file, findings)

    def _gives_tags(self, file: str) -> bool:
        """Whether rows of a file without a task column may get their tags in another way."""
        tags = self.tags
        return tags is not None and bool(tags.default or tags.rules or tags.rows or file in tags.files)

    def rename(self, columns: Iterable[str], file: str, findings: Findings) -> dict[str, str]:
        """New name -> column of the file, of all columns, task and prompt first."""
        there = dict.fromkeys(columns)
        before = len(findings)
        moved = set(self.named.values())
        names = {name: column for name, column in self.named.items() if column in there}
        for column in there:
            if column in moved:
                continue
            if column in self.named:
                wrong = f"two columns would be called {column!r}: this one and {self.named[column]!r}."
                findings.add(
                    file, wrong, f"Give this one another name: data.columns: {{{column}_in_file: {column}}}.", column
                )
            elif column in RESERVED:
                wrong = f"a column cannot be called {column!r}: {RESERVED[column]}."
                findings.add(file, wrong, f"Give it another name: data.columns: {{my_{column}: {column}}}.", column)
            elif any("\ud800" <= character <= "\udfff" for character in column):
                findings.add(file, f"the column name {column!r} holds half of a surrogate pair.", "Rename the column.")
            names[column] = column
        findings.check(since=before)
        return names

    def check_all_there(self, seen: Iterable[str], findings: Findings) -> None:
        """Note mapped columns and text columns that no row of any file has."""
        there = list(seen)
        for name, column in self.named.items():
            unused = name == column == TASK and self.tags is not None  # then `check` has seen to it, file by file
            if column not in there and not unused:
                findings.add(f"data.columns.{name}", f"there is no column {column!r}.", did_you_mean(column, there))
        for column in sorted(self.text_columns.difference(there)):
            findings.add("data.text_columns", f"there is no column {column!r}.", did_you_mean(column, there))
