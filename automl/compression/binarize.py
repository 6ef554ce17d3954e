"""Weights of one bit: a sign each, and a scale per output channel.

Real weights, kept in [-1, 1], are trained through their signs as if the sign were not there:
https://arxiv.org/abs/1511.00363. The scale is their mean size: https://arxiv.org/abs/1603.05279
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from automl.compression.calibration import recalibrate, seen_rows
from automl.compression.coded_layer import CodedLayer, per_output
from automl.compression.fold_batch_norm import fold_batch_norm
from automl.errors import Rejected
from automl.models.family import LayerEdit, Network, copy_weights, edit_layers
from automl.models.plain_layers import Plain, PlainLayer, as_plain, described, plain_layers, refuse
from automl.models.possible_network import PossibleNetwork
from automl.recipe import Context, Report
from automl.training.loop import Train


@dataclass(frozen=True)
class Binarize(Train):
    """Train with weights of one bit in every linear and convolution layer.

    With `ends` false the first and the last of them stay, and those in modules that `keep`
    names stay in any case. All else is as in `Train`; batch norms are merged at the end.
    """

    epochs: int = 10
    ends: bool = True
    keep: tuple[str, ...] = ()
    compresses: ClassVar[bool] = True
    remakes_layers: ClassVar[bool] = True

    def after(self, network: PossibleNetwork) -> list[PossibleNetwork]:
        layers = network.float_layers(self.keep)
        if not self.ends and all(layer.built_with for layer in layers):
            layers = layers[1:-1]
        return [network.trained().with_bits({layer.name: 1 for layer in layers})]

    def run(self, network: Network, context: Context) -> Generator[Report, None, Network]:
        names = self._names(network)
        training = Network(replace(network.spec, keeps_zeros=False))
        training.load_state_dict(network.state_dict())
        for name in names:
            training.body.set_submodule(name, _Latent(as_plain(training.body.get_submodule(name))))
        trained = yield from super().run(training, context)
        for name in names:
            latent = cast(_Latent, trained.body.get_submodule(name))
            trained.body.set_submodule(name, latent.settled())
        folded = fold_batch_norm(recalibrate(trained, context), seen_rows(trained, context))
        return binarized(folded, names)

    def _names(self, network: Network) -> list[str]:
        """The layers to binarize. Raises Rejected where there is none, or one cannot be."""
        layers = plain_layers(network, "Binarize", self.keep)
        names = list(layers) if self.ends else list(layers)[1:-1]
        if not names:
            raise Rejected("Binarize: there is no layer to binarize beside those that stay")
        for name in names:
            if getattr(layers[name], "padding_mode", "zeros") != "zeros":
                refuse("Binarize", name, f"pads by {layers[name].padding_mode!r}")
        return names


@dataclass(frozen=True)
class Binarized(LayerEdit):
    """An ordinary layer whose weights are signs."""

    layer: Plain

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return BinarizedLayer(self.layer.build())


class BinarizedLayer(CodedLayer):
    """A layer whose codes are -1 or 1, with a scale for each output.

    A training that follows changes `scale` and `bias`. A scale may come to be 0 or negative;
    whoever reads a scale takes it as it is. In a file a code takes one bit.
    """

    bits = 1

    def __init__(self, layer: PlainLayer) -> None:
        super().__init__(layer)
        self.register_buffer("codes", torch.ones(layer.weight.shape, dtype=torch.int8))
        self.scale = nn.Parameter(torch.ones(len(layer.weight)))
        self.bias = layer.bias


def binarized(network: Network, names: list[str]) -> Network:
    """The network with the named layers as codes; their weights are ± one size per output."""
    layers = {name: as_plain(network.body.get_submodule(name)) for name in names}
    smaller = edit_layers(network, {name: Binarized(described(layers[name])) for name in names})
    copy_weights(network, smaller)
    for name, layer in layers.items():
        weight = layer.weight.detach()
        target = cast(BinarizedLayer, smaller.body.get_submodule(name))
        target.codes.copy_(signs(weight))
        target.scale.data = weight.abs().flatten(1).amax(1)
        target.bias = layer.bias
    return smaller.to(next(network.parameters()).device).eval()


def signs(weight: Tensor) -> Tensor:
    """1 or -1 for each of any number of weights, in their shape; 1 where a weight is 0."""
    return torch.where(weight < 0, -1.0, 1.0)


def rounded(weight: Tensor) -> Tensor:
    """The sign of each weight (outputs, inputs, ...) times the mean size of its output's."""
    return signs(weight) * per_output(weight.abs().flatten(1).mean(1), weight)


class _Latent(nn.Module):
    """Computes with a layer's rounded weights; gradients go straight to the real weights."""

    def __init__(self, layer: PlainLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, inputs: Tensor) -> Tensor:
        weight = self.layer.weight
        if self.training:
            with torch.no_grad():
                weight.clamp_(-1.0, 1.0)
        straight = weight + (rounded(weight) - weight).detach()
        outputs: Tensor = torch.func.functional_call(self.layer, {"weight": straight}, (inputs,))
        return outputs

    def settled(self) -> nn.Module:
        """The layer itself, its weights rounded."""
        self.layer.weight.data = rounded(self.layer.weight.detach())
        return self.layer
