"""Numbers that become float32: those that float32 cannot tell apart are told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from automl.data.arrays import Array, chunks
from automl.errors import UserError


def check_precision(name: Callable[[int], str], exact: Array, rounded: Array) -> None:
    """Raise UserError on numbers too close together for float32 to tell them apart.

    Both arrays are (rows, columns or channels, …), `name` says where a column or channel stands.
    Rounding makes some of its numbers equal, and moves some by more than a hundredth of their
    deviation.
    """
    if np.can_cast(exact.dtype, np.float32) or not len(exact):
        return
    exact, rounded = (values.reshape(*values.shape[:2], -1) for values in (exact, rounded))
    for column in np.flatnonzero(_moved_far(exact, rounded)).tolist():
        before, after = exact[:, column], rounded[:, column]
        if len(np.unique(before)) > len(np.unique(after)):
            raise UserError(
                f"{name(column)} holds numbers such as {before.flat[0]} that float32 cannot tell "
                "from their neighbours; subtract an offset, e.g. the least value, or leave them out"
            )


def _moved_far(exact: Array, rounded: Array) -> Array:
    """True of each column that rounding moves by more than a hundredth of its deviation."""
    start = exact[0, :, 0].astype(np.float64)[:, None]
    count, shape = exact.shape[0] * exact.shape[2], exact.shape[1]
    moved, total, squares = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in chunks(exact):
            values = exact[rows].astype(np.float64)
            moved = np.maximum(moved, np.abs(values - rounded[rows]).max((0, 2)))
            total += (values - start).sum((0, 2))
            squares += np.square(values - start).sum((0, 2))
        std = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0))
        # What is not finite is told by the check of all datasets.
        far: Array = np.isfinite(moved) & np.isfinite(std) & (moved > 0) & (moved >= std / 100)
    return far
