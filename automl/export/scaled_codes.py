"""Codes that meet floats, in the form that costs a runtime nothing with each batch."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import onnx

from automl.export.graph_names import add_tensor, readers_of, reads


def scale_at_load(graph: onnx.GraphProto, names: Collection[str]) -> None:
    """Write the DequantizeLinear of these codes as Cast and Mul.

    onnxruntime computes those when it loads a file, a DequantizeLinear for every batch. Where
    rows of codes are looked up, as of an embedding, the rows found are scaled, for every batch:
    then the codes alone stay in memory.
    """
    held = {tensor.name: tensor for tensor in graph.initializer}
    nodes, done = list(graph.node), dict[tuple[str, str], str]()
    readers = readers_of(graph)
    del graph.node[:]
    replaced = {
        output: node
        for node in nodes
        if node.op_type == "DequantizeLinear" and node.input[0] in names
        for output in node.output
        if all(_looks_up(reader, output) for reader in readers.get(output, []))
    }
    for node in nodes:
        if node.op_type == "Gather" and node.input[0] in replaced:
            graph.node.extend(_scaled_rows(graph, node, replaced[node.input[0]], held))
        elif node.op_type == "DequantizeLinear" and node.input[0] in names:
            if node.output[0] not in replaced:
                graph.node.extend(_scaled(graph, node, held, done))
        else:
            graph.node.append(node)
    left = set[str]().union(*map(reads, graph.node))
    for scale in {node.input[1] for node in nodes if node.op_type == "DequantizeLinear"} - left:
        graph.initializer.remove(held[scale])


def _looks_up(node: onnx.NodeProto, table: str) -> bool:
    """Tell if a node takes rows of a table."""
    return (
        node.op_type == "Gather"
        and node.input[0] == table
        and not any(attribute.name == "axis" and attribute.i for attribute in node.attribute)
    )


def _axis(node: onnx.NodeProto) -> int:
    """The dimension along which a DequantizeLinear scales."""
    return next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)


def _scaled(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    held: Mapping[str, onnx.TensorProto],
    done: dict[tuple[str, str], str],
) -> list[onnx.NodeProto]:
    """The nodes that scale codes when a file is loaded; codes that were so before are once."""
    make, (codes, scale) = onnx.helper.make_node, node.input
    if (codes, scale) in done:
        return [make("Identity", [done[codes, scale]], node.output)]
    done[codes, scale] = node.output[0]
    shape = [1] * len(held[codes].dims)
    shape[_axis(node)] = -1
    factors = onnx.numpy_helper.to_array(held[scale]).reshape(shape)
    add_tensor(graph, f"{scale}.factors", factors)
    return [
        make("Cast", [codes], [f"{codes}.numbers"], to=onnx.TensorProto.FLOAT),
        make("Mul", [f"{codes}.numbers", f"{scale}.factors"], node.output),
    ]


def _scaled_rows(
    graph: onnx.GraphProto,
    lookup: onnx.NodeProto,
    node: onnx.NodeProto,
    held: Mapping[str, onnx.TensorProto],
) -> list[onnx.NodeProto]:
    """The nodes that look up rows of codes, and scale those that were found."""
    make, (codes, scale) = onnx.helper.make_node, node.input
    found, (rows,) = lookup.input[1], lookup.output
    nodes = [
        make("Gather", [codes, found], [f"{rows}.codes"]),
        make("Cast", [f"{rows}.codes"], [f"{rows}.numbers"], to=onnx.TensorProto.FLOAT),
    ]
    if _axis(node):
        return [*nodes, make("Mul", [f"{rows}.numbers", scale], [rows])]
    if f"{scale}.column" not in {tensor.name for tensor in graph.initializer}:
        add_tensor(graph, f"{scale}.column", onnx.numpy_helper.to_array(held[scale])[:, None])
    return [
        *nodes,
        make("Gather", [f"{scale}.column", found], [f"{rows}.scale"]),
        make("Mul", [f"{rows}.numbers", f"{rows}.scale"], [rows]),
    ]
