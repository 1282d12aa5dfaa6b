"""A checkpoint that something has damaged is named with its file, and one that is whole is left alone."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from core.checkpoint_check import ARCHIVES, DOCUMENTS, WEIGHTS, damage
from core.mixture import Mixture, save_state
from core.spec import Mixing, Normalisation


@pytest.fixture
def checkpoint(tmp_path):
    save_file({"weight": np.ones((64, 64), np.float32)}, tmp_path / "adapter_model.safetensors")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        torch.save({"state": torch.ones(64)}, tmp_path / name)
    for name in ("adapter_config.json", "trainer_state.json"):
        (tmp_path / name).write_text(json.dumps({"step": 3}))
    save_state(Mixture(["a"], {"a": 1.0}, Mixing(), Normalisation(), seed=1).state, tmp_path)
    return tmp_path


def test_a_whole_one_has_no_damage(checkpoint):
    assert damage(checkpoint) == ""


@pytest.mark.parametrize("name", [WEIGHTS, *ARCHIVES, *DOCUMENTS])
def test_a_file_that_is_cut_or_missing_is_named(checkpoint, name):
    path = checkpoint / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert damage(checkpoint).startswith(f"{name} ")
    path.unlink()
    assert damage(checkpoint) == f"{name} is missing"


@pytest.mark.parametrize("text", ['{"drawn": {}}', "[]", '{"drawn": 1, "behind": {}, "seen": {}}'])
def test_a_mixture_that_says_nothing_is_damage(checkpoint, text):
    (checkpoint / "mixture.json").write_text(text)
    assert damage(checkpoint) == "mixture.json does not say which rows come next"
