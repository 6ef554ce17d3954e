"""8-bit quantization, calibrated here and written as QDQ: what was calibrated is what ships.

Activations are uint8 with a zero point, weights int8 per output channel without one, the pair
for which onnxruntime has fast integer kernels. On processors without VNNI those kernels add two
products in 16 bits; scales are such that no pair can overflow, so a file gives the same answers
on every machine. https://arxiv.org/abs/1712.05877
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl.compression.fold import fold_batch_norm
from automl.models.deployed import predict, seen_by
from automl.models.family import Change, Network, change, copy_weights
from automl.recipe import Context, Rejected, Step

CALIBRATION_ROWS = 512
PAIR_LIMIT = 128
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
ONNX_VERSION = 19
"""The operator version of QuantizeLinear that every recent onnxruntime knows."""


@dataclass(frozen=True)
class Quantize(Step):
    """Post-training quantization of every convolution and linear layer."""

    bits: int = 8

    def apply(self, model: Network, context: Context) -> Network:
        if self.bits != 8:
            raise Rejected(f"Quantize: {self.bits} bits are not supported; choose 8")
        folded = fold_batch_norm(model).to(context.device)
        layers = quantizable(folded)
        if not layers:
            raise Rejected("Quantize: there is no layer left to quantize")
        rows = seen_by(folded, context.data.train.inputs[:CALIBRATION_ROWS], context.data.about)
        ranges = input_ranges(folded, layers, rows.to(context.device))
        quantized = change(folded, {name: Quantized(self.bits) for name in layers})
        copy_weights(folded, quantized.to(context.device))
        for name, layer in layers.items():
            target = quantized.body.get_submodule(name)
            target.load_state_dict(quantize_layer(layer, *ranges[name]))
        return quantized.eval()


@dataclass(frozen=True)
class Quantized(Change):
    """A convolution or linear layer whose weights and inputs are integers."""

    bits: int

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return QuantizedLayer(layer)


class QuantizedLayer(nn.Module):
    """Rounds its input to uint8 and computes with int8 weights; exported as QDQ nodes."""

    codes: Tensor
    scale: Tensor
    bias: Tensor
    input_scale: Tensor
    input_zero_point: Tensor

    def __init__(self, layer: Any) -> None:
        super().__init__()
        outputs = len(layer.weight)
        self.register_buffer("codes", torch.zeros(layer.weight.shape, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(outputs))
        self.register_buffer("bias", torch.zeros(outputs))
        self.register_buffer("input_scale", torch.ones(()))
        self.register_buffer("input_zero_point", torch.zeros((), dtype=torch.uint8))
        self.convolution: dict[str, Any] | None = None
        if not isinstance(layer, nn.Linear):
            names = ("stride", "padding", "dilation", "groups")
            self.convolution = {name: getattr(layer, name) for name in names}

    def forward(self, inputs: Tensor) -> Tensor:
        step = _as_onnx if torch.onnx.is_in_onnx_export() else _as_torch
        inputs, weight = step(self, inputs)
        if self.convolution is None:
            return F.linear(inputs, weight, self.bias)
        convolve: Any = F.conv1d if weight.dim() == 3 else F.conv2d
        outputs: Tensor = convolve(inputs, weight, self.bias, **self.convolution)
        return outputs


def quantizable(model: Network) -> dict[str, nn.Module]:
    """The layers whose weights can be integers, by name."""
    named = model.body.named_modules()
    return {name: m for name, m in named if isinstance(m, LAYERS)}


def input_ranges(
    model: Network, layers: dict[str, nn.Module], inputs: Tensor
) -> dict[str, tuple[float, float]]:
    """The least and the greatest input that each layer sees, zero included."""
    ranges = dict.fromkeys(layers, (0.0, 0.0))

    def observe(name: str) -> Any:
        def hook(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            low, high = arguments[0].aminmax()
            known = ranges[name]
            ranges[name] = (min(known[0], low.item()), max(known[1], high.item()))

        return hook

    hooks = [layer.register_forward_pre_hook(observe(name)) for name, layer in layers.items()]
    predict(model, inputs)
    for hook in hooks:
        hook.remove()
    return ranges


def quantize_layer(layer: Any, low: float, high: float) -> dict[str, Tensor]:
    """The state of the `QuantizedLayer` for a layer whose inputs lie in [low, high]."""
    weight = layer.weight.detach()
    scale = weight_scale(weight.flatten(1))
    codes = (weight / scale.view(-1, *[1] * (weight.dim() - 1))).round().clamp(-127, 127)
    input_scale = max(high - low, 1e-12) / 255
    bias = torch.zeros_like(scale) if layer.bias is None else layer.bias.detach()
    return {
        "codes": codes.to(torch.int8),
        "scale": scale,
        "bias": bias,
        "input_scale": torch.tensor(input_scale),
        "input_zero_point": torch.tensor(round(-low / input_scale), dtype=torch.uint8),
    }


def weight_scale(rows: Tensor) -> Tensor:
    """Per row the least scale with codes in ±127 and no two of one sign beyond 128 together.

    255 × 128 is the most that a signed 16-bit sum of two products can hold.
    """
    pairs = [side.topk(min(2, rows.shape[1]), dim=1).values for side in (rows, -rows)]
    reach = torch.stack([pair.clamp_min(0).sum(1) for pair in pairs]).amax(0) / (PAIR_LIMIT - 1)
    return torch.maximum(rows.abs().amax(1) / 127, reach).clamp_min(1e-12)


def _as_torch(layer: QuantizedLayer, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """What the exported nodes compute, in torch."""
    zero_point = layer.input_zero_point.float()
    rounded = ((inputs / layer.input_scale).round() + zero_point).clamp(0, 255)
    shape = (-1, *[1] * (layer.codes.dim() - 1))
    return (rounded - zero_point) * layer.input_scale, layer.codes * layer.scale.view(shape)


def _as_onnx(layer: QuantizedLayer, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The QuantizeLinear and DequantizeLinear nodes themselves."""
    point = (layer.input_scale, layer.input_zero_point)
    rounded = _node("QuantizeLinear", (inputs, *point), torch.uint8)
    weight = _node("DequantizeLinear", (layer.codes, layer.scale), torch.float32, axis=0)
    return _node("DequantizeLinear", (rounded, *point), torch.float32), weight


def _node(name: str, inputs: tuple[Tensor, ...], dtype: torch.dtype, **attributes: int) -> Tensor:
    node: Tensor = torch.onnx.ops.symbolic(
        name, inputs, dict(attributes), dtype=dtype, shape=inputs[0].shape, version=ONNX_VERSION
    )
    return node
