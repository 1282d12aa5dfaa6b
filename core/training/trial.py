"""A few tokens through the loaded model, TRL's way and ours, before a run goes our way.

The adapter is made to do something meanwhile: at the start of a run it does nothing, and whatever computed it wrongly
would not be noticed. A trial that was passed is remembered, for it takes as long as loading all libraries: it is
repeated when the model's configuration, the settings, the device, a library or our own source is another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from trl import GRPOConfig

from core.cache import cache_dir
from core.runs import write_atomically
from core.training.packed_pass import per_token_logprobs

PROMPT, TOKENS = 64, 4  # the last tokens of a prompt that a trial reads, and how many it adds
ADAPTER = 0.02  # standard deviation of what stands in the adapter's B meanwhile

# How far apart log-probabilities may lie on average, by the precision that they are computed in.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.2, torch.float16: 0.05}

# Settings of TRL's that a trial depends on.
SETTINGS = (
    "temperature",
    "bf16",
    "fp16",
    "gradient_checkpointing",
    "gradient_checkpointing_kwargs",
    "disable_dropout",
    "tf32",
)

# The same for gradients, as a part of their size. A wrong sign makes it 2, a gradient that is missing 1.
GRADIENTS = {torch.float32: 1e-2, torch.bfloat16: 0.5, torch.float16: 0.2}

Prompts = Sequence[Sequence[int]]


class Memory:
    """What was found when the same trial was passed before; empty where it has to be made.

    Args:
        model: the PEFT model on its device.
        arguments: TRL's configuration.
    """

    def __init__(self, model: Any, arguments: GRPOConfig) -> None:
        self._path = cache_dir() / "trials" / f"{fingerprint(model, arguments)}.json"
        try:
            self.found: dict[str, float] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # never made, or torn: made again
            self.found = {}

    def keep(self, part: str, value: float) -> None:
        """Remember that a part was tried and held; where that cannot be written, it will be tried again."""
        self.found[part] = value
        with suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            write_atomically(self._path, json.dumps(self.found))


def fingerprint(model: Any, arguments: GRPOConfig) -> str:
    """A name for everything that the outcome of a trial depends on, but for the values of weights and the prompts."""
    base = model.get_base_model()
    device = base.device
    return hashlib.sha256(
        json.dumps(
            {
                "source": [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py"))],
                "versions": [version(name) for name in ("torch", "transformers", "peft", "trl", "accelerate")],
                "device": torch.cuda.get_device_name(device) if device.type == "cuda" else torch.cpu.get_capabilities(),
                "model": [
                    type(base).__name__,
                    str(base.dtype),
                    base.config.to_dict(),
                    base.config._attn_implementation,
                ],
                "adapter": [config.to_dict() for config in model.peft_config.values()],
                "trained": sorted((name, str(p.dtype)) for name, p in model.named_parameters() if p.requires_grad),
                "precision": torch.get_float32_matmul_precision(),
                "settings": {name: getattr(arguments, name) for name in SETTINGS},
            },
            default=lambda value: sorted(value) if isinstance(value, set) else str(value),
            sort_keys=True,
        ).encode()
    ).hexdigest()[:32]


@contextmanager
def working_adapter(model: Any) -> Iterator[None]:
    """The model in evaluation mode with an adapter that does something; afterwards all is as before."""
    training = model.training
    adapters = [p for name, p in model.named_parameters() if ".lora_B." in name]
    before = [p.detach().clone() for p in adapters]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for p in adapters:
            p.add_(torch.randn_like(p) * ADAPTER)
        model.eval()
        try:
            yield
        finally:
            model.train(training)
            for p, value in zip(adapters, before, strict=True):
                p.copy_(value)


def different(rows: Prompts) -> tuple[Sequence[int], Sequence[int]]:
    """The ends of two prompts that differ, where any do."""
    ends = [row[-PROMPT:] for row in rows]
    return ends[0], next((end for end in ends if end != ends[0]), ends[0])


def likely(base: Any, pair: Prompts) -> tuple[Tensor, Tensor]:
    """Two prompts, two completions each: ids and mask, (4, P + TOKENS).

    Completions that the model itself finds likely: about unlikely ones its own passes disagree, by rounding alone.
    """
    rows = [list(pair[n]) for n in (0, 0, 1, 1)]
    longest = max(map(len, rows))
    ids = torch.tensor([[*row[:1] * (longest - len(row)), *row] for row in rows], device=base.device)
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows], device=base.device)
    for n in range(TOKENS):
        position = (mask.cumsum(1) - 1).clamp(min=0)
        logits = base(input_ids=ids, attention_mask=mask, position_ids=position, use_cache=False).logits[:, -1]
        best = logits.topk(2).indices
        token = best[torch.arange(4), torch.tensor([0, 1, 0, 1])] if n == 0 else best[:, 0]
        ids, mask = torch.cat([ids, token[:, None]], dim=1), torch.cat([mask, torch.ones_like(token)[:, None]], dim=1)
    mask[1, -1] = 0
    return ids, mask


def compare(theirs: Tensor, ours: Tensor, mask: Tensor, precision: torch.dtype) -> None:
    """Raise ArithmeticError where log-probabilities (4, TOKENS) lie further apart than rounding explains."""
    apart = ((theirs.float() - ours.float()).abs() * mask).sum().item() / mask.sum().item()
    if not apart <= TOLERANCE.get(precision, 1e-3):
        raise ArithmeticError(f"log-probabilities are {apart:.3g} apart from TRL's")


def gradients(model: Any, logprobs: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """Of the adapter's matrices, of a sum in which no token's log-probability cancels that of another.

    Args:
        model: the PEFT model.
        logprobs: (4, TOKENS), with their graph.
        mask: (4, TOKENS).
    """
    weights = torch.linspace(-1, 2, logprobs.numel(), device=logprobs.device).view_as(logprobs)
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = torch.autograd.grad((logprobs.float() * mask * weights).sum(), list(named.values()))
    return dict(zip(named, found, strict=True))


def compare_gradients(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor], precision: torch.dtype) -> None:
    """Raise ArithmeticError where gradients lie further apart than rounding explains: of all A together, of all B."""
    for kind in (".lora_A.", ".lora_B."):
        names = [name for name in theirs if kind in name]
        whole = torch.cat([theirs[name].float().flatten() for name in names])
        apart = (torch.cat([ours[name].float().flatten() for name in names]) - whole).norm() / whole.norm()
        if not apart <= GRADIENTS.get(precision, 1e-2):
            raise ArithmeticError(f"gradients are {apart:.3g} of their size apart from TRL's")


def kept_by_a_token(base: Any, ids: Tensor, mask: Tensor, completion_length: int) -> float:
    """Bytes that our pass keeps for the backward pass for each token, beside what it keeps once.

    Args:
        base: the model, prepared by `packing.install`.
        ids: (4, P + completion length), a batch to try it on.
        mask: (4, P + completion length).
        completion_length: of it.
    """
    whole, half = (_kept(base, ids[:rows], mask[:rows], completion_length) for rows in (4, 2))
    return max(1.0, (whole[0] - half[0]) / (whole[1] - half[1]))


def _kept(base: Any, ids: Tensor, mask: Tensor, completion_length: int) -> tuple[int, int]:
    """Bytes that autograd keeps beside the parameters, and the tokens that were passed. Goes backward too."""
    seen = {p.untyped_storage().data_ptr(): 0 for p in base.parameters()}
    pairs = zip(ids[:, :-completion_length], mask[:, :-completion_length], strict=True)
    prompts = [tuple(row[real.bool()].tolist()) for row, real in pairs]
    tokens = sum(map(len, set(prompts))) + int(mask[:, -completion_length:].sum())

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen.setdefault(storage.data_ptr(), storage.nbytes())
        return tensor

    with torch.enable_grad():
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
            found = per_token_logprobs(base, ids, mask, completion_length, temperature=1.0, most=ids.numel())
        kept = sum(seen.values())
        trained = [p for p in base.parameters() if p.requires_grad]
        torch.autograd.grad((found[0] + found[1]).sum(), trained)
    return kept, tokens
