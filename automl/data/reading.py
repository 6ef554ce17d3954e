"""What the sets in files share: lines with their numbers, class codes, arrays of any size."""

from __future__ import annotations

import csv
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from automl.errors import UserError

MAX_ARRAY_BYTES = 256 << 20
DELIMITERS = {".csv": ",", ".tsv": "\t"}


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """An array to fill; a large one is mapped from a temporary file that has no name."""
    if math.prod(shape) * np.dtype(dtype).itemsize <= MAX_ARRAY_BYTES:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def existing(path: str) -> Path:
    """A path that is there on this machine."""
    if not Path(path).exists():
        raise UserError(f"there is no {path} on {os.uname().nodename}; check the path")
    return Path(path)


def existing_file(path: str) -> Path:
    """A path that is there and no folder."""
    if existing(path).is_dir():
        raise UserError(f"{path} is a folder; give the path of a file")
    return Path(path)


def visible_files(folder: Path) -> list[Path]:
    """The sorted files below a folder that are neither hidden nor in a hidden folder."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(path for path in found if path.is_file())


def records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line and the fields of every record that is not blank.

    A quoted field may hold newlines. What is not UTF-8 comes as surrogates.
    """
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader, line = csv.reader(file, delimiter=delimiter), 1
        for fields in reader:
            if fields:
                yield line, fields
            line = reader.line_num + 1


def coded(labels: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The class names, numbers in their order and all else by the alphabet, and each row's."""
    names = sorted(set(labels))
    if all(is_number(name) for name in names):
        names.sort(key=float)
    codes = {name: code for code, name in enumerate(names)}
    return tuple(names), np.array([codes[label] for label in labels], np.int64)


def is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
