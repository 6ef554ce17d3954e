"""The bytes that a file takes at least: of its frame, its layers' operators, and their weights."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import onnx

from automl.compression.quantization_grid import LIMITS
from automl.data.raw_dataset import Column
from automl.export import packing, sparse
from automl.export.onnx import OPSET
from automl.models.layer_shapes import LayerShape
from automl.models.possible_network import PossibleNetwork

CODES_NOT_ZERO = 3 / 4
"""Of 8-bit weights: 0.93 and more were measured, with strong weight decay too."""


def _node_bytes(kind: str, inputs: str, **attributes: object) -> int:
    """The bytes of a node in a file, with the shortest names."""
    return int(onnx.helper.make_node(kind, [*inputs], ["y"], **attributes).ByteSize()) + 2  # type: ignore[arg-type]


TENSOR = int(onnx.numpy_helper.from_array(np.zeros(1, np.uint8), "x").ByteSize()) + 1
"""What a tensor takes in a file beside its numbers, with the shortest name."""

PART = 10
"""What a vector of 16 bits takes beside its numbers: its size, and the shortest name."""

OPERATOR = _node_bytes("Conv", "xw")
SCALING = min(
    _node_bytes("DequantizeLinear", "xs", axis=0),
    _node_bytes("Cast", "x", to=1) + _node_bytes("Mul", "xs"),
)
UNPACKING = min(
    (_node_bytes("Cast", "x", to=6) + _node_bytes("Gather", "tx") + _node_bytes("Reshape", "xs"))
    + (TENSOR + 16),
    _node_bytes("W3", "xt", domain=packing.DOMAIN, s=[1, 1]),
)
NODES = {bits: SCALING + UNPACKING * (bits < 8) for bits in LIMITS}
"""The bytes of the nodes that turn a layer's codes into weights, by their bits."""


def least_bytes(network: PossibleNetwork) -> int:
    """The bytes that the file of a network takes at least."""
    info, shape = network.info, network.shape
    numbers = shape.other_numbers + shape.norm_numbers * network.is_trained
    frame = _frame_bytes(info.classes, info.columns, info.num_outputs)
    layers = sum(_layer_bytes(layer, network) for layer in shape.layers)
    embeddings = sum(_code_bytes(one.num_rows * one.width, one.bits) for one in shape.embeddings)
    return frame + (4 * numbers + embeddings) * network.is_dense + layers


def _layer_bytes(layer: LayerShape, network: PossibleNetwork) -> int:
    if not layer.is_surely_used:
        return 0
    count, outputs = layer.num_weights, layer.num_outputs
    nonzero = layer.least_nonzero * network.is_dense
    least = OPERATOR + TENSOR
    if layer.bits == 32:
        least += sparse.least_bytes(count, nonzero, 4)
    else:
        least += PART + 2 * outputs + (NODES[layer.bits] if layer.built_with else 0)
        if layer.bits == 8:
            least += sparse.least_bytes(count, int(CODES_NOT_ZERO * nonzero), 1)
        else:
            least += _code_bytes(count, layer.bits)
    if layer.has_bias and network.is_trained and network.is_dense:
        bias = sparse.least_bytes(outputs, int(CODES_NOT_ZERO * outputs), 4)
        least += TENSOR + bias if layer.bits == 32 else min(TENSOR + bias, PART + 2 * outputs)
    return least


def _code_bytes(count: int, bits: float) -> int:
    """The bytes that a number of codes, or of fp32 numbers, take at least."""
    if bits in packing.LAYOUTS:
        return packing.LAYOUTS[bits].least_bytes(count)
    return count * int(bits) // 8


@lru_cache(maxsize=64)
def _frame_bytes(classes: tuple[str, ...], columns: tuple[Column, ...], num_outputs: int) -> int:
    """The bytes of a file around its nodes and numbers."""
    kind = onnx.TensorProto.FLOAT
    row, answers = (
        onnx.helper.make_tensor_value_info(name, kind, ["b", size])
        for name, size in (("input", 1), ("logits", num_outputs))
    )
    opset = onnx.helper.make_opsetid("", OPSET)
    graph = onnx.helper.make_graph([], "g", [row], [answers])
    model = onnx.helper.make_model(graph, opset_imports=[opset])
    if classes:
        model.metadata_props.add(key="classes", value=json.dumps(classes))
    if columns:
        named = {column.name: column.categories for column in columns}
        model.metadata_props.add(key="columns", value=json.dumps(named))
    return int(model.ByteSize())
