"""The mathematics beneath metrics: figures of each row, and the interval of a share."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Figures: TypeAlias = NDArray[Any]
Interval: TypeAlias = tuple[float, float]


def surprise(outputs: Figures, targets: Figures) -> NDArray[np.float64]:
    """The negative logarithm of the share that each row's right class gets, (rows,)."""
    from scipy.special import log_softmax

    shares: NDArray[np.float64] = log_softmax(outputs.astype(np.float64), axis=1)
    return -shares[np.arange(len(targets)), targets]


def among_five(outputs: Figures, targets: Figures) -> NDArray[np.bool_]:
    """A mask of the rows whose target is among their five highest logits, (rows,)."""
    own = np.take_along_axis(outputs, targets[:, None], axis=1)
    return np.isin((outputs >= own).sum(1), range(1, 6))


def shares_below(scores: Figures, others: Figures) -> NDArray[np.float64]:
    """For each of some scores the share of the others below it, ties counting half, (scores,)."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, "left") + np.searchsorted(ordered, scores, "right")
    return below / 2 / len(others)


def squares_about_mean(targets: Figures) -> NDArray[np.float64]:
    """The sum of the squares of targets (rows, outputs) about their mean, (outputs,); never 0."""
    found = ((targets - targets.mean(0, dtype=np.float64)) ** 2).sum(0)
    # What is left of targets that are all alike is the rounding of their mean.
    is_constant = found <= 1e-24 * (targets.astype(np.float64) ** 2).sum(0)
    squares: NDArray[np.float64] = np.where(is_constant, np.maximum(found, 1e-12), found)
    return squares


def wilson_interval(share: float, count: int) -> Interval:
    """95 % confidence interval of a share seen in `count` rows (Wilson, 1927)."""
    from scipy.stats import binomtest

    found = binomtest(round(share * count), count).proportion_ci(method="wilson")
    return float(found.low), float(found.high)
