"""An adapter to take along: what is in each file, that plain PEFT and transformers load it, what is missing."""

import json
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from core import exports
from core.child import ChildCancelled
from core.errors import UserError
from core.exports import (
    ExportCancelled,
    export_adapter,
    export_gguf,
    export_merged,
    export_path,
    exports_path,
    gguf_converter,
    is_current,
    pack,
)
from core.run_adapters import find_adapter

PROMPTS = ("Be brief, 3.", "x", "Take your time, 4.")


@pytest.fixture
def adapter(run):
    return find_adapter(run)


def never():
    return False


def ignore(done, whole):
    pass


def unpacked(path, folder):
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def greedy(model, tokenizer):
    """What a model says to some prompts, the likeliest token every time."""
    found = []
    for prompt in PROMPTS:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": prompt}], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        out = model.generate(**ids, do_sample=False, max_new_tokens=24)
        found.append(out[0, ids["input_ids"].shape[1] :].tolist())
    return found


def adapted(model, folder):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(model)
    before = greedy(base, AutoTokenizer.from_pretrained(folder))
    after = greedy(PeftModel.from_pretrained(base, folder), AutoTokenizer.from_pretrained(folder))
    assert before != after
    return after


def test_the_zip_of_an_adapter_is_loaded_by_plain_peft_and_says_what_the_run_says(adapter, model, tmp_path):
    told = []
    path = export_adapter(adapter, lambda *done: told.append(done), never)
    folder = unpacked(path, tmp_path / "there")
    assert adapted(model, folder) == adapted(model, adapter.path)
    assert {file.name for file in folder.iterdir()} == {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "chat_template.jinja",
        "curves.png",
        "spec.yaml",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert told[-1][0] == told[-1][1] > 0


def test_a_checkpoint_is_exported_without_what_only_a_resume_needs(run):
    one = find_adapter(run, "checkpoint-2")
    for name in ("optimizer.pt", "training_args.bin", "rng_state.pth", "trainer_state.json"):
        (one.path / name).write_bytes(b"x")
    path = export_adapter(one, ignore, never)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    assert path.name == "toy-checkpoint-2.adapter.zip"
    assert "adapter_model.safetensors" in names
    assert not {"optimizer.pt", "training_args.bin", "rng_state.pth", "trainer_state.json", "complete.json"} & set(
        names
    )


def test_nothing_in_it_names_a_place_on_this_machine(adapter, model, tmp_path):
    folder = unpacked(export_adapter(adapter, ignore, never), tmp_path / "there")
    for file in folder.iterdir():
        assert str(tmp_path).encode() not in file.read_bytes(), file.name
        assert str(model).encode() not in file.read_bytes(), file.name
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == model.name


def test_the_merged_model_says_what_base_and_adapter_say_together(adapter, model, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = unpacked(export_merged(adapter, ignore, never), tmp_path / "there")
    merged = AutoModelForCausalLM.from_pretrained(folder)
    assert greedy(merged, AutoTokenizer.from_pretrained(folder)) == adapted(model, adapter.path)
    assert (folder / "model.safetensors").exists()
    assert "AutoModelForCausalLM.from_pretrained(here)" in (folder / "README.md").read_text()


def test_an_adapter_that_cannot_be_merged_is_an_error_in_the_process_own_words(adapter):
    (adapter.path / "adapter_model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"merging: it failed \(status 1\)"):
        export_merged(adapter, ignore, never)
    assert list(exports_path(adapter.run).iterdir()) == []


def test_a_cancelled_export_leaves_nothing_behind(adapter):
    with pytest.raises(ExportCancelled):
        export_adapter(adapter, ignore, lambda: True)
    with pytest.raises(ChildCancelled):
        export_merged(adapter, ignore, lambda: True)
    assert list(exports_path(adapter.run).iterdir()) == []


def test_two_threads_may_pack_the_same_file_at_once(tmp_path):
    files = [(tmp_path / f"f{n}.safetensors", f"f{n}.safetensors") for n in range(3)]
    for path, _ in files:
        path.write_bytes(os.urandom(3 << 20))
    target = tmp_path / "run.zip"
    with ThreadPoolExecutor(2) as pool:
        for made in [pool.submit(pack, files, target, ignore, never) for _ in range(2)]:
            made.result()
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None


def test_an_export_is_as_old_as_the_beginning_of_its_making(adapter):
    path = export_adapter(adapter, lambda *done: os.utime(adapter.path / "adapter_config.json"), never)
    assert path.exists()
    assert not is_current(adapter, "adapter"), "it was changed while it was packed"


def test_an_export_is_current_until_its_adapter_is_written_anew(adapter):
    assert not is_current(adapter, "adapter")
    path = export_adapter(adapter, ignore, never)
    assert path == export_path(adapter, "adapter")
    assert is_current(adapter, "adapter")
    os.utime(adapter.path / "adapter_config.json", (path.stat().st_mtime + 5,) * 2)
    assert not is_current(adapter, "adapter")


class TestGguf:
    def test_without_the_converter_it_says_what_is_missing(self, adapter, monkeypatch):
        monkeypatch.setattr(exports, "gguf_converter", lambda: None)
        with pytest.raises(UserError, match=r"convert_hf_to_gguf\.py is not on this machine.*LLAMA_CPP"):
            export_gguf(adapter, ignore, never)

    def test_the_converter_gets_the_merged_model(self, adapter, tmp_path, monkeypatch):
        script = "import os, pathlib, sys\nmodel, _, out = sys.argv[1:]\nnames = sorted(os.listdir(model))\n"
        (tmp_path / "convert_hf_to_gguf.py").write_text(script + "pathlib.Path(out).write_text(' '.join(names))\n")
        monkeypatch.setenv("LLAMA_CPP", str(tmp_path))
        assert gguf_converter() == tmp_path / "convert_hf_to_gguf.py"
        path = export_gguf(adapter, ignore, never)
        assert path.name == "toy.gguf"
        assert "model.safetensors" in path.read_text()

    def test_what_the_converter_says_of_its_failure_is_passed_on(self, adapter, tmp_path, monkeypatch):
        (tmp_path / "convert_hf_to_gguf.py").write_text("raise SystemExit('Model ToyForCausalLM is not supported')")
        monkeypatch.setenv("LLAMA_CPP", str(tmp_path))
        with pytest.raises(UserError, match="ToyForCausalLM is not supported"):
            export_gguf(adapter, ignore, never)
        assert list(exports_path(adapter.run).iterdir()) == []


def test_exporting_needs_no_heavy_library_in_this_process():
    script = "import sys, core.exports, core.hub, core.run_files; print('torch' in sys.modules, 'peft' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
