"""What an option of words may be, from its library's own source: its type, or the words that its help lists.

A type names them as `Literal["none", "all"]` or as an enumeration of transformers. Where the type is `str` alone, the
help often lists them: a list of quoted words is taken for the choices where the option's own default is among them.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from core.errors import did_you_mean

WORD = r"['`\"]{1,2}([\w.-]+)['`\"]{1,2}(?:\s*\(default\))?"
BETWEEN = r"(?:,\s*(?:or\s+|and\s+)?|\s+(?:or|and)\s+)"
LISTED = re.compile(rf"{WORD}(?:{BETWEEN}{WORD})+")
PLACEHOLDER = re.compile(r"\[[^]]*\]")  # such as `pissa_niter_[number of iters]`
ENUMERATIONS = ("trainer_utils.py", "training_args.py")  # of transformers


def wrong_choice(annotation: str, default: str, text: str, value: Any) -> str | None:
    """What to choose instead of a value; None where it may be chosen, or where nobody says what may be.

    Args:
        annotation: the option's type, as source.
        default: its default, as source.
        text: the library's help.
        value: the one that was given.
    """
    known = choices(annotation, default, text)
    if not known or value is None or (isinstance(value, bool) and "bool" in annotation):
        return None
    if any(re.fullmatch(_pattern(choice), str(value)) for choice in known):
        return None
    return did_you_mean(str(value), known)


@cache
def choices(annotation: str, default: str, text: str) -> tuple[str, ...]:
    """The words that an option may be; none where its type allows anything more than words, or nobody lists them."""
    members = list(_members(ast.parse(annotation, mode="eval").body))
    names = {ast.unparse(member) for member in members}
    if names & {"list", "dict", "int", "float"} or any("[" in name and "Literal" not in name for name in names):
        return ()
    found = [word for member in members for word in _words(member)]
    if found or "str" not in names:
        return tuple(found)
    own = ast.literal_eval(default) if default.startswith(("'", '"')) else None
    lists = (re.findall(WORD, listed[0]) for listed in LISTED.finditer(text))
    return tuple(next((words for words in lists if own in words), ()))


def _members(node: ast.expr) -> Iterator[ast.expr]:
    """The types of a union."""
    if isinstance(node, ast.BinOp):
        yield from (*_members(node.left), *_members(node.right))
    elif isinstance(node, ast.Subscript) and ast.unparse(node.value) in ("Optional", "Union"):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for part in parts:
            yield from _members(part)
    else:
        yield node


def _words(member: ast.expr) -> list[str]:
    if isinstance(member, ast.Subscript):
        constants = [node.value for node in ast.walk(member.slice) if isinstance(node, ast.Constant)]
        return [value for value in constants if isinstance(value, str)]
    return list(_enumerations().get(ast.unparse(member), ()))


def _pattern(choice: str) -> str:
    """A choice as a regular expression: what stands in brackets is the user's to say."""
    return r"\w+".join(re.escape(part) for part in PLACEHOLDER.split(choice))


@cache
def _enumerations() -> Mapping[str, tuple[str, ...]]:
    """Values of the enumerations that transformers declares its options with, by class."""
    spec = importlib.util.find_spec("transformers")
    assert spec is not None
    assert spec.origin is not None
    trees = [ast.parse((Path(spec.origin).parent / file).read_text(encoding="utf-8")) for file in ENUMERATIONS]
    classes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    enums = [node for node in classes if "ExplicitEnum" in map(ast.unparse, node.bases)]
    return {
        node.name: tuple(
            str(line.value.value)
            for line in node.body
            if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
        )
        for node in enums
    }
