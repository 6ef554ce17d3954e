"""The hypervolume that a candidate is expected to add."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from automl.study.propose.gaussian_process import Array


def expected_gain(front: Array, mean: Array, std: Array) -> Array:
    """The expected hypervolume gain (k,) of candidates whose coordinates are independent normals.

    `front` (f, m) are coordinates in [0, 1], 1 best; the reference is 0, and what lies above 1
    counts as 1. Exact: the space above the front is cut into columns along the first m - 1 axes,
    and a candidate's part of a column is a product of expectations.
    """
    std = np.maximum(std, 1e-9)
    edges = [np.unique(np.append(axis, 0.0)) for axis in front.T]
    above = [_expected_above(e, mean[:, i], std[:, i]) for i, e in enumerate(edges)]
    gains: Array = above[-1][:, _heights(front, edges)]
    for reached in reversed(above[:-1]):
        slabs = reached - np.hstack([reached[:, 1:], np.zeros((len(reached), 1))])
        gains = np.einsum("k...i,ki->k...", gains, slabs)
    return gains


def _expected_above(edges: Array, mean: Array, std: Array) -> Array:
    """E[max(0, min(x, 1) - edge)] for each candidate and edge, (k, edges)."""

    def above(levels: Array) -> Array:
        """E[max(0, x - level)], (k, levels)."""
        z = (mean[:, None] - levels) / std[:, None]
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        levelled: Array = std[:, None] * (z * ndtr(z) + density)
        return levelled

    expected: Array = np.maximum(above(edges) - above(np.ones(1)), 0.0)
    return expected


def _heights(front: Array, edges: list[Array]) -> NDArray[np.int64]:
    """The highest point over each column, as its position among the last axis's edges."""
    columns = [np.searchsorted(e, axis) for e, axis in zip(edges, front.T, strict=True)]
    heights = np.zeros([len(e) for e in edges[:-1]], dtype=np.int64)
    inside = np.all([column > 0 for column in columns], axis=0)
    corners = tuple(column[inside] - 1 for column in columns[:-1])
    np.maximum.at(heights, corners, columns[-1][inside] if corners else columns[-1].max(initial=0))
    for axis in range(heights.ndim):
        heights = np.flip(np.maximum.accumulate(np.flip(heights, axis), axis), axis)
    return heights
