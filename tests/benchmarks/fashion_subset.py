"""10,000 rows of Fashion-MNIST to learn from.

In a file of its own: what is kept of a trial depends on the text of the file that defines its data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from automl.data.idx import FashionMNIST
from automl.data.raw_dataset import RawDataset


@dataclass(frozen=True)
class FashionSubset(FashionMNIST):
    """10,000 of the rows to learn from, and all test rows."""

    def load(self) -> RawDataset:
        whole = super().load()
        count = len(whole.targets) - whole.num_test
        chosen = np.random.default_rng(0).permutation(count)[:10_000]
        rows = np.concatenate([chosen, np.arange(count, len(whole.targets))])
        return replace(whole, inputs=whole.inputs[rows], targets=whole.targets[rows])
