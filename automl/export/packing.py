"""Weights of 6 bits and less stored as such: packed bytes, unpacked by a small graph.

Codes are the digits of numbers that take whole bytes: eight of 3 bits take three, five ternary
ones take one. At 4, 2 and 1 bits a table has the codes of every byte, and a Gather takes them from
it; at other widths a function in the file computes them. A stock onnxruntime folds all of it when
it loads the file, and runs as if the weights were int8.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from automl.compression.quantization_grid import TERNARY
from automl.export.graph_names import add_tensor
from automl.export.sparse import Array

DOMAIN = "bits"
INT32, INT64 = onnx.TensorProto.INT32, onnx.TensorProto.INT64


@dataclass(frozen=True)
class Layout:
    """The way in which codes of a width are packed: `per_group` of them in `group_bytes`, low
    digits first. A code is its position among `levels`; a codebook has others, and as many. The
    codes of each byte are looked up in a table, or are computed by a function."""

    levels: Array
    per_group: int
    group_bytes: int = 1
    has_table: bool = False

    @property
    def powers(self) -> NDArray[np.int64]:
        """The weight of each digit of a group, (per_group,)."""
        powers: NDArray[np.int64] = len(self.levels) ** np.arange(self.per_group)
        return powers

    @property
    def byte_powers(self) -> NDArray[np.int64]:
        """The weight of each byte of a group, (group_bytes,)."""
        powers: NDArray[np.int64] = 256 ** np.arange(self.group_bytes)
        return powers

    def least_bytes(self, count: int) -> int:
        """The bytes of a number of codes but for what fills the last group up."""
        return -(-count * self.group_bytes // self.per_group)


LAYOUTS: dict[float, Layout] = {
    6: Layout(np.arange(-32, 32), 4, 3),
    5: Layout(np.arange(-16, 16), 8, 5),
    4: Layout(np.arange(-8, 8), 2, has_table=True),
    3: Layout(np.arange(-7, 8, 2), 8, 3),
    2: Layout(np.arange(-3, 4, 2), 4, has_table=True),
    TERNARY: Layout(np.arange(-1, 2), 5),
    1: Layout(np.arange(-1, 2, 2), 8, has_table=True),
}
"""Of whole numbers in bits the first is not used."""


def pack(codes: NDArray[np.int8], bits: float, levels: Array) -> NDArray[np.uint8]:
    """The patterns of codes of any shape, (bytes,): their positions in `levels` (levels,), low
    digits first, padded to whole groups."""
    layout = LAYOUTS[bits]
    patterns = np.searchsorted(levels, codes.ravel())
    padded = np.concatenate([patterns, np.zeros(-len(patterns) % layout.per_group, np.int64)])
    numbers = padded.reshape(-1, layout.per_group) @ layout.powers
    return (numbers[:, None] // layout.byte_powers % 256).astype(np.uint8).ravel()


def pack_weights(proto: onnx.ModelProto, widths: Mapping[str, float]) -> None:
    """Pack the int8 initializers named in `widths`, each at its bits."""
    graph = proto.graph
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for bits in sorted(set(widths.values())):
        nodes += _patterns(graph, bits) if LAYOUTS[bits].has_table else []
    tables = set[str]()
    for name, bits in widths.items():
        if name not in initializers:
            continue  # it does not reach the answers
        codes, layout = onnx.numpy_helper.to_array(initializers[name]), LAYOUTS[bits]
        table, levels = f"table{bits}", layout.levels
        if not np.isin(codes, levels).all():
            table, levels = f"{name}.table", _codebook(codes, bits)
        if table not in tables:
            tables.add(table)
            add_tensor(graph, f"{table}.levels", levels.astype(np.int8))
            if layout.has_table:
                inputs = [f"{table}.levels", f"patterns{bits}"]
                nodes.append(onnx.helper.make_node("Gather", inputs, [table]))
        packed = pack(codes, bits, levels)
        if not layout.has_table:
            packed = packed.reshape(-1, layout.group_bytes)
        add_tensor(graph, f"{name}.packed", packed)
        unpacking = _looked_up if layout.has_table else _computed
        nodes += unpacking(proto, name, table, bits, codes.shape)
        graph.initializer.remove(initializers[name])
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)


def _codebook(codes: NDArray[np.int8], bits: float) -> Array:
    """The different codes in order, the last repeated to as many as the bits can name."""
    levels = np.unique(codes)
    return np.pad(levels, (0, len(LAYOUTS[bits].levels) - len(levels)), mode="edge")


def _patterns(graph: onnx.GraphProto, bits: float) -> list[onnx.NodeProto]:
    """The nodes that make the patterns in each byte, (256, patterns per byte)."""
    layout = LAYOUTS[bits]
    constants = {
        "zero": 0,
        "all": 256,
        "one": 1,
        "column": [256, 1],
        f"powers{bits}": layout.powers,
        f"number{bits}": len(layout.levels),
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


def _looked_up(
    proto: onnx.ModelProto, name: str, table: str, bits: float, shape: tuple[int, ...]
) -> list[onnx.NodeProto]:
    """The nodes that make int8 codes of packed ones by a table."""
    make, count, graph = onnx.helper.make_node, math.prod(shape), proto.graph
    nodes = [
        make("Cast", [f"{name}.packed"], [f"{name}.index"], to=INT32),
        make("Gather", [table, f"{name}.index"], [f"{name}.bytes"]),
    ]
    source = f"{name}.bytes"
    if count % LAYOUTS[bits].per_group:
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


def _computed(
    proto: onnx.ModelProto, name: str, table: str, bits: float, shape: tuple[int, ...]
) -> list[onnx.NodeProto]:
    """The node that makes int8 codes of packed ones by a function, which the file then has."""
    is_cut = bool(math.prod(shape) % LAYOUTS[bits].per_group)
    function = _function(bits, is_cut)
    if function.name not in {known.name for known in proto.functions}:
        proto.functions.append(function)
    if DOMAIN not in {known.domain for known in proto.opset_import}:
        proto.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    inputs, attributes = [f"{name}.packed", f"{table}.levels"], {"s": [*shape]}
    if is_cut:
        attributes["n"] = [math.prod(shape)]
    return [onnx.helper.make_node(function.name, inputs, [name], domain=DOMAIN, **attributes)]  # type: ignore[arg-type]


def _function(bits: float, is_cut: bool) -> onnx.FunctionProto:
    """Codes among levels `v` of groups `p` (groups, bytes), in the shape `s`; where it `is_cut`
    they are the first `n`."""
    layout = LAYOUTS[bits]
    kind, number = ("int64", INT64) if layout.group_bytes > 3 else ("int32", INT32)

    def constant(values: NDArray[np.int64], shape: str) -> str:
        return f"Constant <value = {kind}{shape} {{{', '.join(map(str, values))}}}> ()"

    lines = [f"a = Cast <to = {number}> (p)"]
    if layout.group_bytes > 1:
        lines += [
            f"b = {constant(layout.byte_powers, f'[{layout.group_bytes}, 1]')}",
            "c = MatMul (a, b)",
        ]
    lines += [
        f"d = {constant(layout.powers, f'[{layout.per_group}]')}",
        f"e = Div ({'c' if layout.group_bytes > 1 else 'a'}, d)",
        f"f = {constant(np.array([len(layout.levels)]), '[1]')}",
        "g = Mod (e, f)",
        "h = Gather (v, g)",
        "i = Constant <value_ints: ints = @s> ()",
    ]
    if is_cut:
        lines += [
            "j = Constant <value_ints = [-1]> ()",
            "k = Reshape (h, j)",
            "l = Constant <value_ints = [0]> ()",
            "m = Constant <value_ints: ints = @n> ()",
            "o = Slice (k, l, m)",
        ]
    lines.append(f"y = Reshape ({'o' if is_cut else 'h'}, i)")
    attributes = "s, n" if is_cut else "s"
    name = f"W{bits:g}{'Cut' * is_cut}".replace(".", "_")
    head = f'<opset_import: ["" : 20], domain: "{DOMAIN}"> {name} <{attributes}> (p, v) => (y)'
    return onnx.parser.parse_function(f"{head} {{{chr(10).join(lines)}}}")
