"""Which model a run starts from: the embedded one, a folder, a Hub id."""

import importlib.util
from pathlib import Path

import pytest
from toys import make_model

from core import models
from core.errors import UserError
from core.models import EMBEDDED_HUB_ID, embedded_gguf, load_tokenizer, model_source


@pytest.fixture
def own_cache(monkeypatch):
    """The cache of whoever runs the tests, where `make` has converted the embedded model already."""
    monkeypatch.delenv("SIGNALBOX_CACHE", raising=False)


class TestEmbedded:
    def test_it_is_converted_once_and_answers_a_sum(self, own_cache):
        import torch
        from transformers import AutoModelForCausalLM

        folder = Path(model_source("embedded"))
        written = (folder / "model.safetensors").stat().st_mtime_ns
        assert model_source("embedded") == str(folder)
        assert (folder / "model.safetensors").stat().st_mtime_ns == written
        tokenizer = load_tokenizer("embedded")
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        chat = [{"role": "user", "content": "What is 3 + 4? Reply with only the number."}]
        inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        output = model.generate(**inputs, max_new_tokens=16, do_sample=False)
        assert "7" in tokenizer.decode(output[0, inputs["input_ids"].shape[1] :])

    def test_the_tokenizer_pads_on_the_left_and_has_a_chat_template(self, own_cache):
        tokenizer = load_tokenizer("embedded")
        assert tokenizer.padding_side == "left"
        assert tokenizer.chat_template
        assert tokenizer.pad_token is not None

    def test_without_the_wheel_it_is_the_same_model_on_the_hub(self, monkeypatch):
        monkeypatch.setattr(models, "EMBEDDED_WHEEL", "a_wheel_that_is_not_installed")
        assert embedded_gguf() is None
        assert model_source("embedded") == EMBEDDED_HUB_ID

    def test_finding_the_wheel_does_not_import_it(self):
        import sys

        assert importlib.util.find_spec(models.EMBEDDED_WHEEL) is not None
        embedded_gguf()
        assert models.EMBEDDED_WHEEL not in sys.modules

    def test_a_conversion_that_another_process_finished_first_is_used(self, tmp_path):
        scratch, folder = tmp_path / "scratch", tmp_path / "model"
        for path in (scratch, folder):
            path.mkdir()
            (path / "config.json").write_text("{}")
        models._move_into_place(scratch, folder)
        assert (folder / "config.json").exists()


class TestFoldersAndIds:
    def test_a_folder_is_taken_as_it_is(self, tmp_path):
        folder = make_model(tmp_path / "model")
        assert model_source(str(folder)) == str(folder)
        assert load_tokenizer(str(folder)).decode([0, 1]) == '!"'

    @pytest.mark.parametrize("name", ["./nowhere", "/no/such/folder", "~/no-such-model"])
    def test_a_path_that_is_not_there_is_an_error_and_not_a_hub_id(self, name):
        with pytest.raises(UserError, match="there is no such folder"):
            model_source(name)

    def test_a_folder_without_a_model_is_said_to_be_one(self, tmp_path):
        with pytest.raises(UserError, match=r"no config\.json"):
            model_source(str(tmp_path))

    def test_a_hub_id_stays_a_hub_id(self):
        assert model_source("org/model") == "org/model"
