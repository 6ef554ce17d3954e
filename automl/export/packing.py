"""Weights of 4, 2 and 1 bits stored as such: packed bytes, unpacked by a small graph.

A table with the codes of every byte, a Gather from it and a Reshape: a stock onnxruntime folds
all of it when it loads the file, and runs as if the weights were int8. The table is made once
for each width, and for each layer that has a codebook.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from automl.export import sparse
from automl.export.sparse import Array

CODES = {4: np.arange(-8, 8), 2: np.array([-3, -1, 1, 3]), 1: np.array([-1, 1])}
"""The code that each pattern of bits stands for; the first of 4 bits is not used."""


def pack(codes: NDArray[np.int8], bits: int, levels: Array) -> NDArray[np.uint8]:
    """The patterns of codes of any shape, (bytes,): their positions in `levels` (levels,), low bits
    first, padded to whole bytes."""
    patterns = np.searchsorted(levels, codes.ravel()).astype(np.uint8)
    per_byte = 8 // bits
    padded = np.concatenate([patterns, np.zeros(-len(patterns) % per_byte, np.uint8)])
    shifts = (np.arange(per_byte) * bits).astype(np.uint8)
    packed: NDArray[np.uint8] = np.bitwise_or.reduce(padded.reshape(-1, per_byte) << shifts, axis=1)
    return packed


def pack_weights(graph: onnx.GraphProto, widths: Mapping[str, int]) -> None:
    """Pack the int8 initializers named in `widths`, each at its bits."""
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for bits in sorted(set(widths.values())):
        nodes += _patterns(graph, bits)
    tables = set[str]()
    for name, bits in widths.items():
        if name not in initializers:
            continue  # it does not reach the answers
        codes = onnx.numpy_helper.to_array(initializers[name])
        table, levels = f"table{bits}", CODES[bits]
        if not np.isin(codes, levels).all():
            table, levels = f"{name}.table", _codebook(codes, bits)
        if table not in tables:
            tables.add(table)
            _add(graph, f"{table}.levels", levels.astype(np.int8))
            inputs = [f"{table}.levels", f"patterns{bits}"]
            nodes.append(onnx.helper.make_node("Gather", inputs, [table]))
        _add(graph, f"{name}.packed", pack(codes, bits, levels))
        nodes += _unpacking(graph, name, table, bits, codes.shape)
        graph.initializer.remove(initializers[name])
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)


def scale_at_load(graph: onnx.GraphProto, names: Collection[str]) -> None:
    """Write the DequantizeLinear of these codes as Cast and Mul.

    onnxruntime computes those when it loads a file, a DequantizeLinear for every batch. Where
    rows of codes are looked up, as of an embedding, the rows found are scaled, for every batch:
    then the codes alone stay in memory.
    """
    held = {tensor.name: tensor for tensor in graph.initializer}
    nodes, done = list(graph.node), dict[tuple[str, str], str]()
    readers = _readers(graph)
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


def reads(node: onnx.NodeProto) -> set[str]:
    """The names that a node reads, those of the graphs within it too."""
    inner = [attribute.g for attribute in node.attribute if attribute.HasField("g")]
    return set(node.input).union(*(reads(other) for graph in inner for other in graph.node))


def _readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that read each name, those with a graph that reads it too."""
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in reads(node):
            found.setdefault(name, []).append(node)
    return found


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
    _add(graph, f"{scale}.factors", factors)
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
        _add(graph, f"{scale}.column", onnx.numpy_helper.to_array(held[scale])[:, None])
    return [
        *nodes,
        make("Gather", [f"{scale}.column", found], [f"{rows}.scale"]),
        make("Mul", [f"{rows}.numbers", f"{rows}.scale"], [rows]),
    ]


def _codebook(codes: NDArray[np.int8], bits: int) -> NDArray[np.int8]:
    """The different codes in order, the last repeated to as many as the bits can name."""
    levels = np.unique(codes)
    return np.pad(levels, (0, 2**bits - len(levels)), mode="edge")


def _patterns(graph: onnx.GraphProto, bits: int) -> list[onnx.NodeProto]:
    """The nodes that make the patterns in each byte, (256, patterns per byte)."""
    constants = {
        "zero": 0,
        "all": 256,
        "one": 1,
        "column": [256, 1],
        f"powers{bits}": 2 ** (bits * np.arange(8 // bits)),
        f"number{bits}": 2**bits,
    }
    for name, value in constants.items():
        _add(graph, name, np.array(value, np.int64))
    chain = [
        ("Range", ["zero", "all", "one"]),
        ("Reshape", ["", "column"]),
        ("Div", ["", f"powers{bits}"]),
        ("Mod", ["", f"number{bits}"]),
    ]
    nodes, last = [], ""
    for i, (op, inputs) in enumerate(chain):
        output = f"patterns{bits}" if op == "Mod" else f"patterns{bits}.{i}"
        nodes.append(onnx.helper.make_node(op, [name or last for name in inputs], [output]))
        last = output
    return nodes


def _unpacking(
    graph: onnx.GraphProto, name: str, table: str, bits: int, shape: tuple[int, ...]
) -> list[onnx.NodeProto]:
    """The nodes that make int8 codes of packed ones."""
    make, count = onnx.helper.make_node, int(np.prod(shape))
    nodes = [
        make("Cast", [f"{name}.packed"], [f"{name}.index"], to=onnx.TensorProto.INT32),
        make("Gather", [table, f"{name}.index"], [f"{name}.bytes"]),
    ]
    source = f"{name}.bytes"
    if count % (8 // bits):
        # The last byte holds patterns that stand for nothing.
        for label, value in (("flat", [-1]), ("start", [0]), ("end", [count])):
            _add(graph, f"{name}.{label}", np.array(value, np.int64))
        nodes.append(make("Reshape", [source, f"{name}.flat"], [f"{name}.all"]))
        ends = [f"{name}.start", f"{name}.end"]
        nodes.append(make("Slice", [f"{name}.all", *ends], [f"{name}.used"]))
        source = f"{name}.used"
    _add(graph, f"{name}.shape", np.array(shape, np.int64))
    nodes.append(make("Reshape", [source, f"{name}.shape"], [name]))
    return nodes


def _add(graph: onnx.GraphProto, name: str, values: Array) -> None:
    if all(tensor.name != name for tensor in graph.initializer):
        graph.initializer.append(onnx.numpy_helper.from_array(values, name))


def stored_bits(file: bytes) -> dict[int, int]:
    """The number of weights that a file holds at each width, read off the nodes that take codes.

    Codes that several nodes take are counted once.
    """
    graph = onnx.load_from_string(file).graph
    held = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    found: dict[str, tuple[int, int]] = {}
    readers = _readers(graph)
    for node in graph.node:
        if (packed := _packed(node, made_by, readers, held)) is not None:
            found[packed.name] = packed.bits, math.prod(packed.shape)
        if not _reads_codes(node, readers):
            continue
        name = node.input[0]
        if name in held and held[name].dtype == np.int8:
            found[name] = 8, held[name].size
        elif name in made_by and made_by[name].domain == sparse.DOMAIN:
            found[name] = 8, int(np.prod(held[made_by[name].input[2]]))
    bits: dict[int, int] = {}
    for width, count in found.values():
        bits[width] = bits.get(width, 0) + count
    return bits


def unpacked(graph: onnx.GraphProto, held: dict[str, Array]) -> dict[str, Array]:
    """A graph's initializers by name, each in its shape; packed weights as the codes that they
    stand for."""
    made_by, whole = {output: node for node in graph.node for output in node.output}, dict(held)
    readers = _readers(graph)
    for node in graph.node:
        if (packed := _packed(node, made_by, readers, held)) is not None:
            bits, count = packed.bits, math.prod(packed.shape)
            patterns = (held[packed.name][:, None] >> np.arange(0, 8, bits)) & (2**bits - 1)
            whole.pop(packed.name, None)
            codes = held[packed.levels][patterns.ravel()[:count]]
            whole[node.input[0]] = codes.reshape(packed.shape)
    return whole


@dataclass(frozen=True)
class _Packed:
    """Codes of few bits: the names of their bytes and of their levels, and their shape."""

    name: str
    levels: str
    bits: int
    shape: tuple[int, ...]


def _reads_codes(node: onnx.NodeProto, readers: Mapping[str, Sequence[onnx.NodeProto]]) -> bool:
    """Tell if a node makes numbers of codes, or hands them on to one that computes with them."""
    if node.op_type in ("Gather", "Transpose"):
        kinds = {reader.op_type for reader in readers.get(node.output[0], [])}
        return bool(kinds & {"Cast", "MatMulInteger"})
    return node.op_type in ("DequantizeLinear", "Cast")


def _packed(
    node: onnx.NodeProto,
    made_by: Mapping[str, onnx.NodeProto],
    readers: Mapping[str, Sequence[onnx.NodeProto]],
    held: Mapping[str, Array],
) -> _Packed | None:
    """The codes that a node reads, where a table with the levels of few bits made them."""
    last = made_by.get(node.input[0]) if _reads_codes(node, readers) else None
    found = last
    while found is not None and found.op_type in ("Reshape", "Slice"):
        found = made_by.get(found.input[0])
    table = made_by.get(found.input[0]) if found is not None and found.op_type == "Gather" else None
    if last is None or found is None or table is None or table.op_type != "Gather":
        return None
    name, bits = made_by[found.input[1]].input[0], int(np.log2(held[table.input[0]].size))
    shape = tuple(held[last.input[1]].tolist())
    assert held[name].dtype == np.uint8
    assert held[name].size == -(-math.prod(shape) * bits // 8)
    return _Packed(name, table.input[0], bits, shape)
