"""The library as it is searched: words, a task's columns, and files that come and go while the app runs."""

import os
import sys

import pytest

import rewards
from core.library import entry_of, needed, notices, search
from core.routing import TaskColumns
from rewards import registry

FILE = '''
from rewards.declaration import Example, reward

@reward(title="{title}", examples=[Example("x", {score})])
def {name}(completion: str) -> float:
    """Always {score}."""
    return {score}
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A second folder of rewards, beside the real one; the library forgets it afterwards."""
    path = tmp_path / "more"
    path.mkdir()
    monkeypatch.setattr(rewards, "__path__", [*rewards.__path__, str(path)])
    yield path
    monkeypatch.undo()
    rewards.refresh()


def write(path, name="toy", score=1.0, title="Toy"):
    path.write_text(FILE.format(name=name, score=score, title=title))


def names(*arguments, **keywords):
    return [entry.reward.name for entry in search(*arguments, **keywords)]


def test_no_words_give_every_reward():
    assert sorted(names()) == list(registry())


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("rouge", "rouge", id="a name"),
        pytest.param("EXACT match", "exact_match", id="words in any case"),
        pytest.param("number within", "number", id="a title"),
        pytest.param("tool_calls", "tool_calls", id="a column of that name, too"),
        pytest.param("quality of chrf", "chrf", id="a word that nothing has"),
        pytest.param("nothing-has-this", None, id="no word at all"),
        pytest.param("fields", "json_fields", id="what it needs"),
    ],
)
def test_words_find_a_reward_first(text, name):
    assert next(iter(names(text)), None) == name


def test_words_are_found_in_details_too():
    assert "corpora" not in registry()["bleu"].help
    assert names("corpora") == ["bleu"]


def test_a_reward_of_that_name_comes_before_those_that_the_task_can_use():
    nothing = TaskColumns(3, {})
    found = search("tests", nothing)
    assert [entry.usable for entry in found] == sorted((entry.usable for entry in found), reverse=True)
    assert names("python_tests", columns=nothing)[0] == "python_tests"


def test_what_a_task_can_use_comes_first():
    found = search("", TaskColumns(4, {"answer": 0, "tests": 4}))
    usable = [entry.usable for entry in found]
    assert usable == sorted(usable, reverse=True)
    by_name = {entry.reward.name: entry for entry in found}
    assert by_name["exact_match"].usable
    assert not by_name["json_fields"].usable
    assert not by_name["python_tests"].usable, "the column is empty in every row"


def test_an_entry_says_which_column_serves_and_in_how_many_rows_it_is_empty():
    (need,) = entry_of(registry()["chrf"], TaskColumns(9, {"reference": 5, "answer": 2})).needs
    assert (need.names, need.column, need.empty, str(need)) == (
        ("reference", "answer"),
        "answer",
        2,
        "reference or answer",
    )
    (missing,) = entry_of(registry()["chrf"], TaskColumns(9, {"gold": 0})).needs
    assert missing.column is None


def test_optional_columns_are_those_that_are_not_needed():
    entry = entry_of(registry()["chrf"])
    assert (entry.optional, entry.usable) == (("prompt",), True)


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("exact_match", (("answer",),)),
        ("rouge", (("reference", "answer"),)),
        ("tool_calls", (("tool_calls", "answer"),)),
        ("json_schema", (("schema",),)),
        ("text_match", (("answer",),)),
        ("language", (("language",),)),
        ("length", ()),
        ("soft_overlong", ()),
        ("think_answer", ()),
        ("get_repetition_penalty_reward", ()),
    ],
)
def test_what_a_reward_needs_is_read_off_its_declaration(name, columns):
    assert needed(registry()[name]) == columns


def test_every_reward_of_ours_belongs_to_a_family():
    assert [name for name, reward in registry().items() if reward.family == "own"] == ["custom"]


def test_a_file_that_is_added_changed_and_removed_is_seen_without_a_restart(folder):
    assert "toy" not in names()
    write(folder / "toy.py")
    assert names("toy") == ["toy"]
    others = {name: id(reward) for name, reward in registry().items() if name != "toy"}
    before = (folder / "toy.py").stat()
    write(folder / "toy.py", score=0.5)
    os.utime(folder / "toy.py", ns=(before.st_atime_ns, before.st_mtime_ns + 1))  # the same second, the same size
    assert "toy" in names()
    assert registry()["toy"].help == "Always 0.5."
    assert {name: id(reward) for name, reward in registry().items() if name != "toy"} == others
    (folder / "toy.py").unlink()
    assert "toy" not in names()
    assert "rewards.toy" not in sys.modules


def test_a_reward_from_a_changed_file_is_the_one_that_routes_get(folder):
    write(folder / "toy.py", score=1.0)
    search()
    assert rewards.declared("toy", {}).help == "Always 1.0."
    write(folder / "toy.py", score=0.25)
    search()
    assert rewards.declared("toy", {}).help == "Always 0.25."


def test_a_file_that_fails_costs_no_other_reward_and_is_named_until_it_is_mended(folder):
    count = len(names())
    write(folder / "toy.py")
    (folder / "bad.py").write_text("def broken(:")
    assert len(names()) == count + 1
    assert [(notice.where, notice.severity) for notice in notices()] == [("rewards/bad.py", "warning")]
    write(folder / "bad.py", name="mended")
    assert (len(names()), notices()) == (count + 2, [])


def test_a_second_reward_of_a_name_is_named_and_the_first_kept(folder):
    write(folder / "zzz.py", name="length")
    first = registry()["length"]
    (notice,) = notices()
    assert (notice.where, "another reward is called 'length'" in notice.what) == ("rewards/zzz.py", True)
    assert registry()["length"] is first


def test_a_reward_that_another_file_uses_may_change_without_a_clash(folder):
    write(folder / "toy.py")
    (folder / "user.py").write_text("from rewards.toy import toy\n")
    assert names("toy") == ["toy"]
    write(folder / "toy.py", score=0.125)
    assert notices() == []
    assert registry()["toy"].help == "Always 0.125."


def test_a_shared_file_that_changes_waits_for_a_restart_and_says_so(folder):
    (folder / "shared.py").write_text("WORD = 'a'\n")
    assert notices() == []
    (folder / "shared.py").write_text("WORD = 'something else'\n")
    assert [(notice.where, "restart" in notice.mend.casefold()) for notice in notices()] == [
        ("rewards/shared.py", True)
    ]
    assert sys.modules["rewards.shared"].WORD == "a"


def test_a_file_of_your_own_does_not_displace_a_reward_of_the_library(folder):
    built_in = registry()["length"]
    write(folder / "aaa.py", name="length")
    (notice,) = notices()
    assert (notice.where, "'length' already, in rewards/length.py" in notice.what) == ("rewards/aaa.py", True)
    assert registry()["length"] is built_in
