"""The scaling of inputs: the mean and deviation of each channel or column of the training rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from automl.data.arrays import Array, Numbers, Sums, chunks, moments_of, sums
from automl.data.raw_dataset import RawDataset
from automl.data.rows_in_place import Rows

NUM_THREADS = min(4, os.cpu_count() or 1)


def input_moments(raw: RawDataset, inputs: Rows) -> tuple[Numbers, Numbers]:
    """Mean and deviation of training inputs (rows, *raw row): per channel of an image or a series,
    per numeric column of a row, and none of text."""
    if raw.num_tokens:
        return (), ()
    summed = _summed_by(raw, inputs.dtype)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        return moments_of(list(pool.map(lambda rows: summed(inputs[rows]), chunks(inputs))))


def _summed_by(raw: RawDataset, dtype: np.dtype[np.generic]) -> Callable[[Array], Sums]:
    """The function that sums up a piece (rows, *raw row)."""
    if raw.columns:
        numeric = [i for i, column in enumerate(raw.columns) if not column.categories]
        return lambda piece: sums(piece[:, numeric])
    if len(raw.input_shape) == 1:
        return sums
    channels = raw.input_shape[0]
    if dtype == np.uint8:
        return lambda piece: pixel_sums(piece.reshape(len(piece), channels, -1))
    shape = (-1, *raw.input_shape)
    return lambda piece: sums(np.moveaxis(piece.reshape(shape), 1, -1).reshape(-1, channels))


def pixel_sums(pixels: Array) -> Sums:
    """The same of each channel of uint8 pixels (rows, channels, places), whole numbers all the way:
    equal to the bit, and some 20 times faster."""
    rows, channels, places = pixels.shape
    squares = pixels.astype(np.uint16)
    np.multiply(squares, squares, out=squares)
    total, of_squares = (values.sum((0, 2), np.uint64) for values in (pixels, squares))
    return np.full(channels, float(rows * places)), total.astype(float), of_squares.astype(float)
