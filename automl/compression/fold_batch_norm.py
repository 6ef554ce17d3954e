"""Batch norm and layer scale merged into the layer before: the same function, fewer numbers.

Which layer a norm follows is seen in an evaluation pass, and proven by the answers.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from automl.compression.coded_weight import CodedWeight, along, coded_weight, held
from automl.compression.proof import answers_alike, some_of
from automl.compression.quantized_layers import without_rounding
from automl.models.building_blocks import LayerScale
from automl.models.dataflow import Seen, flow_of
from automl.models.deployed import device_of
from automl.models.family import Network, copy_weights, edit_layers
from automl.models.layer_edits import LayerEdit
from automl.models.plain_layers import BATCH_NORMS, KINDS
from automl.models.weights import TRANSPOSED, turned

FOLDABLE = (*KINDS, nn.Conv3d, *TRANSPOSED)


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


def fold_batch_norm(network: Network, rows: Tensor, keep: Collection[str] = ()) -> Network:
    """The network in which every batch norm that reads what one layer gives, and alone reads it,
    is merged into that layer, and so is every layer scale. The layers named in `keep` take in none.

    On some of these rows (rows, *input shape) the answers are as before; a norm of which that
    cannot be shown stays.
    """
    network.eval()
    pairs = [pair for pair in _followed_by_norm(network, rows) if pair[0] not in keep]
    if not pairs:
        return network
    folded = _folded(network, pairs)
    if _proven(network, folded, rows):
        return folded
    folded = network
    for pair in pairs:
        further = _folded(folded, [pair])
        if _proven(network, further, rows):
            folded = further
    return folded


def with_bias(layer: nn.Module) -> nn.Module:
    """The same empty layer, with a bias."""
    if layer.bias is None:
        layer.bias = nn.Parameter(torch.zeros(_num_outputs(layer)))
    return layer


def _followed_by_norm(network: Network, rows: Tensor) -> list[tuple[str, str]]:
    """Names of (layer, batch norm) where the norm reads what the layer gives, both called once
    and nothing else reading it."""
    modules = dict(network.body.named_modules())
    norms = {n: m.num_features for n, m in modules.items() if _is_mergeable(m)}
    layers = {n: _num_outputs(m) for n, m in modules.items() if _owns_weights(m)}
    if not norms or not layers:
        return []
    flow = flow_of(network.body, rows)
    makers: dict[Seen, str] = {}
    for name in layers:
        if call := flow.only_call(name):
            makers |= dict.fromkeys(call.gave, name)
    pairs = []
    for norm_name, width in norms.items():
        call = flow.only_call(norm_name)
        name = makers.get(call.read[0]) if call else None
        if call and name and len(flow.readers(call.read[0])) == 1 and width == layers[name]:
            pairs.append((name, norm_name))
    return pairs


def _is_mergeable(norm: nn.Module) -> bool:
    """Tell if a module is torch's own batch norm, with running statistics, or a layer scale."""
    return isinstance(norm, LayerScale) or (
        type(norm) in BATCH_NORMS and norm.running_mean is not None
    )


def _owns_weights(layer: nn.Module) -> bool:
    """Tell if a module is a layer whose weights are its own, not made of others at each call."""
    if not isinstance(layer, FOLDABLE):
        return False
    coded, own = coded_weight(layer), dict(layer.named_parameters(recurse=False))
    return "weight" in own if coded is None else has_outputs_along(layer, coded.axis)


def has_outputs_along(layer: nn.Module, axis: int) -> bool:
    """Tell if the outputs of a layer are a dimension of its weight, and this one. In groups of a
    transposed convolution they are none."""
    if isinstance(layer, TRANSPOSED):
        return axis == 1 and layer.groups == 1
    return axis == 0


def _num_outputs(layer: nn.Module) -> int:
    size = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
    assert isinstance(size, int)
    return size


def _folded(network: Network, pairs: Sequence[tuple[str, str]]) -> Network:
    """The network with these norms merged into these layers."""
    layer_edits: dict[str, LayerEdit] = {norm_name: Removed() for _, norm_name in pairs}
    for layer_name, _ in pairs:
        layer = network.body.get_submodule(layer_name)
        if coded_weight(layer) is None or layer.bias is None:
            layer_edits[layer_name] = Biased()
    folded = edit_layers(network, layer_edits)
    copy_weights(network, folded)
    for layer_name, norm_name in pairs:
        fused = _fuse(network.body.get_submodule(layer_name), network.body.get_submodule(norm_name))
        folded.body.get_submodule(layer_name).load_state_dict(fused, strict=False)
    return folded.to(device_of(network)).eval()


def _proven(network: Network, folded: Network, rows: Tensor) -> bool:
    """Tell if both answer alike where nothing is rounded: the least difference may round a value
    to the other side of a step."""
    with without_rounding(network), without_rounding(folded):
        return answers_alike(network, folded, some_of(rows))


def _fuse(layer: nn.Module, norm: nn.Module) -> dict[str, Tensor]:
    """The state of the layer that does what both did."""
    assert isinstance(layer, FOLDABLE)
    moments = mean, variance, epsilon, factor, shift = _moments(norm)
    if coded := coded_weight(layer):
        return _fuse_codes(layer, coded, factor / torch.sqrt(variance + epsilon), mean, shift)
    weight: Tensor
    if isinstance(layer, nn.Linear):
        weight, bias = fuse_linear_bn_weights(layer.weight, layer.bias, *moments)
    elif isinstance(layer, TRANSPOSED):
        fused, bias = fuse_conv_bn_weights(turned(layer.weight, layer.groups), layer.bias, *moments)
        weight = turned(fused, layer.groups)
    else:
        weight, bias = fuse_conv_bn_weights(layer.weight, layer.bias, *moments)
    return {**layer.state_dict(), "weight": weight, "bias": bias}


def _moments(norm: nn.Module) -> tuple[Tensor, Tensor, float, Tensor, Tensor]:
    """The mean, variance and epsilon by which a norm makes its inputs standard, then its factor and
    shift; a layer scale has a factor alone."""
    if isinstance(norm, LayerScale):
        zeros = torch.zeros_like(norm.weight)
        return zeros, zeros + 1, 0.0, norm.weight, zeros
    assert isinstance(norm, BATCH_NORMS)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    factor = torch.ones_like(mean) if norm.weight is None else norm.weight
    shift = torch.zeros_like(mean) if norm.bias is None else norm.bias
    return mean, variance, norm.eps, factor, shift


def _fuse_codes(
    layer: nn.Module, coded: CodedWeight, factor: Tensor, mean: Tensor, shift: Tensor
) -> dict[str, Tensor]:
    """A norm's factor goes into the scale, its sign into the codes: scales stay positive."""
    factor, shift, codes = factor.detach(), shift.detach(), held(layer)
    sign = torch.where(factor < 0, -1, 1).to(torch.int8)
    bias = 0.0 if layer.bias is None else layer.get_parameter("bias").detach()
    return {
        **layer.state_dict(),
        "parametrizations.weight.original": codes * along(sign, codes, coded.axis),
        "parametrizations.weight.0.scale": (coded.scale * factor.abs()).clamp_min(1e-12),
        "bias": (bias - mean) * factor + shift,
    }
