"""Multiply-accumulates of an operator, exactly, from the shapes of what it reads and makes.

What an operator does beside them, such as to add a bias or to round, is not counted.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeAlias

from automl.measure.numbered_graph import NUMBER, NumberedGraph
from automl.runtimes.node_runs import Feed, NodeRun, Shape, Stage, node_runs

Attributes: TypeAlias = Mapping[str, object]
"""Attributes of a node that has any, by name."""
Count: TypeAlias = Callable[[NodeRun, Attributes], int]


def macs_by_node(graph: NumberedGraph, feed: Feed) -> Counter[int]:
    """The multiply-accumulates of each node that an input changes, by its number, in one call.

    Those of branches and loops count with the node that runs them; those of nodes that a runtime
    makes of one, and names as it likes, with the first.
    """
    counts: Counter[int] = Counter(dict.fromkeys(graph.dynamic, 0))
    for run in node_runs(graph.file, feed, Stage.WRITTEN).calls[0]:
        found = NUMBER.match(run.name)
        number = int(found[1]) if found else graph.dynamic[0]
        if (top := graph.top[number]) in counts:
            counts[top] += macs(run, graph.attributes(number) if found else {})
    return counts


def macs(run: NodeRun, attributes: Attributes) -> int:
    """The multiply-accumulates of a node's run; 0 of an operator that does none, or is unknown."""
    count = COUNTS.get(run.operator)
    return 0 if count is None or not run.outputs else count(run, attributes)


def _convolved(place: int) -> Count:
    """A convolution whose weight (outputs, inputs of a group, *kernel) is read at this place."""
    return lambda run, attributes: math.prod(run.outputs[0]) * math.prod(run.inputs[place][1:])


def _transposed(run: NodeRun, attributes: Attributes) -> int:
    """A transposed convolution: each input number goes to (outputs of a group, *kernel) places."""
    return math.prod(run.inputs[0]) * math.prod(run.inputs[1][1:])


def _gemm(run: NodeRun, attributes: Attributes) -> int:
    """A product (rows, outputs) of a matrix of rows, which may lie turned."""
    rows, outputs = run.outputs[0]
    return outputs * math.prod(run.inputs[0]) if rows else 0


def _matmul(run: NodeRun, attributes: Attributes) -> int:
    """A product of matrices, of which the first may lie turned where an attribute says so."""
    inner: Shape = run.inputs[0]
    is_turned = bool(attributes.get("transA")) and len(inner) > 1
    return math.prod(run.outputs[0]) * inner[-2 if is_turned else -1]


def _einsum(run: NodeRun, attributes: Attributes) -> int:
    """A product of two tensors, of which each letter is a dimension; "..." is not taken apart."""
    said = attributes.get("equation", b"")
    terms = (said.decode() if isinstance(said, bytes) else str(said)).replace(" ", "")
    read = terms.partition("->")[0].split(",")
    if "." in terms or len(read) != 2:
        return 0
    sizes = {letter: n for term, shape in zip(read, run.inputs) for letter, n in zip(term, shape)}
    return math.prod(sizes.values())


def _recurrent(run: NodeRun, attributes: Attributes) -> int:
    """A recurrent layer: rows (steps, batch, inputs), W (directions, gates, inputs) and
    R (directions, gates, hidden)."""
    steps, batch, _ = run.inputs[0]
    return steps * batch * sum(map(math.prod, run.inputs[1:3]))


COUNTS: dict[str, Count] = {
    **dict.fromkeys(("Conv", "ConvInteger", "FusedConv", "NhwcFusedConv"), _convolved(1)),
    "QLinearConv": _convolved(3),
    "ConvTranspose": _transposed,
    **dict.fromkeys(("Gemm", "FusedGemm", "QGemm"), _gemm),
    **dict.fromkeys(("MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul"), _matmul),
    **dict.fromkeys(("MatMulIntegerToFloat", "DynamicQuantizeMatMul", "MatMulNBits"), _matmul),
    "Einsum": _einsum,
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
}
"""The count by operator, of ONNX and of onnxruntime's own."""
