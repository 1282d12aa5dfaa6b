"""LoRA layers without casts, and a copy of the model with the adapter merged in, for sampling.

PEFT keeps adapters in float32 and casts a layer's input, and its output, back and forth around every one of them: in
bfloat16 a quarter of the training pass. `lean_forward` computes in the precision of the layer, or of the autocast in
force, with one autograd node. `MergedCopy` holds W + scaling * B @ A for sampling, where unmerged adapters would triple
the number of operations; it is written anew from the untouched base weights each time, so nothing drifts. In half
precision the sum is rounded: while an adapter is young, much of it is smaller than that (docs/speed.md).

Source of the layer: LoRA, arXiv 2106.09685.
"""

from __future__ import annotations

import copy
import types
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from peft.tuners.lora import Linear as LoraLinear
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

BASE = ".base_layer"  # where PEFT puts the layer that it wraps


def unsupported(model: nn.Module) -> str | None:
    """Why this PEFT model's adapters cannot be computed here; None where they can.

    Supported is plain LoRA on linear layers: no DoRA or other variant, no bias of its own, nothing else that trains.
    """
    for name, layer in adapted(model):
        if type(layer) is not LoraLinear or type(layer.get_base_layer()) is not nn.Linear:
            return f"{name} is a {type(layer.get_base_layer()).__name__} under {type(layer).__name__}, not plain LoRA"
        adapters = layer.active_adapters
        reasons = {
            "there are several adapters": len(adapters) != 1,
            f"the adapter is {' and '.join(sorted({_kind(v) for v in layer.lora_variant.values()}))}": bool(
                layer.lora_variant
            ),
            "the adapter has a bias (lora.lora_bias)": any(layer.lora_bias.values()),
            f"{name} keeps its weights turned over (lora.fan_in_fan_out)": layer.fan_in_fan_out,
        }
        if reason := next((reason for reason, holds in reasons.items() if holds), None):
            return f"{reason}, not plain LoRA"
    adapters_of = {
        id(p) for _, layer in adapted(model) for p in (*layer.lora_A.parameters(), *layer.lora_B.parameters())
    }
    other = next((name for name, p in model.named_parameters() if p.requires_grad and id(p) not in adapters_of), None)
    return f"{other} trains beside the LoRA layers" if other else None


def _kind(variant: object) -> str:
    """What people call a variant of PEFT's: Dora for DoraLinearVariant."""
    return type(variant).__name__.removesuffix("LinearVariant")


def adapted(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Every layer that PEFT has put an adapter on, by name."""
    for name, module in model.named_modules():
        if isinstance(module, BaseTunerLayer):
            yield name, module


def make_lean(model: nn.Module) -> None:
    """Let every LoRA layer compute without casts. Parameters, names and checkpoints stay PEFT's."""
    for _, layer in adapted(model):
        layer.forward = types.MethodType(lean_forward, layer)


def undo_lean(model: nn.Module) -> None:
    """Give LoRA layers PEFT's own way of computing back."""
    for _, layer in adapted(model):
        vars(layer).pop("forward", None)


def lean_forward(layer: Any, x: Tensor, *_: Any, **__: Any) -> Tensor:
    """x W^T + scaling * dropout(x) A^T B^T of a plain LoRA layer; x (..., in), result (..., out)."""
    base = layer.get_base_layer()
    if layer.disable_adapters and layer.merged:
        layer.unmerge()
    if layer.disable_adapters or layer.merged:
        return F.linear(x, base.weight, base.bias)
    (adapter,) = layer.active_adapters
    a, b = layer.lora_A[adapter].weight, layer.lora_B[adapter].weight
    dropout, scaling = layer.lora_dropout[adapter], layer.scaling[adapter]
    dropped = dropout(x) if isinstance(dropout, nn.Dropout) and layer.training else x
    result: Tensor = _Lora.apply(x, dropped, base.weight, base.bias, a, b, scaling)  # type: ignore[no-untyped-call]
    return result


class _Lora(torch.autograd.Function):
    """One linear layer with its adapter. The base weights are frozen: they get no gradient."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, dropped: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scaling: float
    ) -> Tensor:
        device = x.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight.dtype
        with torch.autocast(device, enabled=False):
            same = dropped is x
            x = x.to(dtype)
            dropped = x if same else dropped.to(dtype)
            weight, a, b = weight.to(dtype), a.to(dtype), b.to(dtype)
            y = F.linear(x, weight, None if bias is None else bias.to(dtype))
            low = F.linear(dropped, a)  # (..., r)
            y.view(-1, y.shape[-1]).addmm_(low.reshape(-1, low.shape[-1]), b.t(), alpha=scaling)
        ctx.save_for_backward(dropped, low, weight, a, b)
        ctx.scaling, ctx.same = scaling, same
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        dropped, low, weight, a, b = ctx.saved_tensors
        grad = grad.to(weight.dtype)
        flat = grad.reshape(-1, grad.shape[-1])
        grad_low = (flat @ b).mul_(ctx.scaling)  # (n, r)
        grad_a = grad_low.t() @ dropped.reshape(-1, dropped.shape[-1])
        grad_b = (flat.t() @ low.reshape(-1, low.shape[-1])).mul_(ctx.scaling)
        if not ctx.needs_input_grad[0]:
            return None, None, None, None, grad_a, grad_b, None
        grad_x = flat @ weight
        if ctx.same:
            return grad_x.addmm_(grad_low, a).view_as(dropped), None, None, None, grad_a, grad_b, None
        return grad_x.view_as(dropped), (grad_low @ a).view_as(dropped), None, None, grad_a, grad_b, None


class MergedCopy:
    """A model without adapters whose adapted weights are W + scaling * B @ A; all other weights are shared.

    Args:
        model: a supported PEFT model; see `unsupported`.
        dtype: what to sample in; weights that are in it already are shared, not copied.
    """

    def __init__(self, model: Any, dtype: torch.dtype) -> None:
        base = model.get_base_model()
        self._layers = [layer for _, layer in adapted(model)]
        self.model = _skeleton(base, dtype)
        own = dict(self.model.named_modules())
        names = {id(module): name for name, module in base.named_modules()}
        self._merged = [own[names[id(layer)]] for layer in self._layers]

    @torch.no_grad()
    def refresh(self) -> None:
        """Write the merged weights from the base weights and the adapter as it is now."""
        for layer, merged in zip(self._layers, self._merged, strict=True):
            (adapter,), out = layer.active_adapters, merged.weight.data
            weights = layer.get_base_layer().weight, layer.lora_B[adapter].weight, layer.lora_A[adapter].weight
            torch.addmm(*(weight.to(out.dtype) for weight in weights), alpha=layer.scaling[adapter], out=out)


def _skeleton(base: Any, dtype: torch.dtype) -> Any:
    """The model class anew, without adapters: own storage for adapted weights, shared storage for the rest."""
    config = copy.deepcopy(base.config)
    with torch.device("meta"):
        model = type(base)(config)
    own = {id(layer.get_base_layer().weight) for _, layer in adapted(base)}
    for name, p in base.named_parameters(remove_duplicate=False):
        if ".lora_" not in name:
            value = torch.empty_like(p, dtype=dtype) if id(p) in own else p.data.to(dtype)
            _put(model, name.replace(BASE, ""), nn.Parameter(value, requires_grad=False))
    for name, buffer in base.named_buffers():
        if ".lora_" not in name:
            _put(model, name.replace(BASE, ""), buffer)
    return model.eval()


def _put(model: nn.Module, name: str, value: Tensor) -> None:
    parent, _, leaf = name.rpartition(".")
    holder = model.get_submodule(parent)
    if isinstance(value, nn.Parameter):
        holder._parameters[leaf] = value
    else:
        holder._buffers[leaf] = value
