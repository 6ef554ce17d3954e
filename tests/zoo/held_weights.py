"""Reads what an exported file really holds, by onnxruntime and the file's own initializers."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

Array = NDArray[Any]

LEAST = 16
"""Numbers below which a tensor is no matrix of weights worth counting."""


WIDTHS = (1, 2, 4, 8)
FLOAT = 32
FEWEST = 8
"""Numbers in a row below which it could stand on any grid by chance."""

OFF_GRID = 1e-3


@dataclass(frozen=True)
class HeldTensor:
    """A matrix of weights as a file's operators read it. `bits` are the fewest of WIDTHS that
    can name its values, in each row or column up to a factor; 32 where none can."""

    shape: tuple[int, ...]
    bits: int

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Held:
    """What a file holds: the bytes of its initializers, and those of all else in it."""

    tensors: tuple[HeldTensor, ...]
    initializer_bytes: int
    other_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.initializer_bytes + self.other_bytes

    def within(self, bits: int) -> int:
        """The number of weights that have so many bits, or fewer."""
        return sum(t.size for t in self.tensors if t.bits <= bits)

    def codes_of_more(self, bits: int) -> list[HeldTensor]:
        """The tensors that are codes, but of more bits."""
        return [t for t in self.tensors if bits < t.bits < FLOAT]

    def floats(self) -> list[HeldTensor]:
        return [t for t in self.tensors if t.bits == FLOAT]


def held(file: bytes) -> Held:
    """Read a file: small graphs that unpack weights are run, as when it is loaded."""
    own = onnx.load_from_string(file)
    stored = sum(_num_bytes(tensor) for tensor in own.graph.initializer)
    arrays = _matrices(_folded(file))
    return Held(tuple(map(_tensor, arrays)), stored, len(file) - stored)


def _folded(file: bytes) -> onnx.GraphProto:
    """The file's graph after all that depends on constants alone was computed."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = f"{folder}/folded.onnx"
        onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        return onnx.load_from_string(Path(options.optimized_model_filepath).read_bytes()).graph


def _matrices(graph: onnx.GraphProto) -> list[Array]:
    arrays = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    kinds = ("f", "i", "u")
    return [
        array
        for array in arrays
        if array.ndim >= 2
        and array.size >= LEAST
        and array.dtype.kind in kinds
        and (array.dtype.kind == "f" or array.dtype.itemsize == 1)
        and array.any()
    ]


def _tensor(array: Array) -> HeldTensor:
    if array.dtype.kind != "f":
        values = len(np.unique(array))
        return HeldTensor(array.shape, next(bits for bits in WIDTHS if values <= 2**bits))
    sides = [array.reshape(len(array), -1), array.swapaxes(0, 1).reshape(array.shape[1], -1)]
    if array.ndim == 3:
        # Of a recurrent layer: directions, then rows. Of positions: one, then rows and columns.
        rows = array.reshape(-1, array.shape[2])
        sides += [rows, rows.T]
    found = [bits for bits in WIDTHS if any(_on_grids(rows, bits) for rows in sides)]
    return HeldTensor(array.shape, min(found, default=FLOAT))


def _on_grids(rows: Array, bits: int) -> bool:
    """Tell if each row (rows, numbers) is codes of so many bits times a factor of its own."""
    return rows.shape[1] >= FEWEST and all(_on_grid(row, bits) for row in rows)


def _on_grid(row: Array, bits: int) -> bool:
    values = np.unique(row).astype(np.float64)
    largest = np.abs(values).max()
    if len(values) > 2**bits or not np.isfinite(largest):
        return False
    if not largest:
        return True
    tops = np.arange(1, 2 ** max(1, bits - 1) + (bits == 2) + 1)
    codes = values[None] / largest * tops[:, None]
    return bool((np.abs(codes - codes.round()) < OFF_GRID).all(1).any())


def _num_bytes(tensor: onnx.TensorProto) -> int:
    return onnx.numpy_helper.to_array(tensor).nbytes
