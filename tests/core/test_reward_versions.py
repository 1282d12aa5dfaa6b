"""Saved versions: numbered, never changed, compared, and safe under any name."""

import os
import threading
from datetime import UTC, datetime

import pytest

from core.errors import UserError
from core.reward_versions import diff, read_version, save_version, saved_rewards, versions

ONE = "def score(completion, row):\n    return 1.0\n"
TWO = "def score(completion, row):\n    return 2.0\n"


def test_versions_are_numbered_and_read_back_newest_first(tmp_path):
    assert [save_version(tmp_path, "mine", code) for code in (ONE, TWO)] == [1, 2]
    assert [version.number for version in versions(tmp_path, "mine")] == [2, 1]
    assert (read_version(tmp_path, "mine", 1), read_version(tmp_path, "mine", 2)) == (ONE, TWO)
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == ["0001.py", "0002.py"]
    assert saved_rewards(tmp_path) == ["mine"]


def test_the_same_code_makes_no_new_version_but_going_back_does(tmp_path):
    assert [save_version(tmp_path, "mine", code) for code in (ONE, ONE, TWO, TWO, ONE)] == [1, 1, 2, 2, 3]


def test_line_ends_of_another_system_are_no_change(tmp_path):
    save_version(tmp_path, "mine", ONE)
    assert save_version(tmp_path, "mine", ONE.replace("\n", "\r\n")) == 1


def test_a_version_has_the_time_of_its_file(tmp_path):
    save_version(tmp_path, "mine", ONE)
    os.utime(tmp_path / "mine" / "0001.py", (0, 86_400))
    assert [version.time for version in versions(tmp_path, "mine")] == [datetime(1970, 1, 2, tzinfo=UTC)]


def test_a_diff_shows_what_changed(tmp_path):
    save_version(tmp_path, "mine", ONE)
    save_version(tmp_path, "mine", TWO.rstrip())
    assert diff(tmp_path, "mine", 1, 2).splitlines() == [
        "--- mine 0001",
        "+++ mine 0002",
        "@@ -1,2 +1,2 @@",
        " def score(completion, row):",
        "-    return 1.0",
        "+    return 2.0",
        "\\ No newline at end of file",
    ]
    assert diff(tmp_path, "mine", 2, 2) == ""


def test_nothing_is_saved_yet(tmp_path):
    assert (versions(tmp_path / "nowhere", "mine"), saved_rewards(tmp_path / "nowhere")) == ([], [])


def test_other_files_are_no_versions(tmp_path):
    save_version(tmp_path, "mine", ONE)
    (tmp_path / "mine" / "notes.py").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.py").write_text("")
    assert (saved_rewards(tmp_path), len(versions(tmp_path, "mine"))) == (["mine"], 1)


def test_after_9999_numbers_go_on(tmp_path):
    save_version(tmp_path, "mine", ONE)
    (tmp_path / "mine" / "0001.py").rename(tmp_path / "mine" / "9999.py")
    assert save_version(tmp_path, "mine", TWO) == 10_000
    assert versions(tmp_path, "mine")[0].number == 10_000


def test_two_who_save_at_once_lose_nothing(tmp_path):
    codes = [f"# {n}\n" for n in range(16)]
    threads = [threading.Thread(target=save_version, args=(tmp_path, "mine", code)) for code in codes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [read_version(tmp_path, "mine", version.number) for version in versions(tmp_path, "mine")]
    assert sorted(found) == sorted(codes)


@pytest.mark.parametrize("name", ["", "..", "a/b", "../out", "a b", "-a", ".a", "a\n", "a\0", "x" * 61, "𠀀" * 61])
def test_a_name_that_is_no_file_name_is_refused_and_nothing_written(tmp_path, name):
    for act in (save_version, lambda folder, name, _: versions(folder, name)):
        with pytest.raises(UserError, match="is no name for a reward"):
            act(tmp_path / "rewards", name, ONE)
    assert list(tmp_path.rglob("*.py")) == []


@pytest.mark.parametrize("name", ["奖励", "𠀀" * 60, "Brief-2", "_x"])
def test_names_in_any_script_are_fine(tmp_path, name):
    assert save_version(tmp_path, name, ONE) == 1


@pytest.mark.parametrize("code", ["", " \n", "x = '\ud800'"])
def test_code_that_is_none_is_refused(tmp_path, code):
    with pytest.raises(UserError):
        save_version(tmp_path, "mine", code)
    assert saved_rewards(tmp_path) == []


def test_a_version_that_is_not_there_is_named_with_those_that_are(tmp_path):
    save_version(tmp_path, "mine", ONE)
    with pytest.raises(UserError, match=r"there is no version 7\. Known: 1"):
        read_version(tmp_path, "mine", 7)
