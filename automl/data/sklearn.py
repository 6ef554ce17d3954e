"""The sets that scikit-learn bundles: real data without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import datasets

from automl.config import UserError
from automl.data.dataset import Dataset, Source

_LOADERS: dict[str, Any] = {
    "digits": datasets.load_digits,
    "breast_cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
}


@dataclass(frozen=True)
class Sklearn(Dataset):
    """A bundled classification set by its name: digits, breast_cancer, wine or iris."""

    name: str = "digits"

    def load(self) -> Source:
        if self.name not in _LOADERS:
            raise UserError(f"Sklearn({self.name!r}): choose one of {', '.join(_LOADERS)}")
        bunch = _LOADERS[self.name]()
        shape = (1, *bunch.images.shape[1:]) if "images" in bunch else bunch.data.shape[1:]
        return Source(
            bunch.data.astype(np.float32),
            bunch.target.astype(np.int64),
            tuple(int(size) for size in shape),
            tuple(str(name) for name in bunch.target_names),
        )
