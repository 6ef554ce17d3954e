"""Rows of an array that stay where they are, in a file: of a set so large, no copy is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.config import Config
from automl.data.arrays import Array

MAX_COPIED_BYTES = 1_000_000_000
"""Training inputs of more bytes stay where they are, if they can."""
Choice: TypeAlias = int | slice | NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class RowsInPlace:
    """The rows (rows, *raw row) of a mapped array that have these `numbers` (rows,) there.

    Rows are read when they are asked for, as an array of their own.
    """

    source: Array
    numbers: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        return len(self.numbers), *self.source.shape[1:]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        return self.source.dtype

    @property
    def nbytes(self) -> int:
        return len(self.numbers) * self.source[:1].nbytes

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Choice) -> Array:
        return self.source[self.numbers[rows]]


Rows: TypeAlias = Array | RowsInPlace


@dataclass(frozen=True)
class SourceFile(Config):
    """An .npy file in which rows stay, and how it was when its rows were split."""

    path: str
    size_bytes: int
    changed_ns: int

    @classmethod
    def at(cls, path: Path) -> SourceFile:
        """The file as it is now."""
        info = path.stat()
        return cls(str(path), info.st_size, info.st_mtime_ns)

    def is_as_it_was(self) -> bool:
        """True while the file is there and nobody has written to it."""
        path = Path(self.path)
        return path.is_file() and SourceFile.at(path) == self

    def rows(self, numbers: NDArray[np.int64]) -> RowsInPlace:
        """The rows of the file that have these numbers (rows,)."""
        return RowsInPlace(np.load(self.path, mmap_mode="c"), numbers)


def staying(inputs: Array, num_rows: int, folders: Sequence[Path]) -> SourceFile | None:
    """The .npy file in which `num_rows` of the inputs (rows, *raw row) stay: where they are many
    bytes, and mapped from a file that is one of these paths or in one; None otherwise.

    Only of such files is it known that their contents count in the dataset's fingerprint.
    """
    if num_rows * inputs[:1].nbytes <= MAX_COPIED_BYTES or not isinstance(inputs, np.memmap):
        return None
    path = Path(str(inputs.filename))
    is_own = path.suffix == ".npy" and any(folder in (path, *path.parents) for folder in folders)
    if not is_own or not path.is_file():
        return None
    found = np.load(path, mmap_mode="r")
    is_all = (found.shape, found.dtype) == (inputs.shape, inputs.dtype)
    is_plain = found.flags.c_contiguous and inputs.flags.c_contiguous
    return SourceFile.at(path) if is_all and is_plain else None
