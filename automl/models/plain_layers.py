"""Ordinary linear and convolution layers: found, refused where unsafe, described, rebuilt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from torch import nn

from automl.config import Config
from automl.errors import Rejected, unknown
from automl.models.family import Network
from automl.models.torch_patches import has_hooks

PlainLayer: TypeAlias = nn.Linear | nn.Conv1d | nn.Conv2d

KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

READING_WEIGHTS = (
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
)
"""Modules of torch that read their layers' weights without calling the layers."""


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


def described(layer: PlainLayer) -> Plain:
    """The settings that build a layer like this one."""
    names = ["in_features", "out_features"]
    if not isinstance(layer, nn.Linear):
        names = ["in_channels", "out_channels", "kernel_size", "stride", "padding"]
        names += ["dilation", "groups", "padding_mode"]
    settings = {name: getattr(layer, name) for name in names}
    return Plain(type(layer).__name__, {**settings, "bias": layer.bias is not None})


def plain_layers(network: Network, step: str, keep: Iterable[str] = ()) -> dict[str, PlainLayer]:
    """Every linear and convolution layer by name, but those that `keep` names or that stand
    in a module that it names.

    Raises Rejected, with the layer's name, at one that cannot be replaced safely.
    """
    modules = dict(network.body.named_modules(remove_duplicate=False))
    for name in keep:
        if name not in modules:
            raise Rejected(f"{step}: {unknown('layer', name, list(modules))}")
    found = {
        name: module
        for name, module in modules.items()
        if isinstance(module, KINDS) and not any(f"{name}.".startswith(f"{k}.") for k in keep)
    }
    shared = _shared(network.body)
    for name, layer in found.items():
        if reason := _unsafe(layer, shared):
            refuse(step, name, reason)
    return found


def quantizable(network: Network) -> dict[str, PlainLayer]:
    """The layers whose weights can be integers, by name.

    Left out: convolutions that pad with other than zeros, and the parts of torch's own
    attention and Transformer layers, which read each other's weights.
    """
    named = dict(network.body.named_modules())
    closed = tuple(f"{name}." for name, m in named.items() if isinstance(m, READING_WEIGHTS))
    return {
        name: m
        for name, m in named.items()
        if isinstance(m, KINDS)
        and getattr(m, "padding_mode", "zeros") == "zeros"
        and not name.startswith(closed)
    }


def followed_by_norm(
    body: nn.Module, kinds: tuple[type[nn.Module], ...] = KINDS
) -> list[tuple[str, str]]:
    """Names of (layer, batch norm) that directly follow each other in a Sequential.

    The layer is of one of these kinds; of a chain of layers before a norm it is the last.
    """
    pairs = []
    for prefix, parent in body.named_modules():
        if isinstance(parent, nn.Sequential):
            children = [(f"{prefix}.{name}".lstrip("."), m) for name, m in parent.named_children()]
            for (name, layer), (norm_name, norm) in zip(children, children[1:], strict=False):
                name, layer = _last(name, layer)
                is_norm = isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
                if is_norm and isinstance(layer, kinds):
                    pairs.append((name, norm_name))
    return pairs


def _last(name: str, layer: nn.Module) -> tuple[str, nn.Module]:
    """A layer, or of a chain of layers the last."""
    while isinstance(layer, nn.Sequential) and len(layer):
        last, layer = list(layer.named_children())[-1]
        name = f"{name}.{last}"
    return name, layer


def refuse(step: str, layer: str, reason: str) -> None:
    raise Rejected(f"{step}: layer {layer!r} {reason}; leave it out with keep=({layer!r},)")


def _unsafe(layer: nn.Module, shared: set[int]) -> str:
    """The reason why a layer cannot be replaced by its equal; "" where it can."""
    if type(layer) not in KINDS or "weight" not in dict(layer.named_parameters()):
        return f"is a {type(layer).__name__} whose weight is not its own parameter"
    if has_hooks(layer):
        return "has hooks, which would be lost"
    if any(id(parameter) in shared for parameter in layer.parameters()):
        return "shares its weights with another layer"
    return ""


def _shared(body: nn.Module) -> set[int]:
    """The parameters that more than one name leads to."""
    counts = Counter(id(p) for _, p in body.named_parameters(remove_duplicate=False))
    return {number for number, count in counts.items() if count > 1}
