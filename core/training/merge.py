"""The process that merges an adapter into its model: `python -m core.training.merge MODEL ADAPTER FOLDER`.

Writes a folder that transformers loads by itself: safetensors and tokenizer, in the data type of the model. The sum is
reckoned in float32, so that it is rounded once.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from core.models import load_tokenizer, model_source


def merge(name: str, adapter: str, folder: str) -> None:
    """Write the merged model.

    Args:
        name: of the base model, as run specs name it.
        adapter: folder of the adapter.
        folder: where to write.
    """
    model: Any = AutoModelForCausalLM.from_pretrained(model_source(name), dtype="auto")
    dtype = model.dtype
    merged: Any = PeftModel.from_pretrained(model.to(torch.float32), adapter).merge_and_unload()
    merged.to(dtype).save_pretrained(folder)
    load_tokenizer(name).save_pretrained(folder)


if __name__ == "__main__":
    merge(*sys.argv[1:4])
