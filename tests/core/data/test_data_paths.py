import pytest

ROW = '{"task": "m", "prompt": "%s"}'


def test_a_folder_is_read_by_name_without_hidden_files_and_strangers(write, load, tmp_path):
    for name in ("b.jsonl", "a.csv", ".hidden.jsonl", "README.md", "inner/test.jsonl"):
        write(f"data/{name}", "task,prompt\nm,a.csv" if name == "a.csv" else ROW % name)
    assert load(str(tmp_path / "data")).train["prompt"][:] == ["a.csv", "b.jsonl"]


def test_a_list_is_read_in_its_order(write, load, tmp_path):
    write("data/a.jsonl", ROW % "a")
    paths = [write("z.jsonl", ROW % "z"), str(tmp_path / "data")]
    assert load(paths).train["prompt"][:] == ["z", "a"]


def test_files_of_one_name_are_told_apart_by_their_paths(write, complaints):
    paths = [write("one/a.jsonl", ROW % "x"), write("two/a.jsonl", "{}")]
    assert complaints(paths)[0].startswith(f"{paths[1]}: there is no column 'task'")


@pytest.mark.parametrize(
    ("paths", "said", "why"),
    [
        ("trian.jsonl", "there is no such file or folder. Did you mean 'train.jsonl'?", "a typing error"),
        ("nowhere/train.jsonl", "there is no such file or folder. Check the path.", "a folder that is not there"),
        ("notes.md", "the extension '.md' is unknown. Known: .jsonl, .json, .csv, .tsv, .parquet.", "no data file"),
        ("Makefile", "it has no extension.", "no extension"),
        ("empty", "this folder holds no data files. Known:", "an empty folder"),
        ("outer", "this folder holds no data files. Name one of its folders: inner.", "files further down"),
        ("empty.jsonl", "empty.jsonl: the file is empty.", "an empty file"),
        ("blank.jsonl", "there are no rows.", "a file of blank lines"),
        ([], "the list is empty.", "an empty list"),
        (["train.jsonl", "./train.jsonl"], "this file is named twice.", "one file twice"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(write, complaints, tmp_path, monkeypatch, paths, said, why):
    write("train.jsonl", ROW % "x")
    write("outer/inner/train.jsonl", ROW % "x")
    write("empty.jsonl", "")
    write("blank.jsonl", "\n\n")
    for name in ("notes.md", "Makefile"):
        write(name, "x")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    (complaint,) = complaints(paths)
    assert said in complaint, why


def test_every_bad_path_of_a_list_is_named(complaints):
    assert len(complaints(["no.jsonl", "neither.jsonl"])) == 2


def test_a_file_that_fails_while_it_is_read_is_named(write, complaints, monkeypatch):
    from core.data import files

    def failing(*_):
        raise OSError(5, "Input/output error")
        yield

    monkeypatch.setitem(files.READERS, ".jsonl", failing)
    path = write("a.jsonl", ROW % "x")
    assert complaints(path) == ["a.jsonl: the file cannot be read: Input/output error. Check its permissions."]
