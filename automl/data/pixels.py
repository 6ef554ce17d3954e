"""Pictures as pixels: upright, of one size and in the colours that a dataset has."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from automl.errors import UserError

MODES = {1: "L", 3: "RGB"}
"""Pillow's mode of a picture of so many channels."""


def pixels(image: Image.Image, size: tuple[int, ...], channels: int) -> NDArray[np.uint8]:
    """An image upright as (channels, height, width). Raises ValueError on deeper colours."""
    if image.mode.startswith(("I", "F")):
        raise ValueError(f"mode {image.mode} has more than 8 bits per channel")
    # A palette's transparency is dropped like any other; with it Pillow warns.
    image.info.pop("transparency", None)
    upright = ImageOps.exif_transpose(image).convert(MODES[channels])
    if size and upright.size != size[::-1]:
        upright = upright.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.moveaxis(np.atleast_3d(np.asarray(upright)), -1, 0)


def decoded(path: Path, size: tuple[int, ...], channels: int, name: str = "") -> NDArray[np.uint8]:
    """The image of a file as (channels, height, width).

    Raises UserError on a file of none, under its `name` where it has another than its path.
    """
    try:
        # Cameras write notes that Pillow warns of; the pixels are right.
        silent = warnings.catch_warnings(action="ignore", category=UserWarning)
        with silent, Image.open(path) as image:
            return pixels(image, size, channels)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"{name or path} does not decode ({error}); replace or remove it") from None
