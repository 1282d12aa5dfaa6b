"""What TRL is told: precision as the spec says, else as the hardware computes fastest."""

import pytest
import torch

from core.training.arguments import precision


@pytest.mark.parametrize(("given", "dtype"), [({"bf16": False}, "float32"), ({"bf16": True}, "bfloat16")])
def test_weights_are_in_the_precision_that_is_asked_for(given, dtype):
    found = precision(given)
    assert (found["bf16"], found["model_init_kwargs"]["dtype"]) == (given["bf16"], dtype)


@pytest.mark.parametrize(("hardware", "dtype"), [(True, "bfloat16"), (False, "float32")])
def test_where_nothing_is_asked_for_the_hardware_decides(monkeypatch, hardware, dtype):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: hardware)
    assert precision()["model_init_kwargs"]["dtype"] == dtype


def test_half_precision_of_16_bits_is_left_to_trl():
    assert precision({"fp16": True}) == {"bf16": False}
