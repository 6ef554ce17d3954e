"""Codes of linear layers, stored as the product reads them.

onnxruntime turns each matrix of codes when it loads a file, and holds it as floats meanwhile: of a
network of many weights that takes as much memory as the fp32 file does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import onnx

from automl.export.graph_names import reads

Readers = Mapping[str, Sequence[onnx.NodeProto]]


def store_turned(graph: onnx.GraphProto) -> None:
    """Store, in place, each matrix of codes turned that is read turned and not otherwise.

    Codes that meet floats must not stand in a DequantizeLinear any more: stored turned, a product
    with them is one for which onnxruntime rounds the floats as well.
    """
    readers = defaultdict[str, list[onnx.NodeProto]](list)
    for node in graph.node:
        for name in reads(node):
            readers[name].append(node)
    for tensor in graph.initializer:
        scaled = readers[tensor.name]
        if scaled and all(_is_read_turned(tensor, node, readers) for node in scaled):
            turned = np.ascontiguousarray(onnx.numpy_helper.to_array(tensor).T)
            tensor.CopyFrom(onnx.numpy_helper.from_array(turned, tensor.name))
            for node in scaled:
                (turn,) = readers[node.output[0]]
                node.output[0] = turn.output[0]
                _turn_axis(node)
                graph.node.remove(turn)


def _is_read_turned(tensor: onnx.TensorProto, node: onnx.NodeProto, readers: Readers) -> bool:
    """Tell if a node scales a matrix of codes for a Transpose alone."""
    if node.op_type != "DequantizeLinear" or node.input[0] != tensor.name or len(tensor.dims) != 2:
        return False
    after = readers.get(node.output[0], ())
    return len(after) == 1 and after[0].op_type == "Transpose"


def _turn_axis(node: onnx.NodeProto) -> None:
    """Have a DequantizeLinear of a matrix scale along its other dimension; without a word, 1."""
    axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
    del node.attribute[:]
    if axes != [0]:
        node.attribute.append(onnx.helper.make_attribute("axis", 0))
