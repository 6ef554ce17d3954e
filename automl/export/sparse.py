"""Weights with many zeros, packed: the numbers that are not zero, and where they stand.

A small function in the file puts them back in their places. Its inputs are constants, so a
runtime calls it once, when it loads the file. A negative zero comes back as a zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

Array = NDArray[Any]

DOMAIN = "sparse"
TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.INT8)
HEAD = '<opset_import: ["" : 20], domain: "sparse">'


def pack(proto: onnx.ModelProto) -> None:
    """Pack, in place, the fp32 and int8 initializers whose packing makes the file smaller."""
    choices: list[list[str]] = [[], *([name] for name in PACKINGS), [*PACKINGS]]
    files = [_file(proto, names) for names in choices]
    proto.CopyFrom(min(files, key=_bytes))


def least_bytes(count: int, kept: int, size: int) -> int:
    """The least bytes of `count` numbers of `size` bytes each, of which `kept` are not 0."""
    bits, gaps = -(-count // 8) + kept * size, kept * (1 + size)
    return min(count * size, bits, gaps)


def unpacked(proto: onnx.ModelProto, held: dict[str, Array]) -> dict[str, Array]:
    """A file's initializers by name, each in its shape; packed tensors as they were."""
    whole = dict(held)
    for node in proto.graph.node:
        if node.domain == DOMAIN:
            places, values, shape = (whole.pop(name) for name in node.input)
            dense = np.zeros(shape.prod(), values.dtype)
            dense[PACKINGS[node.op_type].read(places, dense.size)] = values[1:]
            whole[node.output[0]] = dense.reshape(shape)
    return whole


@dataclass(frozen=True)
class Packing:
    """`write` gives the places of the numbers that are not zero as bytes, and the numbers that
    stand there; `read` the places back; `function` is what a runtime does."""

    write: Callable[[Array], tuple[Array, Array]]
    read: Callable[[Array, int], Array]
    function: str


@dataclass(frozen=True)
class _Held:
    """The tensors and nodes with which a file holds one tensor."""

    tensors: list[onnx.TensorProto]
    nodes: list[onnx.NodeProto]


def _bits(flat: Array) -> tuple[Array, Array]:
    """A bit for every number of `flat` (numbers,), as bytes, and the numbers that are not zero."""
    stands = flat != 0
    return np.packbits(stands, bitorder="little"), flat[stands]


def _places_of_bits(mask: Array, count: int) -> Array:
    return np.flatnonzero(np.unpackbits(mask, count=count, bitorder="little"))


def _gaps(flat: Array) -> tuple[Array, Array]:
    """A byte for every number of `flat` (numbers,) that is not zero, its distance from the number
    before, and these numbers. Where a distance is above 255, zeros are among them."""
    places = np.flatnonzero(flat)
    gaps = np.diff(places, prepend=0)
    stops = [np.arange(p - g + 255, p, 255) for p, g in zip(places, gaps) if g > 255]
    places = np.sort(np.concatenate([places, *stops]))
    return np.diff(places, prepend=0).astype(np.uint8), flat[places]


def _places_of_gaps(gaps: Array, count: int) -> Array:
    return np.cumsum(gaps, dtype=np.int64)


PACKINGS = {
    "Bits": Packing(
        _bits,
        _places_of_bits,
        """
        Bits (m, v, s) => (y) {
            c = Constant <value_ints = [-1, 1]> ()
            f = Constant <value_ints = [-1]> ()
            z = Constant <value_ints = [0]> ()
            x = Constant <value_int = 0> ()
            p = Constant <value = uint8[8] {1, 2, 4, 8, 16, 32, 64, 128}> ()
            a = Reshape (m, c)
            b = BitwiseAnd (a, p)
            d = Cast <to = 9> (b)
            e = Cast <to = 6> (d)
            g = Reshape (e, f)
            h = CumSum (g, x)
            i = Mul (h, g)
            j = Gather (v, i)
            n = ReduceProd (s)
            k = Slice (j, z, n)
            y = Reshape (k, s)
        }""",
    ),
    "Gaps": Packing(
        _gaps,
        _places_of_gaps,
        """
        Gaps (g, v, s) => (y) {
            z = Constant <value_ints = [0]> ()
            x = Constant <value_int = 0> ()
            o = Constant <value_ints = [1]> ()
            e = Constant <value_ints = [9223372036854775807]> ()
            a = Cast <to = 6> (g)
            p = CumSum (a, x)
            n = ReduceProd (s)
            b = Slice (v, z, o)
            c = Expand (b, n)
            d = Slice (v, o, e)
            f = ScatterElements (c, p, d)
            y = Reshape (f, s)
        }""",
    ),
}
"""`v` is a zero and then the numbers."""


def _file(proto: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy in which every tensor that one of these packings makes smaller is packed."""
    file = onnx.ModelProto()
    file.CopyFrom(proto)
    del file.graph.initializer[:], file.graph.node[:]
    for tensor in proto.graph.initializer:
        chosen = min([_whole(tensor), *(_packed(tensor, name) for name in names)], key=_size)
        file.graph.initializer.extend(chosen.tensors)
        file.graph.node.extend(chosen.nodes)
    for name in sorted({node.op_type for node in file.graph.node}):
        file.functions.append(onnx.parser.parse_function(HEAD + PACKINGS[name].function))
    if file.functions:
        file.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))
    file.graph.node.extend(proto.graph.node)
    return file


def _whole(tensor: onnx.TensorProto) -> _Held:
    return _Held([tensor], [])


def _packed(tensor: onnx.TensorProto, name: str) -> _Held:
    if tensor.data_type not in TYPES:
        return _whole(tensor)
    array = onnx.numpy_helper.to_array(tensor)
    places, values = PACKINGS[name].write(array.ravel())
    numbers = np.concatenate([np.zeros(1, array.dtype), values])
    parts = {"m": places, "v": numbers, "s": np.array(array.shape, np.int64)}
    tensors = [onnx.numpy_helper.from_array(v, f"{tensor.name}.{k}") for k, v in parts.items()]
    inputs = [part.name for part in tensors]
    return _Held(tensors, [onnx.helper.make_node(name, inputs, [tensor.name], domain=DOMAIN)])


def _size(held: _Held) -> int:
    return sum(map(_bytes, held.tensors)) + sum(map(_bytes, held.nodes))


def _bytes(message: onnx.ModelProto | onnx.TensorProto | onnx.NodeProto) -> int:
    return int(message.ByteSize())
