"""Shapes, sizes and positions in a file, written in as many bytes as their digits need.

A tensor of int64 takes eight bytes a number as raw data; in protobuf's own list of numbers one of
0 to 127 takes one byte, as most shapes are. Both are ways that ONNX has.
"""

from __future__ import annotations

import numpy as np
import onnx


def shorten(graph: onnx.GraphProto) -> None:
    """Write the int64 initializers of a graph, in place, in the shorter way of the two."""
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.INT64 or not tensor.raw_data:
            continue
        listed = onnx.TensorProto(name=tensor.name, dims=tensor.dims, data_type=tensor.data_type)
        listed.int64_data.extend(np.ravel(onnx.numpy_helper.to_array(tensor)).tolist())
        if listed.ByteSize() < tensor.ByteSize():
            tensor.CopyFrom(listed)
