import numpy as np
import pytest

from automl.data.quantiles import NUM_BINS, input_quantiles, knots
from automl.data.raw_dataset import Column, RawDataset

ROWS = np.stack(
    [np.arange(65), [0, 1] * 32 + [np.nan], [7] * 65, [0, 1] * 32 + [0], [np.nan] * 65], axis=1
).astype(np.float32)
COLUMNS = tuple(Column(name, ("u", "v") if name == "d" else ()) for name in "abcde")
RAW = RawDataset(ROWS, np.zeros(65), (6,), columns=COLUMNS)


def test_quantiles_are_of_known_numbers():
    counted, two, one, none = input_quantiles(RAW, ROWS)
    assert counted == tuple(range(0, 65, 2)) and len(two) == NUM_BINS + 1
    assert set(two) == {0.0, 1.0} and set(one) == {7.0} and set(none) == {0.0}


def test_of_images_there_are_none():
    assert input_quantiles(RawDataset(ROWS, np.zeros(65), (1, 1, 5)), ROWS) == ()


@pytest.mark.parametrize(("bins", "ends"), [(1, 2), (4, 5), (32, 33), (99, 33)], ids=str)
def test_bins_are_as_many_as_asked_for_or_as_values_allow(bins, ends):
    counted, two, one, none = knots(input_quantiles(RAW, ROWS), bins)
    assert len(counted) == ends and counted[0] == 0 and counted[-1] == 64
    assert two == (0, 1) and one == (7, 14) and none == (0, 1)
