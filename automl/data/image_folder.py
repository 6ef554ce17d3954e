"""Image files in one folder per class."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from automl.data import archive
from automl.data.arrays import Array, empty
from automl.data.dataset import Dataset
from automl.data.decoding import decoded_rows
from automl.data.pixels import MODES, decoded_aloud, silent
from automl.data.raw_dataset import RawDataset
from automl.data.reading import coded, existing, is_visible, listed, visible_files
from automl.errors import UserError
from automl.field_types import Count

SPLITS = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "tst"),
}
"""The names, in small letters, that folders of splits have, in the order of the rows."""


@dataclass(frozen=True)
class ImageFolder(Dataset):
    """A folder per class; or folders `train`, `validation` and `test`, as far as there are, with a
    folder per class in each. Usual spellings count, such as `Training`, `val` or `testing`.

    A .zip or .tar file of such a folder will do. All files that are not hidden must decode, to 8
    bits per channel; what is transparent is white. Images of another size are resized to `size`
    (height, width); where that is not given, all must have the same size.
    """

    path: str
    size: tuple[Count, ...] = ()
    channels: int = 3
    paths: ClassVar[tuple[str, ...]] = ("path",)

    def load(self) -> RawDataset:
        with tempfile.TemporaryDirectory(prefix="automl-") as folder:
            return self.load_into(Path(folder))

    def load_into(self, folder: Path) -> RawDataset:
        check_pixels(self, self.size, self.channels)
        with archive.opened(existing(self.path)) as root:
            return self._load(root, folder)

    def _load(self, root: Path, folder: Path) -> RawDataset:
        parts = {name: _images(found) for name, found in _splits(root).items()}
        labelled = [pair for name in SPLITS for pair in parts.get(name, [])]
        files = [file for _, file in labelled]
        classes, targets = coded([label for label, _ in labelled])

        def row_name(row: int) -> str:
            return str(Path(self.path) / files[row].relative_to(root))

        with silent():
            first = decoded_aloud(files[0], self.size, self.channels, row_name(0))

            def decode(row: int) -> NDArray[np.uint8]:
                image = decoded_aloud(files[row], self.size, self.channels, row_name(row))
                check_alike(image.shape, first.shape, row_name, row)
                return image

            inputs = decoded_rows(str(self), folder, len(files), decode)
        return RawDataset(
            inputs,
            targets,
            inputs.shape[1:],
            classes,
            num_test=len(parts.get("test", [])),
            row_name=row_name,
            num_validation=len(parts.get("validation", [])),
        )


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
        check_alike(image.shape, inputs.shape[1:], row_name, row)
        inputs[row] = image
    return inputs


def check_alike(
    shape: tuple[int, ...], first: tuple[int, ...], row_name: Callable[[int], str], row: int
) -> None:
    """Raise UserError on an image of a row that has not the shape of the first."""
    if shape != first:
        raise UserError(
            f"{row_name(row)} is {shape[1]} x {shape[2]} pixels, but {row_name(0)} is "
            f"{first[1]} x {first[2]}; give a size to have all resized"
        )


def _splits(root: Path) -> dict[str, Path]:
    """The folder of each split that has one of its own; else all rows as `train`.

    A folder with the name of a split is one if folders lie in it, and a class if images do.
    """
    folders = _folders(root)
    names = listed([folder.name for folder in folders])
    split_of = {f: next((s for s in SPLITS if f.name.lower() in SPLITS[s]), "") for f in folders}
    if not any(split and _visible_folders(folder) for folder, split in split_of.items()):
        if len(folders) == 1 and _visible_folders(folders[0]):
            raise UserError(f"{root} holds only the folder {names}; give {folders[0]} as the path")
        return {"train": root}
    found = {split: folder for folder, split in split_of.items()}
    if len(found) < len(folders) or "" in found or "train" not in found:
        raise UserError(
            f"{root} holds {names}; leave only train, validation and test there, one of each "
            "and train among them, or only a folder for each class"
        )
    return found


def _folders(path: Path) -> list[Path]:
    folders = _visible_folders(path)
    if not folders:
        raise UserError(f"{path} holds no folders; put the images of each class in one of its own")
    return folders


def _visible_folders(path: Path) -> list[Path]:
    return sorted(p for p in path.glob("*") if p.is_dir() and is_visible(p.name))


def _images(path: Path) -> list[tuple[str, Path]]:
    """The class and the path of every file below the class folders."""
    found = []
    for folder in _folders(path):
        files = visible_files(folder)
        if not files:
            raise UserError(f"{folder} is a class without images; add some or remove the folder")
        found += [(folder.name, file) for file in files]
    return found
