"""Weights of one bit: a sign each, and a scale per output channel.

Real weights, kept in [-1, 1], are trained through their signs as if the sign were not there:
https://arxiv.org/abs/1511.00363. The scale is their mean size: https://arxiv.org/abs/1603.05279
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from automl.compression.calibration import recalibrate, seen_rows
from automl.compression.changeable import Changeable, changeable, refuse_embedding
from automl.compression.coded_weight import (
    CodedWeight,
    Codes,
    along,
    code,
    coded_weight,
    compute,
    held,
)
from automl.compression.fold_batch_norm import fold_batch_norm, has_outputs_along
from automl.compression.plain_weights import plain
from automl.compression.quantized_layers import by_output, outputs_axis
from automl.errors import Rejected
from automl.models.family import Network, copy_weights, edit_layers
from automl.models.layer_edits import LayerEdit
from automl.models.possible_network import PossibleNetwork
from automl.recipe import Context, Report
from automl.training.loop import Train


@dataclass(frozen=True)
class Binarize(Train):
    """Train with weights of one bit in every layer but embeddings.

    With `ends` false the first and the last weight stay, and those that `keep` names, or that
    stand in a module that it names, stay in any case. All else is as in `Train`; batch norms are
    merged at the end.
    """

    epochs: int = 10
    ends: bool = True
    keep: tuple[str, ...] = ()
    compresses: ClassVar[bool] = True
    remakes_layers: ClassVar[bool] = True

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        layers = network.float_layers(self.keep)
        is_known = network.shape.is_ours and all(layer.built_with for layer in layers)
        if not self.ends and is_known:
            layers = layers[1:-1]
        return [network.trained().with_bits({layer.name: 1 for layer in layers})]

    def run(self, network: Network, context: Context) -> Generator[Report, None, Network]:
        network = plain(network.to(context.device).eval(), context)
        found = self._found(network, context)
        context.outcomes[self.label] = found.outcomes(dict.fromkeys(found.weights, "1 bit"))
        axes = _axes(found)
        trained = yield from super().run(_latent(network, axes), context)
        settled = recalibrate(_settled(trained, network, axes), context)
        # A norm has a factor for each output: it would not leave one size to what has one scale.
        across = [
            name
            for name, own in axes.items()
            if not has_outputs_along(settled.body.get_submodule(name), own.get("weight", 0))
        ]
        return binarized(fold_batch_norm(settled, seen_rows(settled, context), across), axes)

    def _found(self, network: Network, context: Context) -> Changeable:
        """The weights to binarize. Raises Rejected where there is none."""
        found = changeable(network, context, "Binarize", self.keep, refuse_embedding)
        if self.ends:
            return found
        ends = found.ends(network, context)
        found = found.without(dict.fromkeys(ends, "is kept, as the ends are"))
        if not found.weights:
            raise Rejected("Binarize: there is no layer to binarize beside those that stay")
        return found


@dataclass(frozen=True)
class Latent(LayerEdit):
    """A layer that learns real weights through their signs; `axes` are the dimensions of outputs
    of its tensors, by their names."""

    axes: dict[str, int]

    def rebuild(self, layer: nn.Module) -> nn.Module:
        for tensor, axis in self.axes.items():
            compute(layer, tensor, _Signs(axis))
        return layer


@dataclass(frozen=True)
class Binarized(LayerEdit):
    """A layer whose weights are signs, with a scale for each entry of the dimensions `axes`.

    A training that follows changes scales and biases. A scale may come to be 0 or negative;
    whoever reads a scale takes it as it is. In a file a code takes one bit.
    """

    axes: dict[str, int]

    def rebuild(self, layer: nn.Module) -> nn.Module:
        for tensor, axis in self.axes.items():
            shape = tuple(layer.get_parameter(tensor).shape)
            code(layer, tensor, CodedWeight(shape, Codes(1, axis), learns_scale=True))
        return layer


def binarized(network: Network, axes: Mapping[str, Mapping[str, int]]) -> Network:
    """The network with these tensors of layers as codes; they are ± one size per entry of the
    dimension that has the scales."""
    smaller = edit_layers(network, {name: Binarized(dict(own)) for name, own in axes.items()})
    copy_weights(network, smaller)
    for name, tensor, axis in _each(axes):
        weight = network.body.get_submodule(name).get_parameter(tensor).detach()
        layer = smaller.body.get_submodule(name)
        held(layer, tensor).copy_(signs(weight))
        target = coded_weight(layer, tensor)
        assert target is not None
        sizes = by_output(weight, axis).abs()
        target.scale.data = sizes.amax(1)
        assert torch.allclose(sizes.amin(1), sizes.amax(1)), f"{name} is not ± one size per scale"
    return smaller.to(next(network.parameters()).device).eval()


def signs(weight: Tensor) -> Tensor:
    """1 or -1 for each of any number of weights, in their shape; 1 where a weight is 0."""
    return torch.where(weight < 0, -1.0, 1.0)


def rounded(weight: Tensor, axis: int = 0) -> Tensor:
    """The sign of each weight (outputs, inputs, ...) times the mean size of its output's, outputs
    being the dimension `axis`."""
    return signs(weight) * along(by_output(weight, axis).abs().mean(1), weight, axis)


class _Signs(nn.Module):
    """Computes with rounded weights; gradients go straight to the real weights."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, weight: Tensor) -> Tensor:
        if self.training:
            with torch.no_grad():
                weight.clamp_(-1.0, 1.0)
        return weight + (rounded(weight, self.axis) - weight).detach()


def _axes(found: Changeable) -> dict[str, dict[str, int]]:
    """The dimension of outputs of each weight, by layer and tensor."""
    axes = defaultdict[str, dict[str, int]](dict)
    for weight in found.weights.values():
        axes[weight.layer][weight.tensor] = outputs_axis(weight, 1)
    return axes


def _each(axes: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, str, int]]:
    return ((name, tensor, axis) for name, own in axes.items() for tensor, axis in own.items())


def _latent(network: Network, axes: Mapping[str, Mapping[str, int]]) -> Network:
    """The network that learns through signs, of whose weights none need stay 0."""
    free = Network(replace(network.spec, keeps_zeros=False))
    free.load_state_dict(network.state_dict())
    latent = edit_layers(free, {name: Latent(dict(own)) for name, own in axes.items()})
    copy_weights(free, latent)
    for name, tensor, _ in _each(axes):
        weight = free.body.get_submodule(name).get_parameter(tensor)
        held(latent.body.get_submodule(name), tensor).data.copy_(weight.detach())
    return latent


def _settled(trained: Network, before: Network, axes: Mapping[str, Mapping[str, int]]) -> Network:
    """The network as it was before it learned, with the weights that it learned, rounded."""
    edits = before.spec.layer_edits
    settled = Network(replace(trained.spec, layer_edits=edits)).to(
        next(trained.parameters()).device
    )
    copy_weights(trained, settled)
    for name, tensor, axis in _each(axes):
        latent = held(trained.body.get_submodule(name), tensor).detach()
        target = settled.body.get_submodule(name).get_parameter(tensor)
        target.data.copy_(rounded(latent, axis))
    return settled
