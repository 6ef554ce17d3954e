"""Arrays that may be larger than memory: made, written and summed up a piece at a time."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[Any]
"""Of any type of numbers; the text beside it says which."""
Numbers: TypeAlias = tuple[float, ...]
Sums: TypeAlias = tuple[Array, Array, Array]
"""Of each column the number of known values, their sum, and the sum of their squares."""

MAX_ARRAY_BYTES = 256 << 20
CHUNK_BYTES = 8 << 20
LEAST_STD = 1e-37
"""The least deviation that is told: below some 1e-38, accelerators take float32 for 0."""
MAX_ANSWERED, ANSWERED_BYTES = 512, 4 << 20
"""The most rows that are answered at once, and the bytes that these take as float32 on a CPU."""


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """An array of this shape to fill; a large one is mapped from a temporary file without name."""
    if math.prod(shape) * np.dtype(dtype).itemsize <= MAX_ARRAY_BYTES:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def answered_at_once(row_shape: Sequence[int], most: int = MAX_ANSWERED) -> int:
    """The rows that a CPU answers at once: of large rows fewer than `most`.

    What layers give for a row takes many times its bytes. Where that is tens of megabytes, the
    system hands the memory out anew for each layer, and images take three times as long.
    """
    return max(1, min(most, ANSWERED_BYTES // (4 * max(1, math.prod(row_shape)))))


class _Sliced(Protocol):
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int: ...


def chunks(values: _Sliced) -> Iterator[slice]:
    """Slices that cut an array (rows, ...) into pieces of at most `CHUNK_BYTES`, or of one row."""
    size = _rows_at_once(len(values), values.nbytes)
    for start in range(0, len(values), size):
        yield slice(start, start + size)


def write_header(file: BinaryIO, shape: tuple[int, ...], dtype: DTypeLike) -> None:
    """Begin an .npy file of an array of this shape, whose values follow."""
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(dtype)),
        "fortran_order": False,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(file, header)


def write_rows(path: Path, values: Array, rows: NDArray[np.int64]) -> None:
    """Write those rows of an array (rows, ...) as an .npy file, a piece at a time.

    Through a map, a disk that is full would end the process without a word.
    """
    with path.open("wb") as file:
        write_header(file, (len(rows), *values.shape[1:]), values.dtype)
        size = _rows_at_once(len(values), values.nbytes)
        for start in range(0, len(rows), size):
            file.write(np.ascontiguousarray(values[rows[start : start + size]]).data)


def _rows_at_once(num_rows: int, num_bytes: int) -> int:
    """The rows of a piece, given all rows and their bytes."""
    return max(1, CHUNK_BYTES * num_rows // max(1, num_bytes))


def moments(pieces: Iterable[Array]) -> tuple[Numbers, Numbers]:
    """Mean and standard deviation of each column of an array that comes in pieces (rows, columns).

    Missing values (NaN) do not count. A constant column has the deviation 1.
    """
    return moments_of([sums(piece) for piece in pieces])


def moments_of(summed: Sequence[Sums]) -> tuple[Numbers, Numbers]:
    """Mean and standard deviation of each column, of pieces that are summed up."""
    count, total, squares = np.sum(summed, axis=0) if summed else np.zeros((3, 0))
    mean = total / np.maximum(count, 1)
    variance = squares / np.maximum(count, 1) - mean**2
    differs = variance > 1e-12 * mean**2  # Beyond the rounding of the sums.
    std = np.where(differs, np.sqrt(np.maximum(variance, LEAST_STD**2)), 1.0)
    return tuple(mean.tolist()), tuple(std.tolist())


def sums(piece: Array) -> Sums:
    """The number of known values of each column, their sum, and the sum of their squares."""
    values = piece.astype(np.float64)
    known = np.isfinite(values)
    values[~known] = 0
    return known.sum(0), values.sum(0), np.square(values, out=values).sum(0)
