"""Every text that the interface asks for is in the catalogue, and nothing else is."""

import re
from pathlib import Path

import pytest

from ui.texts import ENGLISH, t

UI = Path(__file__).parents[2] / "ui"


def test_every_text_that_is_used_exists_and_every_text_that_exists_is_used():
    source = "\n".join(path.read_text(encoding="utf-8") for path in UI.glob("*.py") if path.name != "texts.py")
    used = set(re.findall(r"""\bt\(["']([a-z_.]+)["']""", source))
    columns = re.findall(r"""t\(f"column\.\{name\}"\) for name in \(([^)]*)\)""", source)
    used |= {f"column.{name}" for names in columns for name in re.findall(r'"(\w+)"', names)}
    families = set(re.findall(r"""\bt\(f"([a-z_]+\.)\{""", source)) - {"column."}
    # Their names come from data: all of a family count as used.
    assert families == {
        "adapt.",
        "contract.",
        "nothing.",
        "page.",
        "problem.",
        "run.",
        "schedule.",
        "state.",
        "state_help.",
        "tab.",
        "watched.",
        "weight_over.",
    }
    used |= {key for key in ENGLISH if key.startswith(tuple(families))}
    assert used == set(ENGLISH)


def test_values_are_filled_in():
    assert t("train.started", run="x") == "Started x."


@pytest.mark.parametrize(("rows", "text"), [(1, "1 row"), ("1", "1 row"), (0, "0 rows"), ("12,000", "12,000 rows")])
def test_a_number_stands_with_the_word_for_what_it_counts(rows, text):
    assert t("grid.rows", count=rows) == text


def test_an_unknown_key_is_a_bug():
    with pytest.raises(KeyError):
        t("no.such.text")
