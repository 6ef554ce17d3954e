"""Scales and biases of quantized layers stored in 16 bits a number, all in one vector.

16 bits hold the scales exactly, and the biases of layers that read what is not rounded. The bias of
an integer convolution is a whole number of steps, and what 16 bits hold of it rounds to the same
number. A stock onnxruntime makes vectors of 32 bits of them when it loads the file. Vectors that
decide on the work of a node stay: files of unlike work are told apart by them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import accumulate

import numpy as np
import onnx

from automl.export.graph_names import COUNTING_OPERATORS, add_tensor, graphs
from automl.export.sparse import Array

LEAST_NUMBERS = 64
"""From so many on they weigh more than the nodes that take them apart."""
HALVES, WHOLE, SIZES = "halves", "halves.whole", "halves.sizes"


def join(graph: onnx.GraphProto, integer_convolutions: Collection[str]) -> None:
    """Store the vectors of a graph that lose nothing by it in 16 bits, in place.

    `integer_convolutions` are the names of the codes that a runtime convolves with integers.
    """
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    steps, deciding = dict(_steps(graph, held, integer_convolutions)), _deciding(graph)
    found = {
        name: vector
        for name, vector in held.items()
        if _is_vector(vector) and _keeps(vector, steps.get(name)) and name not in deciding
    }
    if sum(map(len, found.values())) < LEAST_NUMBERS:
        return
    for tensor in [tensor for tensor in graph.initializer if tensor.name in found]:
        graph.initializer.remove(tensor)
    add_tensor(graph, HALVES, np.concatenate([*found.values()]).astype(np.float16))
    add_tensor(graph, SIZES, np.array([*map(len, found.values())], np.int64))
    make = onnx.helper.make_node
    graph.node.insert(0, make("Split", [WHOLE, SIZES], [*found]))
    graph.node.insert(0, make("Cast", [HALVES], [WHOLE], to=onnx.TensorProto.FLOAT))


def taken_apart(graph: onnx.GraphProto, held: Mapping[str, Array]) -> dict[str, Array]:
    """A graph's initializers by name, each of the joined vectors for itself."""
    split = next((node for node in graph.node if node.op_type == "Split"), None)
    casts = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
    source = casts.get(split.input[0], "") if split is not None else ""
    if split is None or source not in held or held[source].dtype != np.float16:
        return dict(held)
    sizes = split.input[1]
    ends = accumulate(held[sizes].tolist())
    vectors = np.split(held[source].astype(np.float32), [*ends][:-1])
    rest = {name: values for name, values in held.items() if name not in (source, sizes)}
    return {**rest, **dict(zip(split.output, vectors))}


def _deciding(graph: onnx.GraphProto) -> set[str]:
    """The names of values whose numbers decide on the work of a node."""
    nodes = [node for each in graphs(graph) for node in each.node]
    return {name for n in nodes if n.op_type in COUNTING_OPERATORS for name in n.input}


def _is_vector(values: Array) -> bool:
    return values.dtype == np.float32 and values.ndim == 1 and values.size > 1


def _keeps(vector: Array, steps: Array | None) -> bool:
    """Tell if 16 bits hold a vector, or, of a bias, its whole number of `steps`."""
    with np.errstate(over="ignore"):
        halves = vector.astype(np.float16).astype(np.float32)
    if steps is not None:
        halves, vector = np.round(halves / steps), np.round(vector / steps)
    return bool(np.array_equal(halves, vector))


def _steps(
    graph: onnx.GraphProto, held: Mapping[str, Array], integer_convolutions: Collection[str]
) -> Iterator[tuple[str, Array]]:
    """The steps (outputs,) to which a runtime rounds the bias of a convolution of integers, by the
    name of the bias."""
    scaling = {one.output[0]: one for one in graph.node if one.op_type == "DequantizeLinear"}
    for node in graph.node:
        if node.op_type == "Conv" and len(node.input) > 2 and {*node.input[:2]} <= scaling.keys():
            rows, weight = (scaling[name].input for name in node.input[:2])
            if weight[0] in integer_convolutions:
                yield node.input[2], held[rows[1]] * held[weight[1]]
