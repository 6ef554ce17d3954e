"""Rows of plain numbers and of series: .npy, .npz, .csv, .tsv, .txt and .ts files, and arrays."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from automl.data.arrays import Array
from automl.data.reading import is_number
from automl.data.text_files import DAMAGED, ending, fields_of_lines, is_array_header, written_lines
from automl.errors import UserError
from automl.predictor.rows import (
    BATCH_ROWS,
    Batch,
    RowFormat,
    Unused,
    check_finite,
    in_batches,
    paths_in,
)

ARRAYS, LINES = (".npy", ".npz"), (".csv", ".tsv", ".txt", ".ts")
Parts: TypeAlias = tuple[str, list[list[str]]]
"""The place of a line, in words, and the texts of its numbers (channels, steps)."""


def read_numbers(rows: object, form: RowFormat, unused: Unused) -> Iterator[Batch]:
    """Batches of the rows in files of arrays or of lines, or in an array.

    A first line 0, 1, 2 and so on is the header that pandas writes for an array. Raises UserError
    on rows of another shape.
    """
    start = 0
    for inputs in _batches(rows, form):
        names = range(start, start + len(inputs))
        check_finite(inputs, names)
        start += len(inputs)
        yield Batch(names, inputs)


def _batches(rows: object, form: RowFormat) -> Iterator[Array]:
    if files := paths_in(rows):
        return chain.from_iterable(_file(file, form) for file in files)
    return array_batches(rows, form, "the array")


def _file(path: Path, form: RowFormat) -> Iterator[Array]:
    if path.is_dir():
        path /= "inputs.npy"
    if path.suffix in ARRAYS:
        return array_batches(array_in(path), form, str(path))
    if ending(path) in LINES:
        return _lines(path, form)
    raise UserError(f"{path} is no {', '.join((*ARRAYS, *LINES))} file; save it as one")


def array_in(path: Path) -> Array:
    """The array of an .npy file, mapped, or `inputs` or the only array of an .npz file."""
    try:
        if path.suffix == ".npy":
            array: Array = np.lib.format.open_memmap(path, mode="r")
            return array
        file = np.load(path, allow_pickle=False)
        if isinstance(file, np.ndarray):
            raise UserError(f"{path} is one array, no .npz file; give it the ending .npy")
        with file:
            name = file.files[0] if len(file.files) == 1 else "inputs"
            if name not in file.files:
                raise UserError(f"{path} holds no array 'inputs' but {', '.join(file.files)}")
            held: Array = file[name]
            return held
    except (*DAMAGED, zipfile.BadZipFile) as error:
        raise UserError(f"{path} does not hold plain arrays ({error}); save it again") from None
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{path} does not hold plain arrays ({error}); save it again") from None


def array_batches(rows: object, form: RowFormat, where: str) -> Iterator[Array]:
    """Batches (rows, *row shape) of an array (rows, ...), or of a single row.

    Raises UserError on an array of no numbers or of another shape.
    """
    try:
        array = rows if isinstance(rows, np.ndarray) else np.asarray(rows)
    except ValueError:
        raise UserError(f"{where} holds rows of unlike lengths; make them alike") from None
    if array.shape in (form.row_shape, form.input_shape):
        array = array[None]
    fits = array.shape[1:] in (form.row_shape, form.input_shape)
    if array.dtype.kind not in "buif" or not fits or not len(array):
        raise UserError(
            f"{where} is {array.dtype} of the shape {_shape(array.shape)}; give numbers of the "
            f"shape {_shape(('rows', *form.row_shape))}"
        )
    for start in range(0, len(array), BATCH_ROWS):
        some = array[start : start + BATCH_ROWS]
        # A number beyond float32 becomes infinite, which is told afterwards.
        with np.errstate(over="ignore"):
            yield some.reshape(-1, *form.row_shape).astype(np.float32)


def _shape(sizes: Sequence[object]) -> str:
    return f"({', '.join(map(str, sizes))}{',' * (len(sizes) == 1)})"


def _lines(path: Path, form: RowFormat) -> Iterator[Array]:
    any_rows = False
    for some in in_batches(_rows(path, form)):
        any_rows = True
        yield np.array(some).reshape(-1, *form.row_shape)
    if not any_rows:
        raise UserError(f"{path} holds no rows; add some")


def _rows(path: Path, form: RowFormat) -> Iterator[NDArray[np.float32]]:
    """The numbers (channels, steps) of every line; a label beside them is left out."""
    is_series = len(form.row_shape) == 2
    channels = form.row_shape[0] if is_series else 1
    width = math.prod(form.row_shape) // channels
    if ending(path) == ".ts":
        lines = _ts_lines(path, channels)
    else:
        lines = _labelled_lines(path, width) if is_series else _plain_lines(path)
    for where, parts in lines:
        sizes = {len(part) for part in parts}
        if len(parts) != channels or sizes != {width}:
            told = " or ".join(map(str, sorted(sizes)))
            raise UserError(f"{where} has {len(parts)} x {told} numbers; give {channels} x {width}")
        yield _numbers(parts, where)


def _ts_lines(path: Path, channels: int) -> Iterator[Parts]:
    """The channels of each line; a single value behind the last of them is a label."""
    for line, text in written_lines(path):
        if text.startswith("@"):
            continue
        parts = [part.strip().split(",") for part in text.split(":")]
        has_label = len(parts) == channels + 1 and len(parts[-1]) == 1
        yield f"line {line} of {path}", parts[:-1] if has_label else parts


def _labelled_lines(path: Path, width: int) -> Iterator[Parts]:
    """The steps of each line, behind a label on all lines or on none.

    A label is a text or a whole number. Raises UserError where only some lines have one.
    """
    had_label: bool | None = None
    for line, fields in fields_of_lines(path):
        has_label = len(fields) == width + 1 and _is_label(fields[0])
        steps, where = fields[has_label:], f"line {line} of {path}"
        if line == 1 and (is_array_header(fields) or is_array_header(steps)):
            continue
        if had_label not in (None, has_label) and len(steps) == width:
            told = "a label before its steps" if has_label else "no label"
            raise UserError(f"{where} has {told}, other than the lines above; make them alike")
        had_label = has_label
        yield where, [steps]


def _is_label(text: str) -> bool:
    return not is_number(text) or float(text).is_integer()


def _plain_lines(path: Path) -> Iterator[Parts]:
    """The fields of each line below the header, if there is one."""
    for line, fields in fields_of_lines(path):
        if line > 1 or (any(map(is_number, fields)) and not is_array_header(fields)):
            yield f"line {line} of {path}", [fields]


def _numbers(parts: list[list[str]], where: str) -> NDArray[np.float32]:
    for part in parts:
        for text in part:
            if not is_number(text):
                raise UserError(f"{where} has {text!r}, which is no finite number; fill it")
    with np.errstate(over="ignore"):
        return np.array([[float(text) for text in part] for part in parts]).astype(np.float32)
