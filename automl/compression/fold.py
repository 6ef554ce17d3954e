"""Batch norm merged into the layer before it: the same function, fewer numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from automl.models.family import Change, Network, change, copy_weights


@dataclass(frozen=True)
class Folded(Change):
    """A batch norm that is no more."""

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return nn.Identity()


@dataclass(frozen=True)
class Biased(Change):
    """A layer that took in the batch norm after it, and with it a bias."""

    def rebuild(self, layer: nn.Module) -> nn.Module:
        return with_bias(layer)


def fold_batch_norm(model: Network) -> Network:
    """A model in which every batch norm that follows a convolution or linear layer is merged."""
    model.eval()
    pairs = list(_pairs(model.body))
    if not pairs:
        return model
    changes: dict[str, Change] = {}
    for layer_name, norm_name in pairs:
        changes |= {layer_name: Biased(), norm_name: Folded()}
    folded = change(model, changes)
    copy_weights(model, folded)
    for layer_name, norm_name in pairs:
        fused = _fuse(model.body.get_submodule(layer_name), model.body.get_submodule(norm_name))
        folded.body.get_submodule(layer_name).load_state_dict(fused.state_dict())
    return folded.eval()


def with_bias(layer: nn.Module) -> nn.Module:
    """The same empty layer, with a bias."""
    if layer.bias is None:
        layer.bias = nn.Parameter(torch.zeros(len(layer.weight)))
    return layer


def _pairs(body: nn.Module) -> list[tuple[str, str]]:
    """Names of (layer, batch norm) that directly follow each other in a Sequential."""
    pairs = []
    for prefix, parent in body.named_modules():
        if isinstance(parent, nn.Sequential):
            children = [(f"{prefix}.{name}".lstrip("."), m) for name, m in parent.named_children()]
            for (name, layer), (norm_name, norm) in zip(children, children[1:], strict=False):
                name, layer = _last(name, layer)
                is_norm = isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
                if is_norm and isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
                    pairs.append((name, norm_name))
    return pairs


def _last(name: str, layer: nn.Module) -> tuple[str, nn.Module]:
    """A layer, or of a chain of them the last one."""
    while isinstance(layer, nn.Sequential) and len(layer):
        last, layer = list(layer.named_children())[-1]
        name = f"{name}.{last}"
    return name, layer


def _fuse(layer: Any, norm: Any) -> nn.Module:
    fuse: Any = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
    fused: nn.Module = fuse(layer, norm)
    return fused
