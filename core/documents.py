"""YAML and JSON documents read with care: errors say line and column, and what YAML readers swallow is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from core.errors import Problem, UserError

MOST_NODES = 1_000_000


def parse_yaml(text: str, where: str) -> Any:
    """A YAML (so also a JSON) document, or a `UserError` with line and column."""
    try:
        return yaml.load(text, _Careful)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where} line {mark.line + 1}, column {mark.column + 1}" if mark else where
        what = getattr(error, "problem", None) or str(error)
        raise UserError(Problem(place, f"not valid YAML: {what}.", "Check indentation, colons and quotes.")) from None
    except (ValueError, LookupError, AttributeError, RecursionError) as error:  # such as the date 2024-13-45
        raise UserError(Problem(where, f"not valid YAML: {error}.", "Put quotes around what is text.")) from None


class _Careful(yaml.SafeLoader):
    """PyYAML drops the first of two equal keys without a word, and a task's rewards with it; YAML forbids them.

    And a few lines of aliases of aliases may stand for more than memory holds.
    """

    def get_single_data(self) -> Any:
        node = self.get_single_node()
        if node is not None and _size(node, {}) > MOST_NODES:
            what = f"its aliases stand for more than {MOST_NODES:,} values"
            raise yaml.MarkedYAMLError(problem=what, problem_mark=node.start_mark)
        return None if node is None else self.construct_document(node)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add((key.tag, str(key.value)))
        return node


def read_document(path: Path) -> Any:
    """A YAML or JSON file's content; `UserError` where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(Problem(str(path), "there is no such file.", "Check the path.")) from None
    except IsADirectoryError:
        raise UserError(Problem(str(path), "this is a folder.", "Name the YAML file in it.")) from None
    except UnicodeDecodeError as error:
        raise UserError(Problem(str(path), f"not UTF-8 at byte {error.start}.", "Save it as UTF-8.")) from None
    return parse_yaml(text, str(path))


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for, aliases followed; `known`: those of nodes that were met."""
    if id(node) not in known:
        known[id(node)] = 1  # also what ends the way of a node that holds itself
        value = node.value
        parts = [part for pair in value for part in pair] if isinstance(node, yaml.MappingNode) else value
        known[id(node)] += sum(_size(part, known) for part in parts) if isinstance(parts, list) else 0
    return known[id(node)]
