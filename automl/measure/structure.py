"""The structure of a file: its operators, attributes, shapes and types, without its weights.

Files of equal structure do the same work, and so have one latency. Numbers count where they decide
on the work: int64 and bool are shapes, axes and places; a float is one where an operator takes it
for a size or an exponent. Whether weights are zeros, large or denormal is left out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator

import onnx
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto

from automl.export.graph_names import COUNTING_OPERATORS

COUNTED_TYPES = (TensorProto.INT64, TensorProto.BOOL)
ROUNDING = ("QuantizeLinear", "DynamicQuantizeLinear", "MatMulInteger")
CODES = (TensorProto.INT8, TensorProto.INT4)
"""Of these a zero point that is 0 lets a runtime choose other kernels."""


def structure(file: bytes) -> str:
    """The hash of a file's structure; names of values do not count, nor does metadata."""
    model = onnx.load_from_string(file)
    digest = _Digest()
    used = {*_domains(model.graph.node), *(d for f in model.functions for d in _domains(f.node))}
    versions = ((one.domain, one.version) for one in model.opset_import)
    digest.add(*sorted(own for own in versions if own[0] in used))
    for function in model.functions:
        digest.add("function", function.domain, function.name, len(function.input))
        scope = {name: digest.number() for name in function.input}
        digest.nodes(function.node, scope, {})
        digest.add(*(scope[name] for name in function.output))
    digest.graph(model.graph, {}, {})
    return digest.hash.hexdigest()


def computes_with_integers(file: bytes) -> bool:
    """Tell if a file rounds numbers to integers on the way."""
    return any(node.op_type in ROUNDING for node in onnx.load_from_string(file).graph.node)


def _domains(nodes: Iterable[NodeProto]) -> Iterator[str]:
    """The domains of operators, those in branches and loops included."""
    for node in nodes:
        yield node.domain
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _domains(graph.node)


class _Digest:
    """Takes in what counts of a file, part by part; values are numbered in their order."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()
        self.last = 0

    def add(self, *parts: object) -> None:
        self.hash.update(repr(parts).encode())

    def number(self) -> int:
        """The next value's number."""
        self.last += 1
        return self.last

    def graph(
        self, graph: GraphProto, around: dict[str, int], held: dict[str, TensorProto]
    ) -> None:
        """Take in a graph; `around` and `held` are of the graphs that it stands in."""
        scope = dict(around)
        for value in graph.input:
            scope[value.name] = self.number()
            self.add("input", value.type.SerializeToString(deterministic=True))
        held = {**held, **{tensor.name: tensor for tensor in graph.initializer}}
        self.nodes(graph.node, scope, held)
        for value in graph.output:
            self.value(value.name, scope, held, "")

    def nodes(
        self, nodes: Iterable[NodeProto], scope: dict[str, int], held: dict[str, TensorProto]
    ) -> None:
        """Take in nodes in their order; `held` are the tensors that their graph holds."""
        for node in nodes:
            self.add(node.domain, node.op_type, len(node.input), len(node.output))
            for name in node.input:
                self.value(name, scope, held, node.op_type)
            for attribute in sorted(node.attribute, key=lambda one: one.name):
                self.attribute(attribute, scope, held, node.op_type)
            for name in node.output:
                scope[name] = self.number()

    def value(
        self, name: str, scope: dict[str, int], held: dict[str, TensorProto], operator: str
    ) -> None:
        """Take in a value that a node reads: its number, and of a tensor what it is, where it is
        met first, or its numbers decide on the work."""
        is_met = name in scope
        if name in held and not is_met:
            scope[name] = self.number()
        if name in held and (not is_met or operator in COUNTING_OPERATORS):
            self.tensor(held[name], operator)
        self.add(scope.get(name, 0))

    def tensor(self, tensor: TensorProto, operator: str) -> None:
        """Take in a tensor that the operator reads: type and shape, and its numbers if these
        decide on the work."""
        self.add(tensor.data_type, tuple(tensor.dims))
        if tensor.data_type in COUNTED_TYPES or operator in COUNTING_OPERATORS:
            self.hash.update(onnx.numpy_helper.to_array(tensor).tobytes())
        elif tensor.data_type in CODES and math.prod(tensor.dims) == 1:
            self.add(bool(onnx.numpy_helper.to_array(tensor).any()))

    def attribute(
        self,
        attribute: AttributeProto,
        scope: dict[str, int],
        held: dict[str, TensorProto],
        operator: str,
    ) -> None:
        """Take in an attribute of a node: a graph, a tensor, or plain numbers and texts."""
        self.add(attribute.name, attribute.type)
        if attribute.type == AttributeProto.GRAPH:
            self.graph(attribute.g, scope, held)
        elif attribute.type == AttributeProto.TENSOR:
            self.tensor(attribute.t, operator)
        else:
            self.hash.update(attribute.SerializeToString(deterministic=True))
