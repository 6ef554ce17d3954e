"""The names of a file's graph: who reads them, others in their place, tensors under new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import onnx

from automl.export.sparse import Array

COUNTING_OPERATORS = ("Pow", "Range", "Resize", "Upsample")
"""Operators that take a float for a size or an exponent: its number decides on the work."""


def reads(node: onnx.NodeProto) -> set[str]:
    """The names that a node reads, those of the graphs within it too."""
    return set(node.input).union(*(reads(other) for body in bodies(node) for other in body.node))


def readers_of(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that read each name, those with a graph that reads it too."""
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in reads(node):
            found.setdefault(name, []).append(node)
    return found


def bodies(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The graphs that a node runs: the body of a loop, the branches of a condition."""
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph, and after it those that its nodes run."""
    yield graph
    for node in graph.node:
        for body in bodies(node):
            yield from graphs(body)


def rename(graph: onnx.GraphProto, new_name: Callable[[str], str]) -> None:
    """Give each value of a graph, and of those within it, the new name of its old one."""
    for each in graphs(graph):
        held = [tensor.values for tensor in each.sparse_initializer]
        for value in (*each.initializer, *held, *each.input, *each.output, *each.value_info):
            value.name = new_name(value.name)
        for node in each.node:
            for names in (node.input, node.output):
                # An optional input that is left out has no name.
                names[:] = [new_name(name) if name else "" for name in names]


def add_tensor(graph: onnx.GraphProto, name: str, values: Array) -> None:
    """Have a graph hold these values under a name, once."""
    if all(tensor.name != name for tensor in graph.initializer):
        graph.initializer.append(onnx.numpy_helper.from_array(values, name))
