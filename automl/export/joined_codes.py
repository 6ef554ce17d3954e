"""Codes of few bits of several small weights, stored as one tensor that a node takes apart.

To unpack a tensor takes about 60 bytes of nodes, as much as 240 weights of 2 bits. A stock
onnxruntime takes the tensor apart when it loads the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import numpy as np
import onnx

from automl.export.graph_names import add_tensor, readers_of
from automl.export.packing import LAYOUTS
from automl.export.sparse import Array

MOST_NUMBERS = 2**16
"""Of a weight that is joined with others. Beside a larger one its nodes weigh nothing, and what
takes it apart would hold all of them in memory at once."""


def join(graph: onnx.GraphProto, widths: Mapping[str, float]) -> dict[str, float]:
    """Join, in place, the small int8 initializers named in `widths` that have equal bits.

    Returns the bits of what is to be packed, by the names of the initializers there are then.
    """
    held = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer if t.name in widths}
    left = {name: widths[name] for name in held}
    nodes: list[onnx.NodeProto] = []
    for bits in sorted(set(left.values())):
        small = {n: codes for n, codes in held.items() if widths[n] == bits and _fits(codes, bits)}
        if len(small) > 1:
            left = {name: own for name, own in left.items() if name not in small}
            left[f"codes{bits}"] = bits
            nodes += _joined(graph, f"codes{bits}", small)
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)
    return left


def taken_apart(graph: onnx.GraphProto, held: Mapping[str, Array]) -> dict[str, Array]:
    """A graph's initializers by name, each of the joined codes for itself, in its shape."""
    apart, readers = dict(held), readers_of(graph)
    for split in [node for node in graph.node if node.op_type == "Split"]:
        codes = held.get(split.input[0])
        if codes is None or codes.dtype != np.int8:
            continue
        del apart[split.input[0]]
        ends = [*accumulate(held[split.input[1]].tolist())]
        for name, piece in zip(split.output, np.split(codes, ends[:-1]), strict=True):
            for shape in readers[name]:
                apart[shape.output[0]] = piece.reshape(held[shape.input[1]])
    return apart


def _fits(codes: Array, bits: float) -> bool:
    return codes.size < MOST_NUMBERS and bool(np.isin(codes, LAYOUTS[bits].levels).all())


def _joined(graph: onnx.GraphProto, name: str, small: Mapping[str, Array]) -> list[onnx.NodeProto]:
    """The nodes that take one tensor apart into these; equal ones are stored once."""
    first: dict[bytes, str] = {}
    for own, codes in small.items():
        first.setdefault(codes.tobytes(), own)
    pieces = [small[own].ravel() for own in first.values()]
    add_tensor(graph, name, np.concatenate(pieces))
    add_tensor(graph, f"{name}.sizes", np.array([*map(len, pieces)], np.int64))
    make, parts = onnx.helper.make_node, [f"{own}.flat" for own in first.values()]
    nodes = [make("Split", [name, f"{name}.sizes"], parts)]
    for own, codes in small.items():
        add_tensor(graph, f"{own}.shape", np.array(codes.shape, np.int64))
        part = f"{first[codes.tobytes()]}.flat"
        nodes.append(make("Reshape", [part, f"{own}.shape"], [own]))
    for tensor in [tensor for tensor in graph.initializer if tensor.name in small]:
        graph.initializer.remove(tensor)
    return nodes
