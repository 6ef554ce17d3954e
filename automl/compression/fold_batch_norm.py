"""Batch norm merged into the layer before it: the same function, fewer numbers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from automl.compression.coded_layer import per_output
from automl.compression.quantized_layers import QuantizedLayer
from automl.models.family import LayerEdit, Network, copy_weights, edit_layers
from automl.models.plain_layers import KINDS, followed_by_norm


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
    pairs = followed_by_norm(network.body, (*KINDS, QuantizedLayer))
    if not pairs:
        return network
    layer_edits: dict[str, LayerEdit] = {norm_name: Removed() for _, norm_name in pairs}
    for layer_name, _ in pairs:
        if not isinstance(network.body.get_submodule(layer_name), QuantizedLayer):
            layer_edits[layer_name] = Biased()
    folded = edit_layers(network, layer_edits)
    copy_weights(network, folded)
    for layer_name, norm_name in pairs:
        fused = _fuse(network.body.get_submodule(layer_name), network.body.get_submodule(norm_name))
        folded.body.get_submodule(layer_name).load_state_dict(fused)
    return folded.eval()


def with_bias(layer: nn.Module) -> nn.Module:
    """The same empty layer, with a bias."""
    if layer.bias is None:
        layer.bias = nn.Parameter(torch.zeros(len(layer.weight)))
    return layer


def _fuse(layer: nn.Module, norm: nn.Module) -> dict[str, Tensor]:
    """The state of the layer that does what both did."""
    assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
    if isinstance(layer, QuantizedLayer):
        return _fuse_quantized(layer, norm)
    if isinstance(layer, nn.Linear):
        return fuse_linear_bn_eval(layer, norm).state_dict()
    assert isinstance(layer, nn.Conv1d | nn.Conv2d)
    return fuse_conv_bn_eval(layer, norm).state_dict()


def _fuse_quantized(
    layer: QuantizedLayer, norm: nn.BatchNorm1d | nn.BatchNorm2d
) -> dict[str, Tensor]:
    """A norm's factor goes into the scale, its sign into the codes: scales stay positive."""
    assert norm.running_mean is not None and norm.running_var is not None
    factor = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    sign = torch.where(factor < 0, -1, 1).to(torch.int8)
    return {
        **layer.state_dict(),
        "codes": layer.codes * per_output(sign, layer.codes),
        "scale": (layer.scale * factor.abs()).clamp_min(1e-12),
        "bias": (layer.bias - norm.running_mean) * factor + norm.bias.detach(),
    }
