"""Layers that compute with weights which ship as integer codes, and what they claim of a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from automl.models.plain_layers import PlainLayer

ONNX_VERSION = 19
"""The operator version of QuantizeLinear that every recent onnxruntime knows."""

BYTES_PER_OUTPUT = 8
"""Of a scale and a bias."""


@dataclass(frozen=True)
class FileClaim:
    """A claim of one layer on a file that holds it.

    The file has `num_weights` of `bits` each; `num_bytes` are those of the weights, their
    scales and biases. An integer convolution is to run as such.
    """

    bits: int
    num_weights: int
    num_bytes: float
    is_integer_convolution: bool = False


class ComputingLayer(nn.Module):
    """A linear or convolution layer whose weights come from somewhere else."""

    convolution: Callable[[Tensor, Tensor, Tensor | None], Tensor] | None
    """Takes inputs, weights and biases; None of a linear layer."""

    def __init__(self, layer: PlainLayer) -> None:
        super().__init__()
        self.convolution = None
        if not isinstance(layer, nn.Linear):
            names = ("stride", "padding", "dilation", "groups")
            settings = {name: getattr(layer, name) for name in names}
            self.convolution = partial((F.conv1d, F.conv2d)[layer.weight.dim() - 3], **settings)

    def compute(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The layer's outputs for rows (rows, channels, ...) and weights (outputs, inputs, ...)."""
        if self.convolution is None:
            return F.linear(inputs, weight, bias)
        return self.convolution(inputs, weight, bias)


class CodedLayer(ComputingLayer):
    """A layer of `codes` (outputs, inputs, ...), int8, and a `scale` (outputs,) for each output.

    In a file a code takes `bits`. A layer that `reads_integers` rounds its inputs to integers
    as well, so that a runtime may compute with integers alone.
    """

    codes: Tensor
    scale: Tensor
    bias: Tensor | None
    bits: int
    reads_integers: ClassVar[bool] = False

    def forward(self, inputs: Tensor) -> Tensor:
        if torch.onnx.is_in_onnx_export():
            weight = onnx_node("DequantizeLinear", (self.codes, self.scale), torch.float32, axis=0)
        else:
            weight = self.dequantized()
        return self.compute(inputs, weight, self.bias)

    def claim(self) -> FileClaim:
        """The claim of the layer on its file."""
        count = self.codes.numel()
        num_bytes = count * self.bits / 8 + BYTES_PER_OUTPUT * len(self.scale)
        return FileClaim(self.bits, count, num_bytes)

    def dequantized(self) -> Tensor:
        """The weights (outputs, inputs, ...) as numbers."""
        return self.codes * per_output(self.scale, self.codes)


def per_output(values: Tensor, weight: Tensor) -> Tensor:
    """Values (outputs,) as (outputs, 1, ...), to multiply weights (outputs, inputs, ...) with."""
    return values.view(-1, *[1] * (weight.dim() - 1))


def onnx_node(
    name: str, inputs: tuple[Tensor, ...], dtype: torch.dtype, **attributes: int
) -> Tensor:
    """A node of the exported graph, whose result has the shape of its first input."""
    node: Tensor = torch.onnx.ops.symbolic(
        name, inputs, dict(attributes), dtype=dtype, shape=inputs[0].shape, version=ONNX_VERSION
    )
    return node
