"""A model of the figures that a configuration reaches, learned from flat conditional params."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from automl.space.domains import Params, ParamValue
from automl.study.propose.gaussian_process import Array, Process, Scales

ABSENT = -1.0


class Surrogate:
    """A Gaussian process per target over encoded params and `extra` columns of numbers.

    `extra` is (rows, columns), NaN where a number is unknown; targets are (rows, targets).
    Nothing is random.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self.distributions = dict(sorted(distributions.items()))
        self.processes: list[Process] = []

    def find_scales(self, params: Sequence[Params], extra: Array, targets: Array) -> list[Scales]:
        """The likeliest scales for targets (rows, targets), one each: the costly part of a fit."""
        self.low, self.span = _range(extra)
        rows, groups = self._encode(params, extra)
        return [Process(rows, groups, target).scales for target in targets.T]

    def fit(
        self,
        params: Sequence[Params],
        extra: Array,
        targets: Array,
        scales: Sequence[Scales] | None = None,
    ) -> None:
        """Learn targets (rows, targets), with scales found before if given."""
        scales = self.find_scales(params, extra, targets) if scales is None else scales
        self.low, self.span = _range(extra)
        rows, groups = self._encode(params, extra)
        self.processes = [
            Process(rows, groups, target, scale)
            for target, scale in zip(targets.T, scales, strict=True)
        ]

    def add(self, params: Sequence[Params], extra: Array, targets: Array) -> None:
        """Learn more targets (rows, targets) under the same scales and ranges."""
        rows, _ = self._encode(params, extra)
        pairs = zip(self.processes, targets.T, strict=True)
        self.processes = [process.add(rows, target) for process, target in pairs]

    def predict(self, params: Sequence[Params], extra: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the targets, (rows, targets) each."""
        rows, _ = self._encode(params, extra)
        predicted = [process.predict(rows) for process in self.processes]
        return np.stack([p[0] for p in predicted], 1), np.stack([p[1] for p in predicted], 1)

    def _encode(self, params: Sequence[Params], extra: Array) -> tuple[Array, NDArray[np.int64]]:
        """Rows (rows, columns), and the param or extra that each column belongs to, (columns,)."""
        blocks = [
            code(distribution, [row.get(path) for row in params])
            for path, distribution in self.distributions.items()
        ]
        scaled = (extra - self.low) / self.span
        blocks += list(np.where(np.isnan(scaled), ABSENT, scaled).T[:, :, None])
        groups = [group for group, block in enumerate(blocks) for _ in range(block.shape[1])]
        return np.hstack(blocks), np.array(groups)


def code(distribution: BaseDistribution, values: Sequence[ParamValue]) -> Array:
    """Numbers as shares of their range, choices as coordinates at distance 1 of each other.

    The result is (rows, 1) for numbers, (rows, choices) else; an absent number is ABSENT.
    """
    match distribution:
        case CategoricalDistribution(choices=choices):
            corners = np.vstack([np.eye(len(choices)) * math.sqrt(0.5), np.zeros(len(choices))])
            positions = {choice: position for position, choice in enumerate(choices)}
            return np.asarray(corners[[positions.get(value, -1) for value in values]])
        case IntDistribution() | FloatDistribution():
            low, high = float(distribution.low), float(distribution.high)
            numbers = np.array([np.nan if value is None else value for value in values], float)
            if distribution.log:
                low, high, numbers = math.log(low), math.log(high), np.log(numbers)
            shares = (numbers - low) / (high - low or 1.0)
            return np.where(np.isnan(shares), ABSENT, shares)[:, None]
    raise AssertionError(distribution)


def _range(extra: Array) -> tuple[Array, Array]:
    """The least known number of each column, and from there to the greatest."""
    known = [column[~np.isnan(column)] for column in extra.T]
    low = np.array([column.min(initial=np.inf) for column in known])
    span = np.array([column.max(initial=-np.inf) for column in known]) - low
    return np.where(np.isfinite(low), low, 0.0), np.where(span > 0, span, 1.0)
