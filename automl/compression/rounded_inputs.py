"""Inputs and outputs of a layer, rounded to integers by hooks: the layer stays what it is.

Activations are uint8 with a zero point, the kind for which onnxruntime has fast integer kernels.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from automl.compression.coded_weight import onnx_node
from automl.compression.quantization_grid import TINY, rounded

INPUT, OUTPUT = "input_rounding", "output_rounding"
"""The names of the modules, beneath a layer, that round what it reads and what it gives."""

ONNX_OPSET = 11
"""The operator version of DynamicQuantizeLinear."""


class Rounding(nn.Module):
    """Rounds values of any shape to uint8; on fewer than 8 bits they are clipped to their steps."""

    scale: Tensor
    zero_point: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, bits: int = 8) -> None:
        super().__init__()
        self.bits, self.steps, self.rounds = bits, 2**bits - 1, True
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("zero_point", torch.zeros((), dtype=torch.uint8))
        if self.steps < 255:
            self.register_buffer("low", torch.zeros(()))
            self.register_buffer("high", torch.zeros(()))

    def forward(self, values: Tensor) -> Tensor:
        if not self.rounds:
            return values
        if not torch.onnx.is_in_onnx_export():
            if self.steps < 255:
                values = values.clamp(self.low, self.high)
            return rounded(values, self.scale, self.zero_point.float(), 255)
        if self.steps < 255:
            values = onnx_node("Clip", (values, self.low, self.high), torch.float32)
        codes = onnx_node("QuantizeLinear", (values, self.scale, self.zero_point), torch.uint8)
        return onnx_node("DequantizeLinear", (codes, self.scale, self.zero_point), torch.float32)

    def fit(self, scale: Tensor | float, zero_point: Tensor | int) -> None:
        """Take the grid that was calibrated."""
        self.scale.fill_(float(scale))
        self.zero_point.fill_(int(zero_point))
        if self.steps < 255:
            self.low.copy_(-self.zero_point.float() * self.scale)
            self.high.copy_(self.low + self.steps * self.scale)


class DynamicRounding(nn.Module):
    """Rounds values of any shape to the 255 steps between their own least and greatest."""

    def __init__(self) -> None:
        super().__init__()
        self.bits, self.rounds = 8, True

    def forward(self, values: Tensor) -> Tensor:
        if not self.rounds:
            return values
        if torch.onnx.is_in_onnx_export():
            codes, scale, zero_point = torch.onnx.ops.symbolic_multi_out(
                "DynamicQuantizeLinear",
                (values,),
                dtypes=(torch.uint8, torch.float32, torch.uint8),
                shapes=(values.shape, (), ()),
                version=ONNX_OPSET,
            )
            return onnx_node("DequantizeLinear", (codes, scale, zero_point), torch.float32)
        if not values.numel():
            return values
        low, high = values.amin().clamp_max(0), values.amax().clamp_min(0)
        scale = ((high - low) / 255).clamp_min(TINY)
        zero_point = (-low / scale).round().clamp(0, 255)
        return rounded(values, scale, zero_point, 255)


def round_inputs(layer: nn.Module, rounding: nn.Module) -> None:
    """Have a layer read its first input rounded."""
    layer.add_module(INPUT, rounding)
    layer.register_forward_pre_hook(_rounded_inputs, with_kwargs=True)


def round_outputs(layer: nn.Module, rounding: nn.Module) -> None:
    """Have a layer give its outputs rounded."""
    layer.add_module(OUTPUT, rounding)
    layer.register_forward_hook(_rounded_outputs)


def _rounded_inputs(
    layer: nn.Module, inputs: tuple[Tensor, ...], named: Mapping[str, Tensor]
) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    rounding = layer.get_submodule(INPUT)
    if inputs:
        return (rounding(inputs[0]), *inputs[1:]), dict(named)
    first = next(iter(named))
    return inputs, {**named, first: rounding(named[first])}


def _rounded_outputs(layer: nn.Module, inputs: tuple[Tensor, ...], outputs: Tensor) -> Tensor:
    rounded_outputs: Tensor = layer.get_submodule(OUTPUT)(outputs)
    return rounded_outputs
