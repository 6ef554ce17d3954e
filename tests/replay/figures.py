"""What a file holds, told without its weights: the same on every processor."""

from __future__ import annotations

from collections import Counter
from typing import Any

import onnx


def figures(file: bytes) -> dict[str, Any]:
    """Operators in order, what the graph takes, holds and gives, and the length."""
    model = onnx.load_from_string(file)
    graph = model.graph
    return {
        "opsets": [f"{entry.domain or 'onnx'} {entry.version}" for entry in model.opset_import],
        "inputs": [_value(value) for value in graph.input],
        "outputs": [_value(value) for value in graph.output],
        "count": dict(sorted(Counter(map(_name, graph.node)).items())),
        "operators": [_operator(node) for node in graph.node],
        "functions": {f.name: [_operator(node) for node in f.node] for f in model.functions},
        "initializers": [_tensor(tensor) for tensor in graph.initializer if tensor.dims],
        "scalars": dict(
            sorted(Counter(_tensor(t) for t in graph.initializer if not t.dims).items())
        ),
        "metadata": {entry.key: entry.value for entry in model.metadata_props},
        "length": len(file),
    }


def _operator(node: onnx.NodeProto) -> str:
    settings = sorted(f"{a.name}={_setting(a)}" for a in node.attribute)
    return " ".join([_name(node), *settings])


def _name(node: onnx.NodeProto) -> str:
    return ".".join(filter(None, (node.domain, node.op_type)))


def _setting(attribute: onnx.AttributeProto) -> str:
    if attribute.ref_attr_name:
        return f"@{attribute.ref_attr_name}"
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return _tensor(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return value.decode() if isinstance(value, bytes) else str(value).replace(" ", "")


def _value(value: onnx.ValueInfoProto) -> str:
    kind = value.type.tensor_type
    sizes = [str(size.dim_param or size.dim_value) for size in kind.shape.dim]
    return f"{value.name} {_described(kind.elem_type, sizes)}"


def _tensor(tensor: onnx.TensorProto) -> str:
    return _described(tensor.data_type, map(str, tensor.dims))


def _described(kind: int, sizes: Any) -> str:
    return f"{onnx.TensorProto.DataType.Name(kind).lower()}[{','.join(sizes)}]"
