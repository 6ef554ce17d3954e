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
from torch.fx.node import Argument

Operator = Callable[..., object]
Call = tuple[Operator, tuple[Argument, ...]]
"""An operator, and its arguments after the first."""
Place = tuple[Node, int]
"""An input of a program, and one of its dimensions."""

aten = torch.ops.aten
SIZE = aten.sym_size.int
OPS = {"placeholder", "call_function", "output"}
KINDS = [InputKind.PARAMETER, InputKind.BUFFER, InputKind.USER_INPUT]


def lowered(program: ExportedProgram, is_whole: Callable[[object], bool]) -> bool:
    """Write a program, in place, as torch's own decomposition would; tell if that is done.

    Nothing is changed where it takes more than is known here. `is_whole` tells of an operator
    that decomposition leaves as it is.
    """
    if not _is_plain(program):
        return False
    free, answers = _free_sizes(program), program.graph_signature.user_outputs
    found = dict[Node, list[Call]]()
    for node in program.graph.nodes:
        if node.op != "call_function" or node.target is SIZE or is_whole(node.target):
            continue
        calls = RULES[node.target](node) if node.target in RULES else None
        if calls is None or not {str(size) for size in _open(calls)} <= free.keys():
            return False
        if not calls and node.name in answers:
            return False
        found[node] = calls
    written = dict[Node, Node]()
    for node, calls in found.items():
        written[node] = made = _write(program.graph, node, calls, free, written)
        for spec in program.graph_signature.output_specs:
            spec.arg.name = made.name if spec.arg.name == node.name else spec.arg.name
        program.graph.erase_node(node)
    _order(program)
    return True


def _is_plain(program: ExportedProgram) -> bool:
    """Tell if a program only computes its answers from its inputs and from tensors, each of which
    has one name."""
    specs, nodes = program.graph_signature.input_specs, list(program.graph.nodes)
    sizes = [node for node in nodes if node.target is SIZE]
    names = [spec.target for spec in specs if spec.target]
    tensors = {id(program.state_dict.get(name)) for name in names}
    return (
        len(tensors) == len(names)
        and all(spec.kind in KINDS and spec.persistent is not False for spec in specs)
        and all(s.kind == OutputKind.USER_OUTPUT for s in program.graph_signature.output_specs)
        and all(node.op in OPS for node in nodes)
        and all(node.args[0].op == "placeholder" for node in sizes)
        and len({str(node.meta["val"]) for node in sizes}) == len(sizes)
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


def _write(
    graph: Graph,
    node: Node,
    calls: list[Call],
    free: Mapping[str, Place],
    written: Mapping[Node, Node],
) -> Node:
    """Put calls, each of the result of the one before, before a node, and have all that read the
    node read the last of them, which is returned. `written` are the nodes that are replaced."""
    sizes = {str(size): _size(graph, *free[str(size)]) for size in _open(calls)}
    made = cast(Node, node.args[0])
    for number, (operator, rest) in enumerate(calls, 1):
        told = [_told(one, sizes, written) for one in rest]
        with graph.inserting_before(node):
            source, made = made, graph.call_function(operator, (made, *told))
        value = node.meta["val"] if number == len(calls) else operator(_value(source), *rest)
        made.meta = {**node.meta, "val": value}
    node.replace_all_uses_with(made)
    return made


def _told(argument: Argument, sizes: Mapping[str, Node], written: Mapping[Node, Node]) -> Argument:
    """An argument in a graph: free sizes and replaced nodes as the nodes that tell them."""
    if isinstance(argument, Node):
        return written.get(argument, argument)
    if isinstance(argument, list):
        return [sizes.get(str(one), one) for one in argument]
    return argument


def _size(graph: Graph, source: Node, at: int) -> Node:
    """The node that tells the size of a dimension of an input."""
    nodes = list[Node](graph.nodes)
    for node in nodes:
        if node.target is SIZE and node.args == (source, at):
            return node
    with graph.inserting_before(next(node for node in nodes if node.op != "placeholder")):
        made = graph.call_function(SIZE, (source, at))
    made.meta["val"] = source.meta["val"].shape[at]
    return made


def _order(program: ExportedProgram) -> None:
    """Take parameters, then buffers, module by module, in the order in which the program first
    asked for each module: so torch does, and it is the order in a file."""
    graph, specs = program.graph, program.graph_signature.input_specs
    nodes = {node.name: node for node in graph.nodes if node.op == "placeholder"}
    modules = dict[str, int]()
    for spec in specs:
        if nodes[spec.arg.name].users:
            for parent in _parents(spec):
                modules.setdefault(parent, len(modules))

    def place(spec: InputSpec) -> tuple[int, list[int]]:
        return KINDS.index(spec.kind), [modules.get(one, len(modules)) for one in _parents(spec)]

    specs.sort(key=place)
    first = next(node for node in graph.nodes if node.op != "placeholder")
    for spec in specs:
        first.prepend(nodes[spec.arg.name])


def _parents(spec: InputSpec) -> list[str]:
    """The modules around a tensor, by name, from the outermost to its own."""
    parts = spec.target.split(".") if spec.target else []
    return [".".join(parts[:end]) for end in range(1, len(parts))]


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


def _dropout(node: Node) -> list[Call] | None:
    _, _, is_training = node.args
    return None if is_training else []


def _not_in_place(node: Node) -> list[Call] | None:
    """The same on a copy, where nobody else reads what is overwritten."""
    source, *rest = node.args
    operator = NOT_IN_PLACE[node.target]
    is_new = isinstance(source, Node) and source.target in (*NEW, *NOT_IN_PLACE)
    is_alone = is_new and len(cast(Node, source).users) == 1
    kinds = {_value(one).dtype for one in (source, *rest) if isinstance(one, Node)}
    is_plain = is_alone and len(kinds) == 1 and not node.kwargs
    return [(operator, tuple(rest))] if is_plain else None


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
    mean = aten.mean.dim, ([-1, -2], True)
    return [(aten.unsqueeze.default, (-2,)), mean, (aten.squeeze.dim, (-2,))]


def _value(argument: object) -> Tensor:
    """The shape and type, in a tensor without numbers, that an argument of a call has."""
    value: Tensor = cast(Node, argument).meta["val"]
    return value


NEW = (aten.conv1d.default, aten.conv2d.default, aten.linear.default, aten.add.Tensor)
"""Operators whose result shares no memory with their inputs."""
NOT_IN_PLACE: dict[object, Operator] = {
    aten.relu_.default: aten.relu.default,
    aten.silu_.default: aten.silu.default,
    aten.add_.Tensor: aten.add.Tensor,
}
RULES: dict[object, Callable[[Node], list[Call] | None]] = {
    aten.to.dtype: _cast,
    aten.reshape.default: _reshape,
    aten.flatten.using_ints: _flatten,
    aten.dropout.default: _dropout,
    aten.adaptive_avg_pool2d.default: _mean,
    aten.adaptive_avg_pool1d.default: _mean_of_series,
    **dict.fromkeys(NOT_IN_PLACE, _not_in_place),
}
