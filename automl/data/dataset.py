"""What every dataset gives, and the one seeded split that a search sees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from automl.config import Config, UserError, canonical

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Source:
    """All rows of a dataset as they come: float32 inputs, integer targets.

    `input_shape` is what a model sees of one row, e.g. (1, 8, 8) for 64 pixels.
    """

    inputs: NDArray[np.float32]
    targets: NDArray[np.int64]
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]


class Dataset(Config):
    """A config that loads a `Source`."""

    def load(self) -> Source:
        """Raises UserError, naming the file and the row, on data that cannot be used."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        """A text that changes whenever the data does."""
        return canonical(self)


@dataclass(frozen=True, eq=False)
class Split:
    """Some rows of a source, with their row numbers in it."""

    inputs: NDArray[np.float32]
    targets: NDArray[np.int64]
    rows: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Data:
    """What a trial sees: training and validation rows, and how inputs are normalised.

    `mean` and `std` are of the training rows: per pixel set for images, per column else.
    """

    train: Split
    validation: Split
    input_shape: tuple[int, ...]
    classes: tuple[str, ...]
    mean: NDArray[np.float32]
    std: NDArray[np.float32]


@lru_cache(maxsize=2)
def load(dataset: Dataset, seed: int) -> Data:
    """The training and validation rows; the test rows are left to `test_split`."""
    source = _source(dataset)
    train, validation, _ = _rows(source, seed)
    mean, std = _moments(source.inputs[train], is_image=len(source.input_shape) == 3)
    return Data(
        _take(source, train),
        _take(source, validation),
        source.input_shape,
        source.classes,
        mean,
        std,
    )


def test_split(dataset: Dataset, seed: int) -> Split:
    """The untouched rows: only for the export and for `front --test`."""
    source = _source(dataset)
    return _take(source, _rows(source, seed)[2])


@lru_cache(maxsize=2)
def _source(dataset: Dataset) -> Source:
    source = dataset.load()
    if not np.isfinite(source.inputs).all():
        row = int(np.argwhere(~np.isfinite(source.inputs))[0][0])
        raise UserError(f"{dataset}: row {row} holds a value that is not finite; remove or fill it")
    counts = np.bincount(source.targets, minlength=len(source.classes))
    if counts.min() < 3:
        name = source.classes[int(counts.argmin())]
        raise UserError(
            f"{dataset}: class {name!r} appears {counts.min()} times; "
            "every class needs at least 3 rows, one for each split"
        )
    return source


def _rows(source: Source, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Row numbers for training, validation and test, each class in the same shares."""
    rng = np.random.default_rng(seed)
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    for target in range(len(source.classes)):
        rows = rng.permutation(np.flatnonzero(source.targets == target))
        num_validation = max(1, round(VALIDATION_SHARE * len(rows)))
        num_test = max(1, round(TEST_SHARE * len(rows)))
        bounds = [len(rows) - num_validation - num_test, len(rows) - num_test]
        for part, chosen in zip(parts, np.split(rows, bounds), strict=True):
            part.append(chosen)
    return tuple(np.sort(np.concatenate(part)) for part in parts)


def _take(source: Source, rows: NDArray[np.int64]) -> Split:
    return Split(source.inputs[rows], source.targets[rows], rows)


def _moments(
    inputs: NDArray[np.float32], is_image: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    axis = None if is_image else 0
    mean = np.asarray(inputs.mean(axis=axis, dtype=np.float64), np.float32)
    std = np.asarray(inputs.std(axis=axis, dtype=np.float64), np.float32)
    return mean, np.where(std > 0, std, np.float32(1)).astype(np.float32)
