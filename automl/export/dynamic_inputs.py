"""Linear layers whose inputs are rounded batch by batch, in the form that onnxruntime fuses."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from automl.export.graph_names import reads

NEUTRAL = {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 1}


def compute_with_integers(graph: onnx.GraphProto) -> None:
    """Write, in place, each Gemm of inputs that DynamicQuantizeLinear rounded as MatMulInteger.

    onnxruntime does so by itself with a MatMul, and computes a Gemm with floats.
    """
    made_by = {output: node for node in graph.node for output in node.output}
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        rounded = _rounded_inputs(node, made_by)
        weight = made_by.get(node.input[1]) if rounded is not None else None
        if rounded is None or weight is None or weight.op_type != "DequantizeLinear":
            graph.node.append(node)
        else:
            graph.node.extend(_with_integers(node, rounded, weight))
    read = set[str]().union(*map(reads, graph.node))
    left = [n for n in graph.node if n.op_type != "DequantizeLinear" or n.output[0] in read]
    del graph.node[:]
    graph.node.extend(left)
    read = set[str]().union(*map(reads, graph.node))
    for tensor in [t for t in graph.initializer if t.name not in read]:
        graph.initializer.remove(tensor)


def _rounded_inputs(
    node: onnx.NodeProto, made_by: Mapping[str, onnx.NodeProto]
) -> onnx.NodeProto | None:
    """The DequantizeLinear of inputs that were rounded batch by batch, which a plain Gemm reads."""
    given = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    if node.op_type != "Gemm" or any(NEUTRAL[name] != value for name, value in given.items()):
        return None
    rounded = made_by.get(node.input[0]) if given.get("transB") else None
    if rounded is None or rounded.op_type != "DequantizeLinear":
        return None
    source = made_by.get(rounded.input[0])
    return rounded if source is not None and source.op_type == "DynamicQuantizeLinear" else None


def _with_integers(
    node: onnx.NodeProto, rounded: onnx.NodeProto, weight: onnx.NodeProto
) -> list[onnx.NodeProto]:
    """The nodes that compute a Gemm (rows, outputs) of integers, and scale its results."""
    make, (output,) = onnx.helper.make_node, node.output
    values, scale, zero_point = rounded.input
    turned, product, scales = f"{output}.codes", f"{output}.product", f"{output}.scales"
    numbers, bias = f"{output}.numbers", node.input[2:]
    result = f"{output}.scaled" if bias else output
    nodes = [
        make("Transpose", [weight.input[0]], [turned], perm=[1, 0]),
        make("MatMulInteger", [values, turned, zero_point], [product]),
        make("Cast", [product], [numbers], to=onnx.TensorProto.FLOAT),
        make("Mul", [scale, weight.input[1]], [scales]),
        make("Mul", [numbers, scales], [result]),
    ]
    return [*nodes, make("Add", [result, *bias], [output])] if bias else nodes
