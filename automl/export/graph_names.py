"""The names of a file's graph: who reads them, and tensors under new ones."""

from __future__ import annotations

import onnx

from automl.export.sparse import Array


def reads(node: onnx.NodeProto) -> set[str]:
    """The names that a node reads, those of the graphs within it too."""
    inner = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return set(node.input).union(*(reads(other) for graph in inner for other in graph.node))


def readers_of(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that read each name, those with a graph that reads it too."""
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in reads(node):
            found.setdefault(name, []).append(node)
    return found


def add_tensor(graph: onnx.GraphProto, name: str, values: Array) -> None:
    """Have a graph hold these values under a name, once."""
    if all(tensor.name != name for tensor in graph.initializer):
        graph.initializer.append(onnx.numpy_helper.from_array(values, name))
