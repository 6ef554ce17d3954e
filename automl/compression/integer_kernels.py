"""Layers that a runtime may compute with integers, and those that are faster with floats."""

from __future__ import annotations

from torch import nn

from automl.compression.coded_weight import coded_weight
from automl.models.plain_layers import KINDS, kind_of
from automl.models.torch_patches import has_hooks

NARROW_GROUP = 32
"""Channels from which on a group of a convolution is computed faster with integers."""


def takes_integers(layer: nn.Module) -> bool:
    """Tell if a runtime can compute a layer with integers: nothing stands between its product and
    what it gives."""
    is_plain = getattr(layer, "padding_mode", "zeros") == "zeros" and not has_hooks(layer)
    return (
        isinstance(layer, KINDS)
        and computes_as_torch(layer)
        and is_plain
        and not is_slow_in_integers(layer)
    )


def is_slow_in_integers(layer: nn.Module) -> bool:
    """Tell if onnxruntime computes a layer faster with floats: a convolution of narrow groups.

    Its integer kernels took 1.1 times as long with 16 channels in a group, 2.3 with 4, and 7.5
    with 1 that gives two; 0.65 with 32. Where each channel is a group and gives one, they have
    a kernel of their own.
    """
    if not isinstance(layer, nn.Conv1d | nn.Conv2d) or layer.groups == 1:
        return False
    is_depthwise = layer.groups == layer.in_channels == layer.out_channels
    return not is_depthwise and layer.in_channels // layer.groups < NARROW_GROUP


def computes_as_torch(layer: nn.Module) -> bool:
    """Tell if a linear or convolution layer is computed as torch's own are."""
    return type(layer).forward is kind_of(layer).forward and "forward" not in vars(layer)


def runs_on_integers(layer: nn.Module) -> bool:
    """Tell if a runtime may compute a layer with integers alone: weights, and inputs of 8 bits."""
    weight = coded_weight(layer)
    return weight is not None and weight.activation_bits == 8
