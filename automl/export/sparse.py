"""Weights with many zeros, packed: the numbers that are not zero, and where they stand.

A small function in the file puts them back in their places. Its inputs are constants, so a
runtime calls it once, when it loads the file. A negative zero comes back as a zero.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

Array = NDArray[Any]

DOMAIN = "sparse"
TYPES = (onnx.TensorProto.FLOAT, onnx.TensorProto.INT8)
HEAD = '<opset_import: ["" : 20], domain: "sparse">'


def pack(proto: onnx.ModelProto) -> None:
    """Pack, in place, the fp32 and int8 initializers whose packing makes the file smaller."""
    ways = {
        position: _ways(tensor)
        for position, tensor in enumerate(proto.graph.initializer)
        if _has_zeros_enough(tensor)
    }
    if ways:
        choices: list[list[str]] = [[], *([name] for name in PACKINGS), [*PACKINGS]]
        _pack_by(proto, ways, min(choices, key=lambda names: _added(ways, names)))


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

    @property
    def messages(self) -> list[_Message]:
        return [*self.tensors, *self.nodes]


_Ways: TypeAlias = dict[str, _Held]
"""How a file can hold one tensor, by the name of the packing; "" is whole."""

_Message: TypeAlias = (
    onnx.TensorProto | onnx.NodeProto | onnx.FunctionProto | onnx.OperatorSetIdProto
)


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
    far = gaps > 255
    stops = [np.arange(p - g + 255, p, 255) for p, g in zip(places[far], gaps[far])]
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


def _pack_by(proto: onnx.ModelProto, ways: Mapping[int, _Ways], names: Collection[str]) -> None:
    """Pack, in place, every tensor that one of these packings makes smaller. `ways` are those of
    tensors by their position."""
    graph, nodes = proto.graph, list[onnx.NodeProto]()
    for position, held in reversed(_chosen(ways, names).items()):
        if held.nodes:
            del graph.initializer[position]
            for tensor in reversed(held.tensors):
                graph.initializer.insert(position, tensor)
            nodes += held.nodes
    for node in nodes:
        graph.node.insert(0, node)
    for name in sorted({node.op_type for node in nodes}):
        proto.functions.append(_function(name))
    if nodes:
        proto.opset_import.append(onnx.helper.make_opsetid(DOMAIN, 1))


def _chosen(ways: Mapping[int, _Ways], names: Collection[str]) -> dict[int, _Held]:
    """The form in which each tensor takes the fewest bytes: whole, or by one of these packings."""
    return {
        position: min((held for name, held in own.items() if not name or name in names), key=_size)
        for position, own in ways.items()
    }


def _added(ways: Mapping[int, _Ways], names: Collection[str]) -> int:
    """The bytes of a file that these tensors and the functions for them take."""
    held = _chosen(ways, names).values()
    used = {node.op_type for own in held for node in own.nodes}
    functions = sum(_entry(_function(name)) for name in used)
    domain = _entry(onnx.helper.make_opsetid(DOMAIN, 1)) if used else 0
    return functions + domain + sum(_entry(message) for own in held for message in own.messages)


def _entry(message: _Message) -> int:
    """The bytes of a message in a list: its own, its length, and a byte or two for its field."""
    size = _bytes(message)
    length = max(1, -(-size.bit_length() // 7))
    return size + length + (2 if isinstance(message, onnx.FunctionProto) else 1)


def _function(name: str) -> onnx.FunctionProto:
    return onnx.parser.parse_function(HEAD + PACKINGS[name].function)


def _has_zeros_enough(tensor: onnx.TensorProto) -> bool:
    """Tell if a packing may hold a tensor in fewer bytes, by the number of its zeros alone."""
    if tensor.data_type not in TYPES:
        return False
    array = onnx.numpy_helper.to_array(tensor)
    kept = int(np.count_nonzero(array))
    return least_bytes(array.size, kept, array.itemsize) < array.nbytes


def _ways(tensor: onnx.TensorProto) -> _Ways:
    return {"": _Held([tensor], []), **{name: _packed(tensor, name) for name in PACKINGS}}


def _packed(tensor: onnx.TensorProto, name: str) -> _Held:
    array = onnx.numpy_helper.to_array(tensor)
    places, values = PACKINGS[name].write(array.ravel())
    numbers = np.concatenate([np.zeros(1, array.dtype), values])
    parts = {"m": places, "v": numbers, "s": np.array(array.shape, np.int64)}
    tensors = [onnx.numpy_helper.from_array(v, f"{tensor.name}.{k}") for k, v in parts.items()]
    inputs = [part.name for part in tensors]
    return _Held(tensors, [onnx.helper.make_node(name, inputs, [tensor.name], domain=DOMAIN)])


def _size(held: _Held) -> int:
    return sum(map(_bytes, held.messages))


def _bytes(message: _Message) -> int:
    return int(message.ByteSize())
