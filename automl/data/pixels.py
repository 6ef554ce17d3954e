"""Pictures as pixels: upright, of one size and in the colours that a dataset has."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from automl.errors import UserError

MODES = {1: "L", 3: "RGB"}
"""Pillow's mode of a picture of so many channels."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets a picture upright, by the orientation that its camera noted (Exif 2.3, 4.6.4)."""
SIDEWAYS = (5, 6, 7, 8)
"""Orientations of pictures that lie on their side."""


def pixels(image: Image.Image, size: tuple[int, ...], channels: int) -> NDArray[np.uint8]:
    """An image upright as (channels, height, width), on white where it is transparent.

    Raises ValueError on deeper colours.
    """
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"mode {image.mode} has more than 8 bits per channel")
    image.load()
    # Pillow copies what is upright and in this mode already, while no other thread may run; its
    # `exif_transpose` also writes the camera's notes anew, and fails where one is odd.
    turn = TURNS.get(orientation(image))
    seen = _on_white(image) if image.has_transparency_data else image
    upright = seen if turn is None else seen.transpose(turn)
    coloured = upright if upright.mode == MODES[channels] else upright.convert(MODES[channels])
    if size and coloured.size != size[::-1]:
        coloured = coloured.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.moveaxis(np.atleast_3d(np.asarray(coloured)), -1, 0)


def _on_white(image: Image.Image) -> Image.Image:
    """An image on a white ground, as viewers show what is transparent."""
    drawn = image.convert("RGBA")
    ground = Image.new("RGB", image.size, "white")
    ground.paste(drawn, mask=drawn)
    return ground


def orientation(image: Image.Image) -> int:
    """The number of the orientation that a camera noted; 1 of an upright picture."""
    return int(image.getexif().get(ExifTags.Base.Orientation, 1))


def upright_size(image: Image.Image) -> tuple[int, int]:
    """The size (height, width) of a picture set upright, from its header alone."""
    width, height = image.size
    return (width, height) if orientation(image) in SIDEWAYS else (height, width)


def decoded(path: Path, size: tuple[int, ...], channels: int, name: str = "") -> NDArray[np.uint8]:
    """The image of a file as (channels, height, width).

    Raises UserError on a file of none, under its `name` where it has another than its path.
    """
    with silent():
        return decoded_aloud(path, size, channels, name)


def decoded_aloud(
    path: Path, size: tuple[int, ...], channels: int, name: str = ""
) -> NDArray[np.uint8]:
    """The image of a file, as by `decoded`, for several threads, which share what is `silent`."""
    try:
        with Image.open(path) as image:
            return pixels(image, size, channels)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{name or path} does not decode ({error}); replace or remove it") from None


@contextmanager
def silent() -> Iterator[None]:
    """A context without warnings of the notes that cameras write; the pixels are right.

    What is said is a matter of the whole process, not of a thread.
    """
    # An exported predict.py runs on Python 3.10, whose `catch_warnings` takes no action.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield
