"""Claims of a network on its file, and the first one that the file does not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import onnx
from numpy.typing import NDArray

from automl.compression.coded_weight import coded_weights, each_once
from automl.export import sparse
from automl.export.graph_names import reads
from automl.export.packed_weights import stored_bits
from automl.export.sparse import Array
from automl.models.family import Network

ALIKE = 0.5
"""The correlation from which numbers are taken for those of a weight. Signs and what they were
made of have 0.8; numbers that have nothing to do with each other next to 0."""

COMPARED_ROWS = 64
LEAST_IN_ROW = 8
"""Rows of fewer numbers are alike by chance."""

LEAST = 256
"""Weights of fewer numbers are not looked for: whole, they would not be worth a lie."""


@dataclass(frozen=True)
class Claims:
    """`bits` counts weights by their width; `codes` are those weights, (outputs, ...) each, with
    their widths, and no wider copy of them is in the file. `others` are the weights and buffers
    that are not coded. `integer_convolutions` are to run as such."""

    bits: dict[float, int]
    codes: tuple[tuple[float, Array], ...]
    others: tuple[Array, ...]
    integer_convolutions: int


def claims(network: Network) -> Claims:
    """The claims of a network, collected from its layers."""
    coded = list(each_once(network).values())
    bits: Counter[float] = Counter()
    for codes, weight in coded:
        bits[weight.bits] += codes.numel()
    own = {name for name, _, _ in coded_weights(network)}
    tensors = [*network.named_parameters(), *network.named_buffers()]
    return Claims(
        bits=dict(bits),
        codes=tuple(
            (weight.bits, codes.movedim(weight.axis, 0).cpu().numpy()) for codes, weight in coded
        ),
        others=tuple(tensor.detach().cpu().numpy() for name, tensor in tensors if name not in own),
        integer_convolutions=sum(weight.is_integer_convolution for _, weight in coded),
    )


def broken_claim(file: bytes, optimised: bytes, claimed: Claims) -> str:
    """The first claim that a file does not hold, in words; "" when it holds them all.

    Layers that do not reach the answers are in no file. `optimised` is the file as onnxruntime
    runs it.
    """
    if not claimed.bits:
        return ""
    stored, allowed = stored_bits(file), Counter(claimed.bits)
    allowed[8] += sum(other.size for other in claimed.others if other.dtype == np.int8)
    if any(count > allowed[bits] for bits, count in stored.items()):
        return f"holds {_in_words(stored)}, where {_in_words(claimed.bits)} are claimed"
    if not stored:
        return f"holds no quantized weights, where {_in_words(claimed.bits)} are claimed"
    proto = onnx.load_from_string(file)
    if unread := _unread(proto.graph):
        return f"holds {unread} tensors that nothing reads"
    if copied := _copied(proto, claimed):
        return f"holds {copied}"
    fused = sum(
        node.op_type == "QLinearConv" for node in onnx.load_from_string(optimised).graph.node
    )
    if fused < claimed.integer_convolutions:
        return f"runs {fused} of {claimed.integer_convolutions} convolutions as integer ones"
    return ""


def _in_words(bits: dict[float, int]) -> str:
    parts = [f"{count} weights of {width:g} bits" for width, count in sorted(bits.items())]
    return ", ".join(parts) or "no quantized weights"


def _unread(graph: onnx.GraphProto) -> int:
    """The number of initializers that no node reads."""
    read = {output.name for output in graph.output}.union(*map(reads, graph.node))
    return sum(tensor.name not in read for tensor in graph.initializer)


def _copied(proto: onnx.ModelProto, claimed: Claims) -> str:
    """A tensor that holds a weight in more bits than are claimed, in words; "" where none does.

    A weight that the network itself holds as well, beside its codes, is no copy: an embedding
    of the same numbers, for one.
    """
    held = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    held = sparse.unpacked(proto, held)
    found = [array for name, array in held.items() if array.size >= LEAST]
    known = [*claimed.others, *(codes for bits, codes in claimed.codes if bits == 8)]
    for array in (*found, *_constants(proto.graph)):
        for bits, codes in claimed.codes:
            width = 8 * array.itemsize
            is_copy = array.size == codes.size >= LEAST and width > bits and alike(codes, array)
            if is_copy and not any(_same(array, other) for other in known):
                return (
                    f"{array.size} numbers of {width} bits that are weights, "
                    f"where {bits:g} bits are claimed"
                )
    return ""


def _constants(graph: onnx.GraphProto) -> Iterator[Array]:
    """The tensors that stand in nodes."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield onnx.numpy_helper.to_array(attribute.t)
            if attribute.HasField("g"):
                yield from _constants(attribute.g)


def alike(codes: Array, numbers: Array) -> bool:
    """Tell if `numbers`, as many as the codes, are the weights (outputs, ...) behind them, in
    this or in another order of dimensions."""
    outputs = len(codes)
    rows = codes.reshape(outputs, -1)
    if rows.shape[1] < LEAST_IN_ROW:
        return False
    turned = [
        numbers.transpose(order).reshape(rows.shape)
        for order in permutations(range(numbers.ndim))
        if [numbers.shape[i] for i in order] == [*codes.shape]
    ]
    flat = [numbers.reshape(rows.shape), numbers.reshape(-1, outputs).T]
    chosen = slice(None, None, -(-outputs // COMPARED_ROWS))
    return any(_correlation(rows[chosen], other[chosen]) > ALIKE for other in (*turned, *flat))


def _correlation(some: Array, others: Array) -> float:
    """The mean over rows of how far their numbers go up and down together, or against each
    other: a row's scale may be negative."""
    centred = [part.astype(np.float64) - part.mean(1, keepdims=True) for part in (some, others)]
    sizes = [np.sqrt((part**2).sum(1)) for part in centred]
    products: NDArray[np.float64] = (centred[0] * centred[1]).sum(1)
    return float(np.mean(np.abs(products) / np.maximum(sizes[0] * sizes[1], 1e-30)))


def _same(some: Array, others: Array) -> bool:
    """Tell if two tensors hold the same numbers, in whatever order."""
    if some.size != others.size or some.dtype != others.dtype:
        return False
    return bool(np.array_equal(np.sort(some, axis=None), np.sort(others, axis=None)))
