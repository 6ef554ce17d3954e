"""The widths of a user's own module: found by tracing it, kept as the sizes of its layers.

Torch-Pruning follows each layer's units through the module's graph. https://arxiv.org/abs/2301.12900
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch_pruning import DependencyGraph

from automl.errors import Rejected
from automl.models.family import Group, LayerEdit, Network, Slice
from automl.models.plain_layers import BATCH_NORMS

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED_CONVOLUTIONS = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class Resized(LayerEdit):
    """A layer whose tensors have these shapes, and its attributes these sizes."""

    shapes: dict[str, tuple[int, ...]]
    sizes: dict[str, int]

    def rebuild(self, layer: nn.Module) -> nn.Module:
        for name, size in self.sizes.items():
            setattr(layer, name, size)
        for name, shape in self.shapes.items():
            tensor = torch.zeros(shape)
            is_weight = isinstance(getattr(layer, name), nn.Parameter)
            setattr(layer, name, nn.Parameter(tensor) if is_weight else tensor)
        return layer


@dataclass(frozen=True)
class _Kind:
    """A kind of layer: the dimension of each tensor in which units are made and read; `sizes`
    says which attributes repeat the length of which dimension."""

    produced: dict[str, int] = field(default_factory=dict)
    consumed: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, tuple[str, int]] = field(default_factory=dict)


LINEAR = _Kind(
    {"weight": 0, "bias": 0},
    {"weight": 1},
    {"out_features": ("weight", 0), "in_features": ("weight", 1)},
)
CONVOLUTION = _Kind(
    {"weight": 0, "bias": 0},
    {"weight": 1},
    {"out_channels": ("weight", 0), "in_channels": ("weight", 1)},
)
TRANSPOSED = _Kind(
    {"weight": 1, "bias": 0},
    {"weight": 0},
    {"out_channels": ("weight", 1), "in_channels": ("weight", 0)},
)
DEPTHWISE = _Kind(
    {"weight": 0, "bias": 0},
    sizes=dict.fromkeys(("out_channels", "in_channels", "groups"), ("weight", 0)),
)
BATCH_NORM = _Kind(
    dict.fromkeys(("weight", "bias", "running_mean", "running_var"), 0),
    sizes={"num_features": ("weight", 0)},
)


def traced_groups(network: Network, rows: Tensor) -> tuple[list[Group], list[str]]:
    """The widths that can be cut, in the order of the layers, and a sentence for each that cannot.

    `rows` (rows, *input shape) are some that the module answers. Raises Rejected where it cannot
    be traced.
    """
    body = copy.deepcopy(network.body).cpu().requires_grad_(True)
    try:
        graph: Any = DependencyGraph().build_dependency(body, [rows.cpu()], verbose=False)
        traced = list(graph.get_all_groups())
    except Exception as error:
        first = " ".join(str(error).split())[:200]
        raise Rejected(f"Prune: this module cannot be traced ({first}); leave Prune out") from error
    names = {id(module): name for name, module in body.named_modules()}
    names |= {id(parameter): name for name, parameter in body.named_parameters()}
    groups, refused = [], []
    for items in traced:
        if _gives_the_output(graph, items):
            continue
        try:
            groups.append(_group(graph, items, names))
        except _Refused as reason:
            refused.append(str(reason))
    order = list(names.values())
    return sorted(groups, key=lambda group: order.index(group.makers[0])), sorted(refused)


def resized(network: Network, state: Mapping[str, Tensor]) -> dict[str, LayerEdit]:
    """The layer edits of a network of which some layers have the shapes in `state`."""
    layer_edits = dict(network.spec.layer_edits)
    for name, layer in network.body.named_modules():
        own = {key: state[f"{name}.{key}".lstrip(".")] for key, _ in _tensors(layer)}
        if any(own[key].shape != tensor.shape for key, tensor in _tensors(layer)):
            kind = _kind(layer)
            assert kind is not None
            sizes = {key: own[tensor].shape[dim] for key, (tensor, dim) in kind.sizes.items()}
            layer_edits[name] = Resized({key: tuple(t.shape) for key, t in own.items()}, sizes)
    return layer_edits


class _Refused(Exception):
    """A width cannot be cut, for the reason given."""


def _kind(layer: nn.Module) -> _Kind | None:
    """The kind of a layer, which says how it is cut; None when it cannot be cut."""
    found = None
    if isinstance(layer, nn.Linear):
        found = LINEAR
    elif isinstance(layer, BATCH_NORMS) and layer.affine:
        found = BATCH_NORM
    elif isinstance(layer, CONVOLUTIONS):
        depthwise = layer.groups == layer.in_channels == layer.out_channels
        found = CONVOLUTION if layer.groups == 1 else DEPTHWISE if depthwise else None
    elif isinstance(layer, TRANSPOSED_CONVOLUTIONS) and layer.groups == 1:
        found = TRANSPOSED
    known = {*found.produced, *found.consumed} if found else set()
    return found if {"weight"} <= {name for name, _ in _tensors(layer)} <= known else None


def _tensors(layer: nn.Module) -> list[tuple[str, Tensor]]:
    """A layer's own tensors, without mere numbers such as a batch norm's count."""
    own = (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False))
    return [(name, tensor) for name, tensor in own if tensor.dim()]


def _gives_the_output(graph: Any, items: Any) -> bool:
    return any(
        not dependency.target.outputs and graph.is_out_channel_pruning_fn(dependency.handler)
        for dependency, _ in items
    )


def _group(graph: Any, items: Any, names: dict[int, str]) -> Group:
    """Raises _Refused where a layer's units are not cut one by one."""
    root, size = names[id(items[0].dep.target.module)], len(items[0].idxs)
    produced: list[Slice] = []
    consumed: list[Slice] = []
    for item in items:
        layer = item.dep.target.module
        if id(layer) not in names:
            continue
        name, kind = names[id(layer)], _kind(layer) if isinstance(layer, nn.Module) else None
        if kind is None:
            what = f"{type(layer).__name__} {name!r}"
            raise _Refused(f"{root!r} stays as wide as it is: its units run through {what}")
        makes = graph.is_out_channel_pruning_fn(item.dep.handler)
        found = _slices(name, item, kind.produced if makes else kind.consumed, layer)
        if len(set(item.root_idxs)) < size or not found:
            raise _Refused(f"{root!r} stays as wide as it is: {name!r} holds its units in no order")
        (produced if makes else consumed).extend(found)
    return Group(size, tuple(produced), tuple(consumed))


def _slices(name: str, item: Any, dims: dict[str, int], layer: nn.Module) -> list[Slice]:
    """The slices of a layer's tensors that hold the units; none unless these are in their order,
    as many entries for each."""
    pairs = sorted(zip(item.idxs, item.root_idxs, strict=True))
    start, block = pairs[0][0], item.root_idxs.count(pairs[0][1])
    held = [(key, dims[key], tensor) for key, tensor in _tensors(layer) if key in dims]
    in_order = pairs == [(start + i, i // block) for i in range(len(pairs))]
    fits = all(pairs[-1][0] < tensor.shape[dim] for _, dim, tensor in held)
    if not (in_order and fits):
        return []
    return [Slice(f"{name}.{key}", dim, block, start) for key, dim, _ in held]
