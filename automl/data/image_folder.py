"""Image files in one folder per class."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from automl.data.arrays import Array, empty
from automl.data.dataset import Dataset, RawDataset
from automl.data.pixels import MODES, decoded
from automl.data.reading import coded, existing, visible_files
from automl.errors import UserError
from automl.field_types import Count


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """A folder per class, or folders `train` and `test` with a folder per class in each.

    All files that are not hidden must decode, to 8 bits per channel. Images of another size are
    resized to `size` (height, width); where that is not given, all must have the same size.
    """

    path: str
    size: tuple[Count, ...] = ()
    channels: int = 3
    paths: ClassVar[tuple[str, ...]] = ("path",)

    def load(self) -> RawDataset:
        check_pixels(self, self.size, self.channels)
        root = existing(self.path)
        names = [folder.name for folder in _folders(root)]
        own_test = {"train", "test"} <= set(names)
        if own_test and len(names) > 2:
            raise UserError(f"{root} holds {', '.join(names)}; leave only train and test there")
        parts = [_images(root / name) for name in ("train", "test")] if own_test else []
        labelled = [pair for part in parts or [_images(root)] for pair in part]
        files = [file for _, file in labelled]
        classes, targets = coded([label for label, _ in labelled])

        def row_name(row: int) -> str:
            return str(files[row])

        images = (decoded(file, self.size, self.channels) for file in files)
        inputs = stacked(images, len(files), row_name)
        num_test = len(parts[1]) if own_test else 0
        return RawDataset(inputs, targets, inputs.shape[1:], classes, num_test, row_name=row_name)


def check_pixels(config: Dataset, size: tuple[int, ...], channels: int) -> None:
    """Raise UserError on a size or a number of channels that no image can have."""
    if channels not in MODES or len(size) not in (0, 2) or min(size, default=1) < 1:
        raise UserError(f"{config}: size is (height, width) in pixels and channels 1 or 3")


def stacked(
    images: Iterable[NDArray[np.uint8]], count: int, row_name: Callable[[int], str]
) -> Array:
    """Images in one array (rows, channels, height, width).

    Raises UserError unless all have the shape of the first.
    """
    inputs = np.empty((0, 0, 0, 0), np.uint8)
    for row, image in enumerate(images):
        if row == 0:
            inputs = empty((count, *image.shape), np.uint8)
        if image.shape != inputs.shape[1:]:
            raise UserError(
                f"{row_name(row)} is {image.shape[1]} x {image.shape[2]} pixels, but "
                f"{row_name(0)} is {inputs.shape[2]} x {inputs.shape[3]}; "
                "give a size to have all resized"
            )
        inputs[row] = image
    return inputs


def _folders(path: Path) -> list[Path]:
    folders = sorted(p for p in path.glob("*") if p.is_dir() and not p.name.startswith("."))
    if not folders:
        raise UserError(f"{path} holds no folders; put the images of each class in one of its own")
    return folders


def _images(path: Path) -> list[tuple[str, Path]]:
    """The class and the path of every file below the class folders."""
    found = []
    for folder in _folders(path):
        files = visible_files(folder)
        if not files:
            raise UserError(f"{folder} is a class without images; add some or remove the folder")
        found += [(folder.name, file) for file in files]
    return found
