"""The numbers that a module keeps of the lengths of its tensors, and that a cut has to change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn

from automl.models.plain_layers import BATCH_NORMS
from automl.models.weights import CONVOLUTIONS, TRANSPOSED

Place: TypeAlias = tuple[str, int]
"""A dimension of a tensor, by the tensor's name."""

_SIZES: dict[tuple[type[nn.Module], ...], dict[str, Place]] = {
    (nn.Linear,): {"out_features": ("weight", 0), "in_features": ("weight", 1)},
    TRANSPOSED: {"out_channels": ("weight", 1), "in_channels": ("weight", 0)},
    BATCH_NORMS: {"num_features": ("running_mean", 0)},
    (nn.RNNBase,): {"hidden_size": ("weight_hh_l0", 1), "input_size": ("weight_ih_l0", 1)},
    (nn.RNNCellBase,): {"hidden_size": ("weight_hh", 1), "input_size": ("weight_ih", 1)},
    (nn.Embedding,): {"embedding_dim": ("weight", 1)},
}
"""The attributes of layers that repeat the length of a dimension."""


@dataclass(frozen=True)
class Attribute:
    """A number that a module keeps, less by `step` without a unit."""

    module: str
    name: str
    step: int


def attributes_of(
    body: nn.Module, blocks: Mapping[Place, int], whole_groups: Collection[int]
) -> list[Attribute]:
    """The attributes of the layers through whose tensors a unit runs, in so many entries."""
    found = []
    for name in dict.fromkeys(key.rpartition(".")[0] for key, _ in blocks):
        layer = body.get_submodule(name)
        own = {
            (key, dim): blocks.get((f"{name}.{key}".lstrip("."), dim), 0)
            for key, tensor in tensors_of(layer)
            for dim in range(tensor.dim())
        }
        if isinstance(layer, CONVOLUTIONS):
            steps = _of_convolution(layer, own, id(layer.weight) in whole_groups)
        elif isinstance(layer, nn.GroupNorm):
            made = own[("weight", 0)]
            groups = made * layer.num_groups // layer.num_channels
            steps = {"num_channels": made, "num_groups": groups}
        else:
            steps = _repeated(layer, own)
        found += [Attribute(name, key, step) for key, step in steps.items() if step]
    return found


def _of_convolution(
    layer: nn.Conv1d | nn.Conv2d | nn.Conv3d, own: Mapping[Place, int], whole: bool
) -> dict[str, int]:
    made, taken = own.get(("weight", 0), 0), own.get(("weight", 1), 0)
    if whole:
        groups = made * layer.groups // layer.out_channels
        inputs = groups * layer.in_channels // layer.groups
        return {"out_channels": made, "in_channels": inputs, "groups": groups}
    return {"out_channels": made, "in_channels": taken * layer.groups}


def _repeated(layer: nn.Module, own: Mapping[Place, int]) -> dict[str, int]:
    """Attributes as the table has them; of another kind of layer, those that equal the length of
    a dimension that is cut, and of none that stays."""
    for kinds, sizes in _SIZES.items():
        if isinstance(layer, kinds):
            return {key: own.get(place, 0) for key, place in sizes.items()}
    if has_children(layer):
        return {}
    lengths = {(key, dim): size for key, t in tensors_of(layer) for dim, size in enumerate(t.shape)}
    stay = {lengths[place] for place, step in own.items() if not step}
    cut = {lengths[place]: step for place, step in own.items() if step}
    return {key: cut[n] for key, n in numbers_of(layer).items() if n in cut and n not in stay}


def guesses(body: nn.Module, lengths: Mapping[str, Mapping[int, int]]) -> list[Attribute]:
    """Attributes of modules that hold others and are as long as dimensions were in them; `lengths`
    tells by module of each length how much less it is without a unit."""
    found = []
    for name, steps in lengths.items():
        module = body.get_submodule(name)
        if has_children(module):
            numbers = numbers_of(module).items()
            found += [Attribute(name, key, steps[n]) for key, n in numbers if n in steps]
    return found


def numbers_of(module: nn.Module) -> dict[str, int]:
    return {key: n for key, n in vars(module).items() if type(n) is int and n > 1}


def has_children(module: nn.Module) -> bool:
    return any(True for _ in module.children())


def tensors_of(layer: nn.Module) -> list[tuple[str, Tensor]]:
    """A layer's own tensors, without mere numbers such as a batch norm's count."""
    own = (*layer.named_parameters(recurse=False), *layer.named_buffers(recurse=False))
    return [(name, tensor) for name, tensor in own if tensor.dim()]
