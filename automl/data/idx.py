"""MNIST and Fashion-MNIST from local IDX files (http://yann.lecun.com/exdb/mnist/)."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from automl.data.arrays import Array
from automl.data.dataset import Dataset
from automl.data.raw_dataset import RawDataset
from automl.data.reading import existing
from automl.errors import UserError

_GARMENTS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


@dataclass(frozen=True)
class MNIST(Dataset):
    """Handwritten digits: the folder with train- and t10k- images and labels, gzipped or not."""

    root: str
    paths: ClassVar[tuple[str, ...]] = ("root",)

    def load(self) -> RawDataset:
        return _load(existing(self.root), tuple("0123456789"))


@dataclass(frozen=True)
class FashionMNIST(Dataset):
    """Ten kinds of garments, in files like those of `MNIST`."""

    root: str
    paths: ClassVar[tuple[str, ...]] = ("root",)

    def load(self) -> RawDataset:
        return _load(existing(self.root), _GARMENTS)

    def licence(self) -> str:
        return "MIT, of Zalando SE"


def _load(root: Path, classes: tuple[str, ...]) -> RawDataset:
    inputs, targets = _split(root, "train")
    test_inputs, test_targets = _split(root, "t10k")

    def row_name(row: int) -> str:
        part, row = ("train", row) if row < len(inputs) else ("t10k", row - len(inputs))
        return f"label {row} (counted from 0) of {_find(root, f'{part}-labels', 1)}"

    if inputs.shape[1:] != test_inputs.shape[1:]:
        raise UserError(
            f"{root}: images are {inputs.shape[1:]} in the train- file but "
            f"{test_inputs.shape[1:]} in the t10k- file; take both from one set"
        )
    return RawDataset(
        np.concatenate([inputs, test_inputs]),
        np.concatenate([targets, test_targets]).astype(np.int64),
        (1, *inputs.shape[1:]),
        classes,
        num_test=len(test_inputs),
        row_name=row_name,
    )


def _split(root: Path, name: str) -> tuple[Array, Array]:
    """The images (rows, height, width) and labels (rows,) of a part."""
    images, labels = _find(root, f"{name}-images", 3), _find(root, f"{name}-labels", 1)
    inputs, targets = _read(images, 3), _read(labels, 1)
    if len(inputs) != len(targets):
        raise UserError(
            f"{labels} holds {len(targets)} labels for the {len(inputs)} images of "
            f"{images.name}; download both again"
        )
    if not len(inputs):
        raise UserError(f"{images} holds no images; download it again")
    return inputs, targets


def _find(root: Path, name: str, num_dims: int) -> Path:
    end = f"idx{num_dims}-ubyte"
    names = [f"{name}{dot}{end}{gz}" for dot in "-." for gz in ("", ".gz")]
    found = next((root / name for name in names if (root / name).is_file()), None)
    if found is None:
        raise UserError(f"{root} holds no {names[0]}, gzipped or not; put the four IDX files there")
    return found


def _read(path: Path, num_dims: int) -> Array:
    """The bytes of an IDX file, uint8 in the shape that its header tells."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} does not unzip ({error}); download it again") from None
    start = 4 + 4 * num_dims
    if content[:4] != bytes([0, 0, 8, num_dims]) or len(content) < start:
        raise UserError(f"{path} is no IDX file of bytes in {num_dims} dimensions; replace it")
    shape = np.frombuffer(content[4:start], ">u4").tolist()
    if len(content) - start != math.prod(shape):
        raise UserError(
            f"{path} holds {len(content) - start} values where its header tells "
            f"{math.prod(shape)}; download it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
