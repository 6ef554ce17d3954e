"""Quantiles of each number of a flat row, as the training rows hold it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from automl.data.arrays import Numbers
from automl.data.raw_dataset import RawDataset
from automl.data.rows_in_place import Rows

NUM_BINS = 32
"""The bins of equally many rows that the quantiles are the ends of."""
MOST_NUMBERS = 512
"""The numbers of a row beyond which no quantiles are taken."""
MOST_ROWS = 20_000


def knots(quantiles: Sequence[Numbers], bins: int) -> tuple[Numbers, ...]:
    """The different ends, at least two, of so many bins of each number, or of fewer where values
    repeat or there are no more quantiles."""
    places = np.linspace(0, NUM_BINS, min(bins, NUM_BINS) + 1).round().astype(int)
    found = [tuple(dict.fromkeys(own[place] for place in places)) for own in quantiles]
    return tuple(own if len(own) > 1 else (own[0], own[0] + max(1, abs(own[0]))) for own in found)


def input_quantiles(raw: RawDataset, inputs: Rows) -> tuple[Numbers, ...]:
    """The `NUM_BINS` + 1 quantiles of each number of training inputs (rows, numbers), least first.

    Missing values do not count. There are none of text, series and images, and none of very wide
    rows. Of many rows some are taken, evenly from the first to the last.
    """
    if raw.num_tokens or len(raw.input_shape) > 1:
        return ()
    columns = raw.columns or (None,) * raw.input_shape[0]
    numeric = [i for i, column in enumerate(columns) if not (column and column.categories)]
    if len(numeric) > MOST_NUMBERS:
        return ()
    count = len(inputs)
    chosen = np.linspace(0, count - 1, min(count, MOST_ROWS)).round().astype(np.int64)
    values = inputs[chosen].reshape(len(chosen), -1)[:, numeric].astype(np.float64)
    shares = np.linspace(0, 1, NUM_BINS + 1)
    found = [
        np.quantile(_known(own), shares, method="nearest").astype(np.float32) for own in values.T
    ]
    return tuple(tuple(own.tolist()) for own in found)


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values that are not missing; a 0 where all are."""
    known = values[~np.isnan(values)]
    return known if len(known) else np.zeros(1)
