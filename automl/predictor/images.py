"""Rows of pictures: files, folders of files, Pillow's images, and arrays of pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.data.arrays import Array
from automl.data.pixels import decoded, pixels
from automl.data.reading import visible_files
from automl.errors import UserError
from automl.predictor.numbers import ARRAYS, array_batches, array_in
from automl.predictor.rows import Batch, RowFormat, Unused, in_batches, paths_in

BATCH_IMAGES = 64


def read_images(rows: object, form: RowFormat, unused: Unused) -> Iterator[Batch]:
    """Batches of the pictures in files, in folders, in a list of Pillow's images or in an array,
    resized and in the colours of training. Raises UserError on what does not decode."""
    channels, *size = form.input_shape
    if files := paths_in(rows):
        if len(files) == 1 and files[0].suffix in ARRAYS:
            rows = array_in(files[0])
        else:
            found = iter(_found(files))
            for some in in_batches(found, BATCH_IMAGES):
                pictures = [decoded(file, tuple(size), channels) for file in some]
                yield Batch([str(file) for file in some], _stacked(pictures, form))
            return
    listed = rows if isinstance(rows, list | tuple) else [rows]
    if listed and all(hasattr(image, "convert") for image in listed):
        for number, images in enumerate(in_batches(iter(listed), BATCH_IMAGES)):
            pictures = [pixels(image, tuple(size), channels) for image in images]
            first = number * BATCH_IMAGES
            yield Batch(range(first, first + len(images)), _stacked(pictures, form))
        return
    start = 0
    for inputs in array_batches(rows, form, "the array"):
        yield Batch(range(start, start + len(inputs)), inputs)
        start += len(inputs)


def _stacked(pictures: list[NDArray[np.uint8]], form: RowFormat) -> Array:
    return np.stack(pictures).reshape(-1, *form.row_shape)


def _found(paths: list[Path]) -> list[Path]:
    """The files named, and those below the folders named."""
    files = []
    for path in paths:
        inside = visible_files(path) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path} holds no files; put the images there")
        files += inside
    return files
