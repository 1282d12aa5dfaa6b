"""What a model is like, from its config.json alone: sizes that memory, time and lengths are reckoned from.

Read by pages, so without torch. A model on the Hub is known where its config is in the local cache of the Hub; else
it is unknown until somebody asks for it (`ask_hub`) or a run has loaded it. Decoders of the usual make are understood
(Llama and its kin, mixtures of experts among them); of any other the file says too little, and nothing is guessed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import Problem, UserError
from core.models import EMBEDDED, EMBEDDED_HUB_ID, converted_folder

CONFIG, TOKENIZER = "config.json", "tokenizer.json"
NEEDED = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")


@dataclass(frozen=True)
class ModelFacts:
    """Sizes of a decoder.

    Attributes:
        kind: its type, such as llama.
        layers: how many.
        hidden: width of the residual stream.
        intermediate: width of the MLP (of one expert, in a mixture).
        experts: of each layer; 1 without a mixture.
        active: experts that a token passes through.
        heads, kv_heads, head_size: of the attention.
        vocabulary: rows of the embedding.
        context: tokens that it was trained for; None where the file does not say.
        tied: whether the head shares the embedding's weights.
        source_dtype: what the weights are saved in; empty where the file does not say.
        quantised: whether they are saved quantised.
    """

    kind: str
    layers: int
    hidden: int
    intermediate: int
    experts: int
    active: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context: int | None
    tied: bool
    source_dtype: str = ""
    quantised: bool = False

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """(in, out) of the linear layers of one decoder layer, under the names of Llama's; of one expert."""
        q, kv = self.heads * self.head_size, self.kv_heads * self.head_size
        return {
            "q_proj": (self.hidden, q),
            "k_proj": (self.hidden, kv),
            "v_proj": (self.hidden, kv),
            "o_proj": (q, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    def copies(self, linear: str) -> int:
        """How many of a linear layer one decoder layer has."""
        return 1 if linear in ("q_proj", "k_proj", "v_proj", "o_proj") else self.experts

    @property
    def layer_parameters(self) -> int:
        """Weights of the linear layers of all decoder layers."""
        return self.layers * sum(a * b * self.copies(name) for name, (a, b) in self.linears.items())

    @property
    def parameters(self) -> int:
        """All weights; biases and the norms of heads are left out."""
        embedding = self.vocabulary * self.hidden
        return self.layer_parameters + embedding * (1 if self.tied else 2) + (2 * self.layers + 1) * self.hidden


def model_facts(name: str) -> ModelFacts | None:
    """What is known of a model here; None where nothing is."""
    path = local_file(name, CONFIG)
    if path is None:
        return None
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read_facts(config) if isinstance(config, dict) else None


def read_facts(config: Mapping[str, Any]) -> ModelFacts | None:
    """The facts in a config.json; None where it is no decoder of the usual make."""
    whole = {**config, **(config.get("text_config") or {})}
    if not all(isinstance(whole.get(name), int) for name in NEEDED):
        return None
    hidden, heads = whole["hidden_size"], whole["num_attention_heads"]
    experts = whole.get("num_local_experts") or whole.get("num_experts") or 1
    wide = whole.get("moe_intermediate_size") if experts > 1 else None
    return ModelFacts(
        kind=str(whole.get("model_type", "")),
        layers=whole["num_hidden_layers"],
        hidden=hidden,
        intermediate=wide or whole.get("intermediate_size") or 4 * hidden,
        experts=experts,
        active=min(experts, whole.get("num_experts_per_tok") or experts),
        heads=heads,
        kv_heads=whole.get("num_key_value_heads") or heads,
        head_size=whole.get("head_dim") or hidden // heads,
        vocabulary=whole["vocab_size"],
        context=whole.get("max_position_embeddings"),
        tied=bool(whole.get("tie_word_embeddings", True)),
        source_dtype=str(whole.get("dtype") or whole.get("torch_dtype") or ""),
        quantised="quantization_config" in config,
    )


def local_file(name: str, file: str) -> Path | None:
    """A file of a model that is on this machine; None where it is not, and nothing is fetched."""
    if name == EMBEDDED and (folder := converted_folder()) is not None:
        return folder / file if (folder / file).exists() else None
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder / file if (folder / file).exists() else None
    return _cached(EMBEDDED_HUB_ID if name == EMBEDDED else name, file)


def _cached(hub_id: str, file: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(hub_id, file)
    except HFValidationError:  # no id at all
        return None
    return Path(found) if isinstance(found, str) else None


def ask_hub(name: str) -> None:
    """Fetch a model's config and tokenizer into the local cache of the Hub.

    Raises:
        UserError: an error where the Hub has no such model, or not for this user; else, such as where it cannot be
            reached, a warning: the run may have better luck.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    try:
        for file in (CONFIG, TOKENIZER):
            hf_hub_download(name, file)
    except (HFValidationError, RepositoryNotFoundError):
        what = f"the Hub has no model {name!r} for this user."
        mend = "Check the id, ask for access and set HF_TOKEN where it is gated, or name a folder."
        raise UserError(Problem("model", what, mend)) from None
    except Exception as error:  # the boundary: a network has many ways to fail
        what = f"it cannot be looked up: {str(error).splitlines()[0] if str(error) else type(error).__name__:.200}"
        raise UserError(Problem("model", what, "Check the id and the network, or name a folder.", "warning")) from None
