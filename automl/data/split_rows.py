"""The split of a dataset's rows into those to train, to validate and to test, drawn by a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl.data.raw_dataset import RawDataset

VALIDATION_SHARE = 0.2
TEST_SHARE = 0.2
MAX_VALIDATION_ROWS = 5_000


def split_rows(raw: RawDataset, seed: int) -> tuple[NDArray[np.int64], ...]:
    """Row numbers for training, validation and test, each class in the same shares.

    Each class has at least one row in each part, which scikit-learn's stratified splits do not
    promise to a class of few rows.
    """
    rng, count = np.random.default_rng(seed), raw.num_learned
    share = min(VALIDATION_SHARE, MAX_VALIDATION_ROWS / count)
    strata = raw.targets[:count] if raw.classes else np.zeros(count, np.int64)
    parts: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        num_validation = 0 if raw.num_validation else max(1, round(share * len(rows)))
        num_test = 0 if raw.num_test else max(1, round(TEST_SHARE * len(rows)))
        bounds = [len(rows) - num_validation - num_test, len(rows) - num_test]
        for part, chosen in zip(parts, np.split(rows, bounds), strict=True):
            part.append(chosen)
    train, validation, test = (np.sort(np.concatenate(part)) for part in parts)
    own_validation, own_test = np.split(np.arange(count, len(raw.targets)), [raw.num_validation])
    return (
        train,
        own_validation if raw.num_validation else validation,
        own_test if raw.num_test else test,
    )
