"""A run leaves as one file and comes back whole; a file from anybody writes nothing but a run."""

import json
import os
import stat
import zipfile

import psutil
import pytest

from core import archives, run_files
from core.errors import UserError
from core.following import follow
from core.run_adapters import find_adapter, run_adapters
from core.run_data import run_rows
from core.run_files import export_run, import_run
from core.run_list import run_lines
from core.runs import all_runs, record_worker, runs_root, state, worker_process

SPEC = "data: {path: rows.jsonl}\nrewards: {a: [{name: length}]}\n"


def exported(run):
    return export_run(run, lambda done, whole: None, lambda: False)


def packed(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_a_run_comes_back_whole_elsewhere_with_its_rows_state_and_adapters(run, tmp_path, monkeypatch):
    (run.checkpoints / "checkpoint-2" / "optimizer.pt").write_bytes(b"state")
    path = exported(run)
    (tmp_path / "rows.jsonl").rename(tmp_path / "gone")
    monkeypatch.setenv("SIGNALBOX_RUNS", str(tmp_path / "elsewhere"))
    back = import_run(path)
    assert back.path == tmp_path / "elsewhere" / "toy"
    assert state(back) == "finished"
    assert back.records() == run.records()
    assert [one.name for one in run_adapters(back)] == ["adapter", "checkpoint-2"]
    assert (back.checkpoints / "checkpoint-2" / "optimizer.pt").read_bytes() == b"state"
    assert (back.adapter / "adapter_model.safetensors").read_bytes() == (
        run.adapter / "adapter_model.safetensors"
    ).read_bytes()
    assert len(run_rows(back).held_out) == 4
    assert back.spec().model_copy(update={"data": None}) == run.spec().model_copy(update={"data": None})
    assert find_adapter(back).step == 2


def test_a_taken_name_gets_a_number(run):
    assert import_run(exported(run)).id == "toy-2"
    assert len(all_runs()) == 2


def test_pickles_that_no_resume_needs_stay_behind(run):
    (run.checkpoints / "checkpoint-2" / "training_args.bin").write_bytes(b"pickled")
    (run.adapter / "adapter_model.bin").write_bytes(b"pickled")
    with zipfile.ZipFile(exported(run)) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".bin")]


def test_a_running_run_is_not_exported(run):
    run.exit_path.unlink()
    record_worker(run, os.getpid())
    with pytest.raises(UserError, match="is running"):
        exported(run)


def test_a_process_that_an_imported_run_names_is_not_taken_for_its_worker(run, tmp_path):
    me = psutil.Process()
    worker = {"pid": me.pid, "started": me.create_time(), "attempt": 3}
    back = import_run(packed(tmp_path / "evil.zip", {"spec.yaml": SPEC, "worker.json": json.dumps(worker)}))
    assert worker_process(back) is None
    assert state(back) == "lost"


@pytest.mark.parametrize(
    "name",
    [
        "../evil.txt",
        "/etc/evil",
        "adapter/../../evil.safetensors",
        "completions/../../../evil.parquet",
        "data/0/../evil",
        "data/../0/evil.jsonl",
        "adapter/.hidden.json",
        "adapter/adapter_model.bin",
        "checkpoints/checkpoint-1/code.py",
        "best/step-1/code.py",
        "best/adapter_model.safetensors",
        "..\\evil.json",
        "projects/mine/project.yaml",
        "worker.lock",
        "adapter/sub/x.json",
    ],
)
def test_a_name_that_no_run_has_refuses_the_whole_file(tmp_path, name):
    with pytest.raises(UserError, match="does not belong into it"):
        import_run(packed(tmp_path / "a.zip", {"spec.yaml": SPEC, name: "x"}))
    assert nothing_was_made(tmp_path)


def nothing_was_made(tmp_path):
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    return all_runs() == [] and there <= {"a.zip", "runs", "cache"}


def test_a_link_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("spec.yaml", SPEC)
        link = zipfile.ZipInfo("adapter/adapter_config.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="is no plain file"):
        import_run(tmp_path / "a.zip")
    assert nothing_was_made(tmp_path)


class TestBombs:
    def test_what_unpacks_to_far_more_is_refused_before_anything_is_written(self, tmp_path):
        bomb = packed(tmp_path / "a.zip", {"spec.yaml": SPEC, "metrics.jsonl": b"\0" * (8 << 20)})
        with pytest.raises(UserError, match=r"'metrics\.jsonl' would unpack to 8 MiB"):
            import_run(bomb)
        assert nothing_was_made(tmp_path)

    def test_more_than_the_limit_in_all_or_in_number_is_refused(self, tmp_path, monkeypatch):
        path = packed(tmp_path / "a.zip", {"spec.yaml": SPEC, "metrics.jsonl": "x" * 1000})
        monkeypatch.setattr(run_files, "MOST_BYTES", 900)
        with pytest.raises(UserError, match="it holds more than"):
            import_run(path)
        monkeypatch.setattr(run_files, "MOST_BYTES", 9000)
        monkeypatch.setattr(archives, "MOST_FILES", 1)
        with pytest.raises(UserError, match="it holds more than 1 files"):
            import_run(path)

    def test_a_file_that_says_it_is_small_unpacks_to_no_more_than_it_says(self, tmp_path):
        path = packed(tmp_path / "a.zip", {"spec.yaml": SPEC, "metrics.jsonl": b"\n" * 500_000})
        data = path.read_bytes()
        path.write_bytes(data.replace((500_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
        with pytest.raises(UserError, match="not a zip file that can be read"):
            import_run(path)
        assert nothing_was_made(tmp_path)

    def test_two_files_of_one_name_are_refused(self, tmp_path):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("spec.yaml", SPEC)
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr("spec.yaml", SPEC)
        with pytest.raises(UserError, match="two files of one name"):
            import_run(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param({"project.yaml": "x"}, r"no spec\.yaml in it", id="a project"),
        pytest.param({"spec.yaml": "data: ["}, "not valid YAML", id="broken"),
        pytest.param({"spec.yaml": b"\xff\xfe"}, "is not UTF-8", id="no text"),
        pytest.param({"spec.yaml": "name: x"}, "rewards", id="unfinished"),
        pytest.param({"spec.yaml": SPEC, "worker.json": '{"a": 1}'}, "its worker.json is no run's", id="odd worker"),
        pytest.param({"spec.yaml": SPEC, "exit.json": '{"a": 1}'}, "its exit.json is no run's", id="odd ending"),
        pytest.param(
            {"spec.yaml": SPEC, "metrics.jsonl": "{}\n", "worker.json": "{}"},
            "worker.json is no run's",
            id="odd metrics",
        ),
    ],
)
def test_what_is_no_run_says_so_and_makes_none(tmp_path, files, said):
    with pytest.raises(UserError, match=said):
        import_run(packed(tmp_path / "a.zip", files))
    assert nothing_was_made(tmp_path)


@pytest.mark.parametrize(
    "metrics",
    [
        '{"split": "train", "step": 1}',
        '{"split": "held_out", "step": 1, "steps": 3}',
        '{"split": "train", "step": "x", "steps": [], "tasks": 3}',
        '{"split": "train", "step": 1, "steps": 2, "reward": 1, "tasks": [{"task": []}]}',
        "[]",
    ],
)
def test_a_run_whose_records_are_none_hides_no_other(tmp_path, metrics):
    made = import_run(packed(tmp_path / "a.zip", {"spec.yaml": SPEC, "metrics.jsonl": f"{metrics}\n"}))
    assert [line.id for line in run_lines()] == [made.id]
    assert follow(made).last is None


def test_a_zip_with_a_flipped_byte_says_so_and_leaves_nothing(tmp_path):
    path = packed(tmp_path / "a.zip", {"spec.yaml": SPEC, "metrics.jsonl": "x" * 5000, "data/0/rows.jsonl": "{}"})
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("metrics.jsonl").header_offset + 30 + len("metrics.jsonl")
    data[start + 3] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(UserError, match="not a zip file that can be read"):
        import_run(path)
    assert nothing_was_made(tmp_path)


def test_a_file_that_is_no_zip_says_so(tmp_path):
    (tmp_path / "a.zip").write_text("no")
    with pytest.raises(UserError, match="not a zip file"):
        import_run(tmp_path / "a.zip")


def test_a_run_cannot_take_the_place_of_what_lies_beside_runs(tmp_path):
    for name in ("projects", ".hidden", "uploads", "queue.json"):
        made = import_run(packed(tmp_path / f"{name}.zip", {"spec.yaml": SPEC}))
        assert made.path.parent == runs_root()
        assert made.id not in ("projects", "uploads", "queue.json")
        assert not made.id.startswith(".")


JUDGED = "rewards: {a: [{name: llm_judge, params: {base_url: 'https://judge.test/v1', model: m%s}}]}\n"
ROWS = {"data/0/rows.jsonl": '{"task": "a", "prompt": "b"}\n'}


def test_a_run_whose_reward_would_send_a_key_comes_in_only_where_that_is_allowed_by_name(tmp_path, monkeypatch):
    spec = "data: {path: data/0/rows.jsonl}\n" + JUDGED % ", api_key_env: MY_KEY"
    path = packed(tmp_path / "a.zip", {"spec.yaml": spec, **ROWS})
    with pytest.raises(UserError, match=r"sends the key in MY_KEY to https://judge.test/v1") as told:
        import_run(path)
    assert "SIGNALBOX_JUDGE_KEYS='MY_KEY=https://judge.test/v1'" in str(told.value)
    assert nothing_was_made(tmp_path)
    monkeypatch.setenv("SIGNALBOX_JUDGE_KEYS", "MY_KEY=https://judge.test/v1")
    assert import_run(path).spec().rewards["a"][0].name == "llm_judge"


def test_an_endpoint_does_not_come_in_under_the_cover_of_a_parameter_that_is_wrong(tmp_path):
    spec = "data: {path: data/0/rows.jsonl}\n" + JUDGED % ", api_key_env: MY_KEY, endpoint: x"
    with pytest.raises(UserError, match="names an endpoint, and takes no such parameters"):
        import_run(packed(tmp_path / "a.zip", {"spec.yaml": spec, **ROWS}))
    assert nothing_was_made(tmp_path)


def test_a_run_whose_reward_would_send_rows_of_this_machine_is_refused_and_one_with_its_own_rows_is_not(tmp_path):
    theirs = packed(tmp_path / "a.zip", {"spec.yaml": "data: {path: /etc/hosts}\n" + JUDGED % ""})
    with pytest.raises(UserError, match="would be read from /etc/hosts here"):
        import_run(theirs)
    assert nothing_was_made(tmp_path)
    import_run(packed(tmp_path / "b.zip", {"spec.yaml": "data: {path: data/0/rows.jsonl}\n" + JUDGED % "", **ROWS}))
