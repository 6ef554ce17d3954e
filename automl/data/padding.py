"""The length of texts without the padding after their ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST = 2
"""Numbers that are left of a text at least."""


def lengths(rows: NDArray[np.generic]) -> NDArray[np.int64]:
    """The numbers in each row of text (rows, length) without its padding: the equal ones at its
    end, where there are several."""
    others = rows != rows[:, -1:]
    own = rows.shape[1] - others[:, ::-1].argmax(1)
    own = np.where(others.any(1), own, 0)
    return np.where(own == rows.shape[1] - 1, rows.shape[1], np.maximum(own, LEAST))
