"""Batch norm merged into the layer before it: the same function, fewer numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from automl.compression.coded_weight import along, coded_weight, held
from automl.models.family import LayerEdit, Network, copy_weights, edit_layers
from automl.models.plain_layers import followed_by_norm


@dataclass(frozen=True)
class Removed(LayerEdit):
    """A layer that is no more: the layer before it does its work."""

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return nn.Identity()


@dataclass(frozen=True)
class Biased(LayerEdit):
    """A layer that took in the batch norm after it, and with it a bias."""

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return with_bias(layer)


def fold_batch_norm(network: Network) -> Network:
    """The network in which every batch norm after a convolution or linear layer is merged."""
    network.eval()
    pairs = followed_by_norm(network.body)
    if not pairs:
        return network
    layer_edits: dict[str, LayerEdit] = {norm_name: Removed() for _, norm_name in pairs}
    for layer_name, _ in pairs:
        if coded_weight(network.body.get_submodule(layer_name)) is None:
            layer_edits[layer_name] = Biased()
    folded = edit_layers(network, layer_edits)
    copy_weights(network, folded)
    for layer_name, norm_name in pairs:
        norm = network.body.get_submodule(norm_name)
        assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
        layer, target = (one.body.get_submodule(layer_name) for one in (network, folded))
        if coded_weight(layer) is not None:
            _fuse_coded(target, norm)
        else:
            target.load_state_dict(_fuse(layer, norm))
    return folded.eval()


def with_bias(layer: nn.Module) -> nn.Module:
    """The same empty layer, with a bias."""
    if layer.bias is None:
        layer.bias = nn.Parameter(torch.zeros(len(layer.weight)))
    return layer


def _fuse(layer: nn.Module, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> dict[str, Tensor]:
    """The state of the layer that does what both did."""
    if isinstance(layer, nn.Linear):
        return fuse_linear_bn_eval(layer, norm).state_dict()
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    return fuse_conv_bn_eval(layer, norm).state_dict()


def _fuse_coded(layer: nn.Module, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    """Put a norm's factor into the scale of a layer's codes, its sign into the codes: scales stay
    positive."""
    weight = coded_weight(layer)
    assert weight is not None and norm.running_mean is not None and norm.running_var is not None
    factor = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    with torch.no_grad():
        codes, bias = held(layer), layer.get_parameter("bias")
        codes.mul_(along(torch.where(factor < 0, -1, 1).to(torch.int8), codes, weight.axis))
        weight.scale.mul_(factor.abs()).clamp_(min=1e-12)
        bias.copy_((bias - norm.running_mean) * factor + norm.bias)
