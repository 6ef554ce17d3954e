"""Datasets that scikit-learn bundles: real data without a network."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn import datasets
from sklearn.utils import Bunch

from automl.data.dataset import Dataset
from automl.data.raw_dataset import RawDataset
from automl.errors import UserError
from automl.field_types import Count

_LOADERS: dict[str, Callable[[], Bunch]] = {
    "digits": datasets.load_digits,
    "breast_cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
}
FROM_UCI = ("digits", "breast_cancer", "wine", "iris")


@dataclass(frozen=True)
class Sklearn(Dataset):
    """A bundled dataset: digits, breast_cancer, wine, iris, or diabetes (a regression).

    `shape` is the shape in which a model sees a row, where that is not the dataset's own: digits
    are images (1, 8, 8), and with (8, 8) series of 8 channels and 8 steps.
    """

    name: str = "digits"
    shape: tuple[Count, ...] = ()

    def load(self) -> RawDataset:
        if self.name not in _LOADERS:
            raise UserError(f"Sklearn({self.name!r}): choose one of {', '.join(_LOADERS)}")
        bunch = _LOADERS[self.name]()
        own = (1, *bunch.images.shape[1:]) if "images" in bunch else bunch.data.shape[1:]
        shape = self.shape or tuple(int(size) for size in own)
        if math.prod(shape) != bunch.data.shape[1]:
            raise UserError(f"{self}: a row has {bunch.data.shape[1]} numbers, not {shape}")
        inputs = bunch.data.astype(np.float32)
        if "target_names" not in bunch:
            return RawDataset(inputs, bunch.target[:, None].astype(np.float32), shape)
        classes = tuple(str(name) for name in bunch.target_names)
        return RawDataset(inputs, bunch.target.astype(np.int64), shape, classes)

    def licence(self) -> str:
        """UCI's archive gives all that it holds under one licence."""
        return "CC BY 4.0, of the UCI Machine Learning Repository" if self.name in FROM_UCI else ""
