"""Layers whose weights and inputs are integers: while they are learned, and as they ship.

Activations are uint8 with a zero point, weights int8 per output channel without one, the pair
for which onnxruntime has fast integer kernels. https://arxiv.org/abs/1712.05877, learned step
sizes: https://arxiv.org/abs/1902.08153
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from automl.compression.coded_layer import (
    CodedLayer,
    ComputingLayer,
    FileClaim,
    onnx_node,
    per_output,
)
from automl.compression.quantization_grid import LIMITS, codes_of, reach, rounded, weight_scale
from automl.models.family import LayerEdit
from automl.models.plain_layers import PlainLayer, as_plain

LARGEST_BIAS = 2**30
"""In steps of the products, whose sum is added to it in 32 bits."""


@dataclass(frozen=True)
class Quantized(LayerEdit):
    """A convolution or linear layer of integers. With `output` its results are uint8 as well,
    which an integer convolution needs where no quantized layer reads them at once."""

    bits: int
    activation_bits: int = 8
    output: bool = False

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return QuantizedLayer(as_plain(layer), self.bits, self.activation_bits, self.output)


@dataclass(frozen=True)
class Learned(LayerEdit):
    """A quantized layer while it trains: float weights and scales that see their rounding;
    `levels` are the codes of a codebook."""

    bits: int
    activation_bits: int = 8
    levels: tuple[int, ...] = ()

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return LearnedLayer(as_plain(layer), self.bits, self.activation_bits, self.levels)


class QuantizedLayer(CodedLayer):
    """Rounds its input to uint8, on fewer than 8 bits clipped to their steps, and computes with
    integer weights: QDQ nodes."""

    bias: Tensor
    input_scale: Tensor
    input_zero_point: Tensor
    output_scale: Tensor
    output_zero_point: Tensor
    input_low: Tensor
    input_high: Tensor
    reads_integers: ClassVar[bool] = True

    def __init__(self, layer: PlainLayer, bits: int, activation_bits: int, output: bool) -> None:
        super().__init__(layer)
        self.bits, self.steps = bits, 2**activation_bits - 1
        outputs = len(layer.weight)
        self.register_buffer("codes", torch.zeros(layer.weight.shape, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(outputs))
        self.register_buffer("bias", torch.zeros(outputs))
        self.has_output = output
        for name in ("input", "output") if output else ("input",):
            self.register_buffer(f"{name}_scale", torch.ones(()))
            self.register_buffer(f"{name}_zero_point", torch.zeros((), dtype=torch.uint8))
        if self.steps < 255:
            self.register_buffer("input_low", torch.zeros(()))
            self.register_buffer("input_high", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        exporting = torch.onnx.is_in_onnx_export()
        quantize = _quantized_in_onnx if exporting else _quantized_in_torch
        if self.steps < 255:
            clip = _clipped_in_onnx if exporting else torch.clamp
            inputs = clip(inputs, self.input_low, self.input_high)
        inputs = quantize(inputs, self.input_scale, self.input_zero_point)
        weight = self._weight_in_onnx() if exporting else self.dequantized()
        outputs = self.compute(inputs, weight, self.bias)
        if self.has_output:
            return quantize(outputs, self.output_scale, self.output_zero_point)
        return outputs

    def round_bias(self) -> None:
        """Put the bias on the grid of the products, where onnxruntime rounds it anyway, to 32 bits.

        Where an output's weights are next to nothing, their scale grows until its bias fits.
        """
        scale = torch.maximum(self.scale, self.bias.abs() / (self.input_scale * LARGEST_BIAS))
        if self.bits == 8:
            self.codes.copy_((self.codes * per_output(self.scale / scale, self.codes)).round())
        self.scale.copy_(scale)
        step = self.input_scale * self.scale
        self.bias.copy_((self.bias / step).round() * step)

    def claim(self) -> FileClaim:
        is_integer = self.convolution is not None and self.steps == 255
        return replace(super().claim(), is_integer_convolution=is_integer)

    def _weight_in_onnx(self) -> Tensor:
        """Linear layers tell that their zero points are 0: where they do not, onnxruntime 1.20
        takes the codes for uint8 ones, and a newer one computes with floats."""
        parts = [self.codes, self.scale]
        if self.convolution is None:
            parts.append(torch.zeros_like(self.scale, dtype=torch.int8))
        return onnx_node("DequantizeLinear", tuple(parts), torch.float32, axis=0)


class LearnedLayer(ComputingLayer):
    """Learns weights and the logarithms of their scales and of its input's through rounding.

    At 8 bits the scale of the weights follows from them.
    """

    input_zero_point: Tensor

    def __init__(
        self, layer: PlainLayer, bits: int, activation_bits: int, levels: tuple[int, ...]
    ) -> None:
        super().__init__(layer)
        self.bits, self.steps, self.levels = bits, 2**activation_bits - 1, levels
        self.weight = nn.Parameter(torch.zeros(layer.weight.shape))
        self.bias = None if layer.bias is None else nn.Parameter(torch.zeros(len(layer.weight)))
        self.log_scale = nn.Parameter(torch.zeros(len(layer.weight)))
        self.log_input_scale = nn.Parameter(torch.zeros(()))
        self.register_buffer("input_zero_point", torch.zeros((), dtype=torch.uint8))

    def forward(self, inputs: Tensor) -> Tensor:
        scale = per_output(self.scale(), self.weight)
        scaled = self.weight / scale
        # Beyond its last code a weight is clipped: its gradient goes to the scale alone.
        limit = reach(self.bits, self.levels)
        clipped = scaled.clamp(-limit, limit)
        codes = codes_of(clipped, self.bits, self.levels)
        weight = _straight_through(codes, clipped) * scale
        return self.compute(self._rounded(inputs), weight, self.bias)

    def scale(self) -> Tensor:
        """The scale (outputs,) of the weights."""
        if self.bits == 8:
            return weight_scale(self.weight.detach().flatten(1), 8)
        # Each weight of a row adds to its scale's gradient: scaled down as in the paper.
        share = (self.weight[0].numel() * LIMITS[self.bits]) ** -0.5
        return _scaled_gradient(self.log_scale, share).exp()

    def _rounded(self, inputs: Tensor) -> Tensor:
        share = (inputs[0].numel() * self.steps) ** -0.5
        scale = _scaled_gradient(self.log_input_scale, share).exp()
        zero_point = self.input_zero_point.float()
        shifted = (inputs / scale + zero_point).clamp(0, self.steps)
        return (_straight_through(shifted.round(), shifted) - zero_point) * scale


def _straight_through(values: Tensor, source: Tensor) -> Tensor:
    """`values`, with the gradient of `source`."""
    return source + (values - source).detach()


def _scaled_gradient(values: Tensor, share: float) -> Tensor:
    return values * share + (values * (1 - share)).detach()


def _quantized_in_torch(inputs: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    """The computation of the exported nodes, in torch."""
    return rounded(inputs, scale, zero_point.float(), 255)


def _quantized_in_onnx(inputs: Tensor, scale: Tensor, zero_point: Tensor) -> Tensor:
    codes = onnx_node("QuantizeLinear", (inputs, scale, zero_point), torch.uint8)
    return onnx_node("DequantizeLinear", (codes, scale, zero_point), torch.float32)


def _clipped_in_onnx(inputs: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return onnx_node("Clip", (inputs, low, high), torch.float32)
