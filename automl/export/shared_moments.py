"""Batch norms that stay in a file: those of one width share the mean and variance of the first.

A norm behind a layer of its own is merged into that layer. Where a layer is used several times,
each time with another norm, it cannot be: the layer's weights stand in the file once.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from automl.export.graph_names import add_tensor, reads
from automl.export.sparse import Array

EPSILON = 1e-5
"""What a norm adds to the variance where its node does not say."""
FARTHEST = 100
"""Standard deviations between two means; with more the rounding of their difference would show."""


def share_moments(graph: onnx.GraphProto) -> None:
    """Have batch norms of one width read one mean and one variance, in place.

    A norm multiplies each channel by a number and adds another, so that two of its four vectors
    suffice. Scale and bias of a later norm become those that give the same answers.
    """
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    moments: dict[int, tuple[str, str]] = {}
    for node in graph.node:
        own = node.input[1:]
        if node.op_type == "BatchNormalization" and all(name in held for name in own):
            first = moments.setdefault(len(held[own[0]]), (own[2], own[3]))
            if first != (own[2], own[3]):
                _read(graph, node, first, held)
    read = {name for node in graph.node for name in reads(node)}
    for tensor in [t for t in graph.initializer if t.name in held and t.name not in read]:
        graph.initializer.remove(tensor)


def _read(
    graph: onnx.GraphProto, node: onnx.NodeProto, first: tuple[str, str], held: Mapping[str, Array]
) -> None:
    """Have a norm read other moments than its own, unless they are too far from them."""
    epsilon = next((one.f for one in node.attribute if one.name == "epsilon"), EPSILON)
    scale, bias, mean, variance = (held[name].astype(np.float64) for name in node.input[1:])
    other_mean, other_variance = (held[name].astype(np.float64) for name in first)
    deviation, other = np.sqrt(variance + epsilon), np.sqrt(other_variance + epsilon)
    away = (other_mean - mean) / deviation
    if np.abs(away).max() > FARTHEST:
        return
    # Norms of other moments may hold one scale and one bias between them.
    own = f"{'.'.join(node.input[3:])}.{first[0]}.{epsilon}"
    names = [f"{name}.{own}" for name in node.input[1:3]]
    add_tensor(graph, names[0], (scale * other / deviation).astype(np.float32))
    add_tensor(graph, names[1], (bias + scale * away).astype(np.float32))
    node.input[1:] = [*names, *first]
