"""A project leaves as one file and comes back whole, and a file from anybody writes nothing but a project."""

import zipfile
from pathlib import Path

import pytest

from core.errors import UserError
from core.project_files import export_yaml, export_zip, import_project
from core.projects import all_projects, create_project, delete_project
from core.reward_versions import read_version, save_version
from core.runs import runs_root
from core.spec import DataSpec, Draft, HeldOut, Route
from core.uploads import keep_upload


@pytest.fixture
def project(tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text('{"task": "a", "prompt": "p"}\n')
    data = DataSpec(path=(str(keep_upload(source)),), held_out=HeldOut(path=str(keep_upload(source))))
    made = create_project("sums", Draft(name="sums", data=data, rewards={"a": (Route(name="length"),)}))
    made.samples_path.write_text('{"task": "a", "prompt": "p", "completion": ["x"]}\n')
    save_version(made.rewards_path, "mine", "def score(completion, row): return 1.0")
    made.tables_path.mkdir()
    (made.tables_path / "before.yaml").write_text("rewards: {}\n")
    return made


def test_a_zip_brings_back_everything_also_where_the_uploads_are_gone(project, tmp_path, monkeypatch):
    file = export_zip(project, tmp_path)
    monkeypatch.setenv("SIGNALBOX_RUNS", str(tmp_path / "elsewhere"))
    back = import_project(file)
    draft = back.draft()
    assert back.name == "sums"
    assert draft.rewards == project.draft().rewards
    assert str(tmp_path / "elsewhere") in draft.data.path[0]
    assert Path(draft.data.path[0]).read_text() == '{"task": "a", "prompt": "p"}\n'
    assert draft.data.held_out.path == draft.data.path[0]
    assert back.samples_path.read_text() == project.samples_path.read_text()
    assert read_version(back.rewards_path, "mine", 1) == read_version(project.rewards_path, "mine", 1)
    assert (back.tables_path / "before.yaml").exists()


def test_yaml_brings_back_the_draft_under_a_free_name(project, tmp_path):
    back = import_project(export_yaml(project, tmp_path))
    assert back.name == "sums-2"
    assert back.draft() == project.draft()


def test_a_run_spec_with_relative_paths_is_a_project_too(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"task": "a", "prompt": "p"}\n')
    (tmp_path / "my run.yaml").write_text("data: {path: rows.jsonl}\nrewards: {a: [{name: length}]}\n")
    back = import_project(tmp_path / "my run.yaml")
    assert back.name == "my-run"
    assert back.draft().data.path == str(tmp_path / "rows.jsonl")


def packed(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "../../evil",
        "/etc/evil",
        "rewards/../../evil.py",
        "rewards/x/evil.sh",
        "data/0/../../evil",
        "data/0/..",
        "data/x/evil",
        "tables/.yaml/evil",
        "project.yaml/evil",
    ],
)
def test_names_that_lead_elsewhere_are_left_in_the_zip(tmp_path, name):
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    back = import_project(packed(tmp_path / "p.zip", {"project.yaml": "name: p", name: "evil"}))
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert made == {tmp_path / "p.zip", back.draft_path}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no project.yaml"),
        ({"project.yaml": "rewards: ["}, "line 1"),
        ({"project.yaml": "colour: red"}, "no such field"),
        ({"project.yaml": b"\xff"}, "not UTF-8"),
    ],
)
def test_a_zip_that_holds_no_project_says_so_and_makes_none(tmp_path, files, said):
    with pytest.raises(UserError, match=said):
        import_project(packed(tmp_path / "p.zip", files))
    assert all_projects() == []


def test_a_file_that_is_no_zip_says_so(tmp_path):
    (tmp_path / "p.zip").write_text("no")
    with pytest.raises(UserError, match="not a zip file"):
        import_project(tmp_path / "p.zip")


def test_a_damaged_zip_makes_no_project_wherever_the_damage_is(tmp_path):
    whole = packed(tmp_path / "whole.zip", {"project.yaml": "name: p", "samples.jsonl": "x" * 50}).read_bytes()
    refused = 0
    for place in range(len(whole)):
        damaged = tmp_path / "p.zip"
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            delete_project(import_project(damaged))  # some bytes, such as times, say nothing
        except UserError:
            refused += 1
        assert all_projects() == []
    assert refused > len(whole) / 3


def test_a_few_lines_that_stand_for_more_than_memory_holds_are_refused(tmp_path):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 9))
    with pytest.raises(UserError, match="aliases stand for more than"):
        import_project(packed(tmp_path / "p.zip", {"project.yaml": bomb}))


def test_a_zip_takes_no_file_along_that_was_not_uploaded(project, tmp_path):
    (tmp_path / "secret.jsonl").write_text("{}")
    path = runs_root() / "uploads" / ".." / ".." / "secret.jsonl"
    assert path.exists()
    project.set(data=DataSpec(path=str(path)))
    with zipfile.ZipFile(export_zip(project, tmp_path)) as archive:
        assert [name for name in archive.namelist() if name.startswith("data/")] == []


def test_a_zip_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("core.project_files.MOST_BYTES", 1000)
    with pytest.raises(UserError, match="more than"):
        import_project(packed(tmp_path / "p.zip", {"project.yaml": "name: p", "samples.jsonl": "x" * 2000}))
    assert all_projects() == []


def test_exporting_what_is_gone_says_so(project, tmp_path):
    delete_project(project)
    with pytest.raises(UserError, match="no project"):
        export_zip(project, tmp_path)
