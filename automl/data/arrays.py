"""Arrays that may be larger than memory: made, written and summed up a piece at a time."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[Any]
"""Of any type of numbers; the text beside it says which."""
Numbers: TypeAlias = tuple[float, ...]

MAX_ARRAY_BYTES = 256 << 20
CHUNK_BYTES = 8 << 20


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array of this shape to fill; a large one is mapped from a temporary file without name."""
    if math.prod(shape) * np.dtype(dtype).itemsize <= MAX_ARRAY_BYTES:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def chunks(values: Array) -> Iterator[slice]:
    """Slices that cut an array (rows, ...) into pieces of at most `CHUNK_BYTES`, or of one row."""
    size = max(1, CHUNK_BYTES // max(1, values[:1].nbytes))
    for start in range(0, len(values), size):
        yield slice(start, start + size)


def write_rows(path: Path, values: Array, rows: NDArray[np.int64]) -> None:
    """Write those rows of an array (rows, ...) as an .npy file, a piece at a time."""
    shape = (len(rows), *values.shape[1:])
    file = np.lib.format.open_memmap(path, mode="w+", dtype=values.dtype, shape=shape)
    for chunk in chunks(file):
        file[chunk] = values[rows[chunk]]
    file.flush()


def moments(pieces: Iterable[Array]) -> tuple[Numbers, Numbers]:
    """Mean and standard deviation of each column of an array that comes in pieces (rows, columns).

    Missing values (NaN) do not count. A constant column has the deviation 1.
    """
    sums = [_sums(piece) for piece in pieces]
    count, total, squares = np.sum(sums, 0) if sums else np.zeros((3, 0))
    mean = total / np.maximum(count, 1)
    variance = squares / np.maximum(count, 1) - mean**2
    std = np.sqrt(np.where(variance > 1e-12 * np.maximum(mean**2, 1e-12), variance, 1.0))
    return tuple(mean.tolist()), tuple(std.tolist())


def _sums(piece: Array) -> tuple[Array, ...]:
    """The number of known values of each column, their sum, and the sum of their squares."""
    values = piece.astype(np.float64)
    known = np.isfinite(values)
    values[~known] = 0
    return known.sum(0), values.sum(0), np.square(values, out=values).sum(0)
