"""Rules by which labels of units go through the operations of a module's call, one for each kind.

The operations are those of ATen, to which all that a module calls comes down. One without a rule
has the units that enter it stay.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from automl.compression.unit_labels import (
    FREE,
    Dims,
    Labels,
    UnitLabels,
    data,
    join_all,
    reshaped,
)
from automl.models.dataflow import tensors_in


@dataclass
class Followed:
    """The tensors of a call that are known so far.

    `outer` as in `unit_labels.reshaped`. `read` are labels of weights where they read units,
    `made` where they make them; `whole_groups` are the weights of convolutions of which only
    whole groups can go; `where` names the layer that is called.
    """

    outer: bool
    units: UnitLabels = field(default_factory=UnitLabels)
    known: dict[int, tuple[weakref.ref[Tensor], Dims, bool]] = field(default_factory=dict)
    read: list[Labels] = field(default_factory=list)
    made: list[Labels] = field(default_factory=list)
    whole_groups: list[Tensor] = field(default_factory=list)
    where: str = ""

    def learn(self, tensor: Tensor, dims: Dims, of_state: bool) -> None:
        """Note the labels of a tensor, and whether only the module's own tensors made it."""
        one: Dims = [None if size == 1 else d for size, d in zip(tensor.shape, dims, strict=True)]
        number = id(tensor)
        # Another tensor may get its number when this one is gone.
        gone = weakref.ref(tensor, lambda _: self.known.pop(number, None))
        self.known[number] = (gone, one, of_state)

    def dims(self, tensor: Tensor | None) -> Dims:
        if tensor is None:
            return []
        known = self.known.get(id(tensor))
        return list(known[1]) if known else [None] * tensor.dim()

    def of_state(self, tensor: Tensor) -> bool:
        return id(tensor) in self.known and self.known[id(tensor)][2]

    def fix(self, labels: Labels | None, what: str) -> None:
        self.units.fix(labels, f"its units run through {self.where or what}")

    def view(self, dims: Dims, old: Sequence[int], new: Sequence[int]) -> Dims:
        return reshaped(self.units, dims, old, new, self.outer)

    def contract(
        self, a: Labels | None, b: Labels | None, a_of_state: bool, b_of_state: bool
    ) -> None:
        """Join the two sides of a sum of products; a weight's side reads the units."""
        join_all(self.units, (a, b))
        if a_of_state != b_of_state:
            own = a if a_of_state else b
            if own is not None:
                self.read.append(own)


@dataclass(frozen=True)
class Call:
    """An operation, its arguments by name, and the tensors that it gave."""

    name: str
    args: dict[str, Any]
    outputs: list[Tensor]

    def __getitem__(self, name: str) -> Any:
        return self.args[name]

    @property
    def tensors(self) -> list[Tensor]:
        return list(tensors_in(self.args))

    def axes(self, name: str = "dim") -> list[int]:
        """Dimensions of the first argument, as numbers from 0 on; all where none is named."""
        found, count = self.args.get(name), self.tensors[0].dim()
        if found is None or found == []:
            return list(range(count))
        return [axis % max(1, count) for axis in ([found] if isinstance(found, int) else found)]


Rule: TypeAlias = Callable[[Followed, Call], list[Dims]]
"""A function from what is known and a call to the labels of the call's outputs."""

RULES: dict[str, Rule] = {}


def unknown(known: Followed, call: Call) -> list[Dims]:
    for tensor in call.tensors:
        for labels in known.dims(tensor):
            known.fix(labels, f"{call.name!r} in forward")
    return [[data(size) for size in output.shape] for output in call.outputs]


def entry_by_entry(known: Followed, call: Call) -> list[Dims]:
    """The labels of an operation on each entry alone, its tensors broadcast to one shape."""
    shape = call.outputs[0].shape
    dims: Dims = []
    for place in range(1, len(shape) + 1):
        meeting = [
            known.dims(tensor)[-place]
            for tensor in call.tensors
            if tensor.dim() >= place and tensor.shape[-place] == shape[-place]
        ]
        dims.insert(0, join_all(known.units, meeting))
    return [dims if out.shape == shape else [None] * out.dim() for out in call.outputs]


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Register a function as the rule of these operations."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


for _name in (
    *("clone", "_to_copy", "copy", "detach", "alias", "lift_fresh", "lift_fresh_copy", "triu"),
    *(
        "tril",
        "hardswish",
        "native_dropout",
        "bernoulli",
        "fill",
        "zero",
        "zeros_like",
        "ones_like",
    ),
    *("empty_like", "full_like", "rand_like", "randn_like", "_prelu_kernel", "masked_fill"),
    *("log_sigmoid_forward", "gelu", "contiguous"),
):
    RULES[_name] = entry_by_entry


@rule("view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze", "view_copy")
def _view(known: Followed, call: Call) -> list[Dims]:
    source, (output,) = call.tensors[0], call.outputs
    if source.dtype != output.dtype:
        return unknown(known, call)
    return [known.view(known.dims(source), source.shape, output.shape)]


@rule("t", "transpose", "permute", "numpy_T")
def _permuted(known: Followed, call: Call) -> list[Dims]:
    dims = known.dims(call.tensors[0])
    if "dims" in call.args:
        return [[dims[axis] for axis in call.axes("dims")]]
    a, b = (call.axes("dim0") + call.axes("dim1")) if "dim0" in call.args else (0, len(dims) - 1)
    if len(dims) > 1:
        dims[a], dims[b] = dims[b], dims[a]
    return [dims]


@rule("expand", "repeat")
def _expanded(known: Followed, call: Call) -> list[Dims]:
    source, (output,) = call.tensors[0], call.outputs
    dims: Dims = [*[None] * (output.dim() - source.dim()), *known.dims(source)]
    return [
        [
            d if d is None or len(d) == size else np.tile(d, size // len(d))
            for d, size in zip(dims, output.shape, strict=True)
        ]
    ]


@rule("slice")
def _slice(known: Followed, call: Call) -> list[Dims]:
    dims, (axis,) = known.dims(call.tensors[0]), call.axes()
    labels = dims[axis]
    if labels is not None:
        dims[axis] = labels[slice(call["start"], call["end"], call["step"])]
    return [dims]


@rule("select", "unbind")
def _select(known: Followed, call: Call) -> list[Dims]:
    dims, (axis,) = known.dims(call.tensors[0]), call.axes()
    known.fix(dims.pop(axis), "a selection of single ones in forward")
    return [dims for _ in call.outputs]


@rule("split", "unsafe_split", "split_with_sizes", "unsafe_split_with_sizes", "chunk", "glu")
def _split(known: Followed, call: Call) -> list[Dims]:
    """Parts of one size stay of one size: their units go together."""
    dims, (axis,) = known.dims(call.tensors[0]), call.axes()
    labels, parts, begin = dims[axis], list[Labels | None](), 0
    for size in [output.shape[axis] for output in call.outputs] * (2 if call.name == "glu" else 1):
        parts.append(None if labels is None else labels[begin : begin + size])
        begin += size
    for part in parts[1:]:
        if part is not None and parts[0] is not None and len(part) == len(parts[0]):
            known.units.join(parts[0], part)
    return [
        [*dims[:axis], part, *dims[axis + 1 :]]
        for part, _ in zip(parts, call.outputs, strict=False)
    ]


@rule("cat")
def _cat(known: Followed, call: Call) -> list[Dims]:
    tensors = [tensor for tensor in call.tensors if tensor.numel()]
    if not tensors:
        return [[None] * output.dim() for output in call.outputs]
    all_dims = [known.dims(tensor) for tensor in tensors]
    axis = call["dim"] % tensors[0].dim()
    dims: Dims = []
    for place, column in enumerate(zip(*all_dims, strict=True)):
        beside = _beside(tensors, column, axis) if place == axis else None
        dims.append(beside if place == axis else join_all(known.units, column))
    return [dims]


@rule("new_zeros", "new_ones", "new_empty", "new_full", "new_empty_strided")
def _new(known: Followed, call: Call) -> list[Dims]:
    return [[None] * output.dim() for output in call.outputs]


@rule("stack")
def _stack(known: Followed, call: Call) -> list[Dims]:
    (output,), tensors = call.outputs, call.tensors
    all_dims = [known.dims(tensor) for tensor in tensors]
    dims = [join_all(known.units, column) for column in zip(*all_dims, strict=True)]
    axis = call["dim"] % output.dim()
    return [[*dims[:axis], data(output.shape[axis]), *dims[axis:]]]


def _beside(tensors: Sequence[Tensor], parts: Sequence[Labels | None], axis: int) -> Labels | None:
    """The labels of tensors side by side."""
    if all(part is None for part in parts):
        return None
    sizes = [tensor.shape[axis] for tensor in tensors]
    known = zip(parts, sizes, strict=True)
    return np.concatenate([np.full(size, FREE) if part is None else part for part, size in known])
