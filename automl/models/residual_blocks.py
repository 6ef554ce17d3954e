"""Residual blocks of any module: a block adds its input to its result, and may be left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

from torch import Tensor, nn

from automl.models.dataflow import Flow, ModuleCall, flow_of, tensors_in
from automl.models.layer_edits import LayerEdit
from automl.models.weights import CONVOLUTIONS, TRANSPOSED

ADDITIONS = ("add", "add_", "__add__", "__iadd__", "__radd__", "addcmul", "addcmul_", "lerp")
PRODUCTS = (
    *("linear", "conv1d", "conv2d", "conv3d", "addmm", "matmul", "__matmul__", "bmm", "baddbmm"),
    *("einsum", "scaled_dot_product_attention", "multi_head_attention_forward"),
)
MAKING_PRODUCTS = (
    *(nn.Linear, nn.Bilinear, nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase),
    *CONVOLUTIONS,
    *TRANSPOSED,
)


@dataclass(frozen=True)
class ResidualBlock:
    """A module that can give a tensor that it reads, the one of this place among all that it is
    called with: as it is, or first in a tuple of `num_results`."""

    name: str
    num_results: int = 0
    place: int = 0


@dataclass(frozen=True)
class Bypassed(LayerEdit):
    """A block that is no more: it gives what it reads, as a `ResidualBlock` says."""

    num_results: int = 0
    place: int = 0
    later_fields: ClassVar[Mapping[str, object]] = {"place": 0}

    def rebuild(self, layer: nn.Module) -> nn.Module:
        bypass = Bypass(self.num_results, self.place)
        # A forward may read attributes of its blocks, such as which kind of attention they have.
        vars(bypass).update({**_attributes(layer), **vars(bypass)})
        return bypass


class Bypass(nn.Module):
    """Gives the tensor of a place among those that it is called with."""

    def __init__(self, num_results: int, place: int) -> None:
        super().__init__()
        self.num_results, self.place = num_results, place

    def forward(self, *args: object, **kwargs: object) -> Tensor | tuple[Tensor | None, ...]:
        own = list(tensors_in((args, kwargs)))[self.place]
        if not self.num_results:
            return own
        return (own, *[None] * (self.num_results - 1))


def residual_blocks(body: nn.Module, rows: Tensor) -> list[ResidualBlock]:
    """The residual blocks that `rows` (rows, *input shape) meet, in their order.

    A block is called once, gives the shape of a tensor that it reads, adds that to something, and
    computes products on the way. Of blocks that stand in each other the outermost counts,
    unless it is a chain of several.
    """
    flow, modules = flow_of(body, rows), dict(body.named_modules())
    found = {
        name: block
        for name in modules
        if name and (call := flow.only_call(name)) and (block := _block(flow, call, modules))
    }
    single = [name for name in found if not _are_several(_inside(found, name))]
    return [found[name] for name in _outermost(single)]


def _block(flow: Flow, call: ModuleCall, modules: dict[str, nn.Module]) -> ResidualBlock | None:
    """The block that a call is of, if it is of one."""
    gives = _tensor(call.result)
    multiplies = any(
        isinstance(modules[inner.name], MAKING_PRODUCTS)
        if inner.is_module
        else inner.name in PRODUCTS
        for inner in call.within
    )
    if gives is None or not multiplies:
        return None
    added = {
        tensor
        for inner in call.within
        if inner.name in ADDITIONS and not inner.is_module
        for tensor in inner.read
    }
    num_results = len(call.result) if isinstance(call.result, tuple) else 0
    for place, tensor in enumerate(call.read):
        reads = flow.tensors[tensor[0]]
        if tensor in added and (reads.shape, reads.dtype) == (gives.shape, gives.dtype):
            return ResidualBlock(call.name, num_results, place)
    return None


def _attributes(layer: nn.Module) -> dict[str, object]:
    """The attributes of a layer that hold no tensors, those of its parts below their names."""
    own = {name: value for name, value in vars(layer).items() if not name.startswith("_")}
    parts = {name: SimpleNamespace(**_attributes(part)) for name, part in layer.named_children()}
    return {**own, **parts}


def _tensor(result: object) -> Tensor | None:
    """The tensor that a module gave: alone, or in a tuple of nothing else."""
    if type(result) is tuple and result and all(other is None for other in result[1:]):
        result = result[0]
    return result if isinstance(result, Tensor) else None


def _inside(names: Iterable[str], name: str) -> list[str]:
    return [other for other in names if other.startswith(f"{name}.")]


def _are_several(names: list[str]) -> bool:
    """Tell if two of these stand beside each other."""
    return any(
        not f"{later}.".startswith(f"{name}.") and not f"{name}.".startswith(f"{later}.")
        for i, name in enumerate(names)
        for later in names[i + 1 :]
    )


def _outermost(names: Iterable[str]) -> list[str]:
    """The names that stand in no other of them."""
    every = list(names)
    return [name for name in every if not any(name in _inside(every, other) for other in every)]
