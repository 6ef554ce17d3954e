"""Ordinary linear and convolution layers: described, rebuilt, and the norms that follow them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from torch import nn

from automl.config import Config

PlainLayer: TypeAlias = nn.Linear | nn.Conv1d | nn.Conv2d

KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@dataclass(frozen=True)
class Plain(Config):
    """A layer of `torch.nn` by the name of its class and what it is built with."""

    kind: str
    settings: dict[str, object]

    def build(self) -> PlainLayer:
        """The layer, with weights of its own."""
        return as_plain(getattr(nn, self.kind)(**self.settings))


def as_plain(layer: nn.Module) -> PlainLayer:
    """The same layer, known to be a linear or convolution layer."""
    assert isinstance(layer, KINDS)
    return layer


def kind_of(layer: nn.Module) -> type[PlainLayer]:
    """The class of `torch.nn` of which a layer is, or of which its class is a subclass."""
    return next(kind for kind in KINDS if isinstance(layer, kind))


def described(layer: PlainLayer) -> Plain:
    """The settings that build a layer like this one."""
    names = ["in_features", "out_features"]
    if not isinstance(layer, nn.Linear):
        names = ["in_channels", "out_channels", "kernel_size", "stride", "padding"]
        names += ["dilation", "groups", "padding_mode"]
    settings = {name: getattr(layer, name) for name in names}
    return Plain(kind_of(layer).__name__, {**settings, "bias": layer.bias is not None})


def followed_by_norm(body: nn.Module) -> list[str]:
    """Names of layers that a batch norm directly follows in a Sequential; of a chain of layers
    before a norm the last."""
    found = []
    for prefix, parent in body.named_modules():
        if isinstance(parent, nn.Sequential):
            children = [(f"{prefix}.{name}".lstrip("."), m) for name, m in parent.named_children()]
            for (name, layer), (_, norm) in zip(children, children[1:], strict=False):
                name, layer = _last(name, layer)
                if isinstance(norm, BATCH_NORMS) and isinstance(layer, KINDS):
                    found.append(name)
    return found


def _last(name: str, layer: nn.Module) -> tuple[str, nn.Module]:
    """A layer, or of a chain of layers the last."""
    while children := [name for name, _ in layer.named_children() if name.isdigit()]:
        last, layer = children[-1], layer.get_submodule(children[-1])
        name = f"{name}.{last}"
    return name, layer
