"""Rows of plain numbers and of series: .npy, .npz, .csv, .tsv, .txt and .ts files, and arrays."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.data.arrays import Array
from automl.data.reading import is_number
from automl.data.text_files import COMMENTS, DAMAGED, ending, text_lines
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


def read_numbers(rows: object, form: RowFormat, unused: Unused) -> Iterator[Batch]:
    """Batches of the rows in files of arrays or of lines, or in an array.

    Raises UserError on rows of another shape.
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
    is_ts, is_series = ending(path) == ".ts", len(form.row_shape) == 2
    channels = form.row_shape[0] if is_series else 1
    width = math.prod(form.row_shape) // channels
    delimiter: str | None = ""
    for line, text in text_lines(path):
        text, where = text.strip("\r\n "), f"line {line} of {path}"
        if not text or text.startswith(COMMENTS) or (is_ts and text.startswith("@")):
            continue
        if is_ts:
            # A label stands behind the last channel.
            parts = [part.strip().split(",") for part in text.split(":")][:channels]
        else:
            if delimiter == "":
                delimiter = next((one for one in ("\t", ";", ",") if one in text), None)
            fields = text.split(delimiter)
            # A series' label stands before its steps.
            parts = [fields[1:] if is_series and len(fields) == width + 1 else fields]
        if line == 1 and not is_series and not any(map(is_number, parts[0])):
            continue  # a header
        if len(parts) != channels or {len(part) for part in parts} != {width}:
            raise UserError(
                f"{where} has {len(parts)} x {len(parts[0])} numbers; give {channels} x {width}"
            )
        yield _numbers(parts, where)


def _numbers(parts: list[list[str]], where: str) -> NDArray[np.float32]:
    for part in parts:
        for text in part:
            if not is_number(text):
                raise UserError(f"{where} has {text!r}, which is no finite number; fill it")
    with np.errstate(over="ignore"):
        return np.array([[float(text) for text in part] for part in parts]).astype(np.float32)
