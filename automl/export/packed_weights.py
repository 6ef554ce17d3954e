"""Weights of few bits, read back from a file: how many there are at each width, and their codes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from automl.export import sparse
from automl.export.graph_names import readers_of
from automl.export.packing import DOMAIN, LAYOUTS
from automl.export.sparse import Array

WIDTHS = {len(layout.levels): bits for bits, layout in LAYOUTS.items()}
"""The bits of codes, by how many different ones there may be."""


def stored_bits(file: bytes) -> dict[float, int]:
    """The number of weights that a file holds at each width, read off the nodes that take codes.

    Codes that several nodes take are counted once.
    """
    graph = onnx.load_from_string(file).graph
    held = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    made_by = {output: node for node in graph.node for output in node.output}
    found: dict[str, tuple[float, int]] = {}
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
    bits: dict[float, int] = {}
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
            layout, count = LAYOUTS[packed.bits], math.prod(packed.shape)
            groups = held[packed.name].reshape(-1, layout.group_bytes) @ layout.byte_powers
            patterns = groups[:, None] // layout.powers % len(layout.levels)
            whole.pop(packed.name, None)
            codes = held[packed.levels][patterns.ravel()[:count]]
            whole[node.input[0]] = codes.reshape(packed.shape)
    return whole


@dataclass(frozen=True)
class _Packed:
    """Codes of few bits: the names of their bytes and of their levels, and their shape."""

    name: str
    levels: str
    bits: float
    shape: tuple[int, ...]


def _reads_codes(node: onnx.NodeProto, readers: Mapping[str, Sequence[onnx.NodeProto]]) -> bool:
    """Tell if a node makes numbers of codes, or hands them on to one that computes with them."""
    if node.op_type in ("Gather", "Transpose"):
        kinds = {reader.op_type for reader in readers.get(node.output[0], [])}
        return bool(kinds & {"Cast", "MatMulInteger"})
    return node.op_type in ("DequantizeLinear", "Cast", "Split")


def _packed(
    node: onnx.NodeProto,
    made_by: Mapping[str, onnx.NodeProto],
    readers: Mapping[str, Sequence[onnx.NodeProto]],
    held: Mapping[str, Array],
) -> _Packed | None:
    """The codes that a node reads, where a table with the levels of few bits made them."""
    last = made_by.get(node.input[0]) if _reads_codes(node, readers) else None
    if last is None:
        return None
    if last.domain == DOMAIN:
        name, levels = last.input
        shape = next(tuple(own.ints) for own in last.attribute if own.name == "s")
    elif (looked_up := _looked_up(last, made_by, held)) is not None:
        name, levels, shape = looked_up
    else:
        return None
    bits = WIDTHS[held[levels].size]
    layout = LAYOUTS[bits]
    assert held[name].size == -(-math.prod(shape) // layout.per_group) * layout.group_bytes
    return _Packed(name, levels, bits, shape)


def _looked_up(
    last: onnx.NodeProto, made_by: Mapping[str, onnx.NodeProto], held: Mapping[str, Array]
) -> tuple[str, str, tuple[int, ...]] | None:
    """The names of the bytes and of the levels of codes that are taken from a table, and their
    shape; a user's own indexing looks alike, but for what the file holds."""
    found: onnx.NodeProto | None = last
    while found is not None and found.op_type in ("Reshape", "Slice"):
        found = made_by.get(found.input[0])
    if found is None or found.op_type != "Gather":
        return None
    table, index = made_by.get(found.input[0]), made_by.get(found.input[1])
    if table is None or table.op_type != "Gather" or index is None or index.op_type != "Cast":
        return None
    name, levels, shape = index.input[0], table.input[0], last.input[1]
    if not held.keys() >= {name, levels, shape} or held[name].dtype != np.uint8:
        return None
    is_known = held[levels].dtype == np.int8 and held[levels].size in WIDTHS
    return (name, levels, tuple(held[shape].tolist())) if is_known else None
