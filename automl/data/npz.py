"""NumPy arrays: one .npz file, or a folder of .npy files."""

from __future__ import annotations

import lzma
import math
import os
import shutil
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from automl.data.arrays import MAX_ARRAY_BYTES, Array, empty
from automl.data.dataset import Dataset
from automl.data.disk_room import check_room
from automl.data.precision import check_precision
from automl.data.raw_dataset import RawDataset
from automl.data.reading import coded, existing, listed
from automl.errors import UserError, described
from automl.field_types import Count

_Arrays = dict[str, Array]
_NAMES = ("inputs", "targets", "test_inputs", "test_targets", "classes")
_DAMAGED = (
    *(ValueError, TypeError, EOFError, OSError, RuntimeError, MemoryError, OverflowError),
    *(SyntaxError, KeyError, SystemError, struct.error),
    *(tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)
_COLOURS = (1, 3, 4)
_LEAST_IMAGE = 8
MAX_CLASS_FLOATS = 20
UNPACKED_FILE = "unpacked"


@dataclass(frozen=True)
class Npz(Dataset):
    """Arrays `inputs` and `targets`, maybe `test_inputs`, `test_targets` and names in `classes`.

    A folder's files are mapped, and those of a large .npz once it is unpacked, so that they may be
    larger than memory. Inputs are rows of features, of (channels, steps), of uint8 (height, width),
    or of (channels, height, width); `shape` says it where a row has another one. Integer targets
    are classes from 0, texts are classes by name, all others the outputs of a regression. Nothing
    is unpickled.
    """

    path: str
    shape: tuple[Count, ...] = ()
    paths: ClassVar[tuple[str, ...]] = ("path",)

    def load(self) -> RawDataset:
        return self._raw(_read(existing(self.path)))

    def load_into(self, folder: Path) -> RawDataset:
        path = existing(self.path)
        if not path.is_file() or _unpacked_bytes(path) <= MAX_ARRAY_BYTES:
            return self.load()
        folder.mkdir(exist_ok=True)
        if not (folder / UNPACKED_FILE).exists():
            check_room(str(self), folder, _unpacked_bytes(path))
        return self._raw(_read(path, folder))

    def _raw(self, arrays: _Arrays) -> RawDataset:
        has_test = "test_inputs" in arrays or "test_targets" in arrays
        _name_targets(arrays)
        for part in ("", "test_") if has_test else ("",):
            _check_numbers(self.path, arrays, f"{part}inputs")
            _check_numbers(self.path, arrays, f"{part}targets")
            _check_rows(self.path, arrays, part)
        inputs, targets = (_joined(self.path, arrays, name) for name in ("inputs", "targets"))
        num_test = len(arrays["test_inputs"]) if has_test else 0
        shape = self.shape or _row_shape(self.path, inputs, arrays["inputs"].dtype)
        row = tuple(inputs.shape[1:])
        if math.prod(shape) != math.prod(row):
            raise UserError(f"Npz(shape={shape}): a row of {self.path} has the shape {row}")
        if targets.dtype.kind == "f":
            return RawDataset(inputs, targets.reshape(len(targets), -1), shape, num_test=num_test)
        return RawDataset(inputs, targets, shape, _classes(self.path, arrays, targets), num_test)


def _row_shape(path: str, inputs: Array, dtype: np.dtype[Any]) -> tuple[int, ...]:
    """The shape in which a model sees a row. Raises UserError on rows that look like images of
    another layout."""
    row = tuple(inputs.shape[1:])
    if len(row) == 3 and row[-1] in _COLOURS and row[0] not in _COLOURS:
        raise UserError(
            f"{path}: rows of the shape {row} look like images with their channels last; save "
            f"inputs.transpose(0, 3, 1, 2), or say that it is no image: Npz(shape={row})"
        )
    if len(row) != 2 or dtype == np.uint8:
        return (1, *row) if len(row) == 2 else row
    if row[0] == row[1] >= _LEAST_IMAGE:
        raise UserError(
            f"{path}: rows of {row[0]} x {row[1]} numbers may be grey images or series of "
            f"{row[0]} channels; say which: Npz(shape={(1, *row)}) or Npz(shape={row})"
        )
    return row


def _read(path: Path, unpacked: Path | None = None) -> _Arrays:
    """The arrays in a file or a folder, by their names; mapped where they are unpacked first."""
    if not path.is_dir() and not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no .npz file and no folder of .npy files; use numpy.savez")
    try:
        if unpacked is not None:
            _unpack(path, unpacked)
        arrays, held = _load(unpacked or path)
        for array in arrays.values():
            if isinstance(array, np.ndarray) and array.dtype.kind == "U":
                array.tolist()  # Raises on what is no character.
    except _DAMAGED as error:
        raise UserError(
            f"{path} does not hold plain arrays ({described(error)}); save it again"
        ) from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise UserError(f"{path}: {name!r} is no array; save it again")
    if "inputs" not in arrays:
        raise UserError(
            f"{path} holds {listed(held) if held else 'no array'}; "
            "name the arrays inputs and targets"
        )
    return arrays


def _unpacked_bytes(path: Path) -> int:
    """The bytes of what is in a .npz file; 0 of any other."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except _DAMAGED:
        return 0


def _unpack(path: Path, folder: Path) -> None:
    """Write the arrays that have our names as .npy files, as which a .npz file holds them.

    What is unpacked already stays as it is: trials of another search may have mapped it.
    """
    if (folder / UNPACKED_FILE).exists():
        return
    with zipfile.ZipFile(path) as archive:
        for name in {f"{name}.npy" for name in _NAMES} & {*archive.namelist()}:
            new = folder / f"{name}.new"
            with archive.open(name) as packed, new.open("wb") as file:
                shutil.copyfileobj(packed, file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(folder / name)
    (folder / UNPACKED_FILE).touch()


def _load(path: Path) -> tuple[_Arrays, list[str]]:
    """The arrays that have our names, and the names of all."""
    if path.is_dir():
        files = {file.stem: file for file in sorted(path.glob("*.npy"))}
        # `np.load` would leave a file open that begins as an archive does.
        mapped = np.lib.format.open_memmap
        return {n: mapped(files[n], mode="r") for n in _NAMES if n in files}, list(files)
    with path.open("rb") as file:
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            raise ValueError("it begins with an array alone, as .npy files do")
        return {name: loaded[name] for name in _NAMES if name in loaded}, list(loaded.files)


def _name_targets(arrays: _Arrays) -> None:
    """Make class numbers of texts, and of a column of class numbers an array (rows,)."""
    found: _Arrays = {n: arrays[n] for n in ("targets", "test_targets") if n in arrays}
    for name, targets in found.items():
        if targets.ndim == 2 and targets.shape[1] == 1 and targets.dtype.kind in "buiU":
            found[name] = targets[:, 0]
    if {(targets.dtype.kind, targets.ndim) for targets in found.values()} == {("U", 1)}:
        names, codes = coded([str(name).strip() for t in found.values() for name in t])
        cuts = np.split(codes, [len(found["targets"])])
        found = dict(zip(found, cuts, strict=False)) | {"classes": np.array(names)}
    arrays.update(found)


def _check_numbers(path: str, arrays: _Arrays, name: str) -> None:
    if name not in arrays:
        raise UserError(f"{path} holds no array {name!r} but {', '.join(arrays)}; add it")
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
    if targets.dtype.kind == "f" and targets.ndim == 1 and not part:
        different = np.unique(targets)
        is_whole = np.isfinite(different).all() and (different == np.rint(different)).all()
        if is_whole and 1 < len(different) <= MAX_CLASS_FLOATS:
            raise UserError(
                f"{path}: 'targets' are {len(different)} whole numbers such as {different[0]}; for "
                "classes save targets.astype(int), for a regression targets.reshape(-1, 1)"
            )
    if targets.dtype.kind == "f" and targets.ndim == 2 and targets.shape[1] > 1:
        is_one_hot = ((targets == 0) | (targets == 1)).all() and (targets.sum(1) == 1).all()
        if is_one_hot:
            raise UserError(
                f"{path}: '{part}targets' holds a 1 in each row and zeros; make class numbers of "
                "it: targets.argmax(1)"
            )


def _joined(path: str, arrays: _Arrays, name: str) -> Array:
    """Training and test rows in one array: uint8 or float32 inputs, int64 or float32 targets."""
    parts = [arrays[key] for key in (name, f"test_{name}") if key in arrays]
    dtypes = [_kept_as(part, name) for part in parts]
    if len({*dtypes}) > 1 or len({part.shape[1:] for part in parts}) > 1:
        kinds = {f"{part.dtype} {part.shape[1:]}" for part in parts}
        raise UserError(
            f"{path}: rows are {' and '.join(sorted(kinds))} in {name!r} and 'test_{name}'; "
            "make them alike"
        )
    first = parts[0]
    if len(parts) == 1 and first.dtype == dtypes[0]:
        return first
    whole, start = empty((sum(map(len, parts)), *first.shape[1:]), dtypes[0]), 0
    for part in parts:
        # A number beyond float32 becomes infinite, which the check of all datasets tells.
        with np.errstate(over="ignore"):
            whole[start : start + len(part)] = part
        start += len(part)
    if whole.dtype == np.float32:
        where = "column" if first.ndim <= 2 else "channel"
        exact, rounded = (v.reshape(len(first), -1) if v.ndim == 1 else v for v in (first, whole))
        check_precision(
            lambda number: f"{path}: {where} {number} (counted from 0) of {name!r}",
            exact,
            rounded[: len(first)],
        )
    return whole


def _kept_as(array: Array, name: str) -> np.dtype[Any]:
    """The type in which inputs or targets are kept."""
    if name == "targets":
        return np.dtype(np.float32 if array.dtype.kind == "f" else np.int64)
    return np.dtype(np.uint8 if array.dtype == np.uint8 else np.float32)


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
