"""Reads what an exported file really holds: its matrices of weights, and the bits of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

Array = NDArray[Any]

LEAST = 16
"""Numbers below which a tensor is no matrix of weights worth counting."""

WIDTHS = (1, 1.58, 2, 3, 4, 5, 6, 8)
FLOAT = 32


@dataclass(frozen=True)
class HeldTensor:
    """A matrix of weights in a file. `bits` are the fewest of WIDTHS that can name its codes; 32
    where it is floats."""

    shape: tuple[int, ...]
    bits: float

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Held:
    """What a file holds: the bytes of its initializers, and those of all else in it."""

    tensors: tuple[HeldTensor, ...]
    initializer_bytes: int
    other_bytes: int

    def within(self, bits: float) -> int:
        """The number of weights that have so many bits, or fewer."""
        return sum(t.size for t in self.tensors if t.bits <= bits)

    def codes_of_more(self, bits: float) -> list[HeldTensor]:
        """The tensors that are codes, but of more bits."""
        return [t for t in self.tensors if bits < t.bits < FLOAT]

    def floats(self) -> list[HeldTensor]:
        return [t for t in self.tensors if t.bits == FLOAT]


def held(file: bytes) -> Held:
    """Read a file; the small graphs in it that unpack weights are run."""
    model = onnx.load_from_string(file)
    whole = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    stored = sum(array.nbytes for array in whole.values())
    packed = {name for node in model.graph.node if node.domain for name in node.input}
    arrays = [own for name, own in whole.items() if name not in packed] + _unpacked(model)
    tensors = [_tensor(array) for array in arrays if _is_matrix(array)]
    return Held(tuple(tensors), stored, len(file) - stored)


def _is_matrix(array: Array) -> bool:
    is_number = array.dtype.kind == "f" or array.dtype.itemsize == 1
    return array.ndim >= 2 and array.size >= LEAST and is_number and bool(array.any())


def _tensor(array: Array) -> HeldTensor:
    values = len(np.unique(array)) if array.dtype.kind != "f" else 2**FLOAT
    return HeldTensor(
        array.shape, next(bits for bits in (*WIDTHS, FLOAT) if values <= round(2**bits))
    )


def _unpacked(model: onnx.ModelProto) -> list[Array]:
    """The weights that a file holds in a packed form, as the nodes that unpack them give them."""
    nodes, names = _unpacking(model.graph)
    if not names:
        return []
    part = onnx.ModelProto()
    part.CopyFrom(model)
    for messages in (part.graph.node, part.graph.input, part.graph.output):
        del messages[:]
    part.graph.node.extend(nodes)
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        part.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = dict(zip(names, session.run([*names], {})))
    return [array for name, array in found.items() if names[name] or array.dtype.itemsize == 1]


def _unpacking(graph: onnx.GraphProto) -> tuple[list[onnx.NodeProto], dict[str, bool]]:
    """The nodes that depend on constants alone, and the results among theirs that unpack weights:
    of a last Reshape, or (true) of a function of the file's own."""
    constant = {t.name for t in graph.initializer}
    packed = {name for node in graph.node if node.domain for name in node.input}
    whole = {t.name for t in graph.initializer if len(t.dims) >= 2} - packed
    nodes, names = [], {}
    for node in graph.node:
        if not constant.issuperset(filter(None, node.input)) or node.op_type in ("If", "Loop"):
            continue
        nodes.append(node)
        constant.update(node.output)
        if whole.intersection(node.input):
            whole.update(node.output)
        elif node.domain or node.op_type == "Reshape":
            names[node.output[0]] = bool(node.domain)
            whole.update(node.output if node.domain else ())
    return nodes, names
