"""Residual blocks of any module: a block adds its input to its result, and may be left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import SimpleNamespace

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
    """A module that can give what it reads: as it is, or first in a tuple of `num_results`."""

    name: str
    num_results: int = 0


@dataclass(frozen=True)
class Bypassed(LayerEdit):
    """A block that is no more: it gives what it reads, as a `ResidualBlock` says."""

    num_results: int = 0

    def rebuild(self, layer: nn.Module) -> nn.Module:
        bypass = Bypass(self.num_results)
        # A forward may read attributes of its blocks, such as which kind of attention they have.
        vars(bypass).update({**_attributes(layer), **vars(bypass)})
        return bypass


class Bypass(nn.Module):
    """Gives the first tensor that it is called with."""

    def __init__(self, num_results: int) -> None:
        super().__init__()
        self.num_results = num_results

    def forward(self, *args: object, **kwargs: object) -> Tensor | tuple[Tensor | None, ...]:
        first = next(tensors_in((args, kwargs)))
        if not self.num_results:
            return first
        return (first, *[None] * (self.num_results - 1))


def residual_blocks(body: nn.Module, rows: Tensor) -> list[ResidualBlock]:
    """The residual blocks that `rows` (rows, *input shape) meet, in their order.

    A block is called once, gives the shape that it reads, adds what it reads to something, and
    computes products on the way. Of blocks that stand in each other the outermost counts,
    unless it is a chain of several.
    """
    flow, modules = flow_of(body, rows), dict(body.named_modules())
    found = {
        name: call.result
        for name in modules
        if name and (call := flow.only_call(name)) and _is_residual(flow, call, modules)
    }
    single = [name for name in found if not _are_several(_inside(found, name))]
    return [
        ResidualBlock(name, len(result) if isinstance(result := found[name], tuple) else 0)
        for name in _outermost(single)
    ]


def _is_residual(flow: Flow, call: ModuleCall, modules: dict[str, nn.Module]) -> bool:
    gives = _tensor(call.result)
    if gives is None or not call.read:
        return False
    reads = flow.tensors[call.read[0][0]]
    adds = any(
        inner.name in ADDITIONS and call.read[0] in inner.read and not inner.is_module
        for inner in call.within
    )
    multiplies = any(
        isinstance(modules[inner.name], MAKING_PRODUCTS)
        if inner.is_module
        else inner.name in PRODUCTS
        for inner in call.within
    )
    return (reads.shape, reads.dtype) == (gives.shape, gives.dtype) and adds and multiplies


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
