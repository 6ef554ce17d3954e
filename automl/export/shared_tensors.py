"""Equal tensors of a file, stored once: a layer that runs three times has its weights once.

Where only the transpose is equal, a node makes it of the other; a stock onnxruntime computes that
when it loads the file.
"""

from __future__ import annotations

import numpy as np
import onnx

from automl.export.graph_names import rename
from automl.export.sparse import Array

LEAST_BYTES = 1024
"""Of a tensor that is looked at."""


def share(graph: onnx.GraphProto) -> None:
    """Leave, in place, one initializer of those that hold the same numbers."""
    first: dict[tuple[object, ...], list[tuple[str, Array]]] = {}
    instead: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    outputs = {output.name for output in graph.output}
    for tensor in graph.initializer:
        size = int(np.prod(tensor.dims)) * _bytes_each(tensor)
        if size < LEAST_BYTES or tensor.name in outputs:
            continue
        array = onnx.numpy_helper.to_array(tensor)
        known = first.setdefault(_key(array), [])
        if equal := next((name for name, other in known if _equal(array, other)), ""):
            instead[tensor.name] = equal
        elif turned := next((name for name, other in known if _equal(array, _turned(other))), ""):
            nodes.append(onnx.helper.make_node("Transpose", [turned], [tensor.name], perm=[1, 0]))
        else:
            known.append((tensor.name, array))
    _drop(graph, {*instead, *(node.output[0] for node in nodes)})
    rename(graph, lambda name: instead.get(name, name))
    for node in nodes:
        graph.node.insert(0, node)


def _bytes_each(tensor: onnx.TensorProto) -> int:
    return int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _key(array: Array) -> tuple[object, ...]:
    """A value that is the same for equal tensors, and for a matrix and its transpose."""
    corners = array.flat[0].tobytes(), array.flat[-1].tobytes()
    return (str(array.dtype), *sorted(array.shape), *corners)


def _equal(some: Array, others: Array) -> bool:
    """Tell if two arrays are equal to the bit."""
    return some.shape == others.shape and some.tobytes() == others.tobytes()


def _turned(array: Array) -> Array:
    return array.T if array.ndim == 2 else array


def _drop(graph: onnx.GraphProto, names: set[str]) -> None:
    for position, tensor in reversed(list(enumerate(graph.initializer))):
        if tensor.name in names:
            del graph.initializer[position]
