"""Rows of pictures: files, folders or archives of files, Pillow's images, arrays of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl.data.archive import opened
from automl.data.arrays import Array
from automl.data.pixels import decoded, pixels
from automl.data.reading import visible_files
from automl.errors import UserError
from automl.predictor.numbers import ARRAYS, array_batches, array_in
from automl.predictor.rows import Batch, RowFormat, Unused, check_finite, in_batches, paths_in

BATCH_IMAGES = 64


def read_images(rows: object, form: RowFormat, unused: Unused) -> Iterator[Batch]:
    """Batches of the pictures in files, in folders, in .zip or .tar archives, in a list of Pillow's
    images or in an array, resized and in the colours of training.

    Raises UserError on what does not decode.
    """
    channels, *size = form.input_shape
    if files := paths_in(rows):
        if len(files) == 1 and files[0].suffix in ARRAYS:
            rows = array_in(files[0])
        else:
            for some in in_batches(_decoded_files(files, tuple(size), channels), BATCH_IMAGES):
                names, rows_of_pixels = zip(*some)
                yield Batch(names, _stacked(rows_of_pixels, form))
            return
    listed = rows if isinstance(rows, list | tuple) else [rows]
    if listed and all(hasattr(image, "convert") for image in listed):
        for number, images in enumerate(in_batches(iter(listed), BATCH_IMAGES)):
            first = number * BATCH_IMAGES
            try:
                pictures = [pixels(image, tuple(size), channels) for image in images]
            except (OSError, SyntaxError, ValueError) as error:
                last = first + len(images) - 1
                raise UserError(
                    f"a picture of {first} to {last} does not decode ({error}); correct or leave "
                    "it out"
                ) from None
            yield Batch(range(first, first + len(images)), _stacked(pictures, form))
        return
    start = 0
    for inputs in array_batches(rows, form, "the array"):
        rows_of_batch = range(start, start + len(inputs))
        check_finite(inputs, rows_of_batch)
        start += len(inputs)
        yield Batch(rows_of_batch, inputs)


def _stacked(pictures: Sequence[NDArray[np.uint8]], form: RowFormat) -> Array:
    return np.stack(pictures).reshape(-1, *form.row_shape)


def _decoded_files(
    paths: list[Path], size: tuple[int, ...], channels: int
) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """The names and pixels of the files named, and of those in the folders and archives named."""
    for path in paths:
        with opened(path) as place:
            inside = visible_files(place) if place.is_dir() else [place]
            if not inside:
                raise UserError(f"{path} holds no files; put the images there")
            for file in inside:
                name = str(path / file.relative_to(place))
                yield name, decoded(file, size, channels, name)
