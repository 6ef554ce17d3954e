"""Layers whose weights and inputs are integers: while they are learned, and as they ship.

A layer stays the object that it was, with its class, attributes and forward: its weight is
computed, and its input is rounded by a hook. Weights are int8 per output channel without a zero
point. https://arxiv.org/abs/1712.05877, learned step sizes: https://arxiv.org/abs/1902.08153
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from automl.compression.coded_weight import (
    CodedWeight,
    Codes,
    along,
    code,
    coded_weight,
    coded_weights,
    compute,
    held,
)
from automl.compression.learned_rounding import LearnedRounding, scaled_gradient
from automl.compression.quantization_grid import (
    LIMITS,
    codebook,
    codes_of,
    in_16_bits,
    levels_with_zero,
    reach,
    weight_scale,
)
from automl.compression.rounded_inputs import (
    INPUT,
    DynamicRounding,
    Rounding,
    round_inputs,
    round_outputs,
)
from automl.models.layer_edits import LayerEdit
from automl.models.weights import EMBEDDINGS, TRANSPOSED, Weight

LARGEST_BIAS = 2**30
"""In steps of the products, whose sum is added to it in 32 bits."""

ROW_BITS = 8 * 64
"""Of an embedding's row that has a scale of its own, at least."""

DYNAMIC = -1
"""In the place of a number of bits: the grid of the inputs follows from each batch."""


@dataclass(frozen=True)
class Quantized(LayerEdit):
    """A layer some of whose tensors, by their names in the layer, are computed from codes.

    What it reads is rounded to `activation_bits`, unless they are 0. With `output` its results
    are uint8 as well, which an integer convolution needs where no quantized layer reads them at
    once.
    """

    weights: dict[str, Codes]
    activation_bits: int = 0
    output: bool = False

    def rebuild(self, layer: nn.Module) -> nn.Module:
        for tensor, coded in self.weights.items():
            shape = tuple(layer.get_parameter(tensor).shape)
            code(layer, tensor, CodedWeight(shape, coded, activation_bits=self.activation_bits))
        if self.activation_bits and layer.bias is None:
            # A batch norm may be merged into the layer.
            layer.bias = nn.Parameter(torch.zeros(len(held(layer))))
        for parameter in layer.parameters(recurse=False):
            parameter.requires_grad_(False)
        if self.activation_bits == DYNAMIC:
            round_inputs(layer, DynamicRounding())
        elif self.activation_bits:
            round_inputs(layer, Rounding(self.activation_bits))
        if self.output:
            round_outputs(layer, Rounding())
        return layer


@dataclass(frozen=True)
class Learned(LayerEdit):
    """A layer that will be `Quantized` so, while it trains: float weights, and scales that see
    their rounding."""

    weights: dict[str, Codes]
    activation_bits: int = 0

    def rebuild(self, layer: nn.Module) -> nn.Module:
        for tensor, coded in self.weights.items():
            compute(layer, tensor, LearnedWeight(layer.get_parameter(tensor), coded))
        if self.activation_bits == DYNAMIC:
            round_inputs(layer, DynamicRounding())
        elif self.activation_bits:
            learns = all(part.requires_grad for part in layer.parameters(recurse=False))
            round_inputs(layer, LearnedRounding(self.activation_bits, learns))
        return layer

    def shipped(self) -> Quantized:
        """The edit of the layer that ships."""
        return Quantized(self.weights, self.activation_bits)


class LearnedWeight(nn.Module):
    """A weight as its codes will make it, (outputs, inputs, ...), and its scales' logarithms.

    At 8 bits the scales follow from the weight, and none is learned. Where `rounds` is false the
    weight is itself.
    """

    def __init__(self, weight: nn.Parameter, coded: Codes) -> None:
        super().__init__()
        self.coded, self.bits, self.rounds = coded, coded.bits, True
        scale = torch.zeros(weight.shape[coded.axis])
        learns = weight.requires_grad and self.bits != 8
        self.log_scale = nn.Parameter(scale, requires_grad=learns)

    def forward(self, weight: Tensor) -> Tensor:
        if not self.rounds:
            return weight
        bits, levels = self.bits, self.coded.levels
        scale = along(self.scale(weight), weight, self.coded.axis)
        scaled = weight / scale
        # Beyond its last code a weight is clipped: its gradient goes to the scale alone.
        limit = reach(bits, levels)
        clipped = scaled.clamp(-limit, limit)
        return _straight_through(codes_of(clipped, bits, levels), clipped) * scale

    def scale(self, weight: Tensor) -> Tensor:
        """The scale (outputs,) of the weights."""
        if self.bits == 8:
            return weight_scale(by_output(weight.detach(), self.coded.axis), 8)
        # Each weight of a row adds to its scale's gradient: scaled down as in the paper.
        per_scale = weight.numel() // len(self.log_scale)
        share = (per_scale * LIMITS[self.bits]) ** -0.5
        return scaled_gradient(self.log_scale, share).exp()

    def fit(self, weight: Tensor) -> None:
        """Take the scales that fit a weight best."""
        rows = by_output(weight.detach(), self.coded.axis)
        fitting = weight_scale(rows, self.bits, self.coded.levels)
        self.log_scale.data.copy_(fitting.log())


@contextmanager
def without_rounding(network: nn.Module, most_bits: int = 8) -> Iterator[None]:
    """Have layers read, and learned ones compute, what they would round to at most these bits."""
    parts = [
        part
        for part in network.modules()
        if isinstance(part, LearnedWeight | LearnedRounding | Rounding | DynamicRounding)
        and part.bits <= most_bits
    ]
    for part in parts:
        part.rounds = False
    try:
        yield
    finally:
        for part in parts:
            part.rounds = True


def freeze(learned: nn.Module, layer: nn.Module, edit: Quantized) -> None:
    """Have a quantized layer compute what a learned one does."""
    with torch.no_grad():
        for tensor, coded in edit.weights.items():
            source, weight = (
                learned.get_submodule(f"parametrizations.{tensor}.0"),
                held(learned, tensor),
            )
            target = coded_weight(layer, tensor)
            assert isinstance(source, LearnedWeight) and target is not None
            scale = source.scale(weight)
            scaled = weight / along(scale, weight, coded.axis)
            held(layer, tensor).copy_(codes_of(scaled, coded.bits, coded.levels))
            target.scale.copy_(scale)
        if edit.activation_bits > 0:
            rounding, grid = layer.get_submodule(INPUT), learned.get_submodule(INPUT)
            assert isinstance(rounding, Rounding) and isinstance(grid, LearnedRounding)
            rounding.fit(grid.log_scale.exp(), grid.zero_point)


def round_numbers(layer: nn.Module) -> None:
    """Put scales and bias on numbers that 16 bits hold, as the file stores them; the bias of a
    layer on a grid then on that of the products, where onnxruntime rounds it anyway, to 32 bits.

    Where an output's weights are next to nothing, their scale grows until its bias fits.
    """
    for _, _, own in coded_weights(layer):
        own.scale.copy_(in_16_bits(own.scale))
    weight, bias = coded_weight(layer), getattr(layer, "bias", None)
    if weight is None or bias is None:
        return
    bias.data.copy_(in_16_bits(bias.detach()))
    rounding = dict(layer.named_children()).get(INPUT)
    if not isinstance(rounding, Rounding):
        return
    scale = torch.maximum(weight.scale, bias.detach().abs() / (rounding.scale * LARGEST_BIAS))
    if weight.bits == 8:
        codes = held(layer)
        codes.copy_((codes * along(weight.scale / scale, codes, weight.axis)).round())
    weight.scale.copy_(scale)
    step = rounding.scale * scale
    bias.data.copy_((bias.detach() / step).round() * step)


def coded(weight: Weight, bits: float, has_codebook: bool, keeps_zeros: bool = False) -> Codes:
    """The way in which a weight is coded in a number of bits, which is not 1 of a weight that
    `keeps_zeros`."""
    values = weight.values.detach()
    axis = outputs_axis(weight, bits)
    if has_codebook and bits < 8:
        return Codes(bits, axis, codebook(by_output(values, axis), bits, keeps_zeros))
    return Codes(bits, axis, levels_with_zero(bits) if keeps_zeros else ())


def outputs_axis(weight: Weight, bits: float) -> int:
    """The dimension of a weight whose entries each have a scale.

    It is the dimension of outputs where that is known; rows of an embedding that are short share
    the scales of their columns; else it is that of the first two along which codes lose less.
    """
    values = weight.values.detach()
    if isinstance(weight.module, EMBEDDINGS):
        return int(values.shape[1] * bits < ROW_BITS)
    if weight.is_of_layer and isinstance(weight.module, TRANSPOSED):
        return int(weight.module.groups == 1)
    if weight.is_of_layer:
        return 0
    errors = []
    for axis in (0, 1):
        scale = along(weight_scale(by_output(values, axis), bits), values, axis)
        errors.append((codes_of(values / scale, bits) * scale - values).square().sum().item())
    return errors.index(min(errors))


def by_output(weight: Tensor, axis: int) -> Tensor:
    """A weight as rows (outputs, numbers), the outputs being its dimension `axis`."""
    return weight.movedim(axis, 0).flatten(1)


def _straight_through(values: Tensor, source: Tensor) -> Tensor:
    """`values`, with the gradient of `source`."""
    return source + (values - source).detach()
