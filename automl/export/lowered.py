"""Programs of torch's exporter in operators that ONNX has, without a second trace.

torch writes a program in such operators by tracing it anew, which takes longer than the first
trace. Of a plain network a handful of calls changes: those are written here, as torch itself
would write them. A program that needs more than that is left to torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import cast

import torch
from torch import SymInt, Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec, OutputKind
from torch.fx import Graph, Node

Operator = Callable[..., object]
Call = tuple[Operator, tuple[object, ...]]
"""An operator, and its arguments after the first."""
Place = tuple[Node, int]
"""An input of a program, and one of its dimensions."""

aten = torch.ops.aten
SIZE = aten.sym_size.int
KEPT = {SIZE, aten._assert_tensor_metadata.default}
KINDS = {InputKind.PARAMETER, InputKind.BUFFER, InputKind.USER_INPUT}


def lowered(program: ExportedProgram, is_whole: Callable[[object], bool]) -> bool:
    """Write a program, in place, as torch's own decomposition would; tell if that is done.

    Nothing is changed where it takes more than is known here. `is_whole` tells of an operator
    that decomposition leaves as it is.
    """
    if not _is_plain(program):
        return False
    free = _free_sizes(program)
    found = dict[Node, list[Call]]()
    for node in program.graph.nodes:
        if node.op != "call_function" or node.target in KEPT or is_whole(node.target):
            continue
        calls = RULES[node.target](node) if node.target in RULES else None
        if calls is None or not {str(size) for size in _open(calls)} <= free.keys():
            return False
        found[node] = calls
    for node, calls in found.items():
        _write(program.graph, node, calls, free)
    _order(program)
    return True


def _is_plain(program: ExportedProgram) -> bool:
    """Tell if a program only computes its answers from its inputs and from tensors, each of which
    has one name."""
    signature, graph = program.graph_signature, program.graph
    sizes = [node for node in graph.nodes if node.target is SIZE]
    names = [spec.target for spec in signature.input_specs if spec.target]
    tensors = {id(program.state_dict.get(name)) for name in names}
    return (
        len(tensors) == len(names)
        and {spec.kind for spec in signature.input_specs} <= KINDS
        and {spec.kind for spec in signature.output_specs} == {OutputKind.USER_OUTPUT}
        and len({str(node.meta["val"]) for node in sizes}) == len(sizes)
        and all(node.op in ("placeholder", "call_function", "output") for node in graph.nodes)
    )


def _free_sizes(program: ExportedProgram) -> dict[str, Place]:
    """The sizes that are free, as torch writes them, and where they are found."""
    given = set(program.graph_signature.user_inputs)
    return {
        str(size): (node, at)
        for node in program.graph.nodes
        if node.op == "placeholder" and node.name in given
        for at, size in enumerate(node.meta["val"].shape)
        if isinstance(size, SymInt)
    }


def _open(calls: Iterable[Call]) -> list[SymInt]:
    """The free sizes that calls are made with."""
    lists = [argument for _, rest in calls for argument in rest if isinstance(argument, list)]
    return [size for sizes in lists for size in sizes if isinstance(size, SymInt)]


def _write(graph: Graph, node: Node, calls: list[Call], free: Mapping[str, Place]) -> None:
    """Put calls, each of the result of the one before, in the place of a node."""
    sizes = {str(size): _size(graph, *free[str(size)]) for size in _open(calls)}
    made = cast(Node, node.args[0])
    for operator, rest in calls:
        told = [
            [sizes.get(str(size), size) for size in one] if isinstance(one, list) else one
            for one in rest
        ]
        with graph.inserting_before(node):
            source, made = made, graph.call_function(operator, (made, *told))
        made.meta = {**node.meta, "val": operator(source.meta["val"], *rest)}
    node.replace_all_uses_with(made)
    graph.erase_node(node)


def _size(graph: Graph, source: Node, at: int) -> Node:
    """The node that tells the size of a dimension of an input."""
    for node in graph.nodes:
        if node.target is SIZE and node.args == (source, at):
            return node
    first = next(node for node in graph.nodes if node.op != "placeholder")
    with graph.inserting_before(first):
        made = graph.call_function(SIZE, (source, at))
    made.meta["val"] = source.meta["val"].shape[at]
    return made


def _order(program: ExportedProgram) -> None:
    """Name the tensors module by module, in the order in which the program first asks for each
    module: so torch does, and the order is the order in a file."""
    used = {node.name for node in program.graph.nodes if node.op == "placeholder" and node.users}
    specs = program.graph_signature.input_specs
    asked = [spec.target for spec in specs if spec.target and spec.arg.name in used]
    modules = {"": 0}
    for name in asked:
        parts = name.split(".")[:-1]
        for end in range(1, len(parts) + 1):
            modules.setdefault(".".join(parts[:end]), len(modules))

    def place(spec: InputSpec) -> tuple[int, ...]:
        parts = spec.target.split(".")[:-1] if spec.target else []
        parents = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
        return tuple(modules.get(parent, len(modules)) for parent in parents)

    specs.sort(key=place)


def _cast(node: Node) -> list[Call] | None:
    """Nothing, where a tensor has the type already that it is asked for."""
    source, kind, *rest = node.args
    return [] if _value(source).dtype == kind and not rest and not node.kwargs else None


def _reshape(node: Node) -> list[Call] | None:
    source, shape = node.args
    return [(aten.view.default, (shape,))] if _value(source).is_contiguous() else None


def _flatten(node: Node) -> list[Call] | None:
    source, shape = _value(node.args[0]), node.meta["val"].shape
    if len(shape) == source.dim():
        return []
    return [(aten.view.default, (list(shape),))] if source.is_contiguous() else None


def _mean(node: Node) -> list[Call] | None:
    """The mean over height and width, as average pooling to one place is."""
    source, size = node.args
    if size != [1, 1] or _value(source).dim() != 4 or not _value(source).is_contiguous():
        return None
    return [(aten.mean.dim, ([-1, -2], True))]


def _mean_of_series(node: Node) -> list[Call] | None:
    source, size = node.args
    if size != [1] or _value(source).dim() != 3 or not _value(source).is_contiguous():
        return None
    whole = aten.mean.dim, ([-1, -2], True)
    return [(aten.unsqueeze.default, (-2,)), whole, (aten.squeeze.dim, (-2,))]


def _value(argument: object) -> Tensor:
    """The shape and type, in a tensor without numbers, that an argument of a call has."""
    value: Tensor = cast(Node, argument).meta["val"]
    return value


RULES: dict[object, Callable[[Node], list[Call] | None]] = {
    aten.to.dtype: _cast,
    aten.reshape.default: _reshape,
    aten.flatten.using_ints: _flatten,
    aten.adaptive_avg_pool2d.default: _mean,
    aten.adaptive_avg_pool1d.default: _mean_of_series,
}
