"""The memory that a file's activations take: the tensors that live at once, node after node."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from automl.export.graph_names import reads
from automl.runtimes.node_runs import Feed, NodeRun, Stage, node_runs

VIEWS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")
"""Operators whose result is what they read, seen otherwise: it takes no memory of its own."""


def peak_activation_bytes(file: bytes, feed: Feed) -> int:
    """The most bytes that tensors which go from node to node take at once, in the graph's order.

    Every node has a name. A tensor lives from the node that makes it to the last that reads it;
    the file's inputs live from the start, its outputs to the end. It is the graph with its
    operators joined as every machine joins them, so that the integers of a quantized file count
    as such. Tensors within branches and loops are left out.
    """
    ran = node_runs(file, feed, Stage.FUSED)
    graph = onnx.load_from_string(ran.graph).graph
    given = {name: array.nbytes for name, array in feed.items()}
    return peak_of(graph, {run.name: run for run in ran.calls[0]}, given)


def peak_of(graph: onnx.GraphProto, runs: Mapping[str, NodeRun], given: Mapping[str, int]) -> int:
    """The peak of a graph whose nodes ran so; `given` are the bytes of its inputs."""
    holder = {name: name for name in given}
    ends: dict[str, int] = dict.fromkeys(given, 0)
    sizes, begins = dict(given), dict.fromkeys(given, 0)
    for at, node in enumerate(graph.node):
        for name in reads(node):
            if name in holder:
                ends[holder[name]] = at
        made = runs[node.name].output_bytes if node.name in runs else ()
        for name, num_bytes in zip([o for o in node.output if o], made):
            is_view = node.op_type in VIEWS and node.input[0] in holder
            holder[name] = holder[node.input[0]] if is_view else name
            if not is_view:
                sizes[name], begins[name], ends[name] = num_bytes, at, at
    for output in graph.output:
        if output.name in holder:
            ends[holder[output.name]] = len(graph.node)
    return max(_live(at, sizes, begins, ends) for at in range(len(graph.node))) if sizes else 0


def _live(
    at: int, sizes: Mapping[str, int], begins: Mapping[str, int], ends: Mapping[str, int]
) -> int:
    """The bytes of the tensors that live while a node runs."""
    return sum(size for name, size in sizes.items() if begins[name] <= at <= ends[name])
