"""Weights of 4, 2 and 1 bits stored as such: packed bytes, unpacked by a small graph.

A table with the codes of every byte, a Gather from it and a Reshape: a stock onnxruntime folds
all of it when it loads the file, and runs as if the weights were int8. The table is made once
for each width, and for each layer that has a codebook.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from automl.export import sparse
from automl.export.graph_names import add_tensor, readers_of
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
            add_tensor(graph, f"{table}.levels", levels.astype(np.int8))
            inputs = [f"{table}.levels", f"patterns{bits}"]
            nodes.append(onnx.helper.make_node("Gather", inputs, [table]))
        add_tensor(graph, f"{name}.packed", pack(codes, bits, levels))
        nodes += _unpacking(graph, name, table, bits, codes.shape)
        graph.initializer.remove(initializers[name])
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)


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
        add_tensor(graph, name, np.array(value, np.int64))
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
            add_tensor(graph, f"{name}.{label}", np.array(value, np.int64))
        nodes.append(make("Reshape", [source, f"{name}.flat"], [f"{name}.all"]))
        ends = [f"{name}.start", f"{name}.end"]
        nodes.append(make("Slice", [f"{name}.all", *ends], [f"{name}.used"]))
        source = f"{name}.used"
    add_tensor(graph, f"{name}.shape", np.array(shape, np.int64))
    nodes.append(make("Reshape", [source, f"{name}.shape"], [name]))
    return nodes


def stored_bits(file: bytes) -> dict[int, int]:
    """The number of weights that a file holds at each width, read off the nodes that take codes.

    Codes that several nodes take are counted once.
    """
    graph = onnx.load_from_string(file).graph
    held = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    found: dict[str, tuple[int, int]] = {}
    readers = readers_of(graph)
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
    readers = readers_of(graph)
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
