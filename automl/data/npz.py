"""NumPy arrays: one .npz file, or a folder of .npy files."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from automl.data.arrays import Array, empty
from automl.data.dataset import Dataset
from automl.data.raw_dataset import RawDataset
from automl.data.reading import existing
from automl.errors import UserError
from automl.field_types import Count

_Arrays = dict[str, Array]
_DAMAGED = (
    *(ValueError, EOFError, OSError, RuntimeError),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class Npz(Dataset):
    """Arrays `inputs` and `targets`, maybe `test_inputs`, `test_targets` and names in `classes`.

    A folder's files are mapped, so that they may be larger than memory. Inputs are rows of
    features, of (channels, steps), of uint8 (height, width), or of (channels, height, width);
    `shape` says it where a row has another one. Integer targets are classes from 0, all others
    the outputs of a regression. Nothing is unpickled.
    """

    path: str
    shape: tuple[Count, ...] = ()
    paths: ClassVar[tuple[str, ...]] = ("path",)

    def load(self) -> RawDataset:
        arrays = _read(existing(self.path))
        has_test = "test_inputs" in arrays or "test_targets" in arrays
        for part in ("", "test_") if has_test else ("",):
            _check_numbers(self.path, arrays, f"{part}inputs")
            _check_numbers(self.path, arrays, f"{part}targets")
            _check_rows(self.path, arrays, part)
        inputs, targets = (_joined(self.path, arrays, name) for name in ("inputs", "targets"))
        num_test = len(arrays["test_inputs"]) if has_test else 0
        row = tuple(inputs.shape[1:])
        shape = self.shape or ((1, *row) if len(row) == 2 and inputs.dtype == np.uint8 else row)
        if math.prod(shape) != math.prod(row):
            raise UserError(f"{self}: a row has the shape {row}, not {shape}; correct `shape`")
        if targets.dtype.kind == "f":
            return RawDataset(inputs, targets.reshape(len(targets), -1), shape, num_test=num_test)
        return RawDataset(inputs, targets, shape, _classes(self.path, arrays, targets), num_test)


def _read(path: Path) -> _Arrays:
    """The arrays in a file or a folder, by their names."""
    names = ("inputs", "targets", "test_inputs", "test_targets", "classes")
    if not path.is_dir() and not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no .npz file and no folder of .npy files; use numpy.savez")
    try:
        arrays = _load(path, names)
    except _DAMAGED as error:
        raise UserError(f"{path} does not hold plain arrays ({error}); save it again") from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise UserError(f"{path}: {name!r} is no array; save it again")
    return arrays


def _load(path: Path, names: Sequence[str]) -> _Arrays:
    if path.is_dir():
        files = {name: path / f"{name}.npy" for name in names}
        return {n: np.load(file, mmap_mode="r") for n, file in files.items() if file.exists()}
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in names if name in file}


def _check_numbers(path: str, arrays: _Arrays, name: str) -> None:
    if name not in arrays:
        raise UserError(f"{path} holds no array {name!r} but {', '.join(arrays) or 'none'}; add it")
    array, least = arrays[name], 1 if name.endswith("targets") else 2
    if array.dtype.kind not in "buif" or array.ndim < least or not array.size:
        raise UserError(
            f"{path}: {name!r} is {array.dtype} of the shape {array.shape}; "
            f"make it numbers of the shape {('(rows,)', '(rows, features)')[least - 1]}"
        )
    if name.endswith("targets") and array.dtype == np.uint64 and array.max() >= 2**63:
        raise UserError(f"{path}: {name!r} has the class {array.max()}; number them from 0")


def _check_rows(path: str, arrays: _Arrays, part: str) -> None:
    rows, targets = len(arrays[f"{part}inputs"]), arrays[f"{part}targets"]
    if rows != len(targets):
        raise UserError(
            f"{path}: '{part}inputs' has {rows} rows and '{part}targets' {len(targets)}; "
            "give every row one target"
        )
    if targets.ndim > (2 if targets.dtype.kind == "f" else 1):
        raise UserError(
            f"{path}: '{part}targets' is {targets.dtype} of the shape {targets.shape}; classes are "
            "integers (rows,), a regression's outputs are floats (rows, outputs)"
        )


def _joined(path: str, arrays: _Arrays, name: str) -> Array:
    """Training and test rows in one array: uint8 or float32 inputs, int64 or float32 targets."""
    parts = [arrays[key] for key in (name, f"test_{name}") if key in arrays]
    kinds = {f"{part.dtype} {part.shape[1:]}" for part in parts}
    if len(kinds) > 1:
        raise UserError(
            f"{path}: rows are {' and '.join(sorted(kinds))} in {name!r} and 'test_{name}'; "
            "make them alike"
        )
    first = parts[0]
    dtype = np.dtype(np.uint8 if first.dtype == np.uint8 and name == "inputs" else np.float32)
    if name == "targets" and first.dtype.kind != "f":
        dtype = np.dtype(np.int64)
    if len(parts) == 1 and first.dtype == dtype:
        return first
    whole, start = empty((sum(map(len, parts)), *first.shape[1:]), dtype), 0
    for part in parts:
        # A number beyond float32 becomes infinite, which the check of all datasets tells.
        with np.errstate(over="ignore"):
            whole[start : start + len(part)] = part
        start += len(part)
    return whole


def _classes(path: str, arrays: _Arrays, targets: Array) -> tuple[str, ...]:
    if "classes" in arrays:
        if not arrays["classes"].size:
            raise UserError(f"{path}: 'classes' is empty; name every class or leave it out")
        return tuple(str(name) for name in arrays["classes"].ravel())
    if targets.max() >= len(targets):
        raise UserError(
            f"{path}: 'targets' has the class {targets.max()} in {len(targets)} rows; "
            "number the classes from 0, or make the targets of a regression floats"
        )
    return tuple(str(number) for number in range(max(int(targets.max()), 0) + 1))
